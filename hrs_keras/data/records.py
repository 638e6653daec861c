"""Samples as records of TFRecord files: what a record holds, and reading one from the middle of its file.

A record is a ``tf.train.Example``; any TFRecord reader takes the files. Training draws samples in a random order, so
each record's place is known beforehand, and its checksum with it.
"""

import functools
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import decode_image_bytes
from hrs_keras.errors import DataError, reason
from hrs_keras.system import storage

# https://www.tensorflow.org/tutorials/load_data/tfrecord: length and its checksum before the data, a checksum after
HEADER, FOOTER = 12, 4


class Record(NamedTuple):
    """Where a sample lies.

    Attributes:
        shard: its file.
        number: how many records of the file come before it.
        offset, length: of its data in the file, in bytes.
        crc32: of its data.
    """

    shard: str
    number: int
    offset: int
    length: int
    crc32: int


def records_of(shard: str, lengths: Sequence[int], checksums: Sequence[int]) -> list[Record]:
    """All records of a file, which lie one behind the other."""
    ends = np.cumsum([HEADER + length + FOOTER for length in lengths])
    return [
        Record(shard, number, int(end) - FOOTER - length, length, crc32)
        for number, (end, length, crc32) in enumerate(zip(ends, lengths, checksums, strict=True))
    ]


def read_record(record: Record) -> bytes:
    """The data of a record.

    Raises:
        DataError: it cannot be read, or is not what was written.
    """
    try:
        contents = storage.read_at(record.shard, record.offset, record.length)
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"cannot read record {record.number} of {record.shard}: {reason(error)}") from None
    if len(contents) != record.length or zlib.crc32(contents) != record.crc32:
        raise DataError(
            f"record {record.number} of {record.shard} is damaged: its checksum does not fit. Remove this file and run"
            " the same `hrs prepare` again, which makes it anew"
        )
    return contents


def fetch(records: Sequence[Record], number: tf.Tensor) -> tf.Tensor:
    """The data of one of ``records`` (int64 scalar -> scalar string), also inside of a ``tf.data`` pipeline."""
    read = functools.partial(_read_numbered, records)
    return tf.ensure_shape(tf.numpy_function(read, [number], tf.string, stateful=False), [])


@tf.autograph.experimental.do_not_convert
def _read_numbered(records: Sequence[Record], number: np.int64) -> bytes:
    return read_record(records[number])


# ---- what a record holds ---------------------------------------------------------------------------------------


def example(image: bytes, label: bytes, size: tuple[int, int], name: bytes) -> bytes:
    """A record's data.

    Args:
        image, label: as :func:`training_sample` or :func:`validation_sample` reads them.
        size: [height, width] of the label in pixels.
        name: of the image's file.
    """
    features = {
        **{key: _bytes(value) for key, value in (("image", image), ("label", label), ("name", name))},
        **{key: _integer(side) for key, side in zip(("height", "width"), size, strict=True)},
    }
    # Not all of its serialisations have the keys in one order.
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


_FEATURES = {"image": tf.string, "label": tf.string, "height": tf.int64, "width": tf.int64}


def _parse(contents: tf.Tensor) -> dict[str, tf.Tensor]:
    return tf.io.parse_single_example(contents, {k: tf.io.FixedLenFeature([], kind) for k, kind in _FEATURES.items()})


def training_sample(contents: tf.Tensor, size: tuple[int, int] | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Image [h, w, 3] uint8 and label [h, w] uint8 of a record that holds their bytes as they are.

    Args:
        size: of all samples; None if each has its own.
    """
    found = _parse(contents)
    height, width = size or (found["height"], found["width"])
    image, label = (tf.io.decode_raw(found[key], tf.uint8) for key in ("image", "label"))
    return tf.reshape(image, [height, width, 3]), tf.reshape(label, [height, width])


def validation_sample(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Image [h, w, 3] uint8, before the crop, of its file's bytes, and label [h, w] int32, after it, of a PNG."""
    found = _parse(contents)
    label = tf.io.decode_png(found["label"], channels=1)[..., 0]
    return decode_image_bytes(found["image"]), tf.cast(label, tf.int32)


# ---- errors ----------------------------------------------------------------------------------------------------


@contextmanager
def reading() -> Iterator[None]:
    """Turn what a ``tf.data`` pipeline reports of a sample that cannot be read into a :class:`DataError`."""
    try:
        yield
    except tf.errors.NotFoundError as error:
        raise DataError(f"a file of the data has gone since the audit: {reason(error)}") from None
    except tf.errors.InvalidArgumentError as error:
        # What a Python function raises arrives as text.
        if found := re.search(r"DataError: (.*)", error.message):
            raise DataError(found[1]) from None
        raise
