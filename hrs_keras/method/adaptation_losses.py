"""Losses of the systems that learn from images without labels: pure functions, one value an image, in float32.

Of the semi-supervised segmentation of Hung et al. (BMVC 2018). Where an original averages over a batch it is the mean
over the image here, as in :mod:`hrs_keras.method.losses`.
"""

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method.losses import segmentation_loss


def verdict_loss(verdict: tf.Tensor, wanted: float, valid: tf.Tensor | None = None) -> tf.Tensor:
    """Binary cross-entropy of a discriminator that judges every pixel (Hung et al., Eq. 1 and 4).

    Args:
        verdict: [B, H, W, 1] float32 logits.
        wanted: probability that is asked for, 0 or 1.
        valid: [B, H, W] bool, the pixels that count; None: all.

    Returns:
        [B] float32, nats, averaged over the pixels that count; 0 for an image without any.
    """
    logits = verdict[..., 0]
    loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), wanted), logits)
    if valid is None:
        return tf.reduce_mean(loss, axis=[1, 2])
    total = tf.reduce_sum(tf.where(valid, loss, 0.0), axis=[1, 2])
    return tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(valid, tf.float32), axis=[1, 2]))


def believed_labels(logits: tf.Tensor, verdict: tf.Tensor, threshold: float) -> tf.Tensor:
    """A segmenter's own prediction as labels, where a discriminator takes it for labels (Hung et al., Eq. 5).

    Args:
        logits: the segmenter's, [B, H, W, C] float32.
        verdict: the discriminator's logits on its probabilities, [B, H, W, 1] float32.
        threshold: a pixel is kept where the sigmoid of the verdict is at least this.

    Returns:
        [B, H, W] int32 train ids, 255 (ignore) where the pixel is not kept; carries no gradient.
    """
    kept = tf.sigmoid(verdict[..., 0]) >= threshold
    return tf.where(kept, tf.argmax(logits, axis=-1, output_type=tf.int32), IGNORE_LABEL)


def self_taught_loss(logits: tf.Tensor, verdict: tf.Tensor, threshold: float) -> tf.Tensor:
    """Cross-entropy of the segmenter against :func:`believed_labels`, averaged over the pixels that are kept.

    Returns:
        [B] float32, nats; exactly 0, with zero gradient, where none is kept.
    """
    return segmentation_loss(believed_labels(logits, verdict, threshold), logits)


def one_hot_labels(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """[B, H, W] int32 labels, 255 = ignore -> [B, H, W, C] float32; the zero vector where the label is ignored."""
    return tf.one_hot(labels, num_classes)
