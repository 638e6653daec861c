"""Checking one image and its label: whether they can be trained and evaluated on, and which classes they hold."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

import numpy as np
import tensorflow as tf

from hrs_keras.data.alignment import orientation_doubt, size_problem
from hrs_keras.data.decode import (
    UNMAPPED,
    IdMap,
    apply_crop,
    decode_image,
    decode_raw_label,
)
from hrs_keras.data.image_files import Header, read_header
from hrs_keras.data.label_files import LabelHeader, read_label_header
from hrs_keras.data.label_pixels import decode_channels, decode_palette_label
from hrs_keras.data.palettes import used_colours
from hrs_keras.data.report import UNREAD, Problem
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath

_DARK = 16  # of 255: cameras of 10 and 12 bits, whose values were stored in 16 as they are, stay below

_Decoded = TypeVar("_Decoded")


class _UnusableError(Exception):
    def __init__(
        self, path: StoragePath, what: str, unmapped: Mapping[str, int] | None = None, *, misfit: bool = False
    ):
        self.problem, self.unmapped, self.misfit = Problem(printable(path), what), unmapped or {}, misfit


@dataclass(frozen=True)
class SampleCheck:
    """What was found in an image and its label.

    Attributes:
        histogram: [256] int64, the number of pixels of each train id after the crop, all zero if the sample cannot be
            used.
        problems: what is wrong.
        palette: index -> colour ``"R,G,B"``, of the indices that occur; empty but for ``encoding: palette``.
        unmapped: values that the id table does not map, as messages show them -> number of their pixels; for each of
            them the sample is unusable.
        others: values that ``others`` of the id table maps, as messages show them -> number of their pixels.
        misfit: the label is stored otherwise than the data set's encoding, bits, channel or crop say.
        constant: the only raw value that the label holds; None if it holds several, or the sample cannot be used.
        varying: the label's other channels that hold several values where the one that is read holds one.
        digest: of the label's raw values after the crop: equal labels have equal digests. Empty if the sample cannot be
            used.
    """

    histogram: np.ndarray
    problems: list[Problem] = field(default_factory=list)
    palette: Mapping[int, str] = field(default_factory=dict)
    unmapped: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    misfit: bool = False
    constant: int | None = None
    varying: frozenset[int] = frozenset()
    digest: bytes = b""


def check_sample(image: StoragePath, label: StoragePath, dataset: Dataset, ids: IdMap) -> SampleCheck:
    """Decode a sample as training does, and look for what is wrong with it.

    Args:
        image, label: the two files.
        dataset: how the files are to be read.
        ids: the id table of ``dataset``.
    """
    try:
        checked = _checked(image, label, dataset, ids)
    except _UnusableError as error:
        nothing = np.zeros(IGNORE_LABEL + 1, np.int64)
        return SampleCheck(nothing, [error.problem], unmapped=error.unmapped, misfit=error.misfit)
    if checked.histogram[IGNORE_LABEL] == checked.histogram.sum():
        checked.problems.append(Problem(printable(label), "is wholly ignored: it will teach nothing", error=False))
    return checked


def check_image(image: StoragePath, dataset: Dataset) -> SampleCheck:
    """Decode an image without a label as training does, and look for what is wrong with it.

    Args:
        image: the file.
        dataset: how it is to be read.

    Returns:
        What was found; all pixels count as ignored.
    """
    histogram = np.zeros(IGNORE_LABEL + 1, np.int64)
    try:
        header = _read(image, read_header)
        pixels = _decoded(image, decode_image)
        _refuse_crop(image, pixels.shape[:2], dataset)
    except _UnusableError as error:
        return SampleCheck(histogram, [error.problem])
    histogram[IGNORE_LABEL] = np.prod(apply_crop(pixels, dataset.crop).shape[:2])
    dark = _darkness(header, pixels)
    return SampleCheck(histogram, [Problem(printable(image), dark, error=False)] if dark else [])


def _refuse_crop(path: StoragePath, size: Sequence[int], dataset: Dataset) -> None:
    """Raise an error if the data set's crop reaches beyond a file's [height, width]."""
    bounds = (dataset.crop.rows, dataset.crop.columns)
    for side, bound, length in zip(("rows", "columns"), bounds, size, strict=True):
        if bound and bound[1] > length:
            raise _UnusableError(path, f"has {length} {side}, crop.{side} wants {list(bound)}", misfit=True)


def _checked(image: StoragePath, label: StoragePath, dataset: Dataset, ids: IdMap) -> SampleCheck:
    label_header = _label_header(label, dataset)
    header = _read(image, read_header)
    pixels = _decoded(image, decode_image)
    raw, palette = _decoded(label, lambda path: _raw_and_palette(path, dataset))
    if wrong := size_problem(raw.shape, image.name, header):
        raise _UnusableError(label, wrong)
    _refuse_crop(label, raw.shape, dataset)
    raw = apply_crop(raw, dataset.crop)
    values, counts = _distinct(raw)
    varying = _varying_channels(str(label), dataset) if len(values) == 1 else frozenset()
    train_ids = ids.of(values)
    if (unknown := train_ids == UNMAPPED).any():
        found = _counted(values[unknown], counts[unknown], dataset, ids)
        raise _UnusableError(label, _unmapped(list(found), counts[unknown].sum(), label_header, varying), found)
    histogram = np.zeros(IGNORE_LABEL + 1, np.int64)
    np.add.at(histogram, train_ids, counts)
    others = ~ids.lists(values)
    doubts = filter(None, [orientation_doubt(label.name, header), _darkness(header, pixels)])
    return SampleCheck(
        histogram,
        [Problem(printable(image), doubt, error=False) for doubt in doubts],
        palette={} if palette is None else used_colours(values, palette),
        constant=int(values[0]) if len(values) == 1 else None,
        varying=varying,
        others=_counted(values[others], counts[others], dataset, ids),
        digest=hashlib.blake2b(raw.tobytes(), digest_size=16, salt=b"%dx%d" % raw.shape).digest(),
    )


def _read(path: StoragePath, read: Callable[[BinaryIO], _Decoded]) -> _Decoded:
    """A file's header."""
    try:
        with storage.reading(str(path)) as file:
            return read(file)
    except DataError as error:
        raise _UnusableError(path, str(error)) from None
    except (OSError, tf.errors.OpError) as error:
        raise _UnusableError(path, f"{UNREAD} ({reason(error)})") from None


def _darkness(header: Header, pixels: tf.Tensor) -> str | None:
    if header.bits < 16 or (brightest := int(tf.reduce_max(pixels))) >= _DARK:
        return None
    return (
        f"has 16 bits a channel, of which the upper 8 are read, and is nearly black in these ({brightest} of 255 at"
        " most): scale its values up to 65535"
    )


def _raw_and_palette(path: str, dataset: Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    """The raw values [h, w], and of a label that is read by its palette's indices the palette [n, 3]."""
    if dataset.encoding == "palette":
        return decode_palette_label(storage.read(path))
    return decode_raw_label(path, dataset).numpy(), None


def _varying_channels(path: str, dataset: Dataset) -> frozenset[int]:
    """The channels beside the one that is read in which a label holds several values; none of palettes and colours."""
    if dataset.encoding != "values":
        return frozenset()
    pixels = apply_crop(decode_channels(storage.read(path), dataset.bits), dataset.crop).numpy()
    return frozenset(channel for channel in range(pixels.shape[-1]) if np.ptp(pixels[..., channel]) > 0)


def _unmapped(shown: Sequence[str], pixels: int, header: LabelHeader, varying: Collection[int]) -> str:
    """What is said of a label with ids that the table does not map."""
    grey = "," in shown[0] and header.grey
    note = f"is a greyscale {header.kind}; encoding: colours does not fit: " if grey else ""
    listed = ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")
    hint = f"; channel {' and '.join(map(str, sorted(varying)))} varies: is the id there?" if varying else ""
    return f"{note}{pixels} pixels have ids that the id table does not map: {listed}{hint}"


def _decoded(path: StoragePath, decode: Callable[[str], _Decoded]) -> _Decoded:
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


def _counted(values: np.ndarray, counts: np.ndarray, dataset: Dataset, ids: IdMap) -> dict[str, int]:
    """What the id table maps of raw values, as messages show it -> how often it occurs."""
    total: Counter[str] = Counter()
    for value, count in zip(ids.mapped(values).tolist(), counts.tolist(), strict=True):
        total[_shown(value, dataset)] += count
    return dict(total)


def _shown(value: int, dataset: Dataset) -> str:
    colour = dataset.encoding == "colours" and dataset.raw is None
    return ",".join(map(str, value.to_bytes(3, "big"))) if colour else str(value)


def _label_header(path: StoragePath, dataset: Dataset) -> LabelHeader:
    """A label's header; an error if it is not stored as its data set says, which would silently give wrong ids."""
    header = _read(path, read_label_header)
    if wrong := _wrong_encoding(header, dataset):
        raise _UnusableError(path, wrong, misfit=True)
    if (turn := header.orientation) != 1:
        wrong = f"has an EXIF orientation ({turn}), but labels are read as they are stored: turn its pixels instead"
        raise _UnusableError(path, wrong)
    return header


def _wrong_encoding(header: LabelHeader, dataset: Dataset) -> str | None:
    bits = header.bits
    if dataset.encoding == "palette":
        return None if header.palette else f"is no palette {header.kind}; encoding: palette does not fit"
    if dataset.encoding == "colours":
        # Colours are the same however a program packed them: with a palette, or as grey if all are grey.
        return f"has {bits} bits a channel, colours have 8; convert it" if bits == 16 else None
    if header.palette and not header.grey:
        return (
            f"is a palette {header.kind}, whose indices would be lost; set encoding: palette if the index is the id, or"
            " encoding: colours if the colour tells the class"
        )
    if bits != dataset.bits:
        return f"has {bits} bits a channel, bits: {dataset.bits} was expected; set bits: {bits}"
    if dataset.channel >= header.channels:
        return f"has {header.channels} channels, channel: {dataset.channel} was expected (0 is the first)"
    return None
