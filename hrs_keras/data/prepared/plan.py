"""What a preparation will write: which samples there are, and in which shard each of them goes."""

import itertools
import os
import struct
from collections.abc import Iterator
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import tensorflow as tf

from hrs_keras.data.audit import Audit
from hrs_keras.data.prepared.manifest import FORMAT, conversion
from hrs_keras.data.samples import stored_size
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.data import Crop
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage

_PACKAGES = ("tensorflow", "pillow")
"""Whose versions may decode a file to other pixels."""


def make_plan(recipe: Recipe, checked: Audit, shard_mib: float) -> tuple[dict[str, Any], dict[str, int]]:
    """What will be written where.

    Args:
        checked: the audit of all samples.

    Returns:
        The manifest, less what is only known of finished shards: the same recipe and files give the same. And shard ->
        about how many bytes it will have.
    """
    size = stored_size(recipe.data)
    sets, reports, expected = [], iter(checked.datasets), {}
    for role, all_pairs in checked.sets.items():
        for position, pairs in enumerate(all_pairs):
            images, labels = (
                [[_name(path, recipe.data.root), *fingerprint(path)] for path in paths]
                for paths in (pairs.images, pairs.labels)
            )
            if role == "validation":  # the files, for a label's PNG is about as large again
                sizes = [image[1] + label[1] for image, label in zip(images, labels, strict=True)]
            else:
                sizes = [4 * (prod(size) if size else _pixels(path, pairs.dataset.crop)) for path in pairs.labels]
            bounds = _bounds(sizes, shard_mib * 2**20)
            stem = f"{role}-{position}"
            shards = [
                {"file": f"{stem}-{n:05d}-of-{len(bounds):05d}.tfrecord", "first": first, "stop": stop}
                for n, (first, stop) in enumerate(bounds)
            ]
            expected |= {shard["file"]: sum(sizes[shard["first"] : shard["stop"]]) for shard in shards}
            which = {"role": role, "position": position, "samples": len(pairs), "audit": next(reports).to_dict()}
            sets.append(which | {"images": images, "labels": labels, "shards": shards})
    how = {"made_with": versions(), "conversion": conversion(recipe), "shard_mib": shard_mib}
    return FORMAT | how | {"sets": sets}, expected


def versions() -> dict[str, str]:
    """Of the packages that decode files."""
    return {package: metadata.version(package) for package in _PACKAGES}


def _bounds(sizes: list[int], most: float) -> list[tuple[int, int]]:
    """[first, stop) of runs of samples that are not larger than ``most``, or one sample."""
    bounds, first, held = [], 0, 0
    for number, size in enumerate(sizes):
        if number > first and held + size > most:
            bounds.append((first, number))
            first, held = number, 0
        held += size
    return [*bounds, (first, len(sizes))]


def _pixels(label: Path, crop: Crop) -> int:
    """How many are left of a label, a PNG file, by the crop."""
    width, height = struct.unpack(">II", storage.read_at(str(label), 16, 8))
    return len(range(height)[slice(*crop.rows or [None])]) * len(range(width)[slice(*crop.columns or [None])])


def _name(path: Path, root: str) -> str:
    """Relative to ``data.root`` if the file lies below it: data may be read elsewhere than it was prepared."""
    root = storage.path_of(root)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def fingerprint(path: Path | str) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns of a file.

    Raises:
        DataError: it is gone.
    """
    try:
        return storage.stat(os.fspath(path))
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"a file of the data has gone since the audit: {path}: {reason(error)}") from None


def changed(there: dict[str, Any], plan: dict[str, Any]) -> str | None:
    """Of which other files a folder's plan or manifest is than what would be planned now, for a message."""
    for old, new in _files(there, plan):
        if old is None or new is None or old[0] != new[0]:
            return f"there are other files now ({(new or old)[0]}, for one)"
        if old[1] != new[1]:
            return f"{old[0]} has changed since ({old[1]} bytes, now {new[1]})"
    return None


def retimed(there: dict[str, Any], plan: dict[str, Any]) -> str | None:
    """The first file whose time is not what a folder's plan or manifest says; all else has not :func:`changed`."""
    return next((old[0] for old, new in _files(there, plan) if old != new), None)


def _files(there: dict[str, Any], plan: dict[str, Any]) -> Iterator[tuple[list | None, list | None]]:
    """Name, size and time of each file of the planned sets: as they were, and now; None where there is none."""
    before = {(stored["role"], stored["position"]): stored for stored in there["sets"]}
    for new in plan["sets"]:  # the recipe may read fewer than there are
        old = before[new["role"], new["position"]]
        for kind in ("images", "labels"):
            yield from itertools.zip_longest(old[kind], new[kind])
