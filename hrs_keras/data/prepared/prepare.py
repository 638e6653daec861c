"""``hrs prepare``: raw data sets become shards of records at the size of training, once.

A plan, which the recipe and the files alone decide, says which sample goes into which shard. Each shard is written
whole, read back, and noted before it counts. When all are there, their notes become the manifest. So an interrupted
preparation goes on with the shards that are missing, and ends with the same bytes as one that was not interrupted.
"""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from hrs_keras.data.audit import Audit, audit_opened, choose_samples, refuse_errors, with_warnings
from hrs_keras.data.opening import open_files
from hrs_keras.data.prepared.conversion import conversion, refuse_mismatches
from hrs_keras.data.prepared.folder import LOCK, MANIFEST, PLAN, read_manifest, read_plan
from hrs_keras.data.prepared.manifest import Plan
from hrs_keras.data.prepared.orientation import refuse_unturned, stored_as_pixels
from hrs_keras.data.prepared.plan import describe_changed_file, file_with_another_time, make_plan
from hrs_keras.data.prepared.preparation import Preparation
from hrs_keras.errors import DataError, HRSError, printable, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import writing
from hrs_keras.system.literal_paths import is_utf8
from hrs_keras.system.locks import lock

log = logging.getLogger(__name__)

SHARD_MIB = 256


def prepare_data(recipe: Recipe, folder: str | Path, *, jobs: int | None = None, shard_mib: float | None = None) -> str:
    """Convert a recipe's data sets to shards. After an interruption the same call goes on.

    Args:
        recipe: its data sets are audited and converted whole: ``subset`` and ``data.labelled`` play no part.
        folder: the folder to fill, a local one or a remote one such as ``gs://bucket/folder``.
        jobs: number of samples that are converted at a time; None for one a CPU.
        shard_mib: MiB that a shard is to have at most (a sample is never divided); None for what the folder was begun
            with, or 256 if it is new.

    Returns:
        Path or URL of the manifest.

    Raises:
        DataError: the data cannot be used (see :func:`hrs_keras.audit`), it has changed since the folder was begun, or
            the folder holds something else.
        HRSError: the folder cannot be written, or another process is filling it.
    """
    folder = str(folder)
    if jobs is not None and jobs < 1:
        raise HRSError(f"--jobs wants a whole number of at least 1, found {jobs}")
    if shard_mib is not None and not 0 < shard_mib < math.inf:
        raise HRSError(f"--shard-size wants a number of MiB above 0, found {shard_mib}")
    _refuse_foreign(folder)
    audit = audit_opened(open_files(recipe), recipe.data.label_space)
    refuse_errors(audit, recipe.data.on_bad)
    log.info("%s", with_warnings(audit).table())  # they are not stored: other recipes read other sets side by side
    if hidden := sum(one.hidden_labels for one in choose_samples(audit, recipe.data).sets["target"]):
        log.info("training will not read the labels of %d target samples (data.labelled); all are prepared", hidden)
    with _locked(folder):
        _prepare(recipe, audit, folder, jobs or os.cpu_count() or 1, shard_mib)
    return storage.join(folder, MANIFEST)


def _prepare(recipe: Recipe, audit: Audit, folder: str, jobs: int, shard_mib: float | None) -> None:
    """Begin a folder, go on with a begun one, or repair a finished one."""
    finished, begun = read_manifest(folder), read_plan(folder)
    earlier = finished or begun
    if earlier:
        refuse_mismatches(folder, earlier, conversion(recipe))
        refuse_unturned(folder, earlier, stored_as_pixels(audit.sets))
    plan, expected_bytes = make_plan(recipe, audit, _shard_mib(folder, earlier, shard_mib))
    if earlier:
        _refuse_changed(folder, earlier, plan, finished=finished is not None)
    if not finished and begun:
        plan = begun  # its audit may be worded otherwise
    preparation = Preparation(recipe, audit, folder, plan, expected_bytes, jobs)
    if finished:
        preparation.repair(finished)
    else:
        if not begun:
            preparation.begin()
        preparation.finish()
    preparation.clean(finished or plan)


def _shard_mib(folder: str, earlier: Plan | None, wanted: float | None) -> float:
    if earlier is None:
        return SHARD_MIB if wanted is None else wanted
    if wanted not in (None, earlier.shard_mib):
        raise DataError(
            f"{folder} was begun with --shard-size {earlier.shard_mib}, not {wanted}; give that again, or leave it out"
        )
    return earlier.shard_mib


def _refuse_foreign(folder: str) -> None:
    """Raise an error for a folder that no preparation began: a wrong one must not be filled with shards."""
    if not is_utf8(folder):
        raise DataError(f"{printable(folder)}: TensorFlow takes paths in UTF-8 only; give another folder with --to")
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
    """Make a folder if need be, and keep other processes from filling it. Remote file systems have no locks."""
    with writing(folder):
        tf.io.gfile.makedirs(folder)
    if storage.is_remote(folder):
        yield
        return
    path = Path(folder) / LOCK
    with writing(folder):
        path.touch()
    with open(path, "r+") as file:
        if not lock(file):
            raise DataError(f"another process prepares {folder}; wait for it, or end it")
        yield


def _refuse_changed(folder: str, earlier: Plan, plan: Plan, *, finished: bool) -> None:
    """Raise a DataError if a folder was planned for other files than there are now.

    In a finished folder times may differ: a shard that is written again has to have the same hash.
    """
    if not finished and len(earlier.sets) > len(plan.sets):
        raise DataError(
            f"{folder} was begun for a recipe that reads more data sets than this one; run `hrs prepare` with that"
            " recipe to the end, or prepare this one in another folder"
        )
    if what := describe_changed_file(earlier, plan):
        raise DataError(f"{folder} does not fit: {what}; prepare the data in another folder, or remove it")
    if not finished and (name := file_with_another_time(earlier, plan)):
        raise DataError(
            f"{folder} does not fit: {name} has changed since, if only its time: its size is the same. Copies of files"
            " keep their times with `cp -p` or `rsync -t`; if it was changed, prepare the data in another folder"
        )
