"""Whether the shards of a prepared folder are what its manifest says."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from hrs_keras.data.prepared.conversion import conversion, refuse_mismatches
from hrs_keras.data.prepared.folder import MANIFEST, read_manifest
from hrs_keras.data.prepared.manifest import ShardNote, finished_shards_of
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.threads import map_in_threads

_CHUNK = 2**24  # bytes that are read at a time


def verify_data(recipe: Recipe, folder: str | Path, *, jobs: int | None = None) -> int:
    """Read all shards of a prepared folder, and compare them with its manifest.

    Args:
        recipe: the recipe that the folder was prepared for.
        folder: path or URL.
        jobs: number of shards that are read at a time; None for one a CPU.

    Returns:
        The number of shards.

    Raises:
        DataError: the folder is not finished or was prepared for another recipe, or shards are damaged or missing; it
            names them.
    """
    folder = str(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} has no {MANIFEST}: it is not prepared, or not wholly; run `hrs prepare` first")
    refuse_mismatches(folder, manifest, conversion(recipe))
    shards = finished_shards_of(manifest)
    if damaged := damaged_shards(folder, shards, jobs or os.cpu_count() or 1):
        raise DataError(
            f"{len(damaged)} of the {len(shards)} shards in {folder} are not what was written:\n"
            + "\n".join(f"  {file} {wrong}" for file, wrong in damaged.items())
            + "\nRemove them and run the same `hrs prepare` without --verify, which writes them again"
        )
    return len(shards)


def damaged_shards(folder: str, notes: Mapping[str, ShardNote], jobs: int) -> dict[str, str]:
    """Read shards, ``jobs`` at a time, and find those that are not as they were noted.

    Args:
        folder: path or URL of the prepared folder.
        notes: file name -> the shard's note.
        jobs: number of shards that are read at a time.

    Returns:
        File name -> what is wrong with it, for the damaged ones.
    """
    paths = [storage.join(folder, file) for file in notes]
    with map_in_threads(_what_is_wrong, paths, notes.values(), threads=jobs) as checks:
        found = list(tqdm(checks, total=len(notes), unit="shard", disable=None if notes else True))
    return {file: wrong for file, wrong in zip(notes, found, strict=True) if wrong}


def _what_is_wrong(path: str, note: ShardNote) -> str | None:
    """What is wrong with a shard; None if nothing is."""
    digest, size = hashlib.sha256(), 0
    try:
        with storage.reading(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except storage.MISSING:
        return "is missing"
    except (OSError, tf.errors.OpError) as error:
        return f"cannot be read ({reason(error)})"
    if size != note.bytes:
        return f"has {size} bytes, {note.bytes} were written"
    return None if digest.hexdigest() == note.sha256 else "has other contents"
