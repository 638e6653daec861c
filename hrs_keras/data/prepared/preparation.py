"""A preparation in progress: the steps of ``hrs prepare`` once a folder is locked and its plan is made."""

import logging
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import tensorflow as tf

from hrs_keras.data.audit import Audit
from hrs_keras.data.prepared.convert import ShardTask, convert, note_name
from hrs_keras.data.prepared.folder import MANIFEST, PLAN
from hrs_keras.data.prepared.manifest import (
    FinishedSet,
    FinishedShard,
    Manifest,
    Plan,
    PlannedShard,
    Sealed,
    ShardNote,
    finished_shards_of,
    shards_of,
    unsealed,
)
from hrs_keras.data.prepared.orientation import UPRIGHT
from hrs_keras.data.prepared.plan import file_with_another_time, versions
from hrs_keras.data.prepared.verify import damaged_shards
from hrs_keras.errors import DataError, HRSError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import writing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """What one call of :func:`hrs_keras.prepare_data` works with.

    Attributes:
        recipe: the recipe to prepare.
        audit: of all its samples.
        folder: path or URL of the folder to fill, which no other process fills now.
        plan: what the folder is to hold.
        expected_bytes: shard -> about how many bytes it will have.
        jobs: number of samples that are converted, and of shards that are read, at a time.
    """

    recipe: Recipe
    audit: Audit
    folder: str
    plan: Plan
    expected_bytes: Mapping[str, int]
    jobs: int

    def begin(self) -> None:
        """Write the plan, by which an interrupted preparation goes on."""
        self._write(PLAN, self.plan)

    def finish(self) -> None:
        """Write the shards that are not done yet, and then the manifest.

        Raises:
            DataError: the folder was begun with other versions of the packages that decode, or see :func:`convert`.
            HRSError: there is no room for the shards, or they cannot be written.
        """
        _refuse_other_versions(self.folder, self.plan)
        notes = self._notes_of_sound_shards()
        notes |= self._convert(self._tasks(shards_of(self.plan).keys() - notes))
        sets = tuple(
            FinishedSet(**dict(one) | {"shards": tuple(_finished(shard, notes[shard.file]) for shard in one.shards)})
            for one in self.plan.sets
        )
        self._write(MANIFEST, Manifest(**dict(self.plan) | {"sets": sets}))

    def repair(self, manifest: Manifest) -> None:
        """Write the shards that a finished folder has lost again, with the same bytes. Raises as :meth:`finish` does.

        Args:
            manifest: the folder's. It may have more data sets than the plan, whose shards are left alone.
        """
        written = finished_shards_of(manifest)
        if tasks := self._tasks(self._lost_shards(written), written):
            _refuse_other_versions(self.folder, manifest)
            self._convert(tasks)
        elif name := file_with_another_time(manifest, self.plan):
            log.info(
                "%s is prepared already, of files with the same names and sizes; %s, for one, has another time: it was"
                " copied, or changed since",
                self.folder,
                name,
            )
        else:
            log.info("%s is prepared already", self.folder)

    def clean(self, finished: Plan) -> None:
        """Remove the plan, the notes that the manifest has taken in, and what interruptions left half written.

        Args:
            finished: names the folder's shards.
        """
        shards = list(shards_of(finished))
        notes = [note_name(file) for file in shards]
        own = {PLAN, *notes, *map(storage.partial_path, [PLAN, MANIFEST, *shards, *notes])}
        with writing(self.folder):
            for name in own.intersection(storage.names_in(self.folder)):
                storage.remove(storage.join(self.folder, name))

    def _tasks(self, files: Set[str], written: Mapping[str, FinishedShard] | None = None) -> list[ShardTask]:
        """The shards to write, in the plan's order.

        Args:
            files: their names.
            written: what the folder's shards were, if it was finished: they have to become the same again.
        """
        hashes = {file: shard.sha256 for file, shard in (written or {}).items()}
        return [
            ShardTask(self.folder, one, shard, hashes.get(shard.file))
            for one in self.plan.sets
            for shard in one.shards
            if shard.file in files
        ]

    def _convert(self, tasks: Sequence[ShardTask]) -> dict[str, ShardNote]:
        self._refuse_too_large(tasks)
        return convert(self.recipe, self.audit.sets, tasks, self.jobs)

    def _refuse_too_large(self, tasks: Sequence[ShardTask]) -> None:
        """Say how much will be written. Refuse what the disk has no room for, rather than fill it for hours."""
        if storage.is_remote(self.folder):
            return
        wanted = sum(self.expected_bytes[task.shard.file] for task in tasks)
        free = shutil.disk_usage(self.folder).free
        if wanted > free:
            raise HRSError(
                f"{self.folder} has no room: about {_size(wanted)} are to be written, {_size(free)} are free; "
                "give another --to"
            )
        log.info("about %s will be written to %s, %s are free", _size(wanted), self.folder, _size(free))

    def _lost_shards(self, written: Mapping[str, FinishedShard]) -> set[str]:
        """Shards of a finished folder that are missing or have another size. (``--verify`` reads their contents.)"""
        names = set(storage.names_in(self.folder))
        return {
            file
            for file, shard in written.items()
            if file not in names or storage.stat(storage.join(self.folder, file))[0] != shard.bytes
        }

    def _notes_of_sound_shards(self) -> dict[str, ShardNote]:
        """File name -> note, for the shards that an interrupted preparation finished and that are still as noted."""
        names = set(storage.names_in(self.folder))
        finished = [file for file in shards_of(self.plan) if {file, note_name(file)} <= names]
        read = {file: _read_note(storage.join(self.folder, note_name(file))) for file in finished}
        notes = {file: note for file, note in read.items() if note}
        damaged = damaged_shards(self.folder, notes, self.jobs)
        if again := sorted({*finished} - {*notes} | {*damaged}):
            log.info("written again, because they or their notes are damaged: %s", ", ".join(again))
        return {file: note for file, note in notes.items() if file not in damaged}

    def _write(self, name: str, value: Sealed) -> None:
        path = storage.join(self.folder, name)
        with writing(path):
            storage.write_whole(path, value.to_bytes())


def _size(number: int) -> str:
    """A number of bytes in the unit that a person would take."""
    unit, name = (2**30, "GiB") if number >= 2**30 else (2**20, "MiB")
    return f"{number / unit:.2f} {name}"


def _finished(shard: PlannedShard, note: ShardNote) -> FinishedShard:
    return FinishedShard(**dict(shard), **dict(note))


def _read_note(path: str) -> ShardNote | None:
    """What is noted of a shard; None if the note is damaged."""
    try:
        return ShardNote.from_plain(unsealed(storage.read(path)))
    except (OSError, tf.errors.OpError, ValueError):
        return None


def _refuse_other_versions(folder: str, begun: Plan) -> None:
    # Folders of an earlier version may lack UPRIGHT: refuse_unturned() has seen that none of their images is turned.
    if begun.made_with | UPRIGHT != versions():
        raise DataError(
            f"{folder} was begun with {begun.made_with}, this is {versions()}, which may decode files to other"
            " pixels; go on with those, or prepare the data in another folder"
        )
