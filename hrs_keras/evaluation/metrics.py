"""Confusion matrix, IoU and their means."""

from dataclasses import dataclass

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
        hit = np.diag(self.matrix).astype(np.float64)
        union = self.matrix.sum(0) + self.matrix.sum(1) - np.diag(self.matrix)
        return np.divide(hit, union, out=np.full(len(hit), np.nan), where=union > 0)

    @property
    def means(self) -> dict[str, float]:
        """Mean IoU over each named subset of the label space, the whole space first; absent classes left out."""
        iou = dict(zip(self.space.classes, self.iou, strict=True))
        present = {
            name: [iou[c] for c in subset if not np.isnan(iou[c])] for name, subset in self.space.subsets.items()
        }
        return {name: float(np.mean(values)) if values else float("nan") for name, values in present.items()}

    @property
    def miou(self) -> float:
        """Mean IoU over all classes of the label space, in [0, 1]."""
        return next(iter(self.means.values()))

    @property
    def pixel_accuracy(self) -> float:
        """Share of the valid pixels whose class is right, in [0, 1]; NaN without any."""
        total = self.matrix.sum()
        return float(np.trace(self.matrix) / total) if total else float("nan")

    def to_dict(self) -> dict:
        """Plain data for JSON; what is undefined is None."""

        def plain(values: dict[str, float]) -> dict[str, float | None]:
            return {name: None if np.isnan(value) else float(value) for name, value in values.items()}

        return {
            "images": self.images,
            "mean_iou": plain(self.means),
            **plain({"pixel_accuracy": self.pixel_accuracy}),
            "iou": plain(dict(zip(self.space.classes, self.iou, strict=True))),
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
