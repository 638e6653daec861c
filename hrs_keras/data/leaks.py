"""Images that are trained and evaluated on, found by what they are, not by how their paths are spelt."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import tensorflow as tf

from hrs_keras.data.report import Problem
from hrs_keras.errors import printable
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath

_SAMPLE = 4096
"""Bytes from a file's middle that are compared first: images of one size in bytes hardly ever agree in them."""


TOO_HIGH, SEEN = "scores will be too high", "the choice of the weights sees the test"
"""What follows where images are evaluated on that were trained, or validated, on."""


def tells_leak(what: str) -> bool:
    """Whether a problem of an audit is that images are evaluated on which had a part in training."""
    return what.endswith((TOO_HIGH, SEEN))


def leak(
    known: Sequence[StoragePath],
    evaluated: Sequence[StoragePath],
    both: str = "trained and validated",
    harm: str = TOO_HIGH,
) -> Problem | None:
    """A warning for images that are evaluated on and, for example, trained on as well; None without any.

    Two files are the same if their paths lead to one place, through whatever links, or if they hold the same bytes. Of
    images that are not there, as of prepared data, only the paths are compared.

    Args:
        known, evaluated: image files.
        both: what an image is that is in both, such as ``"trained and validated"`` on.
        harm: what follows.
    """
    shared = shared_files(known, evaluated)
    if not shared:
        return None
    first, other = next(iter(shared.items()))
    more = len(shared) - 1
    spelt = "" if other == first else f" (also as {printable(other)})"
    as_are = f", as {'is' if more == 1 else 'are'} {more} more" if more else ""
    what = f"is {both} on{spelt}{as_are}: {harm}"
    return Problem(printable(first), what, error=False)


def shared_files(some: Iterable[StoragePath], others: Iterable[StoragePath]) -> dict[StoragePath, StoragePath]:
    """The files of ``others`` that are among ``some``: each with the path that it has there."""
    found: dict[StoragePath, StoragePath] = {}
    known, asked = list(dict.fromkeys(some)), list(dict.fromkeys(others))
    # Of folders, of which there are few: resolving every path would ask the file system some ten times for each.
    folders = {folder: _resolved(folder) for folder in {path.parent for path in (*known, *asked)}}

    def place(path: StoragePath) -> str:
        return storage.join(folders[path.parent], path.name)

    for identify in (place, _inode):
        by_identity = {identity: path for path in reversed(known) if (identity := identify(path)) is not None}
        for path in asked:
            if path not in found and (identity := identify(path)) in by_identity:
                found[path] = by_identity[identity]
    found |= _copies(known, [path for path in asked if path not in found])
    return {path: found[path] for path in asked if path in found}


def hold_the_same(paths: Iterable[StoragePath]) -> bool:
    """Whether all these files can be read and hold the same bytes."""
    try:
        return len({_digest(str(path)) for path in paths}) == 1
    except (OSError, tf.errors.OpError):
        return False


def _resolved(folder: StoragePath) -> str:
    return str(folder) if storage.is_remote(folder) else os.path.realpath(folder)


def _inode(path: StoragePath) -> tuple[int, int] | None:
    """Device and inode, which hard links to a file and other mounts of its folder share; None for remote files."""
    if storage.is_remote(path):
        return None
    try:
        found = os.stat(path)
    except OSError:  # gone, or of prepared data
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None


def _copies(known: Sequence[StoragePath], asked: Sequence[StoragePath]) -> dict[StoragePath, StoragePath]:
    """Each of ``asked`` that holds the same bytes as one of ``known`` -> the first such one."""
    # Each way to tell files apart reads more than the one before it, of the few that are still alike.
    groups = [(list(known), list(asked))]
    for identify in (_size, _sample, _digest):
        groups = [alike for group in groups for alike in _alike(*group, identify)]
    return {path: known_ones[0] for known_ones, asked_ones in groups for path in asked_ones}


def _alike(
    known: Sequence[StoragePath], asked: Sequence[StoragePath], identify: Callable[[str], Hashable]
) -> Iterator[tuple[list[StoragePath], list[StoragePath]]]:
    """The groups of files that are alike, those with files of both kinds only."""
    groups: dict[Hashable, tuple[list[StoragePath], list[StoragePath]]] = defaultdict(lambda: ([], []))
    for side, paths in enumerate((known, asked)):
        for path in paths:
            try:
                groups[identify(str(path))][side].append(path)
            except (OSError, tf.errors.OpError):  # gone, or of prepared data
                continue
    return (group for group in groups.values() if all(group))


def _size(path: str) -> int:
    return storage.stat(path)[0]


def _sample(path: str) -> bytes:
    return storage.read_at(path, _size(path) // 2, _SAMPLE)


def _digest(path: str) -> bytes:
    return hashlib.sha256(storage.read(path)).digest()
