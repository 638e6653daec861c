"""Whether the shards of a prepared folder are what its manifest says."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from hrs_keras.errors import DataError, reason
from hrs_keras.system import storage

_CHUNK = 2**24


def verify_shards(folder: str, manifest: dict[str, Any], jobs: int) -> int:
    """Read all shards; returns how many there are.

    Args:
        jobs: shards that are read at a time.

    Raises:
        DataError: naming those that are missing or damaged.
    """
    shards = {shard["file"]: shard for stored in manifest["sets"] for shard in stored["shards"]}
    if bad := damaged(folder, shards, jobs):
        raise DataError(
            f"{len(bad)} of the {len(shards)} shards in {folder} are not what was written:\n"
            + "\n".join(f"  {file} {wrong}" for file, wrong in bad.items())
            + "\nRemove them and run the same `hrs prepare` without --verify, which makes them anew"
        )
    return len(shards)


def damaged(folder: str, shards: Mapping[str, Mapping[str, Any]], jobs: int) -> dict[str, str]:
    """Read shards, ``jobs`` at a time; returns what is wrong with those that are not as noted.

    Args:
        shards: file -> what is noted of it.
    """
    pool = ThreadPoolExecutor(jobs)
    try:
        checks = pool.map(lambda file: _wrong(storage.join(folder, file), shards[file]), shards)
        found = list(tqdm(checks, total=len(shards), unit="shard", disable=None if shards else True))
    finally:
        pool.shutdown(cancel_futures=True)  # else an interrupt would wait for all that is queued
    return {file: wrong for file, wrong in zip(shards, found, strict=True) if wrong}


def _wrong(place: str, shard: Mapping[str, Any]) -> str | None:
    """What is wrong with a shard; None if nothing is."""
    digest, size = hashlib.sha256(), 0
    try:
        with tf.io.gfile.GFile(place, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except tf.errors.NotFoundError:
        return "is missing"
    except (OSError, tf.errors.OpError) as error:
        return f"cannot be read ({reason(error)})"
    if size != shard["bytes"]:
        return f"has {size} bytes, {shard['bytes']} were written"
    return None if digest.hexdigest() == shard["sha256"] else "has other contents"
