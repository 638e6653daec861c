"""Folders of numbered versions, as model servers watch them: a version appears whole or not at all."""

import errno
from collections.abc import Callable
from pathlib import Path

from hrs_keras.errors import HRSError
from hrs_keras.system.files import folder_to_publish, publish, writing


def versions(folder: Path) -> dict[int, Path]:
    """Number -> what is called by it; 02 is called by none."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return {
        int(entry.name): entry for entry in entries if entry.name.isdecimal() and str(int(entry.name)) == entry.name
    }


def write_version(folder: Path, version: int | None, write: Callable[[Path], object]) -> Path:
    """Make a version; after an exception nothing is left of it.

    Args:
        folder: that of the versions; made if there is none.
        version: None for one more than the highest there is when ``write`` is done.
        write: fills an empty folder.

    Returns:
        The version's folder.

    Raises:
        HRSError: the version exists or is no positive number, or the folder cannot be written.
    """
    if version is not None and version < 1:
        raise HRSError(f"version {version}: versions are whole numbers from 1")
    if version in versions(folder):
        raise _taken(folder / str(version))
    # A server may be watching: the version appears by a rename, from a name that is none.
    with writing(folder), folder_to_publish(folder) as partial:
        write(partial)
        return _publish(partial, version)


def _publish(partial: Path, version: int | None) -> Path:
    while True:
        final = partial.with_name(str(version or max(versions(partial.parent), default=0) + 1))
        try:
            publish(partial, final)
            return final
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if version:  # else another export was faster: the next number
                raise _taken(final) from None


def _taken(final: Path) -> HRSError:
    return HRSError(f"{final} exists; choose another version, or remove it")
