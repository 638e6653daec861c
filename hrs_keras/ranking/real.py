"""The real images that a run was trained on, as others are compared with them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

NEAREST = 3
"""Real images that an image's distance is the mean over, or all if there are fewer."""

MOST_REAL = 2000
"""Real images that are compared with, at most: of more, so many evenly spaced. Bounds the memory of their features."""


@dataclass(frozen=True)
class RealImages:
    """What a run's networks say of the labelled real images that it was trained on.

    Attributes:
        features: [n, F] float64, each of length 1, or 0 where an image has no features.
        gradient: [G] float64, the sum of the images' gradients.
    """

    features: np.ndarray
    gradient: np.ndarray

    @classmethod
    def of(cls, images: Iterable[tuple[np.ndarray, np.ndarray]]) -> "RealImages":
        """Of each image's features [F] and gradient [G]; there is at least one image."""
        features: list[np.ndarray] = []
        total: np.ndarray | float = 0.0
        for feature, gradient in images:
            features.append(_unit(feature))
            total = total + gradient.astype(np.float64)
        return cls(np.stack(features), np.asarray(total))

    def distance(self, feature: np.ndarray, own: int | None = None) -> float | None:
        """Mean cosine distance, in [0, 2], to the nearest real images; None if all features are 0 or there is no other.

        Args:
            feature: [F].
            own: which of the real images this is itself: it is not compared with itself. None if it is none of them.
        """
        unit = _unit(feature)
        others = self.features if own is None else np.delete(self.features, own, axis=0)
        if not unit.any() or not len(others):
            return None
        return float(np.mean(np.sort(1 - others @ unit)[:NEAREST]))

    def agreement(self, gradient: np.ndarray, own: bool = False) -> float | None:
        """Cosine, in [-1, 1], of an image's gradient and the mean of the real images'; None if one of them is 0.

        Args:
            gradient: [G].
            own: it is one of the real images: the mean is that of the others.
        """
        one = gradient.astype(np.float64)
        mean = self.gradient - one if own else self.gradient  # of a mean the direction alone counts
        return float(_unit(one) @ _unit(mean)) if one.any() and mean.any() else None


def _unit(vector: np.ndarray) -> np.ndarray:
    """[n] float64 of length 1; zeros stay zeros."""
    vector = vector.astype(np.float64)
    return vector / (np.linalg.norm(vector) or 1.0)
