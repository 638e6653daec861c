"""How far mean IoU would move with other images of the same kind: the percentile bootstrap.

Images are drawn with replacement, as many as there are, and the mean IoU of those drawn is computed; this 1000 times.
Between the 2.5 % lowest and the 2.5 % highest outcomes is the interval. Images of one sequence show the same street: to
draw them one by one would make the interval too narrow, so that whole sequences are drawn where names show them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hrs_keras.data.sequences import sequences_of
from hrs_keras.evaluation.metrics import share
from hrs_keras.labels import LabelSpace

LEVEL, RESAMPLES, SEED = 0.95, 1000, 0

LEAST_UNITS = 5
"""Of fewer there are too few different draws. Where there are fewer sequences, images are drawn."""

_AT_ONCE = 100  # resamples; their weights for 5000 images take 4 MB


@dataclass(frozen=True)
class Interval:
    """Where mean IoU lies in 95 % of the resamples.

    Attributes:
        over: what was drawn.
        units: how many of these there are.
        sequences: how many sequences the images' names show.
        means: subset of the label space -> lowest and highest mean IoU, in [0, 1]; NaN where it is undefined.
    """

    over: Literal["images", "sequences"]
    units: int
    sequences: int
    means: dict[str, tuple[float, float]]

    @property
    def remark(self) -> str:
        """What is to be known of the interval besides, in words; empty if nothing."""
        if self.units < LEAST_UNITS:
            return "too few for an interval"
        if self.over == "images" and self.sequences < self.units:
            return f"too narrow: the images are of {self.sequences} sequence{'s'[: self.sequences > 1]}"
        return ""


def interval(names: Sequence[str], counts: np.ndarray, space: LabelSpace) -> Interval:
    """The interval of mean IoU over each subset of a label space.

    Args:
        names: of the images; see :func:`hrs_keras.data.sequences.sequences_of`.
        counts: [n, C, 2] integers, of each image and class the pixels in the intersection and in the union.
        space: the classes.
    """
    over, sequences, counts = _units(names, counts)
    iou = _resampled_iou(counts)
    means = {name: _middle(_means(iou[:, members])) for name, members in _subsets(space).items()}
    return Interval(over, len(counts), sequences, means)


@dataclass(frozen=True)
class PairedInterval:
    """How far the difference of two models on the same images would move with other images of the same kind.

    Attributes:
        over, units: what was drawn, and how many of these there are.
        mean: lowest and highest difference in mean IoU over all classes (other - one); NaN where it is undefined.
        by_class: [C, 2] float64, the same of each class's IoU.
    """

    over: Literal["images", "sequences"]
    units: int
    mean: tuple[float, float]
    by_class: np.ndarray


def paired_interval(names: Sequence[str], one: np.ndarray, other: np.ndarray, space: LabelSpace) -> PairedInterval:
    """The interval of the difference of two models that were evaluated on the same images.

    Both are counted in the images of each draw, so that what makes images hard for both cancels out. It says nothing
    of other seeds.

    Args:
        names: of the images; see :func:`interval`.
        one, other: [n, C, 2] integers, of each image and class the pixels in the intersection and in the union.
        space: the classes.
    """
    over, _, both = _units(names, np.concatenate([one, other], axis=1))
    ious = np.split(_resampled_iou(both), 2, axis=1)
    whole = next(iter(_subsets(space).values()))
    means = [_means(iou[:, whole]) for iou in ious]
    by_class = np.array([_middle(column) for column in (ious[1] - ious[0]).T])
    return PairedInterval(over, len(both), _middle(means[1] - means[0]), by_class)


def _subsets(space: LabelSpace) -> dict[str, list[int]]:
    return {name: [space.classes.index(c) for c in subset] for name, subset in space.subsets.items()}


def _units(names: Sequence[str], counts: np.ndarray) -> tuple[Literal["images", "sequences"], int, np.ndarray]:
    """What is drawn, how many sequences there are, and the counts of each unit that is drawn."""
    keys, of_image = np.unique(np.array(sequences_of(names), object), return_inverse=True)
    if not LEAST_UNITS <= len(keys) < len(names):
        return "images", len(keys), counts
    of_sequence = np.zeros((len(keys), *counts.shape[1:]), counts.dtype)
    np.add.at(of_sequence, of_image, counts)
    return "sequences", len(keys), of_sequence


def _resampled_iou(counts: np.ndarray) -> np.ndarray:
    """[n, C, 2] -> [1000, C] float64, IoU by class in each resample; NaN of a class that is absent from it."""
    random, units = np.random.default_rng(SEED), len(counts)
    flat = counts.reshape(units, -1).astype(np.float64)  # exact: sums stay below 2**53
    sums = []
    for first in range(0, RESAMPLES, _AT_ONCE):
        draws = min(_AT_ONCE, RESAMPLES - first)
        sums.append(random.multinomial(units, np.full(units, 1 / units), draws) @ flat)
    hit, union = np.moveaxis(np.concatenate(sums).reshape(RESAMPLES, -1, 2), -1, 0)
    return share(hit, union)


def _means(iou: np.ndarray) -> np.ndarray:
    """[1000, K] -> [1000], means over the classes that are not NaN; NaN if all are."""
    return share(np.nansum(iou, axis=1), np.sum(~np.isnan(iou), axis=1))


def _middle(values: np.ndarray) -> tuple[float, float]:
    """The bounds of the middle 95 % of [1000] values; NaN if none is defined."""
    found = values[~np.isnan(values)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
