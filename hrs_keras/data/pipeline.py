"""``tf.data`` pipelines: training batches as a pure function of (seed, position), and validation images.

The sample at position ``i`` of a domain follows from the seed and ``i`` alone (:mod:`hrs_keras.data.drawing`), and all
random changes are drawn from (seed, i). A run that starts at step k therefore sees exactly what an uninterrupted one
would, and no state of an iterator has to be saved.
"""

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.data.colour import recolour
from hrs_keras.data.decode import mirror, normalise, resize_image, resize_label
from hrs_keras.data.drawing import key_of, order_of
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.reading import Sample, Suspects, samples_of
from hrs_keras.data.samples import Load, training_loader, validation_loader
from hrs_keras.data.streams import streams
from hrs_keras.recipe.data import Augment
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage

REMOTE_READS = 16
"""Reads from a remote file system that are under way at the same time, if there are no more CPUs."""


def training_batches(
    recipe: Recipe,
    sets: Mapping[str, Sequence[Pairs]],
    first_step: int = 0,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """The batches of a phase (see ``Recipe.phases``) from step ``first_step`` to its end.

    Args:
        recipe: the run's recipe.
        sets: from :func:`hrs_keras.audit`; see :mod:`hrs_keras.data.streams`.
        first_step: the first step to make batches for, from 0.
        context: the worker whose share of each batch is wanted, and the number of replicas; None for a single one of
            each. With several workers the batches are repeated without end.

    Returns:
        ``{"target": (images, labels), "source": (images, labels), "unlabelled": (images, labels)}`` with images
        [B, H, W, 3] float32 in [-1, 1] and labels [B, H, W] int32 train ids, 255 = ignore: so is all of a hidden label.
        B is the number of the domain's images that one replica reads in a step (``Train.images``), and successive
        batches go to successive replicas. A domain that the phase does not read is absent.
    """
    context = context or tf.distribute.InputContext()
    phase = next((phase for phase in recipe.phases if first_step < phase.stop), recipe.phases[-1])
    batched, drawn_from = {}, streams(sets)
    for domain in (name for name in ("target", "source", "unlabelled") if name in phase.domains):
        images = recipe.train.images(domain)
        positions = _positions(images, range(first_step, phase.stop), context)
        samples = _each(positions, _sample(recipe, domain, drawn_from[domain]))
        batched[domain] = samples.batch(context.get_per_replica_batch_size(images), drop_remainder=True)
    batches = tf.data.Dataset.zip(batched)
    if context.num_input_pipelines > 1:
        batches = batches.repeat()  # else the workers would ask one another before each step whether one has no more
    return _with_threads(batches.prefetch(tf.data.AUTOTUNE), recipe)


def suspects_of_steps(recipe: Recipe, sets: Mapping[str, Sequence[Pairs]], first_step: int) -> Suspects:
    """For the batches of :func:`training_batches`: the samples of a batch's own step, and then all of its phase."""

    def suspects(taken: int) -> Iterator[Sample]:
        step = first_step + taken
        phase = next(phase for phase in recipe.phases if step < phase.stop)
        drawn_from = streams(sets)
        of_domain = {name: samples_of(drawn_from[name]) for name in phase.domains}
        for name, samples in of_domain.items():
            order, images = order_of(recipe, name, drawn_from[name]), recipe.train.images(name)
            for position in range(step * images, (step + 1) * images):
                yield samples[int(order(tf.constant(position, tf.int64)))]
        for samples in of_domain.values():
            yield from samples

    return suspects


def _with_threads(samples: tf.data.Dataset, recipe: Recipe) -> tf.data.Dataset:
    """Read many samples at the same time if each read waits for a network; by default, that is one a CPU."""
    if not storage.is_remote(recipe.data.prepared or recipe.data.root):
        return samples
    options = tf.data.Options()
    options.threading.private_threadpool_size = max(REMOTE_READS, os.cpu_count() or 1)
    return samples.with_options(options)


def _positions(images: int, steps: range, context: tf.distribute.InputContext) -> tf.data.Dataset:
    """The positions in a domain's endless sequence that this worker reads: its share of the images of each step."""
    share = images // context.num_input_pipelines
    begin = context.input_pipeline_id * share
    own = tf.data.Dataset.range(steps.start * share, steps.stop * share)
    return own.map(lambda index: index // share * images + begin + index % share)


def _sample(recipe: Recipe, domain: str, sets: Sequence[Pairs]) -> Load:
    """A function from a position in the domain's endless sequence of samples to the sample, randomly changed."""
    load, order, key = training_loader(recipe, sets), order_of(recipe, domain, sets), key_of(recipe, domain)
    augment = recipe.data.augment
    size = recipe.data.size

    def sample(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seed = tf.stack([tf.constant(key, tf.int64), position])
        image, label = change(*load(order(position)), size, augment, seed)
        return tf.ensure_shape(image, [*size, 3]), tf.ensure_shape(label, list(size))

    return sample


def change(
    image: tf.Tensor, label: tf.Tensor, size: tuple[int, int], augment: Augment, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Enlarge, cut, mirror and recolour a sample at random.

    Args:
        image: [h, w, 3] uint8, at the stored size.
        label: [h, w] integers.
        size: [H, W] in pixels, of the result.
        augment: which changes are made, and how large they may be.
        seed: [2] int64; the same seed makes the same changes.

    Returns:
        Image [H, W, 3] float32 in [-1, 1], and label [H, W] int32.
    """
    scale_seed, row_seed, column_seed, flip_seed, colour_seed = tf.unstack(
        tf.random.split(tf.cast(seed, tf.int32), 5), num=5
    )
    low, high = augment.scale
    enlarged = size
    if high > 1:
        factor = tf.random.stateless_uniform([], scale_seed, low, high)
        enlarged = tf.cast(tf.round(tf.constant(size, tf.float32) * factor), tf.int32)
    # Nothing is done, and 8 bits stay 8 bits, where the stored size is the wanted one: where nothing is enlarged.
    image, label = tf.image.resize(image, enlarged, method="bilinear"), resize_label(label, enlarged)
    if high > 1:
        top, left = (
            tf.random.stateless_uniform([], s, 0, side - wanted + 1, tf.int32)
            for s, side, wanted in zip((row_seed, column_seed), tf.unstack(enlarged), size, strict=True)
        )
        window = slice(top, top + size[0]), slice(left, left + size[1])
        image, label = image[window], label[window]
    if augment.flip:
        drawn = tf.random.stateless_uniform([], flip_seed) < 0.5
        image, label = tf.cond(drawn, lambda: (mirror(image), mirror(label)), lambda: (image, label))
    image = normalise(tf.cast(image, tf.float32))
    if augment.colour:
        image = recolour(image, augment.colour, colour_seed)
    return image, tf.cast(label, tf.int32)


def training_images(recipe: Recipe, sets: Sequence[Pairs], numbers: Sequence[int]) -> tf.data.Dataset:
    """Training samples without random changes.

    Args:
        recipe: the run's recipe.
        sets: the samples of one role, from :func:`hrs_keras.audit`.
        numbers: the samples to read, numbered through all sets.

    Returns:
        Pairs of an image [H, W, 3] float32 in [-1, 1] and a label [H, W] int32 train ids, 255 = ignore.
    """
    load = training_loader(recipe, sets)

    def sample(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = load(number)
        return resize_image(image, recipe.data.size), tf.cast(resize_label(label, recipe.data.size), tf.int32)

    return _with_threads(_in_order(sample, numbers), recipe)


def validation_images(recipe: Recipe, sets: Sequence[Pairs], numbers: Sequence[int] | None = None) -> tf.data.Dataset:
    """Validation samples in order.

    Args:
        recipe: the run's recipe.
        sets: the validation samples, from :func:`hrs_keras.audit`.
        numbers: the samples to read, numbered through all sets; None for each once.

    Returns:
        Pairs of an image [H, W, 3] float32 in [-1, 1], resized, and a label [h, w] int32 train ids, 255 = ignore, at
        its own size.
    """
    load = validation_loader(recipe, sets)

    def sample(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = load(number)
        return tf.ensure_shape(resize_image(image, recipe.data.size), [*recipe.data.size, 3]), label

    numbers = range(sum(map(len, sets))) if numbers is None else numbers
    return _with_threads(_in_order(sample, numbers), recipe)


def whole_images(recipe: Recipe, sets: Sequence[Pairs], numbers: Sequence[int] | None = None) -> tf.data.Dataset:
    """Samples to evaluate on in order, at their own size after the crop.

    Args:
        recipe: the run's recipe.
        sets: the samples of one role, from :func:`hrs_keras.audit`.
        numbers: the samples to read, numbered through all sets; None for each once.

    Returns:
        Pairs of an image [h, w, 3] uint8 and a label [h, w] int32 train ids, 255 = ignore.
    """
    numbers = range(sum(map(len, sets))) if numbers is None else numbers
    return _with_threads(_in_order(validation_loader(recipe, sets), numbers), recipe)


def _in_order(sample: Load, numbers: Sequence[int]) -> tf.data.Dataset:
    positions = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, np.int64))
    return _each(positions, sample).prefetch(tf.data.AUTOTUNE)


def _each(positions: tf.data.Dataset, sample: Load) -> tf.data.Dataset:
    """The samples at some positions, in their order, of which several are made at the same time."""
    # Nothing in a sample branches on a tensor but by `tf.cond`. AutoGraph, which would rewrite the code for that, takes
    # seconds of each start.
    plain = tf.autograph.experimental.do_not_convert(sample)
    return positions.map(plain, tf.data.AUTOTUNE, deterministic=True)
