"""Files that appear whole or not at all, and files that one process has for itself."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def partial_path(path: Path) -> Path:
    """Where a file is written before it is whole."""
    return path.with_name(path.name + ".partial")


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have ``write`` fill a file, which appears under its name when it is done.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    partial = partial_path(path)
    try:
        with open(partial, "wb") as file:
            write(file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def lock(file: IO[Any]) -> bool:
    """Take an open file for this process alone, until it is closed; False if another process has it.

    The lock belongs to the open file: a child that inherits it holds it too, and it ends with the process however that
    ends. Where there are no such locks (Windows, some network file systems) nothing is taken and True is returned.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS):
            raise
        print(f"{file.name}: this file system has no locks; see that one process alone writes there", flush=True)
    return True
