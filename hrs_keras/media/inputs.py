"""Finding the images and videos that predictions are made for: files, folders and patterns.

This needs no TensorFlow, which takes seconds to import: a client of a served model only looks for files.
"""

import glob
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hrs_keras.data.file_names import IMAGE_SUFFIXES, TOOL_FOLDERS, is_image_name, is_litter
from hrs_keras.errors import DataError, printable
from hrs_keras.system.files import LONGEST_NAME

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".3gp", ".flv", ".wmv"),
    *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
)


def find_inputs(inputs: Sequence[str | Path]) -> list[Path]:
    """The files that inputs stand for, in order; a file given twice is there once.

    Args:
        inputs: files of any name; folders, whose PNG and JPEG files are taken; patterns such as ``in/**/*.png`` of
            image and video files. Hidden files are taken only if they are named.

    Raises:
        DataError: an input does not exist or cannot be read, a folder or pattern gives nothing, two files would
            write the same output, or the name of an output would be too long.
    """
    files: dict[tuple[str, str], Path] = {}
    for given in map(Path, inputs):
        try:
            for file in _expand(given):
                # By its own path, not a link's: '**' follows links to folders. A link of another name is another file.
                files.setdefault((os.path.realpath(file), output_name(file)), file)
        except OSError as error:
            raise DataError(f"{printable(given)} cannot be read: {error.strerror}") from None
    _refuse_outputs(files.values())
    return list(files.values())


def is_video(path: Path) -> bool:
    """Whether a file's name is that of a video; what the file really is shows when it is read."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def output_name(path: Path) -> str:
    """The file name of an input's label maps: ``a.png`` for ``a.jpg``, ``b.mp4`` for ``b.mkv``."""
    return path.stem + (".mp4" if is_video(path) else ".png")


def refuse_overwriting(files: Iterable[Path], folders: Iterable[Path]) -> None:
    """Refuse inputs that lie in the folders that label maps will be written to.

    Raises:
        DataError: naming the first such input.
    """
    # Not Path.resolve, which gives up on a link to itself.
    targets = {Path(os.path.realpath(folder)) for folder in folders}
    for file in files:
        if not targets.isdisjoint(Path(os.path.realpath(file)).parents):
            raise DataError(f"{printable(file)} lies where predictions would be written; choose another --out")


def log_skipped(message: str) -> None:
    """Log an input that is skipped; ``message`` names it and says why."""
    log.warning("skipped %s", message)


def _expand(given: Path) -> list[Path]:
    if given.is_dir():
        files = (path for path in given.iterdir() if is_image_name(path) and not is_litter(path.name))
        found = sorted(path for path in files if not path.is_dir())
        nothing = f"holds no image ({', '.join(IMAGE_SUFFIXES)}); videos are given by name or by a pattern"
    elif given.is_file():
        return [given]
    elif glob.escape(str(given)) != str(given):
        suffixes = IMAGE_SUFFIXES + VIDEO_SUFFIXES
        matches = sorted(map(Path, glob.glob(str(given), recursive=True)))  # leaves out what is hidden
        litter = TOOL_FOLDERS.difference(given.parts)
        files = (path for path in matches if path.suffix.lower() in suffixes and litter.isdisjoint(path.parts))
        found = [path for path in files if not path.is_dir()]
        nothing = f"matches no image or video ({', '.join(suffixes)})"
    else:
        what = "is neither a file nor a folder" if os.path.lexists(given) else "does not exist"
        raise DataError(f"{printable(given)} {what}")
    if not found:
        raise DataError(f"{printable(given)} {nothing}")
    return found


def _refuse_outputs(files: Iterable[Path]) -> None:
    by_name: dict[str, Path] = {}
    for file in files:
        name = output_name(file)
        if (length := len(os.fsencode(name))) > LONGEST_NAME:
            what = f"would be written under a name of {length} bytes, {LONGEST_NAME} are possible; rename it"
            raise DataError(f"{printable(file)} {what}")
        if (other := by_name.setdefault(name, file)) is not file:
            both = f"{printable(other)} and {printable(file)}"
            raise DataError(f"{both} would both be written as {printable(Path(name))}; rename one, or do them apart")
