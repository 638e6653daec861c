"""Losses of the systems that learn from images without labels: pure functions, one value an image, in float32.

Of the semi-supervised segmentation of Hung et al. (BMVC 2018), of ROAD (Chen et al., CVPR 2018) and of LSD-seg
(Sankaranarayanan et al., CVPR 2018). Where an original sums or averages over a batch it is the mean over the image
here, as in :mod:`hrs_keras.method.losses`.
"""

from collections.abc import Sequence

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method.losses import segmentation_loss
from hrs_keras.models.grid_classifiers import bounds


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


def feature_distance(features: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
    """How far features have moved away from fixed ones: ``mean ||f - z||_2`` (ROAD's distillation).

    Args:
        features: f, [B, h, w, F].
        fixed: z, the same; carries no gradient.

    Returns:
        [B] float32, the mean over the positions of the norm over the channels; its gradient is 0 where f = z.
    """
    return tf.reduce_mean(_norms(features, fixed), axis=[1, 2])


def feature_distance_of(
    classes: Sequence[int], labels: tf.Tensor, features: tf.Tensor, fixed: tf.Tensor, share: float = 0.75
) -> tf.Tensor:
    """:func:`feature_distance` on the positions of some classes alone (DAFormer's on the classes of things).

    Args:
        classes: train ids.
        labels: [B, H, W] int32 train ids, 255 = ignore; H and W are multiples of h and w.
        features: f, [B, h, w, F].
        fixed: z, the same; carries no gradient.
        share: a position is of a class that at least this share of its pixels has.

    Returns:
        [B] float32, the mean over these positions; 0, with zero gradient, for an image without any.
    """
    stride = labels.shape[1] // features.shape[1]
    masks = tf.stack([tf.cast(labels == train_id, tf.float32) for train_id in classes], axis=-1)
    shares = tf.nn.avg_pool2d(masks, stride, stride, "VALID")
    counted = tf.cast(tf.reduce_max(shares, axis=-1) >= share, tf.float32)
    total = tf.reduce_sum(_norms(features, fixed) * counted, axis=[1, 2])
    return tf.math.divide_no_nan(total, tf.reduce_sum(counted, axis=[1, 2]))


def _norms(features: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
    difference = tf.cast(features, tf.float32) - tf.stop_gradient(tf.cast(fixed, tf.float32))
    squares = tf.reduce_sum(tf.square(difference), axis=-1)
    return tf.sqrt(tf.maximum(squares, 1e-12))  # the root's own gradient at 0 is infinite


def grid_domain_loss(logits: tf.Tensor, domain: float, cells: int) -> tf.Tensor:
    """Binary cross-entropy of domain classifiers, each of a cell of a grid: a mean within each cell, summed (ROAD).

    Args:
        logits: [B, h, w, 1] float32, each of the classifier of its own cell
            (:func:`hrs_keras.models.grid_classifiers.grid_classifiers`); positive = target.
        domain: that is asked for, 0 for source and 1 for target.
        cells: of the grid in either direction.

    Returns:
        [B] float32, nats.
    """
    loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), domain), logits)
    rows, columns = (bounds(side, cells) for side in logits.shape[1:3])
    parts = [loss[:, top:bottom, left:right] for top, bottom in rows for left, right in columns]
    return tf.add_n([tf.reduce_mean(part, axis=[1, 2, 3]) for part in parts])


def domain_cross_entropy(logits: tf.Tensor, domain: int) -> tf.Tensor:
    """Cross-entropy of a discriminator that tells several domains apart, patch by patch (LSD-seg).

    Args:
        logits: [B, h, w, K] float32, one for each of K domains.
        domain: that is asked for.

    Returns:
        [B] float32, nats, averaged over the patches.
    """
    wanted = tf.fill(tf.shape(logits)[:-1], domain)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits), axis=[1, 2])


def coarse_labels(labels: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """[B, H, W] int32 labels -> [B, h, w], by nearest neighbour: those at the middle of each patch."""
    return tf.image.resize(labels[..., tf.newaxis], size, method="nearest")[..., 0]
