"""What is measured of the source pixels through many steps, for the log."""

import keras
import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method import losses


class SelectedShare(keras.metrics.Metric):
    """Mean of H over the valid source pixels, overall and for each class, since the last reset."""

    def __init__(self, num_classes: int):
        super().__init__(name="selected_share")
        self.weight = self.add_variable((num_classes,), initializer="zeros", name="weight")
        self.pixels = self.add_variable((num_classes,), initializer="zeros", name="pixels")

    def update_state(self, labels: tf.Tensor, weights: tf.Tensor) -> None:
        """Add labels [B, H, W] int32 (255 = ignore) and their weights [B, H, W] float32."""
        num_classes = self.pixels.shape[0]
        # Ignored pixels are counted in one class more, which is then cut off.
        ids = tf.reshape(tf.minimum(labels, num_classes), [-1])
        flat = tf.reshape(weights, [-1])
        self.weight.assign_add(tf.math.unsorted_segment_sum(flat, ids, num_classes + 1)[:-1])
        self.pixels.assign_add(tf.math.unsorted_segment_sum(tf.ones_like(flat), ids, num_classes + 1)[:-1])

    def result(self) -> tf.Tensor:
        """Overall share, a scalar float32."""
        return tf.math.divide_no_nan(tf.reduce_sum(self.weight), tf.reduce_sum(self.pixels))

    def per_class(self) -> tf.Tensor:
        """[C] float32; NaN for a class that had no pixel."""
        return tf.convert_to_tensor(self.weight) / tf.convert_to_tensor(self.pixels)


class SourceEntropy(keras.metrics.Metric):
    """Mean cross-entropy of the valid source pixels, and the share of those below a limit, since the last reset.

    Args:
        limit: in nats.
    """

    def __init__(self, limit: float):
        super().__init__(name="source_entropy")
        self.limit = limit
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.below = self.add_variable((), initializer="zeros", name="below")
        self.pixels = self.add_variable((), initializer="zeros", name="pixels")

    def update_state(self, labels: tf.Tensor, logits: tf.Tensor) -> None:
        """Add labels [B, H, W] int32 (255 = ignore) and logits [B, H, W, C] float32."""
        entropy, valid = losses.cross_entropy(labels, logits), labels != IGNORE_LABEL
        self.total.assign_add(tf.reduce_sum(entropy))
        self.below.assign_add(tf.math.count_nonzero(valid & (entropy < self.limit), dtype=tf.float32))
        self.pixels.assign_add(tf.math.count_nonzero(valid, dtype=tf.float32))

    def result(self) -> dict[str, tf.Tensor]:
        """``mean`` and ``below``, scalars float32; NaN without a pixel."""
        total, below, pixels = map(tf.convert_to_tensor, (self.total, self.below, self.pixels))
        return {"mean": total / pixels, "below": below / pixels}
