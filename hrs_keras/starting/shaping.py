"""Sizes and numbers of a recipe that follow from the data's shape, each with its reason."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hrs_keras.data.image_files import read_header
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.starting.encoding import SAMPLE

_MOST_PIXELS = 512 * 1024
_STEP = 32
_LARGEST_BATCH = 4
_PASSES = 40
_FEWEST_STEPS, _MOST_STEPS = 1000, 60000
_VALIDATIONS = 20


class Reasoned(NamedTuple):
    """A value of a recipe, and why it is that."""

    value: int | list[int]
    why: str


class Shape(NamedTuple):
    """What a recipe says of sizes and numbers."""

    size: Reasoned
    batch: Reasoned
    steps: Reasoned
    validate_every: Reasoned


def shape(images: Sequence[Path], fewest: int) -> Shape:
    """Choose the size, the batch and the steps for the images to train on.

    Args:
        images: real ones, with labels.
        fewest: how many images the smaller of the two domains has; a batch may have no more.

    Raises:
        DataError: the header of none can be read.
    """
    height, width, how_many = _common_size(images)
    factor = min(1.0, math.sqrt(_MOST_PIXELS / (height * width)))
    size = [max(_STEP, _STEP * round(factor * side / _STEP)) for side in (height, width)]
    while size[0] * size[1] > _MOST_PIXELS:
        size[size.index(max(size))] -= _STEP
    scaled = "no larger than 512x1024, for which a GPU of 11 GB has room" if factor < 1 else "near the images' own size"
    batch = max(1, min(_LARGEST_BATCH, fewest, _MOST_PIXELS // (size[0] * size[1])))
    steps = min(_MOST_STEPS, max(_FEWEST_STEPS, 100 * round(_PASSES * len(images) / batch / 100)))
    return Shape(
        Reasoned(size, f"multiples of 32, {scaled}: {height}x{width} ({how_many}). Smaller is faster"),
        Reasoned(batch, "images of each domain in a step: together no more pixels than 512x1024"),
        Reasoned(steps, f"{batch * steps / len(images):.0f} passes over the {len(images)} real images"),
        Reasoned(50 * round(steps / _VALIDATIONS / 50), "the best weights are kept"),
    )


def _common_size(images: Sequence[Path]) -> tuple[int, int, str]:
    """Height and width that most images of a seeded sample have, and how many that are, in words."""
    sizes: Counter[tuple[int, int]] = Counter()
    unread = ""
    for position in np.random.default_rng(0).permutation(len(images))[:SAMPLE]:
        path = images[position]
        try:
            with open(path, "rb") as file:
                sizes[read_header(file).upright] += 1
        except OSError as error:
            unread = f"{printable(path)}: cannot be read ({reason(error)})"
        except DataError as error:
            unread = f"{printable(path)}: {error}"
    if not sizes:
        raise DataError(f"no image can be read, such as {unread}")
    (size, count), *others = sizes.most_common()
    return *size, f"{count} of {sizes.total()} images looked at" if others else "all that were looked at"
