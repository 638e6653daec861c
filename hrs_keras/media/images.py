"""Reading images of any size, upright and checked, ahead of their use."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np

from hrs_keras.data.image_files import read_header
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.system.threads import read_ahead

_READING_THREADS = 4


def read_image(path: Path, max_pixels: int) -> np.ndarray:
    """Read a PNG or JPEG file, decoded as in training: upright.

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
        with open(path, "rb") as file:
            height, width = read_header(file).stored
        check_pixels(width, height, max_pixels)
        return decode_image(os.fsencode(path)).numpy()
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read ({error.strerror})") from None
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


def read_images(
    files: Sequence[Path], max_pixels: int, ahead: int
) -> AbstractContextManager[Iterator[tuple[Path, np.ndarray | DataError]]]:
    """Read images in other threads, and iterate over them in order.

    Args:
        files: PNG and JPEG files.
        max_pixels: images that have more are not read.
        ahead: how many images are held at one time at most, beside those that the caller holds.

    Returns:
        A context with an iterator of pairs, a path and what :func:`read_image` returns for it or the DataError that it
        raises.
    """

    def attempt(file: Path) -> tuple[Path, np.ndarray | DataError]:
        try:
            return file, read_image(file, max_pixels)
        except DataError as error:
            return file, error

    return read_ahead((partial(attempt, file) for file in files), ahead, _READING_THREADS)
