"""Files by name, in a local folder or on any file system that TensorFlow knows (``gs://``, ``s3://``, ``ram://``)."""

import os

import tensorflow as tf


def is_remote(place: str | os.PathLike) -> bool:
    """Whether a name is a remote file system's."""
    return "://" in os.fspath(place)


def join(folder: str, *names: str) -> str:
    """A name below a folder."""
    return "/".join([folder.rstrip("/"), *names]) if is_remote(folder) else os.path.join(folder, *names)


def names_in(folder: str) -> list[str]:
    """What lies in a folder, sorted; nothing if it does not exist.

    Raises:
        OSError, tf.errors.OpError: it cannot be listed.
    """
    try:
        # Some file systems end the names of folders with a stroke.
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    except tf.errors.NotFoundError:
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
    """Give what was written to :func:`partial` its name; raises tf.errors.OpError."""
    tf.io.gfile.rename(partial(place), place, overwrite=True)


def write_whole(place: str, contents: bytes) -> None:
    """Write a file that appears under its name when it is whole; raises OSError or tf.errors.OpError."""
    with tf.io.gfile.GFile(partial(place), "wb") as file:
        file.write(contents)
    publish(place)


def remove(place: str) -> None:
    """Remove a file, if it is there; raises tf.errors.OpError."""
    if tf.io.gfile.exists(place):
        tf.io.gfile.remove(place)


def reason(error: Exception) -> str:
    """Why a file could not be read or written, in a line."""
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
