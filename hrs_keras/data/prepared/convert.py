"""Converting samples to records, and writing them as shards that appear whole or not at all."""

import contextlib
import hashlib
import itertools
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hrs_keras.data.audit import Audit
from hrs_keras.data.decode import IdMap, decode_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.manifest import sealed
from hrs_keras.data.prepared.plan import fingerprint
from hrs_keras.data.records import FOOTER, HEADER, example
from hrs_keras.data.samples import training_loader
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import writing

NOTE = ".json"
NOTED = ("bytes", "sha256", "lengths", "crc32")
"""What is noted of a finished shard: its size and hash, and of each record's data the length and checksum."""


class Shard(NamedTuple):
    """Samples ``first`` to ``stop`` (exclusive) of a data set as planned, and the file for them.

    Attributes:
        sha256: of the file as it was before it was lost or damaged; None if it was never written.
    """

    folder: str
    file: str
    stored: dict[str, Any]
    first: int
    stop: int
    sha256: str | None = None

    @property
    def place(self) -> str:
        """The file's name with its folder."""
        return storage.join(self.folder, self.file)


def convert(recipe: Recipe, checked: Audit, shards: Sequence[Shard], jobs: int) -> dict[str, dict[str, Any]]:
    """Write shards, in their order, and a note beside each; returns file -> note.

    Args:
        checked: the audit that the plan was made of.
        jobs: samples that are converted at a time.

    Raises:
        DataError: a file has changed or gone, or cannot be decoded any more.
        HRSError: a shard cannot be written.
    """
    notes = {}
    total = sum(shard.stop - shard.first for shard in shards)
    with tqdm(total=total, unit="sample", disable=None if total else True) as progress:
        for (role, position), of_set in itertools.groupby(shards, lambda s: (s.stored["role"], s.stored["position"])):
            of_set = list(of_set)
            numbers = [number for shard in of_set for number in range(shard.first, shard.stop)]
            pairs = checked.sets[role][position]
            examples = _examples(recipe, role, pairs, numbers, jobs)
            for shard in of_set:
                note = _write(shard, pairs, itertools.islice(examples, shard.stop - shard.first), progress)
                with writing(shard.place):
                    storage.publish(shard.place)
                    storage.write_whole(shard.place + NOTE, sealed(note))
                notes[shard.file] = note
    return notes


def _examples(recipe: Recipe, role: str, pairs: Pairs, numbers: Sequence[int], jobs: int) -> Iterator[bytes]:
    """The data of the records of some samples."""
    parts = _validation_parts(recipe, pairs) if role == "validation" else _training_parts(recipe, pairs)
    order = tf.data.Dataset.from_tensor_slices(np.asarray(numbers, np.int64))
    options = tf.data.Options()
    options.threading.private_threadpool_size = jobs  # the usual threads are as many as CPUs, however many calls
    samples = order.map(parts, num_parallel_calls=jobs, deterministic=True).prefetch(jobs)
    converted = iter(samples.with_options(options))
    for number in numbers:
        try:
            image, label, size = (part.numpy() for part in next(converted))
        except tf.errors.OpError as error:
            names = f"{pairs.images[number]} and {pairs.labels[number]}"
            raise DataError(
                f"{names} cannot be converted ({reason(error)}); were they changed since the audit?"
            ) from None
        yield example(_contents(image), _contents(label), tuple(map(int, size)), os.fsencode(pairs.images[number].name))


def _contents(part: bytes | np.ndarray) -> bytes:
    return part if isinstance(part, bytes) else part.tobytes()


def _training_parts(recipe: Recipe, pairs: Pairs):
    load = training_loader(recipe, [pairs])

    def parts(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, label = load(number)
        return image, label, tf.shape(label)

    return parts


def _validation_parts(recipe: Recipe, pairs: Pairs):
    """The image's file as it is, so that no bit of it is lost, and the label as a PNG of train ids."""
    images, labels = (tf.constant([str(path) for path in paths]) for paths in (pairs.images, pairs.labels))
    ids = IdMap(pairs.dataset, recipe.data.label_space)

    def parts(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        label = tf.cast(decode_label(labels[number], pairs.dataset, ids), tf.uint8)
        return tf.io.read_file(images[number]), tf.io.encode_png(label[..., tf.newaxis]), tf.shape(label)

    return parts


def _write(shard: Shard, pairs: Pairs, examples: Iterable[bytes], progress: tqdm) -> dict[str, Any]:
    """Write a shard under its partial name and read it back; returns its note."""
    partial = storage.partial_path(shard.place)
    lengths, checksums = [], []
    try:
        with writing(shard.place):
            writer = tf.io.TFRecordWriter(partial)
        try:
            for contents in examples:
                with writing(shard.place):
                    writer.write(contents)
                lengths.append(len(contents))
                checksums.append(zlib.crc32(contents))
                progress.update()
        finally:
            with writing(shard.place):
                writer.close()
        _refuse_changed(shard, pairs)
        with writing(shard.place):
            note = _read_back(partial, lengths, checksums)
        if shard.sha256 not in (None, note["sha256"]):
            raise DataError(
                f"{shard.place}, made anew, is not what it was: its files have changed since {shard.folder} was"
                " prepared; prepare the data in another folder"
            )
        return note
    except BaseException:  # an interrupt, too, leaves nothing half written
        with contextlib.suppress(OSError, tf.errors.OpError):
            storage.remove(partial)
        raise


def _read_back(partial: str, lengths: list[int], checksums: list[int]) -> dict[str, Any]:
    """What is noted of a shard, computed of what the disk really has."""
    digest, size = hashlib.sha256(), 0
    with tf.io.gfile.GFile(partial, "rb") as file:
        for length, checksum in zip(lengths, checksums, strict=True):
            record = file.read(HEADER + length + FOOTER)
            if zlib.crc32(record[HEADER : HEADER + length]) != checksum:
                raise OSError("what was written does not read back the same; is the disk sound?")
            digest.update(record)
            size += len(record)
    return dict(zip(NOTED, (size, digest.hexdigest(), lengths, checksums), strict=True))


def _refuse_changed(shard: Shard, pairs: Pairs) -> None:
    """A shard counts only if its files stayed as they were planned while they were read."""
    for kind, paths in (("images", pairs.images), ("labels", pairs.labels)):
        for number in range(shard.first, shard.stop):
            if list(fingerprint(paths[number])) != shard.stored[kind][number][1:]:
                raise DataError(
                    f"{paths[number]} was changed while it was prepared; remove {shard.folder}, or take another folder,"
                    " and prepare the data when nothing changes it"
                )
