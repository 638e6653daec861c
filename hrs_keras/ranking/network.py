"""What a run's networks say of a single image, in one graph."""

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method.losses import segmentation_loss
from hrs_keras.method.selection import class_channel, enlarge, level_maps
from hrs_keras.models.fcn8s import score_heads
from hrs_keras.ranking.confident import contradicted, self_confidence
from hrs_keras.ranking.duplicates import difference_hash
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.loading import Selecting

Told = dict[str, tf.Tensor]


class RankingNetwork:
    """A run's networks, to be shown one image after the other; each graph is traced once.

    An image is [H, W, 3] float32 in [-1, 1] at ``data.size``, its label [H, W] int32 train ids, 255 = ignore. An image
    without a label has one of zeros: then what needs labels means nothing.

    Args:
        recipe: the run's.
        networks: with its weights.
    """

    def __init__(self, recipe: Recipe, networks: Selecting):
        self._recipe, self._networks = recipe, networks
        heads = score_heads(networks.segmenter)
        self._heads = [variable.value for head in heads for variable in head.trainable_variables]
        self.real = tf.function(self._real, autograph=False)
        self.confidence_in_labels = tf.function(self._confidence_in_labels, autograph=False)
        self.describe = tf.function(self._describe, autograph=False)

    def _real(self, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """``features`` and ``gradient`` of :meth:`_describe`."""
        found, gradient = self._answer(image, label)
        return _pooled(found["features"]), gradient

    def _confidence_in_labels(self, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See :func:`hrs_keras.ranking.confident.self_confidence`."""
        found = self._networks.segmenter(image[tf.newaxis], training=False)
        return self_confidence(label, tf.nn.softmax(found["logits"][0]))

    def _describe(self, image: tf.Tensor, label: tf.Tensor, limits: tf.Tensor) -> Told:
        """All that is said of an image.

        Args:
            image, label: see the class.
            limits: [C] float32, the classes' thresholds.

        Returns:
            ``pixels`` [C] float32, of each class in the label; ``features`` [F], the encoder's deepest, averaged over
            the image; ``gradient`` [G], of Eq. 2 by the score heads; ``hash`` [256] bool; and the means over the
            labelled pixels ``confidence``, ``contradicted``, ``H`` and M of each level: scalars, NaN without one.
        """
        found, gradient = self._answer(image, label)
        probabilities = tf.nn.softmax(found["logits"])
        valid = label != IGNORE_LABEL

        def mean(pixels: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(tf.boolean_mask(pixels, valid))

        told = {
            "pixels": tf.reduce_sum(tf.one_hot(label, probabilities.shape[-1]), [0, 1]),
            "features": _pooled(found["features"]),
            "gradient": gradient,
            "hash": difference_hash(image),
            "confidence": mean(tf.reduce_max(probabilities[0], axis=-1)),
            "contradicted": mean(tf.cast(contradicted(label, probabilities[0], limits), tf.float32)),
        }
        return told | {name: mean(map_[0]) for name, map_ in self._maps(probabilities, label[tf.newaxis]).items()}

    def _answer(self, image: tf.Tensor, label: tf.Tensor) -> tuple[Told, tf.Tensor]:
        """The segmenter's answer for a batch of this image, and the gradient [G] of its loss by the score heads.

        Nothing is drawn at random: dropout is off. All classes count alike, whatever ``method.class_weights`` says: the
        gradients of images of both domains are to be of one loss.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._heads)
            found = self._networks.segmenter(image[tf.newaxis], training=False)
            loss = segmentation_loss(label[tf.newaxis], found["logits"])[0]
        gradients = tape.gradient(loss, self._heads)
        return found, tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)

    def _maps(self, probabilities: tf.Tensor, labels: tf.Tensor) -> Told:
        """``H`` (Eq. 4) and M of each level, in each pixel the channel that weighs it: [1, H, W] float32."""
        scores = {level: network(probabilities) for level, network in self._networks.weighting.items()}
        if not scores:
            return {}
        size, method = self._recipe.data.size, self._recipe.method
        maps = {level: class_channel(enlarge(score, size), labels) for level, score in scores.items()}
        return {"H": level_maps(scores, labels, size, method.threshold)["H"]} | maps


def _pooled(features: tf.Tensor) -> tf.Tensor:
    """[1, h, w, F] -> [F] float32."""
    return tf.reduce_mean(tf.cast(features[0], tf.float32), axis=[0, 1])
