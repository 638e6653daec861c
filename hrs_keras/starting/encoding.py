"""How the labels of a data set hold their classes, found from a sample of them."""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from hrs_keras.errors import DataError, printable
from hrs_keras.starting.label_files import JpegLabelError, LabelFile, read_label
from hrs_keras.system.threads import map_in_threads

SAMPLE = 200
"""How many labels are looked at."""

Key = int | str
"""A raw value of an id table: a number, or ``"R,G,B"``."""

_MOST_VALUES = 256
_FEW_VALUES = 64


@dataclass(frozen=True)
class Survey:
    """How a sample of labels is stored, and what it holds.

    Attributes:
        encoding, bits, channel: as in a recipe; bits are 1, 2, 4, 8 or 16.
        pixels: raw value -> its share of all pixels, in [0, 1].
        files: raw value -> how many labels have it.
        sampled: how many labels were looked at.
        palette: index -> ``"R,G,B"``, for ``encoding: palette``.
        notes: what a reader of the recipe should know, in sentences.
    """

    encoding: Literal["values", "palette", "colours"]
    bits: int
    channel: int
    pixels: Mapping[Key, float]
    files: Mapping[Key, int]
    sampled: int
    palette: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def survey(labels: Sequence[Path], colours: Collection[str] = ()) -> Survey:
    """Look at a seeded sample of labels.

    Args:
        labels: the files.
        colours: ``"R,G,B"`` that a file beside the labels gives names to.

    Raises:
        DataError: no label can be read, one is a JPEG file, or has smoothed edges, or they hold more values than
            there can be classes; the message names a file.
    """
    order = np.random.default_rng(0).permutation(len(labels))[:SAMPLE]
    sample = [labels[position] for position in sorted(order)]
    read: dict[Path, LabelFile] = {}
    broken: list[str] = []
    with map_in_threads(_attempt, sample, threads=os.cpu_count() or 1) as results:
        for path, found in zip(sample, results, strict=True):
            if isinstance(found, LabelFile):
                read[path] = found
            elif isinstance(found, JpegLabelError):
                raise found
            else:
                broken.append(str(found))
    if not read:
        raise DataError(f"{broken[0]}; neither can the {len(broken) - 1} other labels that were looked at")
    if blended := next((path for path, label in read.items() if label.blended), None):
        raise DataError(
            f"the label {printable(blended)} has smoothed edges: {len(read[blended].counts)} values, most of which lie"
            " between those of their neighbours, so that a border seems to be other classes. Export the labels without"
            " anti-aliasing, and scale them with nearest-neighbour interpolation only"
        )
    notes = (f"{len(broken)} of {len(sample)} sampled labels cannot be read: {broken[0]}",) if broken else ()
    return _described(read, frozenset(colours), notes)


def _attempt(path: Path) -> LabelFile | DataError:
    try:
        return read_label(path)
    except DataError as error:
        return error


def _described(read: Mapping[Path, LabelFile], colours: frozenset[str], notes: tuple[str, ...]) -> Survey:
    kinds, depths = {label.kind for label in read.values()}, {label.bits for label in read.values()}
    if len(depths) > 1 and max(depths) == 16:
        one, other = (next(path for path, label in read.items() if label.bits == bits) for bits in (min(depths), 16))
        raise DataError(
            f"the label {printable(one)} has {min(depths)} bits a channel, {printable(other)} has 16: they are two data"
            " sets; put them in two folders"
        )
    palette = _common_palette(read.values()) if kinds == {"palette"} else None
    if palette is not None and not colours & set(palette.values()):
        return _tallied(read, "palette", 0, palette, notes)
    if kinds == {"grey"} and len(depths) == 1:
        _refuse_many(read)
        return _tallied(read, "values", 0, None, notes)
    return _of_colours(read, colours, notes)  # which all depths up to 8 can show


def _of_colours(read: Mapping[Path, LabelFile], colours: frozenset[str], notes: tuple[str, ...]) -> Survey:
    """Colours in whatever kinds of PNG; or RGB files of which one channel alone holds the ids."""
    channels: dict[int, set[int]] = {}
    for label in read.values():
        for channel, values in label.channels.items():
            channels.setdefault(channel, set()).update(values)
    varying = [channel for channel, values in channels.items() if len(values) > 1]
    all_rgb = all(label.kind == "colours" for label in read.values())
    distinct = {value for label in read.values() for value in label.counts}
    bits = next(iter(read.values())).bits
    named = colours & {_spelt(value, bits) for value in distinct}
    if all_rgb and not named:
        if all(_is_grey(value, bits) for value in distinct):
            varying = varying[:1]
        few = [channel for channel in varying if len(channels[channel]) <= _FEW_VALUES]
        if len(varying) == 1:
            return _tallied(read, "values", varying[0], None, notes)
        if few and (bits == 16 or (len(distinct) > _MOST_VALUES and len(few) == 1)):
            held = ", ".join(f"{channel} ({len(channels[channel])} values)" for channel in varying)
            note = f"several channels vary: {held}; look whether the class is in channel {few[0]}"
            return _tallied(read, "values", few[0], None, (*notes, note))
    _refuse_many(read)
    return _tallied(read, "colours", 0, None, notes)


def _refuse_many(read: Mapping[Path, LabelFile]) -> None:
    """Raise an error where there are more values than classes can have."""
    values = {value for label in read.values() for value in label.counts}
    if len(values) > _MOST_VALUES:
        worst = max(read, key=lambda path: len(read[path].counts))
        what = "colours" if read[worst].kind == "colours" else "values"
        raise DataError(
            f"{len(read)} labels hold {len(values)} different {what}, {len(read[worst].counts)} of them in"
            f" {printable(worst)}; a label has one for each class. Were they saved as JPEG once? Export them again."
            " Do they number instances? Then write the recipe by hand, with raw: id // 1000 or the like"
        )


def _common_palette(labels: Collection[LabelFile]) -> dict[int, str] | None:
    """The colours of the indices; None if files differ, whose indices then mean nothing."""
    palette: dict[int, str] = {}
    for label in labels:
        for index, colour in label.palette.items():
            if palette.setdefault(index, colour) != colour:
                return None
    return palette


def _tallied(
    read: Mapping[Path, LabelFile],
    encoding: Literal["values", "palette", "colours"],
    channel: int,
    palette: Mapping[int, str] | None,
    notes: tuple[str, ...],
) -> Survey:
    pixels: Counter[Key] = Counter()
    files: Counter[Key] = Counter()
    for label in read.values():
        own: Counter[Key] = Counter()
        for value, count in label.counts.items():
            own[_key(label, value, encoding, channel)] += count
        pixels.update(own)
        files.update(own.keys())
    total = pixels.total()
    bits = next(iter(read.values())).bits if encoding == "values" else 8
    shares = {key: pixels[key] / total for key in sorted(pixels, key=_order)}
    return Survey(encoding, bits, channel, shares, files, len(read), palette or {}, notes)


def _order(key: Key) -> tuple[int, ...]:
    return (key,) if isinstance(key, int) else tuple(map(int, key.split(",")))


def _key(label: LabelFile, value: int, encoding: str, channel: int) -> Key:
    """The raw value as an id table has it, of a packed one."""
    if encoding == "colours":
        if label.kind == "palette":
            return label.palette.get(value, "0,0,0")
        shown = value * 255 // (2**label.bits - 1)
        return f"{shown},{shown},{shown}" if label.kind == "grey" else _spelt(value, label.bits)
    return _channels(value, label.bits)[channel] if label.kind == "colours" else value


def _channels(value: int, bits: int) -> tuple[int, int, int]:
    largest = 2**bits - 1
    return value >> 2 * bits, value >> bits & largest, value & largest


def _spelt(value: int, bits: int) -> str:
    return ",".join(map(str, _channels(value, bits)))


def _is_grey(value: int, bits: int) -> bool:
    return len(set(_channels(value, bits))) == 1
