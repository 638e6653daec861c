"""Reading label files as they are, without knowing yet what their values mean.

Pillow reads them: this needs no TensorFlow. What is found here decides how a recipe describes the labels; training
reads them by that description alone (:mod:`hrs_keras.data.decode`).
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from hrs_keras.data.label_files import LabelHeader, channels, indices, read_label_header
from hrs_keras.errors import DataError, printable, reason

Kind = Literal["grey", "palette", "colours"]

_MOST_PIXELS = 2**28
_JPEG_START = b"\xff\xd8\xff"
_RARE = 0.002  # of the pixels: a value at edges alone has less
_MANY = 8  # rare values in one label, from which its edges are looked at
_LOOKED_AT = 2000  # pixels of rare values
_FEWEST_LOOKED_AT = 50
_BLENDED = 0.7  # share of the pixels of rare values that lie between their neighbours' values


class JpegLabelError(DataError):
    """A label that is a JPEG file."""


@dataclass(frozen=True)
class LabelFile:
    """What a label file holds.

    Attributes:
        kind: of file.
        bits: of a channel, 1 to 16; 8 for palettes.
        counts: packed value -> number of its pixels. Packed are grey values and palette indices as they are, and
            colours as R * 2**(2 * bits) + G * 2**bits + B.
        channels: for colours, channel -> its values, without alpha. Empty for others.
        palette: index -> ``"R,G,B"``, of the indices that occur; empty but for palettes.
        blended: it has many rare values, most of which lie between those of their neighbours: its edges are smoothed.
    """

    kind: Kind
    bits: int
    counts: Mapping[int, int]
    channels: Mapping[int, frozenset[int]] = field(default_factory=dict)
    palette: Mapping[int, str] = field(default_factory=dict)
    blended: bool = False


def read_label(path: Path) -> LabelFile:
    """Read a label.

    Raises:
        JpegLabelError: it is a JPEG file, whatever it is called.
        DataError: it cannot be read, may have been changed when it was saved, or is too large. The messages name it.
    """
    try:
        contents = path.read_bytes()
        if contents.startswith(_JPEG_START):
            raise JpegLabelError(
                f"the label {printable(path)} is a JPEG file: JPEG changes the values along edges, so that classes"
                " are lost for good. Export the labels again, as PNG"
            )
        header = read_label_header(io.BytesIO(contents))
        if header.size[0] * header.size[1] > _MOST_PIXELS:
            raise DataError(f"has {header.size[0]}x{header.size[1]} pixels, more than a label is read with")
        return _read(contents, header)
    except JpegLabelError:
        raise
    except DataError as error:
        raise DataError(f"the label {printable(path)} {error}") from None
    # What Pillow raises on a broken file has no common base class.
    except Exception as error:
        raise DataError(f"the label {printable(path)} cannot be read ({reason(error)})") from None


def _read(contents: bytes, header: LabelHeader) -> LabelFile:
    image = PngImageFile(io.BytesIO(contents)) if header.kind == "PNG" else None
    if header.palette and not header.grey:
        return _of_palette(*(indices(contents) if image is None else _index_and_palette(image)))
    if header.bits == 16 and header.grey and header.channels > 1:
        raise DataError("is grey with 16 bits and an alpha channel; save it without alpha")
    pixels = channels(contents) if image is None else _pixels(contents, image, header)
    if not header.grey:
        return _of_colours(pixels, header.bits)
    values = pixels[..., 0]
    counts = _count(values)
    return LabelFile("grey", header.bits, counts, blended=_is_blended(pixels[..., :1], values, counts))


def _index_and_palette(image: PngImageFile) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(image), np.array(image.getpalette(), np.uint8).reshape(-1, 3)


def _of_palette(index: np.ndarray, colours: np.ndarray) -> LabelFile:
    """What [h, w] indices of a palette [n, 3] uint8 hold."""
    counts = _count(index)
    palette = {value: ",".join(map(str, colours[value])) for value in counts if value < len(colours)}
    return LabelFile("palette", 8, counts, palette=palette)


def _pixels(contents: bytes, image: PngImageFile, header: LabelHeader) -> np.ndarray:
    """[h, w, c] integers of a PNG without a palette, as they are stored."""
    if header.bits == 16 and not header.grey:
        return _all_bits(image, contents)
    pixels = np.asarray(image)
    if header.bits == 1:
        pixels = pixels.astype(np.uint8)
    elif header.bits < 8:  # Pillow spreads them over 0 to 255
        pixels = pixels // (255 // (2**header.bits - 1))
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _all_bits(image: PngImageFile, contents: bytes) -> np.ndarray:
    """[h, w, c] int32 of a PNG with colours of 16 bits, of which Pillow by itself gives the upper 8."""
    upper = np.asarray(image).astype(np.int32)
    image = PngImageFile(io.BytesIO(contents))
    codec, extents, offset, raw_mode = image.tile[0]
    lower: Any = (codec, extents, offset, str(raw_mode).replace(";16B", ";16L"))  # takes the lower byte for the upper
    image.tile = [lower]
    return upper * 256 + np.asarray(image)


def _of_colours(pixels: np.ndarray, bits: int) -> LabelFile:
    """What [h, w, c] holds; alpha says nothing."""
    red, green, blue = (pixels[..., channel].astype(np.int64) for channel in range(3))
    packed = (red << 2 * bits) + (green << bits) + blue
    counts = _count(packed)
    channels = {channel: frozenset(_count(pixels[..., channel])) for channel in range(3)}
    return LabelFile("colours", bits, counts, channels, blended=_is_blended(pixels[..., :3], packed, counts))


def _count(values: np.ndarray) -> dict[int, int]:
    """Value -> number of its pixels. Runs of one value, of which labels consist, are counted as one."""
    flat = values.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    found, which = np.unique(flat[starts], return_inverse=True)
    sums = np.bincount(which.ravel(), weights=lengths).astype(np.int64)
    return dict(zip(found.tolist(), sums.tolist(), strict=True))


def _is_blended(pixels: np.ndarray, packed: np.ndarray, counts: Mapping[int, int]) -> bool:
    """Whether a label has smoothed edges: many rare values, which lie between those two pixels to either side.

    Args:
        pixels: [h, w, c].
        packed, counts: [h, w] one value for each pixel, and how many pixels have it.
    """
    few = [value for value, count in counts.items() if count < _RARE * packed.size]
    if len(few) < _MANY or min(packed.shape) < 5:
        return False
    wide = pixels.astype(np.int32)
    rows, columns = np.nonzero(np.isin(packed, few)[2:-2, 2:-2])
    if len(rows) < _FEWEST_LOOKED_AT:
        return False
    step = max(1, len(rows) // _LOOKED_AT)
    y, x = rows[::step] + 2, columns[::step] + 2
    own = wide[y, x]
    between = np.zeros(len(y), bool)
    for one, other in ((wide[y, x - 2], wide[y, x + 2]), (wide[y - 2, x], wide[y + 2, x])):
        inside = ((own >= np.minimum(one, other)) & (own <= np.maximum(one, other))).all(axis=1)
        between |= inside & (own != one).any(axis=1) & (own != other).any(axis=1)
    return bool(between.mean() > _BLENDED)
