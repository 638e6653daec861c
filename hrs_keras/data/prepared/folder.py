"""Reading a folder that ``hrs prepare`` filled."""

from collections.abc import Iterable
from typing import TypeVar

import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.conversion import conversion, refuse_mismatches
from hrs_keras.data.prepared.manifest import FORMAT, FinishedSet, Manifest, Plan, unsealed
from hrs_keras.data.prepared.orientation import refuse_unturned, stored_as_pixels
from hrs_keras.data.records import records_of
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage

MANIFEST, PLAN, LOCK = "manifest.json", "plan.json", "lock"

_PlanOrManifest = TypeVar("_PlanOrManifest", bound=Plan)


def read_manifest(folder: str) -> Manifest | None:
    """The manifest of a prepared folder; None if there is none: the folder is not finished.

    Raises:
        DataError: it cannot be read, was edited or damaged, or is of another version of this format.
    """
    return _read(storage.join(folder, MANIFEST), Manifest)


def read_plan(folder: str) -> Plan | None:
    """The plan of a folder whose preparation began; None if there is none. Raises as :func:`read_manifest` does."""
    return _read(storage.join(folder, PLAN), Plan)


def _read(path: str, kind: type[_PlanOrManifest]) -> _PlanOrManifest | None:
    try:
        contents = storage.read(path)
    except storage.MISSING:
        return None
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from None
    try:
        raw = unsealed(contents)
        if (found := {key: raw.get(key) for key in FORMAT}) != FORMAT:
            raise DataError(
                f"{path} is of {found}, this version of hrs reads {FORMAT}; prepare the data again in another folder"
            )
        return kind.from_plain(raw)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path} was edited or damaged ({error}); prepare the data again in another folder") from None


def open_prepared(recipe: Recipe, folder: str, roles: Iterable[str] | None = None) -> dict[str, list[Pairs]]:
    """Open a finished folder, whose shards are not read yet.

    Args:
        recipe: the recipe that is to read it.
        folder: path or URL; the recipe's ``data.prepared``.
        roles: which of source, target, validation and test will be read; others need not fit the recipe. None for those
            that the recipe has.

    Returns:
        Role -> the usable samples of each of its data sets, in the order of their files.

    Raises:
        DataError: there is no such folder, its preparation was interrupted, it is damaged, or it was prepared for
            another recipe, or by an earlier version with images that are read otherwise now.
    """
    wanted, manifest = list(recipe.roles if roles is None else roles), read_manifest(folder)
    if manifest is None:
        begun = read_plan(folder) is not None
        what = "is not whole: its preparation was cut off" if begun else f"holds no prepared data (no {MANIFEST})"
        raise DataError(f"data.prepared: {folder} {what}; run `hrs prepare RECIPE --to {folder}`")
    refuse_mismatches(folder, manifest, conversion(recipe, wanted))
    stored = {(one.role, one.position): one for one in manifest.sets}
    opened = {
        role: [
            _samples(recipe, dataset, folder, stored[role, position])
            for position, dataset in enumerate(recipe.datasets(role))
        ]
        for role in wanted
    }
    refuse_unturned(folder, manifest, stored_as_pixels(opened))
    return opened


def _samples(recipe: Recipe, dataset: Dataset, folder: str, stored: FinishedSet) -> Pairs:
    root = storage.path_of(recipe.data.root)
    return Pairs(
        dataset=dataset,
        name=stored.audit.name,
        images=tuple(root / name for name, *_ in stored.images),
        labels=tuple(root / name for name, *_ in stored.labels),
        records=tuple(
            record
            for shard in stored.shards
            for record in records_of(storage.join(folder, shard.file), shard.lengths, shard.crc32)
        ),
        fingerprints=tuple(
            tuple(file[1:] for file in files)
            for files in (zip(stored.images, stored.labels, strict=True) if stored.labels else zip(stored.images))
        ),
        hidden=None if stored.labels else (True,) * len(stored.images),
        audited=stored.audit,
        class_pixels=stored.audit.class_pixels_of_usable,
    )
