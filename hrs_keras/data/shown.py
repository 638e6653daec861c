"""A few samples of a role's data, to be looked at: always the same ones, spread over all."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import resize_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import validation_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.storage import StoragePath


def evenly_spaced(total: int, count: int) -> list[int]:
    """Numbers of ``count`` samples of ``total``, or of all if there are not so many, from the first to the last."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist()


def name_in_records(path: StoragePath, recipe: Recipe) -> str:
    """How a run's records of what is selected call an image: its path relative to ``data.root``."""
    return Path(os.path.relpath(path, recipe.data.root)).as_posix()


def samples(
    recipe: Recipe, sets: Sequence[Pairs], count: int, pipeline: Callable[..., tf.data.Dataset] = validation_images
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Evenly spaced samples at training resolution: images [N, H, W, 3], labels [N, H, W], titles.

    Args:
        recipe: for their size.
        sets: to take them from.
        count: how many at most.
        pipeline: :func:`training_images` where the sets are of samples to train on.
    """
    names = [path.stem for pairs in sets for path in pairs.images]
    numbers = evenly_spaced(len(names), count)
    taken = read(pipeline(recipe, sets, numbers), recipe, in_order(sets, numbers))
    found = [(image, resize_label(label, recipe.data.size)) for image, label in taken]
    images, labels = zip(*found, strict=True)
    return np.stack(images), np.stack(labels), [names[n] for n in numbers]
