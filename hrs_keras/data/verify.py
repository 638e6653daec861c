"""Whether the shards of a prepared folder are what its manifest says."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from hrs_keras.data import places
from hrs_keras.errors import DataError, reason

_CHUNK = 2**24


def verify_shards(folder: str, manifest: dict[str, Any], jobs: int) -> int:
    """Read all shards; returns how many there are.

    Args:
        jobs: shards that are read at a time.

    Raises:
        DataError: naming those that are missing or damaged.
    """
    shards = [shard for stored in manifest["sets"] for shard in stored["shards"]]
    pool = ThreadPoolExecutor(jobs)
    try:
        checks = pool.map(lambda shard: _wrong(places.join(folder, shard["file"]), shard), shards)
        found = list(tqdm(checks, total=len(shards), unit="shard", disable=None))
    finally:
        pool.shutdown(cancel_futures=True)  # else an interrupt would wait for all that is queued
    if bad := [f"  {shard['file']} {wrong}" for shard, wrong in zip(shards, found, strict=True) if wrong]:
        raise DataError(
            f"{len(bad)} of the {len(shards)} shards in {folder} are not what was written:\n"
            + "\n".join(bad)
            + "\nRemove them and run the same `hrs prepare` without --verify, which makes them anew"
        )
    return len(shards)


def _wrong(place: str, shard: dict[str, Any]) -> str | None:
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
