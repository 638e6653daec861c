"""Folders of numbered versions, as model servers watch them: a version appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hrs_keras.errors import HRSError
from hrs_keras.run_folder import writing


def versions(folder: Path) -> dict[int, Path]:
    """Number -> folder; what is not named by a number is none of them."""
    return {int(entry.name): entry for entry in folder.iterdir() if entry.name.isdecimal()} if folder.is_dir() else {}


@contextmanager
def new_version(folder: Path, version: int | None = None) -> Iterator[tuple[Path, Path]]:
    """Make a version: ``with new_version(folder) as (partial, final): ...`` fills ``partial``, which becomes ``final``.

    After an exception nothing is left of it.

    Args:
        folder: that of the versions; made if there is none.
        version: None for one more than the highest there is.

    Raises:
        HRSError: the version exists or is no positive number, or the folder cannot be written.
    """
    if version is not None and version < 1:
        raise HRSError(f"version {version}: versions are whole numbers from 1")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        taken = versions(folder)
        version = version if version is not None else max(taken, default=0) + 1
        final = folder / str(version)
        if version in taken:
            raise HRSError(f"{final} exists; choose another version, or remove it")
        # A server may be watching: hence the rename.
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        try:
            yield partial, final
            partial.chmod(0o755)
            partial.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
