"""The scores of an evaluation that counts image by image: how good, where, how sure, and how certain that is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tabulate import tabulate

from hrs_keras.errors import DataError
from hrs_keras.evaluation.bootstrap import LEVEL, RESAMPLES, SEED, Interval, interval
from hrs_keras.evaluation.boundaries import BOUNDARY_RATIO
from hrs_keras.evaluation.calibration import BINS, expected_error, reliability
from hrs_keras.evaluation.components import COMPONENT_SIZES
from hrs_keras.evaluation.counts import Counts, ImageCounts
from hrs_keras.evaluation.metrics import (
    ABSENT_RULE,
    Evaluation,
    hit_and_union,
    percent,
    plain,
    share,
    subset_means,
)
from hrs_keras.labels import LabelSpace


@dataclass(frozen=True)
class Scores(Evaluation):
    """The outcome of an evaluation that counts image by image; docs/evaluation.md says how to read it.

    Attributes:
        counts: sums over all images.
        interval: of mean IoU.
    """

    counts: Counts
    interval: Interval

    @classmethod
    def of(cls, images: Iterable[ImageCounts], space: LabelSpace) -> "Scores":
        """The scores of some images, which are gone through once.

        Of each image only two numbers a class are kept.

        Raises:
            DataError: there is no image.
        """
        total, names, found = Counts.none(len(space.classes)), [], []
        for image in images:
            total += image.counts
            names.append(f"{image.data_set}/{image.name}")
            found.append(hit_and_union(image.counts.confusion))
        if not names:
            raise DataError("there is no image to score")
        return cls(total.confusion, space, len(names), total, interval(names, np.array(found), space))

    @property
    def boundary_iou(self) -> np.ndarray:
        """[C] float64 in [0, 1], see :mod:`hrs_keras.evaluation.boundaries`; NaN for a class without any boundary."""
        both, of_label, of_ids = self.counts.boundary.T
        return share(both, of_label + of_ids - both)

    @property
    def size_recall(self) -> np.ndarray:
        """[C, 3] float64 in [0, 1], share of the pixels of small, medium and large components that are found.

        NaN where a class has no component of the size. See :mod:`hrs_keras.evaluation.components`.
        """
        return share(self.counts.components[..., 3], self.counts.components[..., 2])

    @property
    def calibration_error(self) -> float:
        """Expected calibration error in [0, 1], see :mod:`hrs_keras.evaluation.calibration`."""
        return expected_error(self.counts.confidence)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: that of :class:`Evaluation`, and more. What is undefined is None."""
        return super().to_dict() | {
            "precision": plain(self.by_class(self.precision)),
            "recall": plain(self.by_class(self.recall)),
            "boundary_ratio": BOUNDARY_RATIO,
            "boundary_iou": plain(self.by_class(self.boundary_iou)),
            "mean_boundary_iou": plain(subset_means(self.space, self.boundary_iou)),
            "component_sizes": self._sizes(),
            "calibration": {
                **plain({"expected_error": self.calibration_error}),
                "bins": self._bins(),
            },
            "interval": {
                "of": "mean_iou",
                "level": LEVEL,
                "resamples": RESAMPLES,
                "seed": SEED,
                "over": self.interval.over,
                "units": self.interval.units,
                "sequences": self.interval.sequences,
                "remark": self.interval.remark,
                "mean_iou": {
                    name: list(plain({"low": low, "high": high}).values())
                    for name, (low, high) in self.interval.means.items()
                },
            },
        }

    def _sizes(self) -> dict[str, Any]:
        recall = self.size_recall
        return {
            size: {
                "least_area": least,
                "components": self.by_class(self.counts.components[:, position, 0].tolist()),
                "found": self.by_class(self.counts.components[:, position, 1].tolist()),
                "recall": plain(self.by_class(recall[:, position])),
                "mean_recall": plain(subset_means(self.space, recall[:, position])),
            }
            for position, (size, least) in enumerate(COMPONENT_SIZES.items())
        }

    def _bins(self) -> list[dict[str, Any]]:
        confidence, accuracy = reliability(self.counts.confidence)
        return [
            {"from": number / BINS, "to": (number + 1) / BINS, "pixels": int(pixels)}
            | plain({"confidence": confidence[number], "accuracy": accuracy[number]})
            for number, pixels in enumerate(self.counts.confidence[:, 0])
        ]

    def table(self) -> str:
        """All scores in per cent, by class and in the mean."""
        columns = [self.iou, self.precision, self.recall, self.boundary_iou, *self.size_recall.T]
        rows = [[name, *map(percent, values)] for name, *values in zip(self.space.classes, *columns, strict=True)]
        means = [subset_means(self.space, column) for column in columns]
        rows += [[f"mean, {name} classes", *(percent(mean[name]) for mean in means)] for name in self.space.subsets]
        sizes = [f"recall, {size}" for size in COMPONENT_SIZES]
        heads = ["class", "IoU %", "precision", "recall", "boundary IoU", *sizes]
        by_class = tabulate(rows, heads, colalign=("left", *("right",) * len(columns)), disable_numparse=True)
        return "\n".join([by_class, *self._lines(), self._reliability_table()])

    def _lines(self) -> list[str]:
        over, remark = self.interval, self.interval.remark
        drawn = f"{round(100 * LEVEL)} % interval over {over.units} {over.over}{f'; {remark}' if remark else ''}"
        lines = [
            f"mean IoU, {name} classes: {percent(mean)} % ({percent(low)} to {percent(high)}; {drawn})"
            for (name, mean), (low, high) in zip(self.means.items(), over.means.values(), strict=True)
        ]
        return [
            *lines,
            f"pixel accuracy: {percent(self.pixel_accuracy)} %",
            f"{self.images} images; {ABSENT_RULE}",
            f"expected calibration error: {percent(self.calibration_error)} %",
        ]

    def _reliability_table(self) -> str:
        total = max(1, self.counts.confidence[:, 0].sum())
        rows = [
            [f"{100 * one['from']:.0f} to {100 * one['to']:.0f}"]
            + [percent(share) for share in (one["pixels"] / total, one["confidence"], one["accuracy"])]
            for one in self._bins()
            if one["pixels"]
        ]
        heads = ["confidence %", "of the pixels", "mean confidence", "right"]
        return tabulate(rows, heads, colalign=("left", *("right",) * 3), disable_numparse=True)
