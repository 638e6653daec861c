"""Files that appear whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


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
