"""Decoding and resizing: from files to images in [-1, 1] and labels as train ids, exactly."""

import os

import numpy as np
import tensorflow as tf

from hrs_keras.data.image_files import orientation_of, says_no_orientation
from hrs_keras.data.label_pixels import decode_channels, decode_colours, decode_indices, python_bytes
from hrs_keras.labels import IGNORE, IGNORE_LABEL, LabelSpace
from hrs_keras.recipe.dataset import Crop, Dataset
from hrs_keras.recipe.ids import OTHERS, spans

UNMAPPED = -1
"""Stands for raw values that an id table does not map; it is no train id."""

_HEAD = 2**12  # first bytes of a file, which in most hold all that comes before the pixels
# EXIF orientation 1 to 8 -> whether an image is stored transposed; whether its rows, its columns are stored reversed
_TURNS = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 1], [1, 1, 0]], bool)


def decode_image(path: tf.Tensor | str) -> tf.Tensor:
    """Read a PNG or JPEG file.

    Args:
        path: of the file; scalar string.

    Returns:
        [h, w, 3] uint8, before the crop; upright, as the file's EXIF data say.

    Raises:
        tf.errors.OpError: the file cannot be read or decoded.
    """
    return decode_image_bytes(_read(path))


def _read(path: tf.Tensor | str) -> tf.Tensor:
    """The contents of a file, scalar string."""
    return tf.io.read_file(os.fsencode(path) if isinstance(path, str) else path)  # not every name is UTF-8


def decode_image_bytes(contents: tf.Tensor) -> tf.Tensor:
    """Decode the contents of a PNG or JPEG file, a scalar string, to [h, w, 3] uint8, upright."""
    image = tf.io.decode_image(contents, channels=3, expand_animations=False)
    image = tf.ensure_shape(image, [None, None, 3])
    # To give Python a whole file takes long: what nearly all files need is seen in their first bytes.
    head = tf.strings.substr(contents, 0, _HEAD)
    says_none = tf.numpy_function(_says_no_orientation, [head], tf.bool, stateful=False)
    return tf.cond(says_none, lambda: image, lambda: _turned_upright(image, contents))


def _turned_upright(image: tf.Tensor, contents: tf.Tensor) -> tf.Tensor:
    """[h, w, 3] as stored -> upright, as the file's EXIF data say."""
    number = tf.numpy_function(_orientation, [contents], tf.int64, stateful=False)
    transposed, reversed_sides = tf.split(tf.gather(_TURNS, number - 1), [1, 2])
    image = tf.cond(transposed[0], lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    return tf.reverse(image, tf.where(reversed_sides)[:, 0])


@tf.autograph.experimental.do_not_convert
def _says_no_orientation(head: bytes | np.ndarray) -> np.bool_:
    return np.bool_(says_no_orientation(python_bytes(head)))


@tf.autograph.experimental.do_not_convert
def _orientation(contents: bytes | np.ndarray) -> np.int64:
    return np.int64(orientation_of(python_bytes(contents)))


def decode_raw_label(path: tf.Tensor | str, dataset: Dataset) -> tf.Tensor:
    """Read a label without interpreting its values.

    Args:
        path: of the file; scalar string.
        dataset: how the file is encoded.

    Returns:
        [h, w] int32, before the crop. With ``encoding: colours`` a value is R * 65536 + G * 256 + B.

    Raises:
        tf.errors.OpError, ValueError: the file cannot be read or decoded.
    """
    return tf.cast(_raw_pixels(path, dataset), tf.int32)


def _raw_pixels(path: tf.Tensor | str, dataset: Dataset) -> tf.Tensor:
    """The same, but [h, w] uint8 or uint16 as in the file, or int32 for colours."""
    contents = _read(path)
    if dataset.encoding == "palette":
        return decode_indices(contents)
    if dataset.encoding == "colours":
        return tf.tensordot(tf.cast(decode_colours(contents), tf.int32), tf.constant([65536, 256, 1]), 1)
    return decode_channels(contents, dataset.bits)[..., dataset.channel]


class IdMap:
    """A data set's id table, and its formula if it has one, as a lookup from raw values to train ids.

    Args:
        dataset: its ``table()`` maps raw values to class names.
        space: the label space that holds those classes.
    """

    def __init__(self, dataset: Dataset, space: LabelSpace):
        known = {name: train_id for train_id, name in enumerate(space.classes)} | {IGNORE: IGNORE_LABEL}
        table = dataset.table()
        listed = spans(table)
        self._first = np.array([span.first for span, _ in listed], np.int32)
        self._last = np.array([span.last for span, _ in listed], np.int32)
        self._train_ids = np.array([known[name] for _, name in listed], np.int32)
        self._others = known[table[OTHERS]] if OTHERS in table else UNMAPPED
        self._colours, self._formula = dataset.encoding == "colours", dataset.raw_value()

    def __call__(self, raw: tf.Tensor) -> tf.Tensor:
        """Map raw values to train ids.

        Args:
            raw: [h, w] uint8, uint16 or int32.

        Returns:
            [h, w] int32 train ids, 255 = ignore, -1 for values that the table does not map: :func:`train_ids` refuses
            them, and the audit reports them.
        """
        raw = tf.convert_to_tensor(raw)
        if raw.dtype in (tf.uint8, tf.uint16):
            # Looking each value up in a table of all possible values is many times faster than a search.
            return tf.gather(self.of(np.arange(raw.dtype.max + 1)), tf.cast(raw, tf.int32))
        if self._formula:
            return tf.ensure_shape(tf.numpy_function(self.of, [raw], tf.int32, stateful=False), raw.shape)
        flat = tf.reshape(raw, [-1])
        position = tf.minimum(tf.searchsorted(self._last, flat), len(self._last) - 1)
        known = (tf.gather(self._first, position) <= flat) & (flat <= tf.gather(self._last, position))
        return tf.reshape(tf.where(known, tf.gather(self._train_ids, position), self._others), tf.shape(raw))

    def of(self, raw: np.ndarray) -> np.ndarray:
        """The same for integers of any shape and kind, outside of a pipeline."""
        position, known = self._listed(self.mapped(raw))
        return np.where(known, self._train_ids[position], self._others).astype(np.int32)

    def lists(self, raw: np.ndarray) -> np.ndarray:
        """Whether the table lists raw values, integers of any shape; False for those that ``others`` maps."""
        return self._listed(self.mapped(raw))[1]

    def mapped(self, raw: np.ndarray) -> np.ndarray:
        """What the table maps of raw values, integers of any shape: themselves, or what the formula makes of them."""
        if self._formula is None:
            return raw
        raw = raw.astype(np.int64)
        # A colour is read as R * 65536 + G * 256 + B; formulas know it as R + 256 G + 65536 B.
        return self._formula.compute((raw >> 16) + (raw & 0xFF00) + ((raw & 0xFF) << 16) if self._colours else raw)

    def _listed(self, mapped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The positions in the table where values may be, and whether they are there."""
        position = np.minimum(np.searchsorted(self._last, mapped), len(self._last) - 1)
        return position, (self._first[position] <= mapped) & (mapped <= self._last[position])


def apply_crop(pixels: tf.Tensor, crop: Crop) -> tf.Tensor:
    """Cut the part ``crop`` out of [h, w, ...]."""
    rows, columns = crop.rows or (0, None), crop.columns or (0, None)
    return pixels[rows[0] : rows[1], columns[0] : columns[1]]


def decode_label(path: tf.Tensor | str, dataset: Dataset, ids: IdMap, size: tuple[int, int] | None = None) -> tf.Tensor:
    """Read a label as train ids.

    Args:
        path: of the file; scalar string.
        dataset: how the file is encoded, and its crop.
        ids: the id table of ``dataset``.
        size: [height, width] in pixels to resize to; None for the size after the crop.

    Returns:
        [h, w] int32 train ids, 255 = ignore.

    Raises:
        tf.errors.OpError, ValueError: the file cannot be read or decoded, or has values that the table does not map.
    """
    return train_ids(_raw_pixels(path, dataset), dataset, ids, size)


def decode_pair(image: tf.Tensor, label: tf.Tensor, dataset: Dataset) -> tuple[tf.Tensor, tf.Tensor]:
    """Read an image and its label.

    Args:
        image, label: paths of the files; scalar strings.
        dataset: how the label is encoded.

    Returns:
        Image [h, w, 3] uint8 and raw label [h, w] for :func:`train_ids`, both before the crop.

    Raises:
        tf.errors.OpError: one cannot be read or decoded, or they differ in size.
    """
    return of_one_size(decode_image(image), _raw_pixels(label, dataset))


def of_one_size(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """[h, w, 3] and [h, w] as they are; raises tf.errors.InvalidArgumentError if they differ in height or width."""
    of_image, of_label = tf.shape(image)[:2], tf.shape(label)
    what = ["a label has another size than its upright image:", of_label, of_image]
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(of_label == of_image), what)]):
        return tf.identity(image), tf.identity(label)


def train_ids(raw: tf.Tensor, dataset: Dataset, ids: IdMap, size: tuple[int, int] | None = None) -> tf.Tensor:
    """What :func:`decode_label` returns, and raises, from the raw label [h, w] before the crop."""
    raw = apply_crop(raw, dataset.crop)
    # Resizing by nearest neighbour only picks values: mapping ids afterwards gives the same, and there are fewer.
    mapped = ids(raw if size is None else resize_label(raw, size))
    known = tf.debugging.Assert(tf.reduce_all(mapped != UNMAPPED), ["a label has ids that the id table does not map"])
    with tf.control_dependencies([known]):
        return tf.identity(mapped)


def normalise(image: tf.Tensor) -> tf.Tensor:
    """float32 in [0, 255] -> float32 in [-1, 1], as the networks read it."""
    return image / 127.5 - 1.0


def resize_image(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """[..., h, w, 3] uint8 -> [..., H, W, 3] float32 in [-1, 1], bilinear."""
    # The cast is for images that have this size already: TensorFlow returns them as they are, in uint8.
    return normalise(tf.cast(tf.image.resize(image, size, method="bilinear"), tf.float32))


def resize_label(label: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """[h, w] integers -> [H, W] of the same type, nearest neighbour."""
    if label.shape.is_fully_defined() and not tf.is_tensor(size) and tuple(label.shape) == tuple(size):
        return label
    rows, columns = (_nearest(tf.shape(label)[axis], size[axis]) for axis in (0, 1))
    return tf.gather(tf.gather(label, rows), columns, axis=1)


def _nearest(side: tf.Tensor, wanted: tf.Tensor | int) -> tf.Tensor:
    """[wanted] int32, the rows (or columns) of ``side`` that ``tf.image.resize`` takes.

    Gathering them gives the same as resizing the label, and the rows that are not taken are not read.
    """
    return tf.image.resize(tf.range(side)[:, tf.newaxis, tf.newaxis], (wanted, 1), method="nearest")[:, 0, 0]


def mirror(pixels: tf.Tensor) -> tf.Tensor:
    """Exchange left and right of [h, w, ...]."""
    return tf.reverse(pixels, [1])  # many times faster than pixels[:, ::-1]
