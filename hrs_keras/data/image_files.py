"""PNG and JPEG files, the only images that are taken, and what their headers say. No pixel is decoded here.

One rule for training, evaluation, ``hrs prepare``, ``hrs predict`` and ``hrs request``: an image is read as every
viewer shows it, turned upright as its EXIF orientation says.

This needs no TensorFlow: a client of a served model has to do without it.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from hrs_keras.errors import DataError

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# Not Image.open for these: it has a limit on pixels of its own, and calls the JPEG files of many cameras MPO.
_READERS: dict[bytes, Callable[[BinaryIO], Image.Image]] = {_PNG: PngImageFile, _JPEG: JpegImageFile}
_PNG_BITS = 24  # where a PNG file has its bits a channel, https://www.w3.org/TR/png/#11IHDR
# Frames, tables, comments and application data, but for APP1 (E1), which holds EXIF data or XMP. ITU-T T.81, table B.1
_JPEG_SEGMENTS = {bytes([0xFF, code]) for code in (*range(0xC0, 0xD0), 0xDB, 0xDD, 0xE0, *range(0xE2, 0xF0), 0xFE)}
_UPRIGHT, _LAST_ORIENTATION = 1, 8  # EXIF 2.32, 4.6.4.A


@dataclass(frozen=True)
class Header:
    """What an image's header says.

    Attributes:
        stored: [height, width] in pixels as they lie in the file.
        orientation: EXIF's, 1 to 8; 1 is upright.
        bits: of a channel, 1 to 16.
    """

    stored: tuple[int, int]
    orientation: int
    bits: int

    @property
    def upright(self) -> tuple[int, int]:
        """[height, width] in pixels once the image is turned upright."""
        return self.stored[::-1] if self.orientation > 4 else self.stored


def read_header(file: BinaryIO) -> Header:
    """Read the header of a PNG or JPEG file.

    Args:
        file: at its beginning.

    Raises:
        DataError: it is neither, is empty, or its header is broken; the message is the rest of the sentence that
            begins with the file.
        OSError, tf.errors.OpError: it cannot be read.
    """
    start = file.read(_PNG_BITS + 1)
    reader = next((reader for magic, reader in _READERS.items() if start.startswith(magic)), None)
    file.seek(0)
    if reader is None:
        raise DataError(_other_file_type(file) if start else "is empty")
    try:
        opened = reader(file)
    # Pillow has no common base for what it raises on a broken file: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise DataError(f"cannot be decoded ({error})") from None
    width, height = opened.size
    return Header((height, width), orientation(opened), start[_PNG_BITS] if reader is PngImageFile else 8)


def open_verified(contents: bytes, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Open an image file of which every checksum is right, which Pillow does not look at when it reads pixels.

    Args:
        contents: of the whole file.
        formats: those that it may have, as Pillow calls them; None for any.

    Raises:
        Exception: it is damaged, or of another format. What Pillow raises has no common base.
    """
    Image.open(io.BytesIO(contents), formats=formats).verify()
    return Image.open(io.BytesIO(contents), formats=formats)


def file_type(file: BinaryIO) -> str | None:
    """What Pillow calls a file's format; None if it knows none like it."""
    try:
        with Image.open(file) as image:
            return image.format
    except Exception:  # see above for Pillow's exceptions
        return None


def _other_file_type(file: BinaryIO) -> str:
    kind = file_type(file)
    return f"is a {kind} file; convert it to PNG or JPEG" if kind else "is neither a PNG nor a JPEG file"


# ---- EXIF orientation --------------------------------------------------------------------------------------------


def orientation(header: Image.Image) -> int:
    """EXIF's orientation of an opened file, 1 to 8; 1 (upright) if it says nothing valid. Decodes no pixels."""
    try:
        # Not PngImageFile's own getexif, which decodes the pixels in search of EXIF data behind them.
        found = Image.Image.getexif(header).get(Base.Orientation)
        return found if isinstance(found, int) and _UPRIGHT <= found <= _LAST_ORIENTATION else _UPRIGHT
    except Exception:  # Pillow has no common base for its errors; browsers too ignore such data
        return _UPRIGHT


def orientation_of(contents: bytes) -> int:
    """The same for a whole file; 1 also for one that :func:`read_header` refuses."""
    try:
        return read_header(io.BytesIO(contents)).orientation
    except DataError:
        return _UPRIGHT


def says_no_orientation(head: bytes) -> bool:
    """Whether a file's first bytes already show that it has no orientation, as most files have none.

    Args:
        head: as many first bytes of the file as are at hand.

    Returns:
        True only if what comes before the pixels lies within ``head`` and holds nothing that :func:`orientation`
        reads. If False, the whole file has to be asked: :func:`orientation_of`.
    """
    if head.startswith(_PNG):
        return _png_says_none(head)
    return head.startswith(_JPEG) and _jpeg_says_none(head)


def _png_says_none(head: bytes) -> bool:
    """Go from chunk to chunk (length, kind, data, checksum) up to the pixels, https://www.w3.org/TR/png/#5Chunk-layout."""
    at = len(_PNG)
    while kind := head[at + 4 : at + 8]:
        if kind == b"IDAT":
            return True
        if kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):  # some programs write EXIF data and XMP as text
            return False
        at += 12 + int.from_bytes(head[at : at + 4], "big")
    return False


def _jpeg_says_none(head: bytes) -> bool:
    """Go from segment to segment (marker, length, data) up to the pixels, ITU-T T.81, B.1.1."""
    at = 2
    while (marker := head[at : at + 2]) in _JPEG_SEGMENTS:
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return marker == b"\xff\xda"  # start of scan
