"""The pictures of a page: small, encoded in the page itself, and together within what is left of its size."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hrs_keras.labels import IGNORE_LABEL, LabelSpace
from hrs_keras.media.painting import SELECTED_COLOUR, blend, colourise

WIDTH = 320
"""Pixels across, at most: a page shows them at half of that, which is sharp on screens of twice the resolution."""

_SETTINGS = ((WIDTH, 70), (240, 65), (200, 60), (160, 50))
"""Widths and qualities that are tried one after the other until the pictures fit."""

_WRONG, _LEFT_OUT = np.array([214, 39, 40], np.uint8), np.array([24, 24, 24], np.uint8)


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes:
        title: what it shows.
        pixels: [h, w, 3] uint8.
        photo: whether it may lose detail when it is encoded; colours of classes may not.
    """

    title: str
    pixels: np.ndarray
    photo: bool = True


@dataclass(frozen=True)
class Encoded:
    """A picture as a page holds it.

    Attributes:
        title: what it shows.
        source: a ``data:`` URI.
        size: (width, height) in pixels.
    """

    title: str
    source: str
    size: tuple[int, int]


def reduced(image: np.ndarray) -> np.ndarray:
    """[h, w, 3] uint8, at most :data:`WIDTH` pixels across."""
    found = Image.fromarray(image)
    found.thumbnail((WIDTH, 4 * WIDTH), Image.Resampling.BOX)
    return np.asarray(found)


def reduced_ids(ids: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """[h, w] uint8 ids, each pixel of ``size`` (height, width) as the nearest is."""
    return np.asarray(Image.fromarray(ids).resize((size[1], size[0]), Image.Resampling.NEAREST))


def prediction_pictures(image: np.ndarray, label: np.ndarray, ids: np.ndarray, space: LabelSpace) -> list[Picture]:
    """An image, its label, what is predicted, and in red where that is wrong.

    Args:
        image: [h, w, 3] uint8.
        label: [h, w] train ids, 255 = ignore.
        ids: [h, w] train ids, the predictions.
        space: the classes and their colours.
    """
    small = reduced(image)
    label, ids = (reduced_ids(one.astype(np.uint8), small.shape[:2]) for one in (label, ids))
    grey = np.repeat(np.round(small.mean(axis=-1, keepdims=True) * 0.55 + 90).astype(np.uint8), 3, axis=-1)
    errors = np.where((label != ids)[..., np.newaxis], _WRONG, grey)
    errors[label == IGNORE_LABEL] = _LEFT_OUT
    return [
        Picture("image", small),
        Picture("label", colourise(label, space), photo=False),
        Picture("prediction", colourise(ids, space), photo=False),
        Picture("errors", errors),
    ]


def selection_pictures(image: np.ndarray, maps: dict[str, np.ndarray]) -> list[Picture]:
    """A source image, and beside it each map: red where it selects, dark where it does not.

    Args:
        image: [h, w, 3] uint8.
        maps: name -> [h, w] float in [0, 1].
    """
    small = reduced(image)
    pictures = [Picture("image", small)]
    for name, chosen in maps.items():
        share = np.asarray(Image.fromarray(chosen.astype(np.float32)).resize(small.shape[1::-1]))
        dimmed = (small * (0.3 + 0.7 * share[..., np.newaxis])).astype(np.uint8)
        pictures.append(Picture(name, blend(dimmed, SELECTED_COLOUR, 0.4 * share)))
    return pictures


def encode(strips: Sequence[Sequence[Picture]], budget: int) -> list[list[Encoded]]:
    """Encode rows of pictures, all of one width and quality, so that they fit.

    Args:
        strips: rows, the most important first.
        budget: bytes of the page that the pictures may take.

    Returns:
        As many rows, from the first on, as fit: all of them unless the smallest pictures are too large.
    """
    for width, quality in _SETTINGS:
        found, used = [], 0
        for strip in strips:
            row = [_encoded(picture, width, quality) for picture in strip]
            used += sum(len(one.source) for one in row)
            if used > budget:
                break
            found.append(row)
        if len(found) == len(strips):
            break
    return found


def _encoded(picture: Picture, width: int, quality: int) -> Encoded:
    height = max(1, round(picture.pixels.shape[0] * width / picture.pixels.shape[1]))
    image = Image.fromarray(picture.pixels)
    if width < image.width:
        image = image.resize((width, height), Image.Resampling.BOX if picture.photo else Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality, lossless=not picture.photo, method=4)
    return Encoded(
        picture.title,
        f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}",
        (image.width, image.height),
    )
