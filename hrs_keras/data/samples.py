"""Reading single samples: from a sample's number, counted through several data sets, to its image and label.

Training reads samples at their stored size. That is ``data.size``, with pixels rounded to 8 bits; but if the recipe
enlarges images at random, it is each sample's own size, so that the sample is resized only once. Whatever is done to a
sample after that is the same whether it was decoded just now or prepared in advance.
"""

import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import IdMap, apply_crop, decode_image, decode_pair, of_one_size, train_ids
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.records import fetch, training_image, training_sample, validation_sample
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.data import Data
from hrs_keras.recipe.schema import Recipe

LoadImage = Callable[[tf.Tensor], tf.Tensor]
"""A sample's number (int64 scalar) -> its image."""

Load = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""A sample's number (int64 scalar) -> its image and label."""


def stored_size(data: Data) -> tuple[int, int] | None:
    """[height, width] in pixels at which training samples are stored; None if each has its own size, after the crop."""
    return None if data.augment.scale[1] > 1 else data.size


def training_loader(recipe: Recipe, sets: Sequence[Pairs]) -> Load:
    """A function that reads samples to train on.

    It returns an image [h, w, 3] uint8 and a label [h, w] uint8 train ids, 255 = ignore, both at :func:`stored_size`.
    Where a label is hidden, it is 255 throughout and nothing is read of it.
    """
    size = stored_size(recipe.data)

    def loader(pairs: Pairs) -> Load:
        if (records := pairs.records) is not None:
            return lambda number: training_sample(fetch(records, number), size)
        images, labels = file_names(pairs)
        ids = IdMap(pairs.dataset, recipe.data.label_space)

        def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image, raw = decode_pair(images[number], labels[number], pairs.dataset)
            image = _at_size(apply_crop(image, pairs.dataset.crop), size)
            return image, tf.cast(train_ids(raw, pairs.dataset, ids, size), tf.uint8)

        return load

    def image_loader(pairs: Pairs) -> LoadImage:
        if (records := pairs.records) is not None:
            return lambda number: training_image(fetch(records, number), size)
        images, _ = file_names(pairs)
        return lambda number: _at_size(apply_crop(decode_image(images[number]), pairs.dataset.crop), size)

    return _joined(sets, lambda pairs: _hiding(pairs, loader, image_loader, tf.uint8))


def _at_size(image: tf.Tensor, size: tuple[int, int] | None) -> tf.Tensor:
    """[h, w, 3] uint8 -> the same resized, rounded to 8 bits; as it is without a size."""
    return tf.cast(tf.round(tf.image.resize(image, size, method="bilinear")), tf.uint8) if size else image


def _hiding(
    pairs: Pairs, loader: Callable[[Pairs], Load], image_loader: Callable[[Pairs], LoadImage], kind: tf.DType
) -> Load:
    """What reads a data set's samples, the hidden labels as 255 throughout.

    Args:
        pairs: the data set.
        loader: makes what reads images and labels of it.
        image_loader: makes what reads images alone.
        kind: of the labels.
    """
    if pairs.hidden is None:
        return loader(pairs)
    image_of, hidden = image_loader(pairs), tf.constant(pairs.hidden)

    def without_label(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = image_of(number)
        return image, tf.fill(tf.shape(image)[:2], tf.constant(IGNORE_LABEL, kind))

    if all(pairs.hidden):
        return without_label
    whole = loader(pairs)
    return lambda number: tf.cond(hidden[number], lambda: without_label(number), lambda: whole(number))


def validation_loader(recipe: Recipe, sets: Sequence[Pairs]) -> Load:
    """A function that reads samples to evaluate on.

    It returns an image [h, w, 3] uint8 and a label [h, w] int32 train ids, 255 = ignore, both at their own size after
    the crop. Where a label is hidden, it is 255 throughout and nothing is read of it.
    """

    def loader(pairs: Pairs) -> Load:
        crop, records = pairs.dataset.crop, pairs.records
        images, labels = file_names(pairs)
        ids = IdMap(pairs.dataset, recipe.data.label_space)

        def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if records is None:
                image, raw = decode_pair(images[number], labels[number], pairs.dataset)
                return apply_crop(image, crop), train_ids(raw, pairs.dataset, ids)
            image, label = validation_sample(fetch(records, number))
            return of_one_size(apply_crop(image, crop), label)

        return load

    def image_loader(pairs: Pairs) -> LoadImage:
        if (records := pairs.records) is not None:  # of images to train on: only their labels are ever hidden
            return lambda number: training_image(fetch(records, number), None)
        images, _ = file_names(pairs)
        return lambda number: apply_crop(decode_image(images[number]), pairs.dataset.crop)

    return _joined(sets, lambda pairs: _hiding(pairs, loader, image_loader, tf.int32))


def file_names(pairs: Pairs) -> tuple[tf.Tensor, tf.Tensor]:
    """The paths of the images and of the labels, [n] string each."""
    # As bytes, since not every name is UTF-8.
    images, labels = (tf.constant([os.fsencode(path) for path in paths]) for paths in (pairs.images, pairs.labels))
    return images, labels


def _joined(sets: Sequence[Pairs], loader: Callable[[Pairs], Load]) -> Load:
    """One function for all sets, whose samples are numbered from the first of the first set to the last of the last."""
    loaders = [loader(pairs) for pairs in sets]
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
