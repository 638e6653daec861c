"""Whether a run still has the data that it was trained on.

The folder of a run keeps an inventory of the samples in ``data.json``, beside the audit of the same in ``audit.json``.
Where a run went on with other data, the inventories of before are kept with it.
"""

import hashlib
import logging
from collections.abc import Sequence

from hrs_keras.data.audit import Audit
from hrs_keras.data.inventory import (
    Inventory,
    SetInventory,
    describe_changes,
    inventory_of_audit,
    take_inventory,
    touched,
)
from hrs_keras.data.prepared.manifest import Sealed, unsealed
from hrs_keras.errors import CheckpointError, DataError, RecipeError, printable
from hrs_keras.recipe.comparing import compare
from hrs_keras.recipe.reading import differences
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import read_json, write_json, write_whole, writing

log = logging.getLogger(__name__)


class EarlierData(Sealed):
    """What the steps up to ``until_step`` were trained on, from the end of the entry before, or the beginning, on."""

    until_step: int
    sets: tuple[SetInventory, ...]


class DataRecord(Sealed):
    """What a run was trained on.

    Attributes:
        sets: the data of its last steps.
        earlier: that of the steps before, if it was another.
    """

    sets: tuple[SetInventory, ...]
    earlier: tuple[EarlierData, ...] = ()


def read_data_record(folder: RunFolder) -> DataRecord | None:
    """What a run was trained on; None if an earlier version of this package made it, which did not note that.

    Raises:
        CheckpointError: the record is damaged.
    """
    try:
        contents = folder.data_file.read_bytes() if folder.data_file.is_file() else None
        return None if contents is None else DataRecord.from_plain(unsealed(contents))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder.data_file} is damaged ({error}); bring it back, or remove it if the data is known to be the same"
        ) from None


def recipe_on_other_data(folder: RunFolder, overrides: Sequence[str], what: str) -> Recipe:
    """A run's recipe, to read other data with the same classes.

    Args:
        folder: the run's.
        overrides: ``key=value`` changes.
        what: who asks, as the message begins, such as ``"an evaluation"``.

    Raises:
        CheckpointError: this is no run folder.
        RecipeError: an override cannot be applied, or changes more than which data is read.
    """
    recipe = folder.recipe(list(overrides))
    for change in differences(folder.recipe(), recipe):
        if not change.startswith("data.") or change.startswith(("data.classes:", "data.classes.")):
            raise RecipeError(f"{change}: {what} can change the keys below data (but not data.classes) only")
    return recipe


def warn_of_other_data(folder: RunFolder, recipe: Recipe, audit: Audit) -> None:
    """Warn if what a run is evaluated on are not the samples that it read, although its recipe names the same.

    Args:
        folder: the run's.
        recipe: the run's, maybe with other data by intention.
        audit: of the data, or of one role of it.

    Raises:
        CheckpointError: the run's record is damaged.
    """
    record = read_data_record(folder)
    if record is None or compare(folder.recipe(), recipe).numbers:
        return
    if changed := describe_changes(record.sets, take_inventory(recipe, audit)):
        log.warning("%s read other data than there is now:\n  %s", folder.path, "\n  ".join(changed))


class DataCheck:
    """Compares a recipe's data with what the run in its folder was trained on.

    Args:
        folder: the run's.
        recipe: that the run goes on with.
        audit: of its data, as it is now.
        fresh: the run will be removed first, so that there is nothing to compare with.

    Raises:
        DataError: the run was trained on other data, and ``data.on_change`` does not accept that.
        CheckpointError: the run's record is damaged.
    """

    def __init__(self, folder: RunFolder, recipe: Recipe, audit: Audit, fresh: bool = False):
        self._folder, self._audit = folder, audit
        self._now = take_inventory(recipe, audit)
        self._record = None if fresh else read_data_record(folder)
        self._changed = [] if fresh else describe_changes(self._before(), self._now)
        if self._changed and (taken := folder.steps_taken):
            what = "\n  ".join([f"{folder.path} was trained for {taken} steps on other data:", *self._changed])
            if recipe.data.on_change == "error":
                raise DataError(
                    f"{what}\nBring that data back, or give a run on the new data a name of its own, name=NAME."
                    " data.on_change=accept goes on nevertheless, and keeps the records of both"
                )
            log.warning("%s\nit goes on with these, as data.on_change: accept says", what)
        elif self._record and (names := touched(self._record.sets, self._now)):
            log.info(
                "%d files of the data have another time than when %s began, but the same size (%s, for one): they were"
                " copied, or changed since",
                len(names),
                folder.path,
                printable(names[0]),
            )

    @property
    def number(self) -> int:
        """A number below 2**62 that stands for the data as it is now, for workers to compare."""
        digests = ",".join(one.digest for one in self._now)
        return int(hashlib.sha256(digests.encode()).hexdigest(), 16) % 2**62

    def _before(self) -> Inventory:
        if self._record:
            return self._record.sets
        file = self._folder.audit_file
        try:
            return inventory_of_audit(read_json(file) or {"datasets": []})
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"{file} is damaged ({error!r}); remove it, or bring it back") from None

    def note(self, step: int, ended: bool) -> None:
        """Record the data for the steps after ``step``, if it is not on record.

        Args:
            step: how many steps were taken before.
            ended: whether these are all of the run: then nothing is recorded but what was accepted.

        Raises:
            HRSError: it cannot be written.
        """
        if (self._record or ended) and not self._changed:
            return
        earlier = self._record.earlier if self._record else ()
        if self._changed and step:
            earlier = (*earlier, EarlierData(until_step=step, sets=self._before()))
        # The inventory last: without it, what has changed is noted again.
        with writing(self._folder.path):
            if not step:  # the untrained network is all that has met what there was
                self._folder.evaluation_file(0).unlink(missing_ok=True)
            for file in self._folder.evaluations.glob("test_step_*.json") if self._changed else ():
                file.unlink()  # weights are tested once on their run's images, which may be others now
            if self._changed or not self._folder.audit_file.is_file():
                write_json(self._folder.audit_file, self._audit.to_dict())
            record = DataRecord(sets=self._now, earlier=earlier)
            write_whole(self._folder.data_file, lambda file: file.write(record.to_bytes()))
