"""Looking into prepared folders, and comparing what is read from them."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import training_batches, training_images, validation_images
from hrs_keras.data.prepared.manifest import unsealed
from hrs_keras.recipe.schema import Recipe

SMALL = 0.02  # MiB: one or two samples of the toy city a shard


def contents(folder: Path) -> dict[str, str]:
    """File name -> hash, for all files but the lock."""
    files = [path for path in folder.iterdir() if path.name != "lock"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def manifest_of(folder: Path) -> dict[str, Any]:
    """The folder's manifest as plain data."""
    return unsealed((folder / "manifest.json").read_bytes())


def from_folder(recipe: Recipe, folder: str | Path) -> Recipe:
    """The same recipe, reading a prepared folder instead of files."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"prepared": str(folder)})})


def assert_same_data(raw: Recipe, other: Recipe) -> None:
    """Assert that the audit, every batch and every validation image of two recipes are the same bit for bit."""
    a, b = audit(raw), audit(other)
    assert a.datasets == b.datasets
    names = [[[str(path) for path in pairs.images] for sets in x.sets.values() for pairs in sets] for x in (a, b)]
    assert names[0] == names[1]
    streams = []
    for recipe, found in ((raw, a), (other, b)):
        numbers = range(sum(map(len, found.sets["target"])))
        streams.append(
            [
                *training_batches(recipe, found.sets),
                *training_images(recipe, found.sets["target"], numbers),
                *validation_images(recipe, found.sets["validation"]),
            ]
        )
    assert len(streams[0]) > len(numbers)
    for expected, found in zip(*streams, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, expected, found)


class Slow:
    """A function made slow; ``most`` is how many of its calls were under way at the same time, at most."""

    def __init__(self, real: Callable[..., Any]):
        self.real, self.now, self.most, self.changing = real, 0, 0, threading.Lock()

    def __call__(self, *args: Any) -> Any:
        with self.changing:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.1)
        with self.changing:
            self.now -= 1
        return self.real(*args)


def damage(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
