"""Whether a model is right as often as it says: expected calibration error (Guo et al., ICML 2017)."""

import numpy as np

from hrs_keras.evaluation.metrics import share

BINS = 15
"""Bins of equal width that confidence, from 0 to 1, is counted in; the last one includes 1."""


def count_confidence(right: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Count pixels by the probability of their predicted class.

    Args:
        right: [n] bool, whether the prediction is right.
        confidence: [n] float32 in [0, 1].

    Returns:
        [15, 3] float64: pixels, pixels that are right, and the sum of their confidence.
    """
    # In float64: 1/15 as float32 would put bounds elsewhere than they are.
    bins = np.minimum((confidence.astype(np.float64) * BINS).astype(np.int64), BINS - 1)
    return np.stack([np.bincount(bins, weights, minlength=BINS) for weights in (None, right, confidence)], axis=1)


def reliability(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean confidence and accuracy, both [15] float64 in [0, 1], from sums of counts; NaN of an empty bin."""
    pixels, right, confidence = counts.T
    return share(confidence, pixels), share(right, pixels)


def expected_error(counts: np.ndarray) -> float:
    """Mean over the pixels of ``|accuracy - mean confidence|`` of their bin, in [0, 1]; NaN without pixels."""
    total = counts[:, 0].sum()
    return float(np.abs(counts[:, 1] - counts[:, 2]).sum() / total) if total else float("nan")
