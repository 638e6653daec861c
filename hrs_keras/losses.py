"""Losses of the players: pure functions, one value an image (Eq. 1, 2, 5, 7 and 8).

Averaging over images, weighting of terms and the division by replicas are the trainer's. All of it in float32.
"""

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL


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


def segmentation_loss(labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Cross-entropy summed with weights over the valid pixels, divided by their *number* (Eq. 2 and 5).

    Not by the sum of the weights: an image with few selected pixels must teach less.

    Args:
        labels: [B, H, W] int32 train ids, 255 = ignore.
        logits: [B, H, W, C] float32.
        weights: [B, H, W] float32, or None for 1 everywhere.

    Returns:
        [B] float32; exactly 0, with zero gradient, for an image without valid pixels.
    """
    loss = cross_entropy(labels, logits)
    if weights is not None:
        loss *= weights
    valid = tf.reduce_sum(tf.cast(labels != IGNORE_LABEL, tf.float32), axis=[1, 2])
    return tf.math.divide_no_nan(tf.reduce_sum(loss, axis=[1, 2]), valid)


def weighting_loss(scores: tf.Tensor, domain: float) -> tf.Tensor:
    """``mean |M_k(x) - d_k|`` (Eq. 1).

    Args:
        scores: [B, h, w, K] float32, output of a weighting network.
        domain: d_k: 0 for source images, 1 for target images.

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
