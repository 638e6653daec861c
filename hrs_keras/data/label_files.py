"""Label files: PNG, BMP and TIFF files whose values are stored as they were written, and what their headers say.

A file whose values a program may have changed, such as by JPEG compression, is refused: a label of other ids looks as
good as one of the right ones. TensorFlow decodes PNG files (:mod:`hrs_keras.data.decode`), Pillow the others.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import TiffImageFile

from hrs_keras.data.image_files import file_type, read_header
from hrs_keras.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n"
"""How a PNG file begins."""

_BMP = b"BM"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_START = 30  # bytes: all that is read of them here
_BMP_BITS = 28  # where a BMP file has its bits a pixel, in all headers but that of OS/2

# https://www.w3.org/TR/png/#11IHDR: colour type -> channels
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_GREY, _PNG_PALETTE = (0, 4), 3

# TIFF 6.0, section 8
_UNSIGNED, _BLACK_IS_ZERO, _RGB, _PALETTE = 1, 1, 2, 3
_PHOTOMETRIC = (_BLACK_IS_ZERO, _RGB, _PALETTE)
_LOSSLESS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")


@dataclass(frozen=True)
class LabelHeader:
    """What a label's header says.

    Attributes:
        kind: of file.
        size: [height, width] in pixels as they lie in the file.
        bits: of a channel.
        channels: 1 for palette files.
        grey: all channels but alpha are one.
        palette: pixels are indices of a palette. A BMP file of 8 bits may be ``grey`` as well: index and value agree.
        orientation: EXIF's, 1 to 8; 1 is upright.
    """

    kind: Literal["PNG", "BMP", "TIFF"]
    size: tuple[int, int]
    bits: int
    channels: int
    grey: bool
    palette: bool
    orientation: int = 1


def read_label_header(file: BinaryIO) -> LabelHeader:
    """Read the header of a label file.

    Args:
        file: at its beginning.

    Raises:
        DataError: it is none, is empty, its header is broken, or its values may not be those that were written; the
            message is the rest of the sentence that begins with the file.
        OSError, tf.errors.OpError: it cannot be read.
    """
    start = file.read(_START)
    file.seek(0)
    if start.startswith(PNG) and len(start) == _START:
        return _png_header(start, file)
    try:
        if start.startswith(_BMP):
            return _bmp_header(start, BmpImageFile(file))
        if start.startswith(_TIFF):
            return _tiff_header(TiffImageFile(file))
    except DataError:
        raise
    # Pillow has no common base for what it raises on a broken file: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise DataError(f"cannot be decoded ({error})") from None
    if not start:
        raise DataError("is empty")
    found = file_type(file)
    raise DataError(f"is a {found} file; labels are PNG, BMP or TIFF files" if found else "is no PNG, BMP or TIFF file")


def channels(contents: bytes) -> np.ndarray:
    """Decode the contents of a BMP or TIFF file.

    Returns:
        [h, w, c] uint8 or uint16, all its channels; of a palette file the indices.

    Raises:
        ValueError: it cannot be decoded, or :func:`read_label_header` refuses it.
    """
    return _decoded(contents)[2]


def indices(contents: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The indices [h, w] uint8 of a BMP or TIFF file with a palette, and the palette [n, 3] uint8.

    Raises:
        ValueError: as :func:`channels`, or it has no palette.
    """
    header, image, pixels = _decoded(contents)
    if not header.palette:
        raise ValueError(f"wants a palette, found a {header.kind} file without one")
    palette = image.getpalette()
    if palette is None:  # Pillow takes one of all greys in their order for none
        return pixels[..., 0], np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    return pixels[..., 0], np.array(palette, np.uint8).reshape(-1, 3)


def colours(contents: bytes) -> np.ndarray:
    """What each pixel of a BMP or TIFF file of 8 bits a channel shows, [h, w, 3] uint8; raises as :func:`channels`."""
    header, _, pixels = _decoded(contents)
    if header.palette:
        index, palette = indices(contents)
        return palette[index]
    return np.repeat(pixels[..., :1], 3, axis=-1) if header.grey else pixels[..., :3]


def _decoded(contents: bytes) -> tuple[LabelHeader, Image.Image, np.ndarray]:
    """The header of a BMP or TIFF file, the file as Pillow has it, and its pixels [h, w, c] uint8 or uint16."""
    if contents.startswith(PNG):
        raise ValueError("is a PNG file")
    try:
        header = read_label_header(io.BytesIO(contents))
        image = (BmpImageFile if header.kind == "BMP" else TiffImageFile)(io.BytesIO(contents))
        pixels = np.asarray(image).astype(np.uint16 if header.bits == 16 else np.uint8)  # of any byte order
    # See above for Pillow's exceptions. A ValueError, so that whoever reads many files looks for the name of this one.
    except Exception as error:
        raise ValueError(str(error)) from None
    return header, image, pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def _png_header(start: bytes, file: BinaryIO) -> LabelHeader:
    bits, colour_type = start[24], start[25]
    header = read_header(file)
    return LabelHeader(
        "PNG",
        header.stored,
        bits,
        _PNG_CHANNELS.get(colour_type, 0),
        grey=colour_type in _PNG_GREY,
        palette=colour_type == _PNG_PALETTE,
        orientation=header.orientation,
    )


def _bmp_header(start: bytes, image: Image.Image) -> LabelHeader:
    bits = int.from_bytes(start[_BMP_BITS : _BMP_BITS + 2], "little")
    if bits not in (8, 24, 32):
        raise DataError(f"is a BMP file of {bits} bits a pixel; labels have 8, 24 or 32, convert it")
    grey = image.mode == "L"
    channels = len(image.getbands())
    return LabelHeader("BMP", image.size[::-1], 8, channels, grey=grey, palette=grey or image.mode == "P")


def _tiff_header(image: TiffImageFile) -> LabelHeader:
    tags = image.tag_v2
    widths, formats = set(tags.get(Base.BitsPerSample, (1,))), set(tags.get(Base.SampleFormat, (_UNSIGNED,)))
    bits, photometric = max(widths), tags.get(Base.PhotometricInterpretation)
    compression, pages = image.info.get("compression"), getattr(image, "n_frames", 1)
    one_of_16 = bits == 16 and image.mode.startswith("I;16")
    refused = [
        (f"is compressed by {compression}, which may change its values", compression not in _LOSSLESS),
        ("holds numbers that may be negative or fractions", formats != {_UNSIGNED}),
        ("has channels of different bits", len(widths) > 1),
        ("has white as 0, or colours that are not red, green and blue", photometric not in _PHOTOMETRIC),
        (f"has {bits} bits a channel", bits != 8 and photometric != _PALETTE and not one_of_16),
        (f"has {pages} pages", pages > 1),
    ]
    if what := next((what for what, holds in refused if holds), None):
        raise DataError(f"{what}; labels in TIFF files have one page of 8 bits a channel, or of one channel of 16 bits")
    return LabelHeader(
        "TIFF",
        image.size[::-1],
        8 if photometric == _PALETTE else bits,
        len(image.getbands()),
        grey=photometric == _BLACK_IS_ZERO,
        palette=photometric == _PALETTE,
        orientation=tags.get(Base.Orientation, 1),
    )
