"""Samples as records of TFRecord files: what a record holds, and reading one from the middle of its file.

A record is a ``tf.train.Example``, and any TFRecord reader takes the files. Training draws samples in a random order:
the manifest therefore says where in its file each record begins, how long it is, and what its checksum is.
"""

import functools
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import decode_image_bytes
from hrs_keras.errors import DataError, reason
from hrs_keras.system import storage

# https://www.tensorflow.org/tutorials/load_data/tfrecord: length and its checksum before the data, a checksum after
HEADER, FOOTER = 12, 4


class Record(NamedTuple):
    """Where a sample is stored.

    Attributes:
        shard: path of the file.
        number: of the record in the file, from 0.
        offset, length: of the record's data in the file, in bytes.
        crc32: checksum of that data.
    """

    shard: str
    number: int
    offset: int
    length: int
    crc32: int


def records_of(shard: str, lengths: Sequence[int], checksums: Sequence[int]) -> list[Record]:
    """All records of a file, in which they follow one another.

    Args:
        shard: path of the file.
        lengths, checksums: of each record's data, in bytes and as CRC-32.
    """
    ends = np.cumsum([HEADER + length + FOOTER for length in lengths])
    return [
        Record(shard, number, int(end) - FOOTER - length, length, crc32)
        for number, (end, length, crc32) in enumerate(zip(ends, lengths, checksums, strict=True))
    ]


def read_record(record: Record) -> bytes:
    """The data of a record.

    Raises:
        DataError: it cannot be read, or its checksum does not fit.
    """
    try:
        contents = storage.read_at(record.shard, record.offset, record.length)
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"cannot read record {record.number} of {record.shard}: {reason(error)}") from None
    if len(contents) != record.length or zlib.crc32(contents) != record.crc32:
        raise DataError(
            f"record {record.number} of {record.shard} is damaged: its checksum does not fit. Remove this file and run"
            " the same `hrs prepare` again, which writes it again"
        )
    return contents


def fetch(records: Sequence[Record], number: tf.Tensor) -> tf.Tensor:
    """Read one of ``records``, also inside of a ``tf.data`` pipeline.

    Args:
        number: int64 scalar, the position in ``records``.

    Returns:
        Scalar string, the record's data. What :func:`read_record` raises arrives as the pipeline's error; see
        :func:`hrs_keras.data.reading.read`.
    """
    read = functools.partial(_read_numbered, records)
    return tf.ensure_shape(tf.numpy_function(read, [number], tf.string, stateful=False), [])


@tf.autograph.experimental.do_not_convert
def _read_numbered(records: Sequence[Record], number: np.int64) -> bytes:
    return read_record(records[int(number)])


# ---- what a record holds ---------------------------------------------------------------------------------------


def example(image: bytes, label: bytes, size: tuple[int, int], name: bytes) -> bytes:
    """The data of a record.

    Args:
        image, label: bytes that :func:`training_sample` or :func:`validation_sample` can read.
        size: [height, width] of the label in pixels.
        name: of the image's file.
    """
    features = {
        **{key: _bytes(value) for key, value in (("image", image), ("label", label), ("name", name))},
        **{key: _integer(side) for key, side in zip(("height", "width"), size, strict=True)},
    }
    # Otherwise the order of the keys could differ from one call to the next.
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


_FEATURES = {"image": tf.string, "label": tf.string, "height": tf.int64, "width": tf.int64}
_FEATURES_OF_IMAGE = {key: kind for key, kind in _FEATURES.items() if key != "label"}


def _parse(contents: tf.Tensor, features: Mapping[str, tf.DType] = _FEATURES) -> dict[str, tf.Tensor]:
    return tf.io.parse_single_example(contents, {k: tf.io.FixedLenFeature([], kind) for k, kind in features.items()})


def training_sample(contents: tf.Tensor, size: tuple[int, int] | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Read a record of a source or target set, which holds bare pixels.

    Args:
        contents: scalar string, the record's data.
        size: [h, w] in pixels if all samples have the same, else None.

    Returns:
        Image [h, w, 3] uint8 and label [h, w] uint8 train ids, 255 = ignore.
    """
    found = _parse(contents)
    height, width = size or (found["height"], found["width"])
    image, label = (tf.io.decode_raw(found[key], tf.uint8) for key in ("image", "label"))
    return tf.reshape(image, [height, width, 3]), tf.reshape(label, [height, width])


def training_image(contents: tf.Tensor, size: tuple[int, int] | None) -> tf.Tensor:
    """The image of :func:`training_sample` alone; the record's label is not looked into."""
    found = _parse(contents, _FEATURES_OF_IMAGE)
    height, width = size or (found["height"], found["width"])
    return tf.reshape(tf.io.decode_raw(found["image"], tf.uint8), [height, width, 3])


def validation_sample(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read a record of a validation set, which holds the image's file and a PNG of train ids.

    Args:
        contents: scalar string, the record's data.

    Returns:
        Image [h, w, 3] uint8 before the crop, and label [h', w'] int32 after the crop, 255 = ignore.
    """
    found = _parse(contents)
    label = tf.io.decode_png(found["label"], channels=1)[..., 0]
    return decode_image_bytes(found["image"]), tf.cast(label, tf.int32)
