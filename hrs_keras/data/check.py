"""Checking one image and its label: whether they can be trained and evaluated on, and which classes they hold."""

import struct
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import IdMap, apply_crop, decode_image, decode_raw_label
from hrs_keras.data.report import Problem
from hrs_keras.errors import printable, reason
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.data import Dataset
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath

# https://www.w3.org/TR/png/#11IHDR: colour type -> channels
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3


class _UnusableError(Exception):
    def __init__(self, path: StoragePath, what: str):
        self.problem = Problem(printable(path), what)


def check_sample(
    image: StoragePath, label: StoragePath, dataset: Dataset, ids: IdMap
) -> tuple[np.ndarray, list[Problem]]:
    """Decode a sample as training does, and look for what is wrong with it.

    Args:
        image, label: the two files.
        dataset: how the files are to be read.
        ids: the id table of ``dataset``.

    Returns:
        [256] int64, the number of pixels of each train id after the crop, all zero if the sample cannot be used; and
        the problems found.
    """
    try:
        histogram = _histogram(image, label, dataset, ids)
    except _UnusableError as error:
        return np.zeros(IGNORE_LABEL + 1, np.int64), [error.problem]
    if histogram[IGNORE_LABEL] == histogram.sum():
        return histogram, [Problem(printable(label), "is wholly ignored: it will teach nothing", error=False)]
    return histogram, []


def _histogram(image: StoragePath, label: StoragePath, dataset: Dataset, ids: IdMap) -> np.ndarray:
    _check_encoding(label, dataset)
    pixels = _decoded(image, decode_image)
    raw = _decoded(label, lambda path: decode_raw_label(path, dataset))
    if pixels.shape[:2] != raw.shape:
        (h, w), (height, width) = raw.shape, pixels.shape[:2]
        raise _UnusableError(label, f"is {h}x{w} (height x width), its image {image.name} is {height}x{width}")
    bounds = (dataset.crop.rows, dataset.crop.columns)
    for side, bound, length in zip(("rows", "columns"), bounds, raw.shape, strict=True):
        if bound and bound[1] > length:
            raise _UnusableError(label, f"has {length} {side}, crop.{side} wants {list(bound)}")
    values, counts = _distinct(apply_crop(raw, dataset.crop).numpy())
    unknown = ~np.isin(values, ids.raw)
    if unknown.any():
        shown = ", ".join(_shown(value, dataset) for value in values[unknown][:8])
        more = ", ..." if unknown.sum() > 8 else ""
        raise _UnusableError(
            label, f"{counts[unknown].sum()} pixels have ids that the id table does not map: {shown}{more}"
        )
    histogram = np.zeros(IGNORE_LABEL + 1, np.int64)
    np.add.at(histogram, ids(tf.constant(values, tf.int32)).numpy(), counts)
    return histogram


def _decoded(path: StoragePath, decode: Callable[[str], tf.Tensor]) -> tf.Tensor:
    try:
        return decode(str(path))
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise _UnusableError(path, f"cannot be decoded ({reason(error)})") from None


def _distinct(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, ascending, and how often each does."""
    if raw.max() < 2**16:  # counting is several times faster than sorting
        counts = np.bincount(raw.ravel())
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(raw, return_counts=True)


def _shown(value: int, dataset: Dataset) -> str:
    return ",".join(map(str, int(value).to_bytes(3, "big"))) if dataset.encoding == "colours" else str(value)


def _check_encoding(path: StoragePath, dataset: Dataset) -> None:
    """Raise an error if a label is not stored as its data set says, which would silently give wrong ids."""
    try:
        header = storage.read_at(str(path), 0, 26)
    except (OSError, tf.errors.OpError) as error:
        raise _UnusableError(path, f"cannot be read ({reason(error)})") from None
    if len(header) < 26 or header[:8] != b"\x89PNG\r\n\x1a\n":
        raise _UnusableError(path, "is not a PNG file" if header else "is empty")
    bits, colour_type = struct.unpack(">BB", header[24:26])
    channels = _PNG_CHANNELS.get(colour_type, 0)
    is_palette = colour_type == _PALETTE
    if dataset.encoding == "palette":
        wrong = not is_palette and "is no palette PNG; encoding: palette does not fit"
    elif is_palette:
        wrong = "is a palette PNG, whose indices would be lost; set encoding: palette"
    elif bits != dataset.bits:
        fix = f"set bits: {bits}" if bits in (8, 16) and dataset.encoding == "values" else "convert it"
        wrong = f"has {bits} bits a channel, bits: {dataset.bits} was expected; {fix}"
    elif dataset.encoding == "colours":
        wrong = channels < 3 and "is a greyscale PNG; encoding: colours does not fit"
    else:
        wrong = dataset.channel >= channels and (
            f"has {channels} channels, channel: {dataset.channel} was expected (0 is the first)"
        )
    if wrong:
        raise _UnusableError(path, wrong)
