"""Reading images of any size, upright and checked, ahead of their use."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from hrs_keras.errors import DataError, printable, reason
from hrs_keras.media.exif import orientation, upright
from hrs_keras.system.threads import read_ahead

# Not Image.open for these: it has a limit on pixels of its own, and calls the JPEG files of many cameras MPO.
_READERS: dict[bytes, Callable[[BinaryIO], Image.Image]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
}

_READING_THREADS = 4


def read_image(path: Path, max_pixels: int) -> np.ndarray:
    """Read a PNG or JPEG file, decoded as in training and turned upright as its EXIF data say.

    Args:
        path: the file.
        max_pixels: a file whose header announces more pixels is not decoded.

    Returns:
        [h, w, 3] uint8, RGB.

    Raises:
        DataError: the file is neither PNG nor JPEG, is broken, or has too many pixels; the message names the file.
    """
    import tensorflow as tf

    from hrs_keras.data.decode import decode_image

    try:
        orientation = _check_header(path, max_pixels)
        return upright(decode_image(os.fsencode(path)).numpy(), orientation)
    except DataError as error:
        raise DataError(f"{printable(path)}: {error}") from None
    except tf.errors.OpError as error:
        raise DataError(f"{printable(path)}: cannot be decoded ({reason(error)})") from None


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse an image or a video that is too large to be read.

    Raises:
        DataError: it has more than ``max_pixels`` pixels; the message has the sizes, and the caller adds the file.
    """
    if width * height > max_pixels:
        raise DataError(
            f"has {height}x{width} pixels (height x width), more than {max_pixels};"
            " scale it down, or raise --max-pixels"
        )


def _check_header(path: Path, max_pixels: int) -> int:
    """The EXIF orientation of a PNG or JPEG file that may be decoded; reads its header alone."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            reader = next((reader for magic, reader in _READERS.items() if start.startswith(magic)), None)
            if reader is None:
                raise DataError(_other_file_type(path) if start else "is empty")
            file.seek(0)
            header = _opened(reader, file)
            check_pixels(*header.size, max_pixels)
            return orientation(header)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None


def _opened(reader: Callable[[BinaryIO], Image.Image], file: BinaryIO) -> Image.Image:
    try:
        return reader(file)
    # Pillow has no common base for what it raises on a broken file: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise DataError(f"cannot be decoded ({error})") from None


def _other_file_type(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return f"is a {image.format} file; convert it to PNG or JPEG"
    except Exception:  # no format that Pillow knows; see above for its exceptions
        return "is neither a PNG nor a JPEG file"


def read_images(
    files: Sequence[Path], max_pixels: int, ahead: int
) -> AbstractContextManager[Iterator[tuple[Path, np.ndarray | DataError]]]:
    """Read images in other threads, and iterate over them in order.

    Args:
        files: PNG and JPEG files.
        max_pixels: images that have more are not read.
        ahead: how many images are held at one time at most, beside those that the caller holds.

    Returns:
        A context with an iterator of pairs: a path, and what :func:`read_image` returns for it or the DataError that it
        raises.
    """

    def attempt(file: Path) -> tuple[Path, np.ndarray | DataError]:
        try:
            return file, read_image(file, max_pixels)
        except DataError as error:
            return file, error

    return read_ahead((partial(attempt, file) for file in files), ahead, _READING_THREADS)
