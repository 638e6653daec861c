"""The pixels of label files as they are stored: PNG by TensorFlow, BMP and TIFF by Pillow."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hrs_keras.data import label_files
from hrs_keras.data.image_files import open_verified


def decode_indices(contents: tf.Tensor) -> tf.Tensor:
    """Decode the contents of a label with a palette, a scalar string, to the index of each pixel, [h, w] uint8."""
    # tf.io.decode_png would expand the palette to colours; Pillow keeps the index.
    return _by_numpy(_palette_index, contents, tf.uint8, (None, None))


def decode_colours(contents: tf.Tensor) -> tf.Tensor:
    """Decode the contents of a label to [h, w, 3] uint8: of a palette file, too, what its indices stand for."""
    return tf.cond(
        _is_png(contents),
        lambda: tf.io.decode_png(contents, channels=3),
        lambda: _by_numpy(_other_colours, contents, tf.uint8, (None, None, 3)),
    )


def decode_channels(contents: tf.Tensor | bytes, bits: int) -> tf.Tensor:
    """Decode the contents of a label of some bits a channel to [h, w, c] uint8 or uint16: all channels that it has.

    Values are as they are stored: of less than 8 bits, 0 and up.
    """
    dtype = tf.uint16 if bits == 16 else tf.uint8

    def png() -> tf.Tensor:
        pixels = tf.io.decode_png(contents, dtype=dtype)
        # TensorFlow spreads fewer bits over all of 0 to 255.
        return pixels // (255 // (2**bits - 1)) if bits < 8 else pixels

    other = functools.partial(_other_channels, dtype.as_numpy_dtype)
    return tf.cond(_is_png(contents), png, lambda: _by_numpy(other, contents, dtype, (None, None, None)))


def _is_png(contents: tf.Tensor | bytes) -> tf.Tensor:
    return tf.strings.substr(contents, 0, len(label_files.PNG)) == label_files.PNG


def _by_numpy(decode: Callable[[bytes], np.ndarray], contents: tf.Tensor, dtype: tf.DType, shape: tuple) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(decode, [contents], dtype, stateful=False), shape)


@tf.autograph.experimental.do_not_convert
def _other_colours(contents: bytes | np.ndarray) -> np.ndarray:
    return label_files.colours(python_bytes(contents))


@tf.autograph.experimental.do_not_convert
def _other_channels(dtype: type, contents: bytes | np.ndarray) -> np.ndarray:
    pixels = label_files.channels(python_bytes(contents))
    if pixels.dtype != dtype:
        raise ValueError(f"has {8 * pixels.itemsize} bits a channel")
    return pixels


@tf.autograph.experimental.do_not_convert
def _palette_index(contents: bytes | np.ndarray) -> np.ndarray:
    return decode_palette_label(python_bytes(contents))[0]


def decode_palette_label(contents: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Decode the contents of a label with a palette without expanding the palette.

    Returns:
        [h, w] uint8, the index of each pixel; and [n, 3] uint8, the colour of each index.

    Raises:
        ValueError: it cannot be decoded, or has no palette.
    """
    if not contents.startswith(label_files.PNG):
        return label_files.indices(contents)
    try:
        with open_verified(contents) as image:
            mode, index, palette = image.mode, np.asarray(image), image.getpalette()
    # What Pillow raises on a broken file has no common base class: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise ValueError(str(error)) from error
    if mode != "P":
        raise ValueError(f"wants a palette PNG, found mode {mode}")
    return index, np.array(palette, np.uint8).reshape(-1, 3)


def python_bytes(contents: bytes | np.ndarray) -> bytes:
    """What TensorFlow hands over inside a graph; outside of one it hands over an array that holds it."""
    return contents.item() if isinstance(contents, np.ndarray) else contents
