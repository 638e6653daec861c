"""Reading through TensorFlow from folders whatever they are called.

TensorFlow (2.21) takes the path of a checkpoint or SavedModel for a pattern when it looks whether there is one
(``RestoreV2``, ``NewCheckpointReader``): for a path in ``exp[1]`` it looks in ``exp1``. Escaping does not help, because
it then opens the files by the same path, as it stands. Paths that are not UTF-8 it does not take at all. So such a
folder is read by another name. Nothing here needs TensorFlow.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from hrs_keras.errors import HRSError, printable, reason
from hrs_keras.system.files import file_errors

SPECIAL = frozenset("*?[\\") - {os.sep}
"""With these a pattern begins to be one."""

T = TypeVar("T")


class UnreadableError(Exception):
    """TensorFlow cannot make sense of what it was told to read; the message is one line that says why."""


def read_literally(folder: Path, read: Callable[[Path], T]) -> T:
    """Have TensorFlow read something in a folder.

    Args:
        folder: its path may hold any characters.
        read: is given a path of the folder that TensorFlow takes as it stands, and that is good for this call only.

    Returns:
        What ``read`` returns.

    Raises:
        UnreadableError: it cannot be read, or is damaged.
        HRSError: see :func:`check_literal`.
    """
    # TensorFlow has no common base for what it raises on files that are cut off, gone or of something else.
    unreadable: tuple[type[BaseException], ...] = (
        AssertionError,
        LookupError,
        TypeError,
        ValueError,
        RuntimeError,
        *file_errors(),
    )
    with _plain(folder) as plain:
        try:
            return read(plain)
        except HRSError:
            raise
        except unreadable as error:
            raise UnreadableError(reason(error).replace(str(plain), str(folder))) from error


def check_literal(folder: Path) -> None:
    """See that :func:`read_literally` will be possible.

    Args:
        folder: it need not exist yet.

    Raises:
        HRSError: its path has characters that mean something in patterns, and it cannot be given another name here.
    """
    with _plain(folder):
        pass


@contextmanager
def _plain(folder: Path) -> Iterator[Path]:
    """The folder itself, or a symbolic link to it where TensorFlow would not take its path as it stands."""
    if _is_plain(folder):
        yield folder
        return
    with ExitStack() as opened:
        try:
            parent = opened.enter_context(tempfile.TemporaryDirectory(prefix="hrs-"))
            if not _is_plain(Path(parent)):
                raise OSError(f"{printable(parent)} has such characters, too")
            link = Path(parent, "folder")
            link.symlink_to(folder.absolute(), target_is_directory=True)
        except OSError as error:
            found = " ".join(sorted(SPECIAL.intersection(str(folder))))
            trouble = f"takes {found} in a path for a pattern" if found else "takes paths in UTF-8 only"
            raise HRSError(
                f"{printable(folder)}: TensorFlow {trouble}, so this folder is read through"
                f" a symbolic link in a temporary folder, but none can be made ({reason(error)}). Set TMPDIR to another"
                " folder, or use a path without such characters"
            ) from None
        yield link


def _is_plain(folder: Path) -> bool:
    """Whether TensorFlow takes a folder's path as it stands."""
    return is_utf8(folder) and SPECIAL.isdisjoint(str(folder))


def is_utf8(path: str | Path) -> bool:
    """Whether a path is a text; on Linux it may be any bytes, and TensorFlow takes no others."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
