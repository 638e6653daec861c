"""What lies in a folder, by names alone: no file is opened."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hrs_keras.data.file_names import IMAGE_SUFFIXES, LABEL_SUFFIXES, is_image_name, is_litter
from hrs_keras.errors import DataError, printable, reason

_NAMING = (".txt", ".json")
"""How files that name classes end."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, at any depth.

    Attributes:
        folder: its absolute path.
        images: files that may be images or labels, by their names, as sorted paths relative to the folder with ``/``
            between names.
        texts: the same for files that may name classes.
    """

    folder: Path
    images: tuple[str, ...]
    texts: tuple[str, ...]

    def path(self, name: str) -> Path:
        """The path of one of the files."""
        return self.folder / name


def list_files(folder: Path, option: str) -> Listing:
    """List a folder and what is below it, without hidden files and tools' folders; links to folders are followed.

    Args:
        folder: of images and labels.
        option: of the command line that names the folder, for messages.

    Raises:
        DataError: it is no folder, cannot be listed, holds a link to a folder around itself, or no image.
    """
    if "://" in str(folder) or str(folder).startswith(("gs:/", "s3:/")):
        raise DataError(f"{option} {printable(folder)}: is no local folder; copy some of its files to this machine")
    if not folder.is_dir():
        what = "is not a folder" if os.path.lexists(folder) else "does not exist"
        raise DataError(f"{option} {printable(folder)} {what}")
    try:
        os.path.abspath(folder).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{option} {printable(os.path.abspath(folder))} is not UTF-8, which a recipe cannot hold; rename it"
        ) from None
    images: list[str] = []
    texts: list[str] = []
    others: Counter[str] = Counter()
    for name in _walk(os.path.abspath(folder), "", ()):
        path = PurePosixPath(name)
        if path.suffix.lower() in LABEL_SUFFIXES:
            images.append(name)
        if is_image_name(path):
            continue
        if path.suffix.lower() in _NAMING:
            texts.append(name)
        else:
            others[path.suffix.lower() or "no suffix"] += 1
    if not any(is_image_name(PurePosixPath(name)) for name in images):
        found = ", ".join(f"{count} with {suffix}" for suffix, count in others.most_common(3))
        raise DataError(
            f"{option} {printable(folder)} holds no image ({', '.join(IMAGE_SUFFIXES)})"
            + (f"; of other files {found}: convert images of other formats to PNG or JPEG" if found else "")
        )
    return Listing(Path(os.path.abspath(folder)), tuple(sorted(images)), tuple(sorted(texts)))


def _walk(folder: str, inside: str, around: tuple[tuple[int, int], ...]) -> list[str]:
    """Paths of the files below a folder, each beginning with ``inside``; ``around`` are the folders that it is in."""
    try:
        status = os.stat(folder)
        if (identity := (status.st_dev, status.st_ino)) in around:
            raise DataError(f"{printable(folder)} is a link to a folder that it lies in; remove it")
        with os.scandir(folder) as found:
            entries = [(entry.name, entry.is_dir()) for entry in found if not is_litter(entry.name)]
    except OSError as error:
        raise DataError(f"cannot list {printable(error.filename or folder)}: {reason(error)}") from None
    files = [inside + name for name, is_dir in entries if not is_dir]
    for name, is_dir in entries:
        if is_dir:
            files += _walk(os.path.join(folder, name), f"{inside}{name}/", (*around, identity))
    return files
