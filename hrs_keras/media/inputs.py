"""Finding the images and videos that predictions are made for: files, folders and patterns.

This needs no TensorFlow, which takes seconds to import: a client of a served model only looks for files.
"""

import glob
import itertools
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hrs_keras.data.file_names import IMAGE_SUFFIXES, TOOL_FOLDERS, is_image_name, is_litter
from hrs_keras.errors import DataError, printable
from hrs_keras.system.files import LONGEST_NAME

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".3gp", ".flv", ".wmv"),
    *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
)

_FRAME = re.compile(r"frame_\d{7,}")


def frame_name(number: int) -> str:
    """What is written for a video's frame is called so, without suffix; frames are counted from 0."""
    return f"frame_{number:07d}"


def find_inputs(inputs: Sequence[str | Path] | str | Path) -> dict[Path, str]:
    """The files that inputs stand for, in order; a file given twice is there once.

    Args:
        inputs: files of any name; folders, whose PNG and JPEG files are taken; patterns such as ``in/**/*.png`` of
            image and video files; one of these or several. Hidden files are taken only if they are named.

    Returns:
        File -> the name of what is written for it, without suffix: its own; of files that a pattern found in several
        folders, with the folders that the pattern leaves open, such as ``deep/x`` for ``in/deep/x.png``.

    Raises:
        DataError: there is no input, one does not exist or cannot be read, a folder or pattern gives nothing, two
            files would write the same output, or the name of an output would be too long.
    """
    if not (inputs := [inputs] if isinstance(inputs, str | Path) else inputs):
        raise DataError("there is nothing to predict: no file, folder or pattern was given")
    files: dict[tuple[str, str], tuple[Path, str]] = {}
    for given in map(Path, inputs):
        try:
            for file, name in _expand(given).items():
                # By its own path, not a link's: '**' follows links to folders. A link of another name is another file.
                files.setdefault((os.path.realpath(file), file.name), (file, name))
        except OSError as error:
            raise DataError(f"{printable(given)} cannot be read: {error.strerror}") from None
    found = dict(files.values())
    _refuse_outputs(found)
    return found


def is_video(path: Path) -> bool:
    """Whether a file's name is that of a video; what the file really is shows when it is read."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def refuse_overwriting(files: Iterable[Path], folders: Iterable[Path], option: str = "--out") -> None:
    """Refuse inputs that lie in the folders that label maps will be written to, which ``option`` chooses.

    Raises:
        DataError: naming the first such input.
    """
    # Not Path.resolve, which gives up on a link to itself.
    targets = {Path(os.path.realpath(folder)) for folder in folders}
    for file in files:
        if not targets.isdisjoint(Path(os.path.realpath(file)).parents):
            raise DataError(f"{printable(file)} lies where predictions would be written; choose another {option}")


def log_skipped(message: str) -> None:
    """Log an input that is skipped; ``message`` names it and says why."""
    log.warning("skipped %s", message)


def _expand(given: Path) -> dict[Path, str]:
    """File -> name of what is written for it."""
    if given.is_dir():
        files = (path for path in given.iterdir() if is_image_name(path) and not is_litter(path.name))
        found = {path: path.stem for path in sorted(files) if not path.is_dir()}
        nothing = f"holds no image ({', '.join(IMAGE_SUFFIXES)}); videos are given by name or by a pattern"
    elif given.is_file():
        return {given: given.stem}
    elif glob.escape(str(given)) != str(given):
        suffixes = IMAGE_SUFFIXES + VIDEO_SUFFIXES
        matches = sorted(map(Path, glob.glob(str(given), recursive=True)))  # leaves out what is hidden
        litter = TOOL_FOLDERS.difference(given.parts)
        files = (path for path in matches if path.suffix.lower() in suffixes and litter.isdisjoint(path.parts))
        found = {path: _name_below(_fixed_part(given), path) for path in files if not path.is_dir()}
        nothing = f"matches no image or video ({', '.join(suffixes)})"
    else:
        what = "is neither a file nor a folder" if os.path.lexists(given) else "does not exist"
        raise DataError(f"{printable(given)} {what}")
    if not found:
        raise DataError(f"{printable(given)} {nothing}")
    return found


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before the first that it leaves open."""
    fixed = itertools.takewhile(lambda part: glob.escape(part) == part, pattern.parts[:-1])
    return Path(*fixed)


def _name_below(folder: Path, file: Path) -> str:
    return Path(os.path.relpath(file.parent, folder), file.stem).as_posix()


def _refuse_outputs(files: Mapping[Path, str]) -> None:
    by_name: dict[str, Path] = {}
    videos = {stem: file for file, stem in files.items() if is_video(file)}
    for file, stem in files.items():
        name = stem + (".mp4" if is_video(file) else ".png")
        if (length := len(os.fsencode(Path(name).name))) > LONGEST_NAME:
            what = f"would be written under a name of {length} bytes, {LONGEST_NAME} are possible; rename it"
            raise DataError(f"{printable(file)} {what}")
        folder, _, own = stem.rpartition("/")
        frames_of = videos.get(folder) if _FRAME.fullmatch(own) and not is_video(file) else None
        if (other := frames_of or by_name.setdefault(name, file)) is not file:
            both = f"{printable(other)} and {printable(file)}"
            raise DataError(f"{both} would both be written as {printable(Path(name))}; rename one, or do them apart")
