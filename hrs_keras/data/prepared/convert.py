"""Converting samples to records, and writing them as shards that appear whole or not at all."""

import contextlib
import hashlib
import itertools
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hrs_keras.data.decode import IdMap, decode_label
from hrs_keras.data.files import fingerprint
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.manifest import PlannedSet, PlannedShard, ShardNote
from hrs_keras.data.records import FOOTER, HEADER, example
from hrs_keras.data.samples import file_names, training_loader
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.data import EVALUATED_ON
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import writing

_Parts = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
"""A sample's number (int64 scalar) -> what its record holds: image, label, and the label's [height, width]."""


class ShardTask(NamedTuple):
    """A shard to write.

    Attributes:
        folder: path or URL of the prepared folder.
        of_set: the data set that the shard is of.
        shard: which of its samples go into the shard.
        sha256: of the file as it was before it was lost or damaged; None if it was never written.
    """

    folder: str
    of_set: PlannedSet
    shard: PlannedShard
    sha256: str | None = None

    @property
    def path(self) -> str:
        """The file to write."""
        return storage.join(self.folder, self.shard.file)

    @property
    def note_path(self) -> str:
        """The file for the note of the finished shard."""
        return storage.join(self.folder, note_name(self.shard.file))

    @property
    def numbers(self) -> range:
        """The samples, numbered within the data set."""
        return range(self.shard.first, self.shard.stop)


def note_name(shard_file: str) -> str:
    """The name of the file with a shard's note."""
    return f"{shard_file}.json"


def convert(
    recipe: Recipe, sets: Mapping[str, Sequence[Pairs]], tasks: Sequence[ShardTask], jobs: int
) -> dict[str, ShardNote]:
    """Write shards, one after the other, and a note beside each.

    Args:
        recipe: the recipe to prepare.
        sets: role -> the usable samples of each data set, from the audit that the plan was made from.
        tasks: the shards, in the plan's order.
        jobs: number of samples that are converted at a time.

    Returns:
        File name of each shard -> its note.

    Raises:
        DataError: a file has changed or gone since the audit, or cannot be decoded any more.
        HRSError: a shard cannot be written.
    """
    notes = {}
    total = sum(len(task.numbers) for task in tasks)
    with tqdm(total=total, unit="sample", disable=None if total else True) as progress:
        for (role, position), of_set in itertools.groupby(tasks, lambda task: (task.of_set.role, task.of_set.position)):
            of_set_tasks = list(of_set)
            pairs = sets[role][position]
            numbers = [number for task in of_set_tasks for number in task.numbers]
            examples = _examples(recipe, role, pairs, numbers, jobs)
            for task in of_set_tasks:
                note = _write_shard(task, pairs, itertools.islice(examples, len(task.numbers)), progress)
                with writing(task.path):
                    storage.publish(task.path)
                    storage.write_whole(task.note_path, note.to_bytes())
                notes[task.shard.file] = note
    return notes


# ---- records -----------------------------------------------------------------------------------------------------


def _examples(recipe: Recipe, role: str, pairs: Pairs, numbers: Sequence[int], jobs: int) -> Iterator[bytes]:
    """The data of the records of some samples, in the order of ``numbers``."""
    parts = _evaluation_parts(recipe, pairs) if role in EVALUATED_ON else _training_parts(recipe, pairs)
    order = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, np.int64))
    options = tf.data.Options()
    options.threading.private_threadpool_size = jobs  # by default there are no more threads than CPUs
    samples = order.map(parts, num_parallel_calls=jobs, deterministic=True).prefetch(jobs)
    converted = iter(samples.with_options(options))
    for number in numbers:
        try:
            image, label, (height, width) = (part.numpy() for part in next(converted))
        except tf.errors.OpError as error:
            names = " and ".join(str(paths[number]) for paths in (pairs.images, pairs.labels) if paths)
            raise DataError(
                f"{names} cannot be converted ({reason(error)}); were they changed since the audit?"
            ) from None
        name = os.fsencode(pairs.images[number].name)
        yield example(_contents(image), _contents(label), (int(height), int(width)), name)


def _contents(part: bytes | np.ndarray) -> bytes:
    return part if isinstance(part, bytes) else part.tobytes()


def _training_parts(recipe: Recipe, pairs: Pairs) -> _Parts:
    """Pixels as training reads them; nothing for a label where there is none."""
    load = training_loader(recipe, [pairs])

    def parts(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, label = load(number)
        return image, label if pairs.labels else tf.constant(b""), tf.shape(label)

    return parts


def _evaluation_parts(recipe: Recipe, pairs: Pairs) -> _Parts:
    """The image's file as it is, so that no bit of it is lost, and the label as a PNG of train ids."""
    images, labels = file_names(pairs)
    ids = IdMap(pairs.dataset, recipe.data.label_space)

    def parts(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        label = tf.cast(decode_label(labels[number], pairs.dataset, ids), tf.uint8)
        return tf.io.read_file(images[number]), tf.io.encode_png(label[..., tf.newaxis]), tf.shape(label)

    return parts


# ---- shards ------------------------------------------------------------------------------------------------------


def _write_shard(task: ShardTask, pairs: Pairs, examples: Iterable[bytes], progress: tqdm) -> ShardNote:
    """Write a shard under its partial name, and read it back."""
    partial = storage.partial_path(task.path)
    try:
        lengths, checksums = _write_records(task, partial, examples, progress)
        _refuse_changed_files(task, pairs)
        with writing(task.path):
            note = _read_back(partial, lengths, checksums)
        if task.sha256 not in (None, note.sha256):
            raise DataError(
                f"{task.path}, written again, is not what it was: its files have changed since {task.folder} was"
                " prepared; prepare the data in another folder"
            )
        return note
    except BaseException:  # an interrupt, too, leaves nothing half written
        with contextlib.suppress(OSError, tf.errors.OpError):
            storage.remove(partial)
        raise


def _write_records(
    task: ShardTask, partial: str, examples: Iterable[bytes], progress: tqdm
) -> tuple[list[int], list[int]]:
    """Write the records of a shard; returns the length and CRC-32 of each one's data."""
    lengths, checksums = [], []
    with writing(task.path):
        writer = tf.io.TFRecordWriter(partial)
    try:
        for contents in examples:
            with writing(task.path):
                writer.write(contents)
            lengths.append(len(contents))
            checksums.append(zlib.crc32(contents))
            progress.update()
    finally:
        with writing(task.path):
            writer.close()
    return lengths, checksums


def _read_back(partial: str, lengths: list[int], checksums: list[int]) -> ShardNote:
    """A shard's note, computed from what the disk really has."""
    digest, size = hashlib.sha256(), 0
    with storage.reading(partial) as file:
        for length, checksum in zip(lengths, checksums, strict=True):
            record = file.read(HEADER + length + FOOTER)
            if zlib.crc32(record[HEADER : HEADER + length]) != checksum:
                raise OSError("what was written does not read back the same; is the disk sound?")
            digest.update(record)
            size += len(record)
    return ShardNote(bytes=size, sha256=digest.hexdigest(), lengths=lengths, crc32=checksums)


def _refuse_changed_files(task: ShardTask, pairs: Pairs) -> None:
    """Raise an error unless the files of a shard stayed as they were planned while they were read."""
    for planned, paths in ((task.of_set.images, pairs.images), (task.of_set.labels, pairs.labels)):
        for number in task.numbers if paths else ():
            if fingerprint(paths[number]) != planned[number][1:]:
                raise DataError(
                    f"{paths[number]} was changed while it was prepared; remove {task.folder}, or take another folder,"
                    " and prepare the data when nothing changes it"
                )
