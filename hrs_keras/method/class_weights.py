"""Weights of the classes in the segmentation losses, by how common each class is (``method.class_weights``)."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.rare_classes import class_shares
from hrs_keras.data.streams import streams
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.schema import Recipe


def inverse_sqrt(shares: np.ndarray) -> np.ndarray:
    """``w_c = f_c^(-1/2) / sum_c' f_c'^(1/2)``, by which the mean over the pixels, ``sum_c f_c w_c``, is 1.

    Args:
        shares: f, [C] float64: share of each class, of sum 1 (or 0).

    Returns:
        [C] float64; 1 for a class of which there is nothing to weigh.
    """
    present = shares > 0
    weights = np.ones_like(shares)
    weights[present] = shares[present] ** -0.5 / np.sqrt(shares[present]).sum()
    return weights


class ClassWeights:
    """How much the pixels of each class count in each domain.

    Args:
        weights: domain -> [C] weights.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]):
        self.weights = dict(weights)

    @classmethod
    def of(cls, recipe: Recipe, sets: Mapping[str, Sequence[Pairs]]) -> "ClassWeights":
        """The weights for the domains whose labels a recipe reads, each by the classes' shares in its own images.

        Hidden labels play no part.

        Args:
            recipe: with ``method.class_weights: inverse_sqrt``.
            sets: role -> its samples, from :func:`hrs_keras.audit`.

        Raises:
            DataError: the samples were prepared by an earlier version.
        """
        read = {domain for phase in recipe.phases for domain in phase.domains}
        with_labels = ("source", *(("target",) if recipe.data.has_target_labels else ()))
        drawn_from = streams(sets)
        shares = {domain: class_shares(drawn_from[domain]) for domain in with_labels if domain in read}
        return cls({domain: inverse_sqrt(found) for domain, found in shares.items()})

    def of_pixels(self, domain: str, labels: tf.Tensor) -> tf.Tensor:
        """[B, H, W] int32 labels of a domain, 255 = ignore -> [B, H, W] float32; 0 where the label is ignored."""
        table = np.zeros(IGNORE_LABEL + 1, np.float32)
        table[: len(self.weights[domain])] = self.weights[domain]
        return tf.gather(tf.constant(table), labels)
