"""``hrs prepare``: raw data sets become shards of records at the size of training, once.

A plan, which the recipe and the files alone decide, says which sample goes into which shard. Each shard is written
whole, read back and noted down before it counts; when all are there, their notes become the manifest. So an interrupted
preparation goes on with the shards that are missing, and ends with the same bytes as one that was not.
"""

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from hrs_keras.data.audit import Audit, audit
from hrs_keras.data.prepared.convert import NOTE, Shard, convert
from hrs_keras.data.prepared.manifest import (
    LOCK,
    MANIFEST,
    PLAN,
    conversion,
    read_manifest,
    refuse_mismatches,
    sealed,
    unsealed,
)
from hrs_keras.data.prepared.plan import changed, make_plan, retimed, versions
from hrs_keras.data.prepared.verify import damaged, verify_shards
from hrs_keras.errors import DataError, HRSError, reason
from hrs_keras.recipe.schema import ROLES, Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import lock, writing

SHARD_MIB = 256


def prepare_data(recipe: Recipe, folder: str | Path, *, jobs: int | None = None, shard_mib: float | None = None) -> str:
    """Convert a recipe's data sets to shards; after an interruption the same call goes on.

    Args:
        recipe: its data sets are audited and converted whole: ``subset`` plays no part.
        folder: where to; a local folder or a remote one such as ``gs://bucket/folder``.
        jobs: samples that are converted at a time; None for one a CPU.
        shard_mib: MiB that a shard is to have at most (a sample is never divided); None for what the folder was begun
            with, 256 if it is new.

    Returns:
        The manifest's name.

    Raises:
        DataError: the data cannot be used (see :func:`hrs_keras.audit`), has changed since the folder was begun, or the
            folder holds something else.
        HRSError: the folder cannot be written, or another process is at it.
    """
    folder = str(folder)
    if jobs is not None and jobs < 1:
        raise HRSError(f"--jobs wants a whole number of at least 1, found {jobs}")
    if shard_mib is not None and not 0 < shard_mib < math.inf:
        raise HRSError(f"--shard-size wants a number of MiB above 0, found {shard_mib}")
    _refuse_foreign(folder)
    recipe = whole(recipe)
    # Role by role: that an image is trained and validated on is for the recipe to say that reads both.
    audits = [audit(recipe, roles=[role]) for role in ROLES]
    checked = Audit([d for one in audits for d in one.datasets], {k: v for one in audits for k, v in one.sets.items()})
    print(checked.table(), flush=True)
    jobs = jobs or os.cpu_count() or 1
    with _locked(folder):
        finished, begun = read_manifest(folder), read_manifest(folder, PLAN)
        there = finished or begun
        if there:
            refuse_mismatches(folder, there, conversion(recipe))
        plan, expected = make_plan(recipe, checked, _shard_mib(folder, there, shard_mib))
        if there:
            _refuse_changed(folder, there, plan, whole=finished is not None)
        if finished:
            _mend(recipe, checked, folder, finished, plan, expected, jobs)
        else:
            if not begun:
                _write(folder, PLAN, plan)
            _finish(recipe, checked, folder, begun or plan, expected, jobs)
        _clean(folder, finished or plan)
    return storage.join(folder, MANIFEST)


def verify_data(recipe: Recipe, folder: str | Path, *, jobs: int | None = None) -> int:
    """Read all shards of a prepared folder and compare them with its manifest; returns how many there are.

    Raises:
        DataError: the folder is not whole or was prepared for another recipe, or shards are damaged or missing.
    """
    folder = str(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} has no {MANIFEST}: it is not prepared, or not wholly; run `hrs prepare` first")
    refuse_mismatches(folder, manifest, conversion(recipe))
    return verify_shards(folder, manifest, jobs or os.cpu_count() or 1)


def whole(recipe: Recipe) -> Recipe:
    """A recipe that reads all samples of its data sets from their files."""
    data = recipe.data
    sets = {role: [one.model_copy(update={"subset": None}) for one in getattr(data, role)] for role in ROLES}
    changes = {
        "data": data.model_copy(update=sets | {"prepared": None}),
        # Too few samples for a batch is nothing to a preparation.
        "train": recipe.train.model_copy(update={"batch_size": 1}),
    }
    return recipe.model_copy(update=changes)


def _refuse_foreign(folder: str) -> None:
    """Nothing is written beside what no preparation wrote: a wrong folder must not be filled with shards."""
    try:
        names = set(storage.names_in(folder)) - {LOCK}
    except (OSError, tf.errors.OpError) as error:
        raise HRSError(f"cannot list {folder}: {reason(error)}; give a folder with --to") from None
    own = {MANIFEST, PLAN, storage.partial_path(PLAN)}
    if names and not names & own:
        raise DataError(
            f"{folder} is not empty and holds nothing that `hrs prepare` began ({min(names)!r}, for one); give it a"
            " folder of its own with --to"
        )


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Have a folder, which is made if need be, for this process alone; remote file systems have no locks."""
    with writing(folder):
        tf.io.gfile.makedirs(folder)
    if storage.is_remote(folder):
        yield
        return
    place = Path(folder) / LOCK
    with writing(folder):
        place.touch()
    with open(place, "r+") as file:
        if not lock(file):
            raise DataError(f"another process prepares {folder}; wait for it, or end it")
        yield


def _refuse_changed(folder: str, there: dict[str, Any], plan: dict[str, Any], whole: bool) -> None:
    """Raise a DataError if a folder is of other files; of a whole one the shards' hashes tell what times cannot."""
    if not whole and len(there["sets"]) > len(plan["sets"]):
        raise DataError(
            f"{folder} was begun for a recipe that reads more data sets than this one; run `hrs prepare` with that"
            " recipe to the end, or prepare this one in another folder"
        )
    if what := changed(there, plan):
        raise DataError(f"{folder} does not fit: {what}; prepare the data in another folder, or remove it")
    if not whole and (name := retimed(there, plan)):
        raise DataError(
            f"{folder} does not fit: {name} has changed since, if only its time: its size is the same. Copies of files"
            " keep their times with `cp -p` or `rsync -t`; if it was changed, prepare the data in another folder"
        )


def _finish(
    recipe: Recipe, checked: Audit, folder: str, plan: dict[str, Any], expected: Mapping[str, int], jobs: int
) -> None:
    """Write the shards of a begun folder that are not done yet, and the manifest."""
    _refuse_other_versions(folder, plan)
    notes = _notes(folder, plan, jobs)
    missing = _shards(folder, plan, _by_file(plan).keys() - notes)
    _refuse_too_large(folder, missing, expected)
    notes |= convert(recipe, checked, missing, jobs)
    sets = [
        stored | {"shards": [shard | notes[shard["file"]] for shard in stored["shards"]]} for stored in plan["sets"]
    ]
    _write(folder, MANIFEST, plan | {"sets": sets})


def _mend(
    recipe: Recipe,
    checked: Audit,
    folder: str,
    finished: dict[str, Any],
    plan: dict[str, Any],
    expected: Mapping[str, int],
    jobs: int,
) -> None:
    """Make the shards that a whole folder has lost anew, with the same bytes."""
    missing = _shards(folder, plan, _missing(folder, finished), finished)
    if missing:
        _refuse_other_versions(folder, finished)
        _refuse_too_large(folder, missing, expected)
        convert(recipe, checked, missing, jobs)
    elif name := retimed(finished, plan):
        print(
            f"{folder} is prepared already, of files with the same names and sizes; {name}, for one, has another time:"
            " it was copied, or changed since",
            flush=True,
        )
    else:
        print(f"{folder} is prepared already", flush=True)


def _shard_mib(folder: str, there: dict[str, Any] | None, wanted: float | None) -> float:
    if there is None:
        return SHARD_MIB if wanted is None else wanted
    if wanted not in (None, there["shard_mib"]):
        raise DataError(
            f"{folder} was begun with --shard-size {there['shard_mib']}, not {wanted}; give that again, or leave it out"
        )
    return there["shard_mib"]


def _refuse_other_versions(folder: str, there: dict[str, Any]) -> None:
    if there["made_with"] != versions():
        raise DataError(
            f"{folder} was begun with {there['made_with']}, this is {versions()}, which may decode files to other"
            " pixels; go on with those, or prepare the data in another folder"
        )


def _refuse_too_large(folder: str, missing: Sequence[Shard], expected: Mapping[str, int]) -> None:
    """Say how much will be written, and refuse what the disk has no room for, rather than fill it for hours."""
    if storage.is_remote(folder):
        return
    wanted, free = sum(expected[shard.file] for shard in missing), shutil.disk_usage(folder).free
    sizes = f"{wanted / 2**30:.2f} GiB", f"{free / 2**30:.2f} GiB"
    if wanted > free:
        raise HRSError(
            f"{folder} has no room: about {sizes[0]} are to be written, {sizes[1]} are free; give another --to"
        )
    print(f"about {sizes[0]} will be written to {folder}, {sizes[1]} are free", flush=True)


def _shards(folder: str, plan: dict[str, Any], files: Set[str], finished: dict[str, Any] | None = None) -> list[Shard]:
    """Those of the planned shards that are to be written, and what each has to become if it was written before."""
    before = _by_file(finished) if finished else {}
    return [
        Shard(folder, shard["file"], stored, shard["first"], shard["stop"], before.get(shard["file"], {}).get("sha256"))
        for stored in plan["sets"]
        for shard in stored["shards"]
        if shard["file"] in files
    ]


def _by_file(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {shard["file"]: shard for stored in manifest["sets"] for shard in stored["shards"]}


def _missing(folder: str, finished: dict[str, Any]) -> set[str]:
    """Shards of a finished folder that are not there, or not at their size; ``--verify`` reads what they hold."""
    there = set(storage.names_in(folder))
    return {
        file
        for file, shard in _by_file(finished).items()
        if file not in there or storage.stat(storage.join(folder, file))[0] != shard["bytes"]
    }


def _notes(folder: str, plan: dict[str, Any], jobs: int) -> dict[str, dict[str, Any]]:
    """Shard -> what is noted of it, for those that an interrupted preparation finished and that are still as noted."""
    there = set(storage.names_in(folder))
    noted = {file: _note(storage.join(folder, file + NOTE)) for file in _by_file(plan) if {file, file + NOTE} <= there}
    notes = {file: note for file, note in noted.items() if note}
    lost = damaged(folder, notes, jobs)
    if anew := sorted({*noted} - {*notes} | {*lost}):
        print(f"made anew, because they or their notes are damaged: {', '.join(anew)}", flush=True)
    return {file: note for file, note in notes.items() if file not in lost}


def _note(place: str) -> dict[str, Any] | None:
    """What is noted of a shard; None if the note is damaged."""
    try:
        return unsealed(storage.read(place))
    except (OSError, tf.errors.OpError, ValueError):
        return None


def _clean(folder: str, manifest: dict[str, Any]) -> None:
    """Remove the notes that the manifest has taken in, and what interruptions left half written."""
    shards = list(_by_file(manifest))
    notes = [file + NOTE for file in shards]
    own = {PLAN, *notes, *map(storage.partial_path, [PLAN, MANIFEST, *shards, *notes])}
    with writing(folder):
        for name in own.intersection(storage.names_in(folder)):
            storage.remove(storage.join(folder, name))


def _write(folder: str, name: str, value: dict[str, Any]) -> None:
    place = storage.join(folder, name)
    with writing(place):
        storage.write_whole(place, sealed(value))
