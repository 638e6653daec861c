"""``tf.data`` pipelines: training batches as a pure function of (seed, position), and validation images.

Sample ``i`` of a domain is fixed by the seed and ``i`` alone: epoch ``i // n`` has a permutation of its own, of
which it takes entry ``i % n``, and all random changes are drawn from (seed, i). A run that starts at step k
therefore sees exactly what an uninterrupted one would, without any iterator state to save.
"""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import mirror, normalise, resize_image, resize_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.samples import Load, training_loader, validation_loader
from hrs_keras.recipe.data import Augment
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage

# Random numbers of the two domains must not coincide.
_STREAMS = {"source": 0, "target": 1}
_REMOTE_READS = 16


def training_batches(
    recipe: Recipe,
    sets: Mapping[str, Sequence[Pairs]],
    first_step: int = 0,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches for steps ``first_step`` to the end of the phase (``Recipe.phases``) that it lies in.

    Args:
        sets: from the audit; ``source`` and ``target`` are read.
        context: which worker's share of each batch is wanted, and by how many replicas it is taken. With more than
            one worker the batches have no end.

    Returns:
        ``{"target": (images, labels), "source": (images, labels)}`` with images [B, H, W, 3] float32 in [-1, 1]
        and labels [B, H, W] int32, 255 = ignore; B is that of a replica, and replica after replica gets its own.
        A domain that the phase does not read is absent.
    """
    context = context or tf.distribute.InputContext()
    phase = next((phase for phase in recipe.phases if first_step < phase.stop), recipe.phases[-1])
    replica_batch = context.get_per_replica_batch_size(recipe.train.batch_size)
    positions = _positions(recipe.train.batch_size, range(first_step, phase.stop), context)
    streams = {
        name: positions.map(
            _sample(recipe, sets[name], _STREAMS[name]), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).batch(replica_batch, drop_remainder=True)
        for name in ("target", "source")
        if name in phase.domains
    }
    batches = tf.data.Dataset.zip(streams)
    if context.num_input_pipelines > 1:
        batches = batches.repeat()  # else the workers would ask one another before each step whether one has no more
    return _with_threads(batches.prefetch(tf.data.AUTOTUNE), recipe)


def _with_threads(samples: tf.data.Dataset, recipe: Recipe) -> tf.data.Dataset:
    """Have many reads under way where each waits for a network: the usual threads are as many as CPUs."""
    if not storage.is_remote(recipe.data.prepared or recipe.data.root):
        return samples
    options = tf.data.Options()
    options.threading.private_threadpool_size = max(_REMOTE_READS, os.cpu_count() or 1)
    return samples.with_options(options)


def _positions(batch: int, steps: range, context: tf.distribute.InputContext) -> tf.data.Dataset:
    """Where in the endless sequence of samples this worker's lie: its part of each step's batch, in order."""
    share = batch // context.num_input_pipelines
    begin = context.input_pipeline_id * share
    own = tf.data.Dataset.range(steps.start * share, steps.stop * share)
    return own.map(lambda place: place // share * batch + begin + place % share)


def _sample(recipe: Recipe, pairs: Sequence[Pairs], stream: int) -> Load:
    """A function from a position to the augmented sample that lies there."""
    load = training_loader(recipe, pairs)
    augment = recipe.data.augment
    size = recipe.data.size
    key = recipe.seed * len(_STREAMS) + stream
    count = sum(map(len, pairs))

    def sample(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        number = sample_number(position, count, key)
        seed = tf.stack([tf.constant(key, tf.int64), position])
        image, label = change(*load(number), size, augment, seed)
        return tf.ensure_shape(image, [*size, 3]), tf.ensure_shape(label, list(size))

    return sample


def sample_number(position: tf.Tensor, count: int, key: int) -> tf.Tensor:
    """Which of ``count`` samples stands at ``position`` of an endless, epoch-wise shuffled sequence (int64 scalars)."""
    epoch, entry = position // count, position % count
    seed = tf.stack([tf.constant(key, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(entry, seed, tf.constant(count - 1, tf.int64))


def change(
    image: tf.Tensor, label: tf.Tensor, size: tuple[int, int], augment: Augment, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The random changes of ``augment``, from the stored size to ``size``.

    Args:
        image: [h, w, 3] uint8; label: [h, w], integers.
        seed: [2] int64; the same seed makes the same changes.

    Returns:
        [H, W, 3] float32 in [-1, 1] and [H, W] int32.
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
        image = _jitter(image, augment.colour, colour_seed)
    return image, tf.cast(label, tf.int32)


def _jitter(image: tf.Tensor, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast and saturation, each by a factor in [1 - strength, 1 + strength]."""
    brightness, contrast, saturation = tf.unstack(
        tf.random.stateless_uniform([3], seed, 1 - strength, 1 + strength), num=3
    )
    unit = (image + 1) / 2 * brightness
    unit = (unit - tf.reduce_mean(unit)) * contrast + tf.reduce_mean(unit)
    grey = tf.image.rgb_to_grayscale(unit)
    unit = (unit - grey) * saturation + grey
    return tf.clip_by_value(unit * 2 - 1, -1.0, 1.0)


def training_images(recipe: Recipe, sets: Sequence[Pairs], numbers: Sequence[int]) -> tf.data.Dataset:
    """Training samples without random changes: (image [H, W, 3] float32 in [-1, 1], label [H, W] int32).

    Args:
        numbers: which, counted through all sets.
    """
    load = training_loader(recipe, sets)

    def sample(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = load(number)
        return resize_image(image, recipe.data.size), tf.cast(resize_label(label, recipe.data.size), tf.int32)

    return _with_threads(_in_order(sample, numbers), recipe)


def validation_images(recipe: Recipe, sets: Sequence[Pairs], numbers: Sequence[int] | None = None) -> tf.data.Dataset:
    """Images in order: (resized image [H, W, 3] float32 in [-1, 1], native label [h, w] int32).

    Args:
        numbers: which, counted through all sets; None for each once.
    """
    load = validation_loader(recipe, sets)

    def sample(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = load(number)
        return tf.ensure_shape(resize_image(image, recipe.data.size), [*recipe.data.size, 3]), label

    numbers = range(sum(map(len, sets))) if numbers is None else numbers
    return _with_threads(_in_order(sample, numbers), recipe)


def _in_order(sample: Load, numbers: Sequence[int]) -> tf.data.Dataset:
    positions = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, np.int64))
    return positions.map(sample, tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)
