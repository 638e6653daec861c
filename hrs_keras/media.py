"""What predictions are made for: files, folders and patterns in; upright images, read ahead in bounded memory, out."""

import glob
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from hrs_keras.errors import DataError, printable, reason

# TensorFlow takes seconds to import, and a client of a served model only looks for files: what decodes imports it.

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")

# Not Image.open for these: it has a limit on pixels of its own, and calls the JPEG files of many cameras MPO.
_READERS = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}

# EXIF orientation -> is it stored transposed, step along the rows, step along the columns
_TURNS = {
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}

_READING_THREADS = 4

T = TypeVar("T")


# ---- finding ---------------------------------------------------------------------------------------------------


def find_inputs(inputs: Sequence[str | Path]) -> list[Path]:
    """The files that inputs stand for, in order; a file given twice is there once.

    Args:
        inputs: files of any name; folders, whose PNG and JPEG files are taken; patterns such as ``in/**/*.png`` of
            image and video files. Hidden files are taken by name only.

    Raises:
        DataError: an input does not exist or cannot be read, a folder or pattern gives nothing, or two files would
            write the same output.
    """
    files: dict[tuple[str, str], Path] = {}
    for given in map(Path, inputs):
        try:
            for file in _expand(given):
                # By its own path, not a link's: '**' follows links to folders. A link of another name is another file.
                files.setdefault((os.path.realpath(file), output_name(file)), file)
        except OSError as error:
            raise DataError(f"{printable(given)} cannot be read: {error.strerror}") from None
    _refuse_same_outputs(files.values())
    return list(files.values())


def is_video(path: Path) -> bool:
    """By its name; what a file really is shows when it is read."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def output_name(path: Path) -> str:
    """What the pictures of an input are called."""
    return path.stem + (".mp4" if is_video(path) else ".png")


def _expand(given: Path) -> list[Path]:
    if given.is_dir():
        visible = (path for path in given.iterdir() if not path.name.startswith("."))
        found = sorted(path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())
        nothing = f"holds no image ({', '.join(IMAGE_SUFFIXES)}); videos are given by name or by a pattern"
    elif given.is_file():
        return [given]
    elif glob.escape(str(given)) != str(given):
        suffixes = IMAGE_SUFFIXES + VIDEO_SUFFIXES
        matches = sorted(map(Path, glob.glob(str(given), recursive=True)))
        found = [path for path in matches if path.suffix.lower() in suffixes and not path.is_dir()]
        nothing = f"matches no image or video ({', '.join(suffixes)})"
    else:
        what = "is neither a file nor a folder" if os.path.lexists(given) else "does not exist"
        raise DataError(f"{printable(given)} {what}")
    if not found:
        raise DataError(f"{printable(given)} {nothing}")
    return found


def _refuse_same_outputs(files: Iterable[Path]) -> None:
    by_name: dict[str, Path] = {}
    for file in files:
        name = output_name(file)
        if (other := by_name.setdefault(name, file)) is not file:
            both = f"{printable(other)} and {printable(file)}"
            raise DataError(f"{both} would both be written as {printable(Path(name))}; rename one, or do them apart")


# ---- reading ---------------------------------------------------------------------------------------------------


def read_image(path: Path, max_pixels: int) -> np.ndarray:
    """Read a PNG or JPEG file: [h, w, 3] uint8, decoded as training does, turned upright as its EXIF data say.

    Raises:
        DataError: it is neither, is broken, or has more than ``max_pixels`` pixels, which its header tells.
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


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn [h, w, ...] as it is stored to how EXIF's ``orientation`` shows it; other values than 2 to 8 do not."""
    transposed, down, across = _TURNS.get(orientation, (False, 1, 1))
    pixels = pixels.swapaxes(0, 1) if transposed else pixels
    return np.ascontiguousarray(pixels[::down, ::across])


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse what is too large to be read.

    Raises:
        DataError: with the sizes, for the caller to say of which file.
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
                raise DataError(_other_format(path) if start else "is empty")
            file.seek(0)
            header = _opened(reader, file)
            check_pixels(*header.size, max_pixels)
            return orientation(header)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None


def _opened(reader: type[Image.Image], file: BinaryIO) -> Image.Image:
    try:
        return reader(file)
    # Pillow has no common base for what it raises on a broken file: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise DataError(f"cannot be decoded ({error})") from None


def orientation(header: Image.Image) -> int:
    """EXIF's orientation of an opened file, 1 (upright) if it makes no sense; decodes no pixels."""
    try:
        # Not PngImageFile's own getexif, which decodes the pixels in search of EXIF data behind them.
        return Image.Image.getexif(header).get(Base.Orientation, 1)
    except Exception:  # Pillow has no common base; in browsers too, such data turn nothing
        return 1


def _other_format(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return f"is a {image.format} file; convert it to PNG or JPEG"
    except Exception:  # no format that Pillow knows; see above for its exceptions
        return "is neither a PNG nor a JPEG file"


# ---- reading ahead ---------------------------------------------------------------------------------------------


@contextmanager
def read_ahead(calls: Iterable[Callable[[], T]], ahead: int, threads: int) -> Iterator[Iterator[T]]:
    """The results of ``calls``, in order, made in other threads; at most ``ahead`` are made or waiting at any time.

    What a call raises is raised in its place. When the context is left, no call is running any more.
    """
    pool = ThreadPoolExecutor(threads)

    def results() -> Iterator[T]:
        rest = iter(calls)
        window = deque(pool.submit(call) for call in islice(rest, ahead))
        while window:
            yield window.popleft().result()
            window.extend(pool.submit(call) for call in islice(rest, 1))

    try:
        yield results()
    finally:
        pool.shutdown(cancel_futures=True)


def read_images(files: Sequence[Path], max_pixels: int, ahead: int):
    """A context with the files' images, in order: pairs of a path and :func:`read_image`'s array, or its DataError."""

    def attempt(file: Path) -> tuple[Path, np.ndarray | DataError]:
        try:
            return file, read_image(file, max_pixels)
        except DataError as error:
            return file, error

    return read_ahead((partial(attempt, file) for file in files), ahead, _READING_THREADS)
