"""Class colours, and colours painted over an image."""

import numpy as np
from PIL import Image

from hrs_keras.labels import IGNORE_LABEL, LabelSpace

SELECTED_COLOUR = np.array([255, 40, 40])
IGNORED_COLOUR = (0, 0, 0)
OVERLAY_OPACITY = 0.5


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Turn the network's inputs into pixels: [..., 3] float in [-1, 1] -> uint8 in [0, 255]."""
    return np.clip((np.asarray(image) + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)


def colourise(ids: np.ndarray, space: LabelSpace) -> np.ndarray:
    """[h, w] train ids (255 = ignore) -> [h, w, 3] uint8 in the label space's palette, ignored pixels black."""
    table = np.full((IGNORE_LABEL + 1, 3), IGNORED_COLOUR, np.uint8)
    table[: len(space.palette)] = space.palette
    return np.take(table, ids, axis=0)  # a quarter of the time of table[ids]


def blend(image: np.ndarray, colour: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Paint ``colour`` over ``image`` ([h, w, 3] uint8) with opacity ``share`` (scalar or [h, w], 0..1)."""
    share = np.asarray(share, np.float32)[..., None] if np.ndim(share) else share
    return np.round(image * (1 - share) + colour * share).astype(np.uint8)


def overlay(image: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Image and class colours half and half, all [h, w, 3] uint8."""
    # Many times quicker than blend() above.
    return np.asarray(Image.blend(Image.fromarray(image), Image.fromarray(colour), OVERLAY_OPACITY))
