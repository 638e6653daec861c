"""Evaluation within a run: one integer confusion matrix, at the labels' own resolution, on all replicas."""

from collections.abc import Callable, Iterable, Mapping

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


def prediction_function(segmenter: Segmenter) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A graph function (images [B, H, W, 3] float32 in [-1, 1], size [2]) -> class ids [B, h, w] int32."""

    @tf.function(reduce_retracing=True, autograph=False)
    def predict(images: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        return class_ids(segmenter(images, training=False)["logits"], size)

    return predict


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
        self._predict = prediction_function(segmenter)
        self._strategy = strategy or tf.distribute.get_strategy()
        self._step = tf.function(self._of_all_replicas, reduce_retracing=True, autograph=False)
        self._batches: Iterable | None = None

    def _of_all_replicas(self, images: tf.Tensor, labels: tf.Tensor, told: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        classes = len(self._space.classes)

        def count(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
            ids = self._predict(image, tf.shape(label)[1:])
            counted = tf.reshape(confusion_matrix(label, ids, classes), [-1])
            return tf.concat([counted, told[tf.newaxis]], axis=0)  # one reduction

        total = self._strategy.reduce("SUM", self._strategy.run(count, args=(images, labels)), axis=None)
        return tf.reshape(total[:-1], [classes, classes]), total[-1]

    def __call__(self, stop: Callable[[], bool] = lambda: False) -> Evaluation | None:
        """Evaluate.

        Args:
            stop: whether to break off; asked before each image, on all workers.

        Returns:
            The evaluation; None if any worker was told to break off.
        """
        total, strategy = sum(map(len, self._sets)), self._strategy
        rounds = -(-total // strategy.num_replicas_in_sync)
        if self._batches is None:
            self._batches = strategy.distribute_datasets_from_function(self._share)
        suspects = in_order(self._sets, at_a_time=strategy.num_replicas_in_sync)
        batches = read(self._batches, self._recipe, suspects)
        matrix = np.zeros((len(self._space.classes),) * 2, np.int64)
        for _ in range(rounds):
            counted, broken_off = self._step(*next(batches), tf.constant(stop(), tf.int64))
            if broken_off:
                return None
            matrix += counted.numpy()
        return Evaluation(matrix, self._space, total)

    def _share(self, context: tf.distribute.InputContext) -> tf.data.Dataset:
        """One image a replica and round: (image [1, H, W, 3], label [1, h, w]).

        A replica for which the last round has no image gets the last one again, with a label that is ignored all over.
        """
        total, replicas = sum(map(len, self._sets)), context.num_replicas_in_sync
        local = replicas // context.num_input_pipelines
        begin = context.input_pipeline_id * local
        numbers = [first + own for first in range(0, total, replicas) for own in range(begin, begin + local)]
        samples = validation_images(self._recipe, self._sets, [min(number, total - 1) for number in numbers])

        @tf.autograph.experimental.do_not_convert
        def once(number: tf.Tensor, sample: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            image, label = sample
            return image, tf.where(number < total, label, IGNORE_LABEL)

        images = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(numbers), samples).map(once).batch(1)
        # Without an end the workers need not ask one another before each image whether one has no more.
        return (images.repeat() if context.num_input_pipelines > 1 else images).prefetch(tf.data.AUTOTUNE)


def evaluate(recipe: Recipe, segmenter: Segmenter, sets: list[Pairs]) -> Evaluation:
    """Evaluate a segmenter once; see :class:`Evaluator`."""
    result = Evaluator(recipe, segmenter, sets)()
    assert result is not None  # nobody could break it off
    return result
