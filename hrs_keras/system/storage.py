"""Files by path or URL: in a local folder, or on any file system that TensorFlow knows (``gs://``, ``s3://``).

A ``path`` here is a ``str``: a URL if there is ``://`` in it, else a local path. A ``StoragePath`` is the same as an
object. What a file system raises is passed on: OSError, or ``tf.errors.OpError`` from TensorFlow.
"""

import os
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import tensorflow as tf

from hrs_keras.errors import reason
from hrs_keras.system import files


class RemotePath(PurePosixPath):
    """A URL as a path object. It keeps the two slashes of ``gs://``, of which pathlib would keep one."""

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    def __fspath__(self) -> str:
        return str(self)


StoragePath = Path | RemotePath
"""A path object of a file that may be remote."""

MISSING = (FileNotFoundError, tf.errors.NotFoundError)
"""What is raised where there is no such file or folder."""


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL."""
    return "://" in os.fspath(path)


def path_of(path: str) -> StoragePath:
    """A path or URL as a path object. Do not use ``Path(...)`` for what may be a URL."""
    return RemotePath(path) if is_remote(path) else Path(path)


def is_dir(path: StoragePath) -> bool:
    """Whether there is a folder at this path."""
    return tf.io.gfile.isdir(str(path)) if is_remote(path) else os.path.isdir(path)


def why_no_folder(path: StoragePath) -> str:
    """What is wrong with a path at which :func:`is_dir` finds no folder, as the end of a sentence about it."""
    if not is_remote(path):
        try:
            os.stat(path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            return f"cannot be entered ({reason(error)})"
        else:
            return "is not a folder"
    return "does not exist"


def exists(path: StoragePath) -> bool:
    """Whether there is anything at this path; a broken link counts."""
    return tf.io.gfile.exists(str(path)) if is_remote(path) else os.path.lexists(path)


def list_folder(path: StoragePath) -> list[str]:
    """The names of the files and folders in a folder, sorted; raises OSError or tf.errors.OpError."""
    if not is_remote(path):  # os.listdir returns also names that are not UTF-8
        return sorted(os.listdir(path))
    # Some file systems end the names of folders with a slash.
    return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(str(path)))


def names_in(folder: str) -> list[str]:
    """The same for a folder that need not exist: no names then."""
    try:
        return list_folder(path_of(folder))
    except MISSING:
        return []


def join(folder: str, *names: str) -> str:
    """The path of something below a folder."""
    return "/".join([folder.rstrip("/"), *names]) if is_remote(folder) else os.path.join(folder, *names)


def read(path: str) -> bytes:
    """A whole file; raises OSError or tf.errors.OpError."""
    with reading(path) as file:
        return file.read()


def reading(path: str) -> AbstractContextManager[BinaryIO]:
    """A file opened to read its bytes; raises OSError or tf.errors.OpError, as reading does."""
    return tf.io.gfile.GFile(path, "rb") if is_remote(path) else open(path, "rb")


def read_at(path: str, offset: int, length: int) -> bytes:
    """``length`` bytes of a file from byte ``offset`` on, fewer at its end; raises OSError or tf.errors.OpError."""
    if is_remote(path):
        with tf.io.gfile.GFile(path, "rb") as file:
            file.seek(offset)
            return file.read(length)
    # TensorFlow would read half a megabyte ahead. Opening is cheap, and there is no open file to look after.
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        parts = [file.read(length)]
        while parts[-1] and (missing := length - sum(map(len, parts))):
            parts.append(file.read(missing))
        return b"".join(parts)


def stat(path: str) -> tuple[int, int]:
    """A file's size in bytes and the time of its last change in ns; raises OSError or tf.errors.OpError."""
    if is_remote(path):
        found = tf.io.gfile.stat(path)
        return found.length, found.mtime_nsec
    local = os.stat(path)  # TensorFlow's has whole seconds
    return local.st_size, local.st_mtime_ns


def partial_path(path: str) -> str:
    """Where a file is written before it is whole."""
    return f"{path}.partial" if is_remote(path) else str(files.partial_path(Path(path)))


def publish(path: str) -> None:
    """Give the file at :func:`partial_path` its name; raises OSError or tf.errors.OpError."""
    if is_remote(path):
        tf.io.gfile.rename(partial_path(path), path, overwrite=True)
    else:
        files.publish(Path(partial_path(path)), Path(path))


def write_whole(path: str, contents: bytes) -> None:
    """Write a file that gets its name when it is whole; raises OSError or tf.errors.OpError."""
    partial = partial_path(path)
    with tf.io.gfile.GFile(partial, "wb") if is_remote(path) else open(partial, "wb") as file:
        file.write(contents)
    publish(path)


def remove(path: str) -> None:
    """Remove a file, if it exists; raises OSError or tf.errors.OpError."""
    if not is_remote(path):  # TensorFlow would take the path for a pattern
        Path(path).unlink(missing_ok=True)
    elif tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)
