"""Losses of the players: pure functions, one value an image (Eq. 1, 2, 5, 7 and 8; the last is PixelDA's).

Averaging over images, weighting of terms and the division by replicas are the trainer's. All of it in float32.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL

PixelLoss = Callable[[tf.Tensor], tf.Tensor]
"""The cross-entropies of pixels, float32 -> their losses, of the same shape."""


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """``-log F(x)`` of the true class.

    Args:
        labels: [B, H, W] int32 train ids, 255 = ignore.
        logits: [B, H, W, C] float32.

    Returns:
        [B, H, W] float32, nats; 0 where the label is ignored.
    """
    valid = labels != IGNORE_LABEL
    # The stand-in class 0 keeps the op defined; its value and gradient are dropped by the mask below.
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(valid, labels, 0), logits)
    return tf.where(valid, loss, 0.0)


def focal_modulation(labels: tf.Tensor, logits: tf.Tensor, gamma: float) -> tf.Tensor:
    """``(1 - F(x))^gamma`` of the true class: what makes a cross-entropy a focal loss (Lin et al. 2017, Eq. 4).

    Args:
        labels: [B, H, W] int32 train ids, 255 = ignore.
        logits: [B, H, W, C] float32.
        gamma: at least 0; 0 weighs all pixels alike.

    Returns:
        [B, H, W] float32 in [0, 1], with a gradient; meaningless where the label is ignored.
    """
    # -expm1(-CE) is 1 - p to full precision where p is near 1. The lower end keeps the gradient of a power below 1
    # finite.
    doubt = -tf.math.expm1(-cross_entropy(labels, logits))
    return tf.maximum(doubt, 1e-12) ** gamma


def conservative(cross_entropy: tf.Tensor, base: float, weight: float) -> tf.Tensor:
    """``CL = lambda (1 - u / ln a)^2``, with u the cross-entropy: a conservative loss, after Zhu et al. (ECCV 2018).

    It punishes what is badly predicted and what is predicted too well, and leaves moderate predictions alone: it is 0
    where the true class has the probability p = 1/a, lambda at p = 1, and grows with u without bound. Its gradient is
    the cross-entropy's times ``2 lambda (u / ln a - 1) / ln a``, which is negative beyond the turning point: there it
    is gone *up*. The form is ours (docs/paper-fidelity.md).

    Args:
        cross_entropy: u of each pixel, float32, nats.
        base: a, above 1.
        weight: lambda.

    Returns:
        The same shape, float32.
    """
    return weight * tf.square(1.0 - cross_entropy / math.log(base))


def segmentation_loss(
    labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None, of_pixel: PixelLoss | None = None
) -> tf.Tensor:
    """Cross-entropy summed with weights over the valid pixels, divided by their *number* (Eq. 2 and 5).

    Not by the sum of the weights: an image with few selected pixels must teach less.

    Args:
        labels: [B, H, W] int32 train ids, 255 = ignore.
        logits: [B, H, W, C] float32.
        weights: [B, H, W] float32, or None for 1 everywhere; a gradient that they carry is kept.
        of_pixel: what stands in the place of a pixel's cross-entropy, as a function of it; None for itself.

    Returns:
        [B] float32; exactly 0, with zero gradient, for an image without valid pixels.
    """
    loss, valid = cross_entropy(labels, logits), labels != IGNORE_LABEL
    if of_pixel is not None:
        loss = tf.where(valid, of_pixel(loss), 0.0)
    if weights is not None:
        loss *= weights
    valid = tf.reduce_sum(tf.cast(valid, tf.float32), axis=[1, 2])
    return tf.math.divide_no_nan(tf.reduce_sum(loss, axis=[1, 2]), valid)


def weighting_loss(scores: tf.Tensor, domain: tf.Tensor | float) -> tf.Tensor:
    """``mean |M_k(x) - d_k|`` (Eq. 1).

    Args:
        scores: [B, h, w, K] float32, output of a weighting network.
        domain: d_k: 0 for source images, 1 for target images; for an image of both a tensor, [B, h, w, 1] float32.

    Returns:
        [B] float32.
    """
    return tf.reduce_mean(tf.abs(scores - domain), axis=[1, 2, 3])


def reconstruction_loss(reconstruction: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """``mean |G(conv5(x)) - x|`` (Eq. 7).

    Args:
        reconstruction: [B, H, W, 3] float32 in [-1, 1].
        image: the same.

    Returns:
        [B] float32.
    """
    return tf.reduce_mean(tf.abs(reconstruction - image), axis=[1, 2, 3])


def adversarial_loss(logits: tf.Tensor, target: tf.Tensor | float) -> tf.Tensor:
    """Binary cross-entropy of the discriminator's patch logits (Eq. 8).

    Args:
        logits: [B, h, w, 1] float32; positive = judged real.
        target: probability of "real" that is asked for, a number in [0, 1] or a tensor shaped like ``logits``.

    Returns:
        [B] float32, nats, averaged over the patches.
    """
    target = tf.broadcast_to(tf.convert_to_tensor(target, tf.float32), tf.shape(logits))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, logits), axis=[1, 2, 3])


def content_loss(adapted: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Pairwise mean squared error of PixelDA (Bousmalis et al. 2017) without a mask: ``mean(d^2) - mean(d)^2``.

    d is the difference in each pixel and channel. Half the mean square of ``d_i - d_j`` over all pairs, in other
    words: what is kept is how the image's values differ from each other, and a change that is the same everywhere
    costs nothing.

    Args:
        adapted: [B, H, W, 3] float32 in [-1, 1].
        image: the same.

    Returns:
        [B] float32.
    """
    return tf.math.reduce_variance(adapted - image, axis=[1, 2, 3])
