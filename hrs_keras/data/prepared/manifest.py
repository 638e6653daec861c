"""A folder that ``hrs prepare`` filled: what its manifest says, whether it fits a recipe, and the samples in it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.records import records_of
from hrs_keras.data.report import DatasetAudit
from hrs_keras.data.samples import stored_size
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.data import Dataset
from hrs_keras.recipe.reading import leaves
from hrs_keras.recipe.schema import ROLES, Recipe
from hrs_keras.system import storage

MANIFEST, PLAN, LOCK = "manifest.json", "plan.json", "lock"
FORMAT = {"format": "hrs-prepared", "version": 1}
SEAL = "sha256_of_the_rest"
_TRAINING = ("source", "target")


def conversion(recipe: Recipe, roles: Iterable[str] = ROLES) -> dict[str, Any]:
    """Everything of a recipe that decides what is stored, as plain data, under the recipe's own keys."""
    wanted = {role: [_description(dataset) for dataset in recipe.datasets(role)] for role in roles}
    found: dict[str, Any] = {"classes": list(recipe.data.label_space.classes)}
    if any(wanted.get(role) for role in _TRAINING):
        size = stored_size(recipe.data)
        found["stored_size"] = list(size) if size else "as in the files"
    return found | wanted


def _description(dataset: Dataset) -> dict[str, Any]:
    # A table under a name could be another in another version. JSON has no keys but texts.
    ids = {str(raw): name for raw, name in dataset.table().items()}
    return dataset.model_dump(mode="json", exclude={"subset"}) | {"ids": ids}


def mismatches(prepared: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """One line for each key in which a conversion is not what a recipe wants; roles it does not read may differ."""
    lines = []
    for key, value in wanted.items():
        if key in ROLES and not value:
            continue
        there = prepared.get(key)
        what = "data.size (as in the files if data.augment.scale enlarges)" if key == "stored_size" else f"data.{key}"
        if key not in ROLES:
            if value != there:
                lines.append(f"{what}: {there} was prepared, the recipe wants {value}")
        elif len(value) != len(there or []):
            lines.append(f"{what}: {_sets(there or [])} prepared, the recipe wants {_sets(value)}")
        else:
            a, b = leaves(there, what), leaves(value, what)
            lines += [
                f"{leaf}: {a.get(leaf, '(nothing)')} was prepared, the recipe wants {b.get(leaf, '(nothing)')}"
                for leaf in {**a, **b}
                if a.get(leaf) != b.get(leaf)
            ]
    return lines


def _sets(descriptions: Sequence[dict[str, Any]]) -> str:
    return f"{len(descriptions)} data set{'s'[: len(descriptions) != 1]}"


def refuse_mismatches(folder: str, manifest: dict[str, Any], wanted: dict[str, Any], most: int = 10) -> None:
    """Raise a DataError, naming the keys, if a folder was not prepared as a recipe wants it."""
    if lines := mismatches(manifest["conversion"], wanted):
        more = f"\n  ... and {len(lines) - most} more" if len(lines) > most else ""
        raise DataError(
            f"{folder} was prepared for another recipe:\n  "
            + "\n  ".join(lines[:most])
            + more
            + "\nPrepare this recipe"
            " in a folder of its own (`hrs prepare RECIPE --to FOLDER`), or set data.prepared=null to read the files"
        )


def sealed(value: dict[str, Any]) -> bytes:
    """A JSON file's contents, with a hash by which :func:`unsealed` knows that nothing of it was changed."""
    return (json.dumps(value | {SEAL: _hash(value)}) + "\n").encode()


def unsealed(contents: bytes) -> dict[str, Any]:
    """What :func:`sealed` was given; ValueError if it is something else."""
    found = json.loads(contents)
    if not isinstance(found, dict) or found.pop(SEAL, None) != _hash(found):
        raise ValueError(f"{SEAL} does not fit the rest")
    return found


def _hash(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: str, name: str = MANIFEST) -> dict[str, Any] | None:
    """The manifest or the plan of a prepared folder; None if there is none.

    Raises:
        DataError: it cannot be read, was edited or damaged, or is of another version of this format.
    """
    place = storage.join(folder, name)
    try:
        contents = storage.read(place)
    except tf.errors.NotFoundError:
        return None
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"cannot read {place}: {reason(error)}") from None
    try:
        found = unsealed(contents)
    except ValueError as error:
        raise DataError(f"{place} was edited or damaged ({error}); prepare the data again in another folder") from None
    kind = {key: found.get(key) for key in FORMAT}
    if kind != FORMAT:
        raise DataError(
            f"{place} is of {kind}, this version of hrs reads {FORMAT}; prepare the data again in another folder"
        )
    return found


@dataclass(frozen=True)
class Prepared:
    """A prepared folder that fits a recipe; made by :func:`open_prepared`."""

    recipe: Recipe
    folder: str
    manifest: dict[str, Any]

    def look(self, role: str, position: int) -> tuple[Pairs, DatasetAudit]:
        """The usable samples of a data set, in the order of their files, and what the audit found in the files."""
        stored = next(s for s in self.manifest["sets"] if (s["role"], s["position"]) == (role, position))
        report = DatasetAudit.from_dict(stored["audit"])
        root = storage.path_of(self.recipe.data.root)
        images, labels = (tuple(root / name for name, *_ in stored[kind]) for kind in ("images", "labels"))
        records = tuple(
            record
            for shard in stored["shards"]
            for record in records_of(storage.join(self.folder, shard["file"]), shard["lengths"], shard["crc32"])
        )
        dataset = self.recipe.datasets(role)[position]
        return Pairs(dataset, report.name, images, labels, records=records), report


def open_prepared(recipe: Recipe, roles: Iterable[str] = ROLES) -> Prepared:
    """The folder ``data.prepared``.

    Args:
        recipe: its data sets of ``roles`` are to be read.

    Raises:
        DataError: there is no such folder, it is not whole, damaged, or was prepared for another recipe.
    """
    folder = recipe.data.prepared
    manifest = read_manifest(folder)
    if manifest is None:
        begun = read_manifest(folder, PLAN) is not None
        what = "is not whole: its preparation was cut off" if begun else "holds no prepared data (no manifest.json)"
        raise DataError(f"data.prepared: {folder} {what}; run `hrs prepare RECIPE --to {folder}`")
    refuse_mismatches(folder, manifest, conversion(recipe, roles))
    return Prepared(recipe, folder, manifest)
