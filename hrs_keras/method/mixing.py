"""Class mix: pixels of some classes of a source image, put into a target image with their labels.

It is the mixing of ClassMix (Olsson et al., WACV 2021) between domains, as in DACS (Tranheden et al., WACV 2021) and
DAFormer (Hoyer et al., CVPR 2022). Pure functions: all random numbers follow from the seeds that are given. Nothing
here carries a gradient.

Two things differ from the published code. There, pixels that are ignored are one more class that may be drawn; here
they are never taken. DAFormer, moreover, draws for every image from the classes of the whole batch; here an image's own
classes are drawn from, as in DACS.
"""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from hrs_keras.data.colour import recolour
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.mix import Mix

RECOLOURED = 0.8
"""Share of the mixed images whose colours change. (The published code compares its 0.2 the other way round.)"""

BLUR = (0.15, 1.15)
"""Standard deviations of the Gaussian blur, in pixels: drawn uniformly from this range."""

_BLUR_RADIUS = 4  # pixels: 3.5 of the largest standard deviations


class Mixed(NamedTuple):
    """Source and target images mixed with one another.

    Attributes:
        images: [B, H, W, 3] float32 in [-1, 1].
        labels: [B, H, W] int32 train ids, 255 = ignore.
        from_source: [B, H, W] bool: M, the pixels that are the source image's.
    """

    images: tf.Tensor
    labels: tf.Tensor
    from_source: tf.Tensor


def mix(
    source: tuple[tf.Tensor, tf.Tensor], target: tuple[tf.Tensor, tf.Tensor], seeds: list[tf.Tensor], settings: Mix
) -> Mixed:
    """Mix each source image with the target image of the same number, and change the look of the result.

    Args:
        source: images [B, H, W, 3] float32 in [-1, 1], and labels [B, H, W] int32, 255 = ignore.
        target: the same; its labels may be pseudo-labels.
        seeds: [2] int32 for each of the B images.
        settings: how many classes are taken, and what changes of the look are made.
    """
    (x_s, y_s), (x_t, y_t) = source, target

    def taken(label: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return pixels_of(label, drawn_classes(label, settings.classes, seed))

    from_source = tf.stack([taken(label, _of(seed, 0)) for label, seed in _each(y_s, seeds)])
    images = tf.where(from_source[..., tf.newaxis], x_s, x_t)
    images = tf.stack([change_look(image, settings, _of(seed, 1)) for image, seed in _each(images, seeds)])
    return Mixed(images, tf.where(from_source, y_s, y_t), from_source)


def drawn_classes(label: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Draw classes of an image without replacement, each as likely as the others.

    Args:
        label: [H, W] int32 train ids, 255 = ignore.
        share: of the n classes in it that are drawn: with 0.5 ceil(n / 2).
        seed: [2] int32.

    Returns:
        [255] bool: whether each train id is drawn. 255 is no class.
    """
    ids = tf.reshape(label, [-1])
    present = tf.math.unsorted_segment_sum(tf.ones_like(ids), ids, IGNORE_LABEL + 1)[:-1] > 0
    order = tf.where(present, tf.random.stateless_uniform([IGNORE_LABEL], seed), 1.0)  # those that are present first
    rank = tf.argsort(tf.argsort(order, stable=True))
    # Less a little: 0.3 of 10 classes is 3, and not the 4 that a product just above 3 would round up to.
    count = tf.math.ceil(share * tf.reduce_sum(tf.cast(present, tf.float32)) - 1e-4)
    return present & (tf.cast(rank, tf.float32) < count)


def pixels_of(label: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """M: which pixels of a label [H, W] int32 are of ``classes`` [255] bool; [H, W] bool, False where ignored."""
    return tf.gather(tf.concat([classes, [False]], 0), label)


def change_look(image: tf.Tensor, settings: Mix, seed: tf.Tensor) -> tf.Tensor:
    """Change an image's colours with the probability :data:`RECOLOURED`, and blur it with that of ``settings.blur``.

    Brightness, contrast and saturation are multiplied by factors of [1 - ``colour``, 1 + ``colour``], the hue is turned
    by up to ``colour`` of a full circle. The blur is Gaussian (:data:`BLUR`).

    Args:
        image: [H, W, 3] float32 in [-1, 1].
        settings: ``colour`` and ``blur`` are read.
        seed: [2] int32.

    Returns:
        [H, W, 3] float32 in [-1, 1].
    """
    recoloured, blurred, turn, deviation = tf.unstack(tf.random.stateless_uniform([4], _of(seed, 0)), num=4)
    if settings.colour:
        turn = (2 * turn - 1) * settings.colour

        def changed() -> tf.Tensor:
            return turn_hue(recolour(image, settings.colour, _of(seed, 1)), turn)

        image = tf.cond(recoloured < RECOLOURED, changed, lambda: image)
    if settings.blur:
        deviation = BLUR[0] + (BLUR[1] - BLUR[0]) * deviation
        sharp = image
        image = tf.cond(blurred < settings.blur, lambda: blur(sharp, deviation), lambda: sharp)
    return image


def turn_hue(image: tf.Tensor, turn: tf.Tensor | float) -> tf.Tensor:
    """[H, W, 3] float32 in [-1, 1] -> the same with its hue turned by ``turn`` of a full circle."""
    return tf.image.adjust_hue((image + 1) / 2, turn) * 2 - 1


def blur(image: tf.Tensor, deviation: tf.Tensor | float) -> tf.Tensor:
    """[H, W, 3] float32 -> the same, blurred by a Gaussian of that standard deviation in pixels, up to 1.15."""
    radius = _BLUR_RADIUS  # Keras pads with zeros: grey, which would show at the edges
    padded = tf.pad(image, [[radius, radius], [radius, radius], [0, 0]], "REFLECT")
    side = 2 * radius + 1
    blurred = keras.ops.image.gaussian_blur(padded, (side, side), (deviation, deviation))
    return blurred[radius:-radius, radius:-radius]


def pseudo_labels(logits: tf.Tensor, confidence: float) -> tuple[tf.Tensor, tf.Tensor]:
    """What a teacher says of images, and how far it is trusted.

    Args:
        logits: [B, H, W, C] float32.
        confidence: see :func:`sure_share`.

    Returns:
        The most likely class of each pixel, [B, H, W] int32; and [B] float32, the weight q of all pixels of an image
        (:func:`sure_share`).
    """
    probability = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
    return tf.argmax(logits, axis=-1, output_type=tf.int32), sure_share(probability, confidence)


def sure_share(probability: tf.Tensor, confidence: float) -> tf.Tensor:
    """q: the share of an image's pixels of whose class a teacher is sure.

    The published code takes the share in the whole batch.

    Args:
        probability: of the most likely class, [B, H, W] float32.
        confidence: from which probability on a teacher is sure.

    Returns:
        [B] float32.
    """
    return tf.reduce_mean(tf.cast(probability >= confidence, tf.float32), axis=[1, 2])


def source_share(from_source: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """How much of what stands behind each score of a coarser map is the source's.

    Args:
        from_source: [B, H, W] bool.
        size: [h, w], which divide H and W.

    Returns:
        [B, h, w, 1] float32 in [0, 1].
    """
    pixels = tf.cast(from_source, tf.float32)[..., tf.newaxis]
    sides = [side // coarse for side, coarse in zip(pixels.shape[1:3], size, strict=True)]
    return tf.nn.avg_pool2d(pixels, sides, sides, "VALID")


def _each(tensor: tf.Tensor, seeds: list[tf.Tensor]) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """What a batch holds of each image, with the image's seed."""
    return zip(tf.unstack(tensor), seeds, strict=True)


def _of(seed: tf.Tensor, number: int) -> tf.Tensor:
    """One of several seeds that have nothing in common."""
    return tf.random.experimental.stateless_fold_in(seed, number)
