"""Reading single samples: a function from a sample's number, counted through several data sets, to its tensors.

Training reads every sample at its stored size: ``data.size``, rounded to 8 bits; or its own where the recipe enlarges
at random, so that it is resized but once. What comes after is the same whether the sample was decoded just now or
prepared in advance.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import IdMap, apply_crop, decode_image, decode_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.records import fetch, training_sample, validation_sample
from hrs_keras.recipe.data import Data
from hrs_keras.recipe.schema import Recipe

Load = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""A sample's number (int64 scalar) -> its image and label."""


def stored_size(data: Data) -> tuple[int, int] | None:
    """[height, width] in pixels at which training samples are kept; None: each at its own, after the crop."""
    return None if data.augment.scale[1] > 1 else data.size


def training_loader(recipe: Recipe, sets: Sequence[Pairs]) -> Load:
    """Samples to train on: image [h, w, 3] uint8 and label [h, w] uint8 train ids, at :func:`stored_size`."""
    size = stored_size(recipe.data)

    def from_records(pairs: Pairs) -> Load:
        return lambda number: training_sample(fetch(pairs.records, number), size)

    def from_files(pairs: Pairs) -> Load:
        images, labels = _files(pairs)
        ids = IdMap(pairs.dataset, recipe.data.label_space)

        def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = apply_crop(decode_image(images[number]), pairs.dataset.crop)
            if size:
                image = tf.cast(tf.round(tf.image.resize(image, size, method="bilinear")), tf.uint8)
            return image, tf.cast(decode_label(labels[number], pairs.dataset, ids, size), tf.uint8)

        return load

    return _joined(sets, from_files, from_records)


def validation_loader(recipe: Recipe, sets: Sequence[Pairs]) -> Load:
    """Samples to evaluate on: image [h, w, 3] uint8 and label [h, w] int32 train ids, at their own size."""

    def from_records(pairs: Pairs) -> Load:
        def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image, label = validation_sample(fetch(pairs.records, number))
            return apply_crop(image, pairs.dataset.crop), label

        return load

    def from_files(pairs: Pairs) -> Load:
        images, labels = _files(pairs)
        ids = IdMap(pairs.dataset, recipe.data.label_space)

        def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = apply_crop(decode_image(images[number]), pairs.dataset.crop)
            return image, decode_label(labels[number], pairs.dataset, ids)

        return load

    return _joined(sets, from_files, from_records)


def _files(pairs: Pairs) -> tuple[tf.Tensor, tf.Tensor]:
    images, labels = (tf.constant([str(path) for path in paths]) for paths in (pairs.images, pairs.labels))
    return images, labels


def _joined(sets: Sequence[Pairs], from_files: Callable[[Pairs], Load], from_records: Callable[[Pairs], Load]) -> Load:
    """One function for all sets, which are numbered through."""
    loaders = [from_files(pairs) if pairs.records is None else from_records(pairs) for pairs in sets]
    if len(loaders) == 1:
        return loaders[0]
    starts = np.cumsum([0, *map(len, sets)])
    bounds = tf.constant(starts[1:], tf.int64)

    def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        which = tf.searchsorted(bounds, [number], side="right")[0]
        branches = [
            lambda one=one, start=start: one(number - start) for one, start in zip(loaders, starts, strict=False)
        ]
        return tf.switch_case(which, branches)

    return load
