"""Labels that a network contradicts, by confident learning (Northcutt, Jiang and Chuang 2021), pixel by pixel.

A label error looks like this to a trained network: it gives another class as much probability as it usually gives that
class where it is the label. "Usually" is the class's threshold t_j, the mean of p_j over the pixels labelled j
(Eq. 2 there), so that a class of which the network is never sure needs less to contradict than one of which it always
is. Pure functions, one image a call.
"""

import numpy as np
import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL


def self_confidence(label: tf.Tensor, probabilities: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What :func:`thresholds` wants of an image.

    Args:
        label: [H, W] int32 train ids, 255 = ignore.
        probabilities: [H, W, C] float32.

    Returns:
        For each class the sum of its probability over the pixels labelled so, and their number: [C] float64 each.
    """
    classes = probabilities.shape[-1]
    own = tf.cast(tf.one_hot(label, classes), tf.float64)  # all zero where the label is ignored
    return tf.reduce_sum(own * tf.cast(probabilities, tf.float64), [0, 1]), tf.reduce_sum(own, [0, 1])


def thresholds(total: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Each class's threshold t_j [C] float32, of the sums of :func:`self_confidence` over images.

    A class that no pixel is labelled with has a threshold above 1: it contradicts nothing.
    """
    return np.where(pixels > 0, total / np.maximum(pixels, 1), 2.0).astype(np.float32)


def contradicted(label: tf.Tensor, probabilities: tf.Tensor, limits: tf.Tensor) -> tf.Tensor:
    """Where a label is confidently contradicted: off the diagonal of the confident joint (Eq. 1 there).

    Such a pixel has a class at or above its threshold, and the likeliest of those is not its label.

    Args:
        label: [H, W] int32 train ids, 255 = ignore.
        probabilities: [H, W, C] float32.
        limits: [C] float32, from :func:`thresholds`.

    Returns:
        [H, W] bool; False where the label is ignored.
    """
    confident = probabilities >= limits
    likeliest = tf.argmax(tf.where(confident, probabilities, -1.0), axis=-1, output_type=tf.int32)
    return tf.reduce_any(confident, axis=-1) & (likeliest != label) & (label != IGNORE_LABEL)
