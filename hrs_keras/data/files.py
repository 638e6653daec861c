"""The files of a data set, by which it is known whether a folder still holds what it held before."""

import os
from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from hrs_keras.errors import DataError, printable, reason
from hrs_keras.system import storage

File = tuple[str, int, int]
"""Name, size in bytes, and time of the last change in ns.

A plain tuple: there may be 10^5 of them, and pydantic takes twice as long to read a NamedTuple.
"""

_MOST = 3  # names that a message has of each kind


def fingerprint(path: str | os.PathLike[str]) -> tuple[int, int]:
    """A file's size in bytes and the time of its last change in ns.

    Raises:
        DataError: the file is gone.
    """
    try:
        return storage.stat(os.fspath(path))
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"a file of the data has gone since the audit: {path}: {reason(error)}") from None


def name_below(folder: storage.StoragePath, path: storage.StoragePath) -> str:
    """A path relative to a folder if it lies below it, else as it is: the same wherever the folder is."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


class FileChanges(NamedTuple):
    """In what files differ from those that there were before, which are known by their names.

    Attributes:
        removed, added: names, in the order of the files.
        resized: (before, now) of files with another size.
        touched: names of files with another time alone: they were copied, or changed since.
    """

    removed: list[str]
    added: list[str]
    resized: list[tuple[File, File]]
    touched: list[str]

    def __str__(self) -> str:
        """What was removed, added and changed, with a few names; nothing if only times differ."""
        kinds = {"removed": self.removed, "added": self.added, "changed": [now[0] for _, now in self.resized]}
        return ", ".join(f"{_count(names)} {kind} ({_first(names)})" for kind, names in kinds.items() if names)


def changes(before: Iterable[File], now: Iterable[File]) -> FileChanges:
    """Compare files with those that there were before."""
    old, new = ({file[0]: file for file in files} for files in (before, now))
    both = [(old[name], new[name]) for name in old if name in new]
    return FileChanges(
        removed=[name for name in old if name not in new],
        added=[name for name in new if name not in old],
        resized=[(one, other) for one, other in both if one[1] != other[1]],
        touched=[other[0] for one, other in both if one[1] == other[1] and one[2] != other[2]],
    )


def _count(names: list[str]) -> str:
    return f"{len(names)} file{'s'[: len(names) != 1]}"


def _first(names: list[str]) -> str:
    return ", ".join(map(printable, names[:_MOST])) + (", ..." if len(names) > _MOST else "")
