"""Random changes of an image's colours."""

import tensorflow as tf


def recolour(image: tf.Tensor, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Change brightness, contrast and saturation, each by a factor drawn from [1 - strength, 1 + strength].

    Args:
        image: [H, W, 3] float32 in [-1, 1].
        strength: in [0, 1).
        seed: [2] integers; the same seed makes the same changes.

    Returns:
        [H, W, 3] float32 in [-1, 1].
    """
    brightness, contrast, saturation = tf.unstack(
        tf.random.stateless_uniform([3], seed, 1 - strength, 1 + strength), num=3
    )
    unit = (image + 1) / 2 * brightness
    unit = (unit - tf.reduce_mean(unit)) * contrast + tf.reduce_mean(unit)
    grey = tf.image.rgb_to_grayscale(unit)
    unit = (unit - grey) * saturation + grey
    return tf.clip_by_value(unit * 2 - 1, -1.0, 1.0)
