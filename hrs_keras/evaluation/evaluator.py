"""Evaluation within a run: one integer confusion matrix, at the labels' own resolution, on all replicas."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import validation_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.evaluation.metrics import Evaluation, confusion_matrix
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.schema import Recipe

Segmenter = Callable[..., Mapping[str, tf.Tensor]]
"""``(images [B, H, W, 3] float32 in [-1, 1], training=False)`` -> ``logits`` [B, H, W, C] float32, and maybe others:
E+S, or what answers as it does."""


def class_ids(logits: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] float32 logits -> [B, h, w] int32 classes at ``size``: enlarged first, decided then."""
    return tf.argmax(tf.image.resize(logits, size, method="bilinear"), axis=-1, output_type=tf.int32)


class Evaluator:
    """Evaluates a segmenter on validation sets, as often as it is called; its graph is traced once.

    Args:
        recipe: for label space and size.
        segmenter: E+S; a call sees the weights it has then.
        sets: from the audit.
        strategy: whose replicas share the images; of several workers, all must call. None for this process alone.
    """

    def __init__(
        self,
        recipe: Recipe,
        segmenter: Segmenter,
        sets: list[Pairs],
        strategy: tf.distribute.Strategy | None = None,
    ):
        self._recipe, self._sets, self._space = recipe, sets, recipe.data.label_space
        self._logits = tf.function(lambda images: segmenter(images, training=False)["logits"], autograph=False)
        self._strategy = strategy or tf.distribute.get_strategy()
        self._batches: dict[tuple[int, ...], Iterable] = {}
        self._at_once = recipe.train.predicted_at_once(self._strategy.num_replicas_in_sync)
        self._step = tf.function(self._of_all_replicas, reduce_retracing=True, autograph=False)

    def _of_all_replicas(
        self, images: tf.Tensor, labels: tf.Tensor, sizes: tf.Tensor, told: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        classes = len(self._space.classes)

        def count(images: tf.Tensor, labels: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
            logits = self._logits(images)
            matrix = tf.zeros([classes, classes], tf.int64)
            for one in range(self._at_once):
                with tf.control_dependencies([matrix]):  # one after the other: at a label's size logits are large
                    ids = class_ids(logits[one : one + 1], sizes[one])[0]
                matrix += confusion_matrix(labels[one, : sizes[one, 0], : sizes[one, 1]], ids, classes)
            return tf.concat([tf.reshape(matrix, [-1]), told[tf.newaxis]], axis=0)  # one reduction

        total = self._strategy.reduce("SUM", self._strategy.run(count, args=(images, labels, sizes)), axis=None)
        return tf.reshape(total[:-1], [classes, classes]), total[-1]

    def __call__(
        self, stop: Callable[[], bool] = lambda: False, numbers: Sequence[int] | None = None
    ) -> Evaluation | None:
        """Evaluate.

        Args:
            stop: whether to break off; asked before each batch, on all workers.
            numbers: the images to evaluate on, numbered through all sets; None for all.

        Returns:
            The evaluation; None if any worker was told to break off.
        """
        numbers = tuple(range(sum(map(len, self._sets))) if numbers is None else numbers)
        if numbers not in self._batches:
            share = functools.partial(self._share, numbers)
            self._batches[numbers] = self._strategy.distribute_datasets_from_function(share)
        in_a_round = self._at_once * self._strategy.num_replicas_in_sync
        found = read(self._batches[numbers], self._recipe, in_order(self._sets, numbers, at_a_time=in_a_round))
        matrix = np.zeros((len(self._space.classes),) * 2, np.int64)
        for _ in range(-(-len(numbers) // in_a_round)):
            counted, broken_off = self._step(*next(found), tf.constant(stop(), tf.int64))
            if broken_off:
                return None
            matrix += counted.numpy()
        return Evaluation(matrix, self._space, len(numbers))

    def _share(self, numbers: Sequence[int], context: tf.distribute.InputContext) -> tf.data.Dataset:
        """A batch a replica and round: images [B, H, W, 3], labels [B, h, w] filled up with 255, their sizes [B, 2].

        Where the last round has too few images the last one comes again, with a label that is ignored all over.
        """
        total, at_once = len(numbers), self._at_once
        local = context.num_replicas_in_sync // context.num_input_pipelines * at_once
        begin, in_a_round = context.input_pipeline_id * local, context.num_replicas_in_sync * at_once
        places = [first + own for first in range(0, total, in_a_round) for own in range(begin, begin + local)]
        samples = validation_images(self._recipe, self._sets, [numbers[min(place, total - 1)] for place in places])

        @tf.autograph.experimental.do_not_convert
        def once(place: tf.Tensor, sample: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            image, label = sample
            return image, tf.where(place < total, label, IGNORE_LABEL), tf.shape(label)

        images = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(places), samples).map(once)
        batches = images.padded_batch(at_once, padding_values=(0.0, IGNORE_LABEL, 0), drop_remainder=True)
        # Without an end the workers need not ask one another before each batch whether one has no more.
        return (batches.repeat() if context.num_input_pipelines > 1 else batches).prefetch(tf.data.AUTOTUNE)


def evaluate(recipe: Recipe, segmenter: Segmenter, sets: list[Pairs]) -> Evaluation:
    """Evaluate a segmenter once; see :class:`Evaluator`."""
    result = Evaluator(recipe, segmenter, sets)()
    assert result is not None  # nobody could break it off
    return result
