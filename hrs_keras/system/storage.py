"""Files by name, in a local folder or on any file system that TensorFlow knows (``gs://``, ``s3://``, ``ram://``)."""

import os
from pathlib import Path, PurePosixPath

import tensorflow as tf

from hrs_keras.system import files


class RemotePath(PurePosixPath):
    """A path that keeps the two strokes of ``gs://``, which pathlib takes for one."""

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    def __fspath__(self) -> str:
        return str(self)


def is_remote(place: str | os.PathLike) -> bool:
    """Whether a name is a remote file system's."""
    return "://" in os.fspath(place)


def path_of(place: str) -> Path | RemotePath:
    """A name as a path; no other makes paths of what may be remote."""
    return RemotePath(place) if is_remote(place) else Path(place)


def is_dir(path: Path | RemotePath) -> bool:
    """Whether it is a folder."""
    return tf.io.gfile.isdir(str(path)) if is_remote(path) else os.path.isdir(path)


def exists(path: Path | RemotePath) -> bool:
    """Whether there is something of this name, if only a broken link."""
    return tf.io.gfile.exists(str(path)) if is_remote(path) else os.path.lexists(path)


def listed(path: Path | RemotePath) -> list[str]:
    """What lies in a folder, sorted.

    Raises:
        OSError, tf.errors.OpError: it cannot be listed.
    """
    if not is_remote(path):  # Python's keeps names that are not UTF-8
        return sorted(os.listdir(path))
    # Some file systems end the names of folders with a stroke.
    return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(str(path)))


def join(folder: str, *names: str) -> str:
    """A name below a folder."""
    return "/".join([folder.rstrip("/"), *names]) if is_remote(folder) else os.path.join(folder, *names)


def names_in(folder: str) -> list[str]:
    """What lies in a folder, sorted; nothing if it does not exist. Raises as :func:`listed` does."""
    try:
        return listed(path_of(folder))
    except (FileNotFoundError, tf.errors.NotFoundError):
        return []


def read(place: str) -> bytes:
    """A whole file; raises OSError or tf.errors.OpError."""
    with tf.io.gfile.GFile(place, "rb") as file:
        return file.read()


def read_at(place: str, offset: int, length: int) -> bytes:
    """``length`` bytes of a file from ``offset`` on, fewer at its end; raises OSError or tf.errors.OpError."""
    if is_remote(place):
        with tf.io.gfile.GFile(place, "rb") as file:
            file.seek(offset)
            return file.read(length)
    # TensorFlow would read half a megabyte ahead. Opening is cheap, and no descriptor needs to be looked after.
    with open(place, "rb", buffering=0) as file:
        file.seek(offset)
        parts = [file.read(length)]
        while parts[-1] and (missing := length - sum(map(len, parts))):
            parts.append(file.read(missing))
        return b"".join(parts)


def stat(place: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns of a file; raises OSError or tf.errors.OpError."""
    if is_remote(place):
        found = tf.io.gfile.stat(place)
        return found.length, found.mtime_nsec
    found = os.stat(place)  # TensorFlow's has whole seconds
    return found.st_size, found.st_mtime_ns


def partial(place: str) -> str:
    """Where a file is written before it is whole."""
    return place + ".partial"


def publish(place: str) -> None:
    """Give what was written to :func:`partial` its name; raises OSError or tf.errors.OpError."""
    if is_remote(place):
        tf.io.gfile.rename(partial(place), place, overwrite=True)
    else:
        files.publish(Path(partial(place)), Path(place))


def write_whole(place: str, contents: bytes) -> None:
    """Write a file that appears under its name when it is whole; raises OSError or tf.errors.OpError."""
    with tf.io.gfile.GFile(partial(place), "wb") as file:
        file.write(contents)
    publish(place)


def remove(place: str) -> None:
    """Remove a file, if it is there; raises tf.errors.OpError."""
    if tf.io.gfile.exists(place):
        tf.io.gfile.remove(place)
