"""Confusion matrix, IoU and their means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tabulate import tabulate

from hrs_keras.labels import IGNORE_LABEL, LabelSpace

ABSENT_RULE = "a class in neither the labels nor the predictions has no IoU (-) and is left out of the means"


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation.

    Attributes:
        matrix: [C, C] int64, pixels; row = label, column = prediction. Ignored pixels are in neither.
        space: the classes.
        images: how many were evaluated.
    """

    matrix: np.ndarray
    space: LabelSpace
    images: int

    @property
    def iou(self) -> np.ndarray:
        """[C] float64 in [0, 1], intersection over union; NaN for a class absent from labels and predictions."""
        return share(*hit_and_union(self.matrix).T)

    @property
    def precision(self) -> np.ndarray:
        """[C] float64 in [0, 1], share of a class's predicted pixels that are right; NaN for a class not predicted."""
        return share(np.diag(self.matrix), self.matrix.sum(0))

    @property
    def recall(self) -> np.ndarray:
        """[C] float64 in [0, 1], share of a class's labelled pixels that are found; NaN for a class not labelled."""
        return share(np.diag(self.matrix), self.matrix.sum(1))

    @property
    def means(self) -> dict[str, float]:
        """Mean IoU over each named subset of the label space, the whole space first; absent classes left out."""
        return subset_means(self.space, self.iou)

    @property
    def miou(self) -> float:
        """Mean IoU over all classes of the label space, in [0, 1]."""
        return next(iter(self.means.values()))

    @property
    def pixel_accuracy(self) -> float:
        """Share of the valid pixels whose class is right, in [0, 1]; NaN without any."""
        total = self.matrix.sum()
        return float(np.trace(self.matrix) / total) if total else float("nan")

    def by_class(self, values: np.ndarray) -> dict[str, Any]:
        """Class name -> its entry of [C, ...]."""
        return dict(zip(self.space.classes, values, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is undefined is None."""
        return {
            "images": self.images,
            "mean_iou": plain(self.means),
            **plain({"pixel_accuracy": self.pixel_accuracy}),
            "iou": plain(self.by_class(self.iou)),
            "rule": ABSENT_RULE,
            "confusion_matrix": self.matrix.tolist(),
        }

    def table(self) -> str:
        """Per-class IoU, the named means and the pixel accuracy, in per cent."""
        rows = [[c, percent(v)] for c, v in zip(self.space.classes, self.iou, strict=True)]
        rows += [[f"mean IoU, {name} classes", percent(mean)] for name, mean in self.means.items()]
        rows.append(["pixel accuracy", percent(self.pixel_accuracy)])
        table = tabulate(rows, ["class", "IoU %"], colalign=("left", "right"), disable_numparse=True)
        return f"{table}\n{self.images} images; {ABSENT_RULE}"


def hit_and_union(matrix: np.ndarray) -> np.ndarray:
    """[C, C] confusion matrix -> [C, 2], of each class the pixels in the intersection and in the union."""
    hit = np.diag(matrix)
    return np.stack([hit, matrix.sum(0) + matrix.sum(1) - hit], axis=1)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole`` as float64; NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def subset_means(space: LabelSpace, values: np.ndarray) -> dict[str, float]:
    """Mean of [C] values over each named subset of a label space; NaNs are left out, and NaN where that is all."""
    by_class = dict(zip(space.classes, values, strict=True))
    means = {}
    for name, subset in space.subsets.items():
        present = [by_class[c] for c in subset if not np.isnan(by_class[c])]
        means[name] = float(np.mean(present)) if present else float("nan")
    return means


def plain(values: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers as JSON takes them; what is undefined is None."""
    return {name: None if np.isnan(value) else float(value) for name, value in values.items()}


def percent(share: float) -> str:
    """0.5 -> ``50.00``; ``-`` for NaN."""
    return "-" if np.isnan(share) else f"{100 * share:.2f}"


def confusion_matrix(labels: tf.Tensor, predictions: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Count (label, prediction) pairs.

    Args:
        labels: any shape, int32 train ids, 255 = ignore.
        predictions: the same shape, int32 in [0, num_classes).

    Returns:
        [C, C] int64; row = label.
    """
    valid = labels != IGNORE_LABEL
    return tf.math.confusion_matrix(
        tf.boolean_mask(labels, valid), tf.boolean_mask(predictions, valid), num_classes, dtype=tf.int64
    )
