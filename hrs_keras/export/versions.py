"""Folders of numbered versions, as model servers watch them: a version appears whole or not at all.

A *version* of a model is one export of it, with a number; model servers use the same word. The versions of installed
packages are called package versions.
"""

import errno
from collections.abc import Callable
from pathlib import Path

from hrs_keras.errors import HRSError
from hrs_keras.system.files import folder_to_publish, list_folder, publish, writing

LARGEST = 2**63 - 1
"""The largest number of a version that model servers hold."""


def model_versions(folder: Path) -> dict[int, Path]:
    """Number -> the version's folder. Names such as ``02`` or ``notes`` are no versions, nor are numbers too large.

    Raises:
        CheckpointError: the folder cannot be read.
    """
    names = (name for name in list_folder(folder) if name.isdecimal() and str(int(name)) == name)
    return {int(name): folder / name for name in names if int(name) <= LARGEST}


def write_version(folder: Path, version: int | None, write: Callable[[Path], object]) -> Path:
    """Write a version; after an exception nothing is left of it.

    Args:
        folder: the folder of the versions; it is made if need be.
        version: its number; None for one more than the highest there is when ``write`` has finished.
        write: is given an empty folder and fills it.

    Returns:
        The version's folder.

    Raises:
        HRSError: the version exists, its number is none that a server holds, or the folder cannot be written.
    """
    if version is not None and not 1 <= version <= LARGEST:
        raise HRSError(f"version {version}: must be a whole number from 1 to {LARGEST} (2**63 - 1)")
    if version in model_versions(folder):
        raise _taken(folder / str(version))
    # A server may be watching: the version is written under a name that is no number, and appears by a rename.
    with writing(folder), folder_to_publish(folder) as partial:
        write(partial)
        return _publish(partial, version)


def _publish(partial: Path, version: int | None) -> Path:
    while True:
        number = version or max(model_versions(partial.parent), default=0) + 1
        if number > LARGEST:
            raise HRSError(f"{partial.parent} holds version {LARGEST}, after which there is none; choose a version")
        final = partial.with_name(str(number))
        try:
            publish(partial, final)
            return final
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if version:  # without a number of its own, it takes the next: another export was faster
                raise _taken(final) from None


def _taken(final: Path) -> HRSError:
    return HRSError(f"{final} exists; choose another version, or remove it")
