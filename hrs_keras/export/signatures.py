"""The graphs behind the signatures of an exported SavedModel.

They decode images, resize them to the training size, predict, and scale the answer back. To whatever a client sends,
they give a defined answer or an ``InvalidArgumentError`` that says what is wrong. An image's size is checked before
memory is spent on it.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from hrs_keras.data.decode import normalise
from hrs_keras.labels import IGNORE_LABEL

MAX_PIXELS = 2**24
"""Default for the largest image that is answered: at 19 classes its logits take 1.3 GB."""

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_HEADER = 24  # bytes: signature, chunk length, IHDR, width, height
_PNG_LEVEL = 4  # of zlib: label maps a twentieth larger than by its default, 6, in three quarters of the time

Answers = dict[str, tf.Tensor]


def network_logits(segmenter: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """[B, H, W, 3] float32 in [0, 255], H and W multiples of 32 -> logits [B, H, W, C] float32."""
    return segmenter(normalise(images), training=False)["logits"]


class Signatures(tf.Module):
    """The signatures of a segmenter, as ``tf.saved_model.save`` takes them.

    Args:
        segmenter: E+S.
        size: (H, W) that images are resized to.
        max_pixels: larger images are refused.

    Attributes:
        functions: signature name -> graph function.
    """

    def __init__(self, segmenter: keras.Model, size: tuple[int, int], max_pixels: int = MAX_PIXELS):
        super().__init__()
        # The bare variables: a Keras model as an attribute would be stored with all its layers and other names.
        self.weights = [weight.value for weight in segmenter.weights]
        self._network = lambda images: network_logits(segmenter, images)
        self._size, self._max_pixels = size, max_pixels
        files = tf.TensorSpec([None], tf.string, name="image_bytes")
        pixels = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        table = {
            "serving_default": (self._encoded, files),
            "png": (self._pngs, files),
            "arrays": (self._arrays, pixels),
            "logits": (self._logits, tf.TensorSpec(pixels.shape, tf.float32, name="images")),
        }
        self.functions = {
            name: tf.function(call, input_signature=[given], autograph=False) for name, (call, given) in table.items()
        }

    def _encoded(self, image_bytes: tf.Tensor) -> Answers:
        """Files of any sizes; what lies beyond an image's own size is filled with 255, and with confidence 0."""
        sizes, logits = self._read(image_bytes)
        largest = tf.reduce_max(sizes, axis=0)

        def answer(one: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            size, ids, confidence = one[1], *_decide(*one)
            rest = [[0, largest[0] - size[0]], [0, largest[1] - size[1]]]
            padded = tf.pad(ids, rest, constant_values=tf.constant(IGNORE_LABEL, tf.uint8))
            return padded, tf.pad(confidence, rest), _png(ids)

        ids, confidence, encoded = _one_by_one(answer, (logits, sizes), (tf.uint8, tf.float32, tf.string))
        return {"class_ids": ids, "confidence": confidence, "size": sizes, "label_map_bytes": encoded}

    def _pngs(self, image_bytes: tf.Tensor) -> Answers:
        sizes, logits = self._read(image_bytes)

        def answer(one: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            ids, confidence = _decide(*one)
            return _png(ids), _png(tf.cast(tf.round(255 * confidence), tf.uint8))

        encoded = _one_by_one(answer, (logits, sizes), (tf.string, tf.string))
        return dict(zip(("label_map_bytes", "confidence_bytes"), encoded, strict=True))

    def _arrays(self, images: tf.Tensor) -> Answers:
        size = tf.shape(images)[1:3]
        with tf.control_dependencies([_filled(images), self._fits(size)]):
            logits = self._network(tf.image.resize(images, self._size))
        sizes = tf.tile(size[tf.newaxis], [tf.shape(images)[0], 1])

        def answer(one: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            ids, confidence = _decide(*one)
            return ids, confidence, _png(ids)

        answers = _one_by_one(answer, (logits, sizes), (tf.uint8, tf.float32, tf.string))
        return dict(zip(("class_ids", "confidence", "label_map_bytes"), answers, strict=True))

    def _logits(self, images: tf.Tensor) -> Answers:
        size = tf.shape(images)[1:3]
        whole = tf.debugging.Assert(
            tf.reduce_all(size % 32 == 0), ["height and width must be multiples of 32, found", size]
        )
        with tf.control_dependencies([_filled(images), whole]):
            return {"logits": self._network(tf.identity(images))}

    def _read(self, image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """[B] files -> their sizes [B, 2] int32 and their logits [B, H, W, C] at the training size."""

        def read(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.control_dependencies([self._fits(_declared_size(contents))]):
                image = tf.io.decode_image(tf.identity(contents), channels=3, expand_animations=False)
            image = tf.ensure_shape(image, [None, None, 3])
            return tf.shape(image)[:2], tf.image.resize(image, self._size)

        with tf.control_dependencies([_filled(image_bytes)]):
            image_bytes = tf.identity(image_bytes)
        specs = (tf.TensorSpec([2], tf.int32), tf.TensorSpec([*self._size, 3], tf.float32))
        sizes, images = tf.map_fn(read, image_bytes, fn_output_signature=specs)
        return sizes, self._network(images)

    def _fits(self, size: tf.Tensor) -> tf.Operation:
        pixels = tf.reduce_prod(tf.cast(size, tf.int64))
        fits = (pixels > 0) & (pixels <= self._max_pixels)
        return tf.debugging.Assert(
            fits, [f"an image must have 1 to {self._max_pixels} pixels, found height and width", size]
        )


def _filled(batch: tf.Tensor) -> tf.Operation:
    return tf.debugging.Assert(tf.shape(batch)[0] > 0, ["the batch is empty; send at least one image"])


def _declared_size(contents: tf.Tensor) -> tf.Tensor:
    """Height and width [2] int64 as a PNG's or JPEG's header has them; an error for anything else."""
    start = tf.strings.join([tf.strings.substr(contents, 0, _PNG_HEADER), tf.constant(b"\0" * _PNG_HEADER)])
    head = tf.strings.substr(start, 0, len(_PNG))
    is_png, is_jpeg = head == _PNG, tf.strings.substr(head, 0, len(_JPEG)) == _JPEG
    # A message goes to clients as UTF-8.
    shown = tf.strings.unicode_transcode(head, "UTF-8", "UTF-8", replacement_char=ord("?"))
    known = tf.debugging.Assert(is_png | is_jpeg, ["neither a PNG nor a JPEG file; it begins with", shown])

    def png() -> tf.Tensor:
        digits = tf.cast(tf.io.decode_raw(tf.strings.substr(start, 16, 8), tf.uint8), tf.int64)
        width_height = tf.reduce_sum(tf.reshape(digits, [2, 4]) * [1 << 24, 1 << 16, 1 << 8, 1], axis=1)
        return width_height[::-1]

    def jpeg() -> tf.Tensor:
        return tf.cast(tf.image.extract_jpeg_shape(contents)[:2], tf.int64)

    with tf.control_dependencies([known]):
        return tf.cond(is_png, png, jpeg)


def _decide(logits: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits [H, W, C] of an image -> class ids uint8 and confidence float32, both [h, w] at its own size."""
    logits = tf.image.resize(logits, size)
    # Of the logits, as in the evaluation: nearly certain probabilities may round to a tie.
    ids = tf.cast(tf.argmax(logits, axis=-1), tf.uint8)
    # The softmax of the highest: exp(highest - highest) is 1. It takes half the passes of reduce_logsumexp().
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)
    return ids, 1 / tf.reduce_sum(tf.exp(logits - highest), axis=-1)


def _png(pixels: tf.Tensor) -> tf.Tensor:
    """[h, w] uint8 -> scalar string, an 8-bit grey PNG."""
    return tf.io.encode_png(pixels[..., tf.newaxis], compression=_PNG_LEVEL)


def _one_by_one(answer: Callable, batch: tuple[tf.Tensor, ...], dtypes: tuple[tf.DType, ...]) -> tuple[tf.Tensor, ...]:
    """Map over a batch, one image at a time: logits at an image's own size are what takes memory."""
    return tf.map_fn(answer, batch, fn_output_signature=dtypes, parallel_iterations=1)
