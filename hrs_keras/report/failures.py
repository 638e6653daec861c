"""Where a model fails: what each class costs, and what is taken for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrs_keras.evaluation.metrics import hit_and_union, share

MOST_CLASSES = 40
"""Of how many classes a confusion matrix is shown: a larger one nobody reads, and it would fill the page."""


@dataclass(frozen=True)
class ClassRow:
    """A class in numbers from 0 to 1, of which those that are not defined or not known are None.

    Attributes:
        name: of the class.
        colour: R, G, B in 0..255.
        iou: intersection over union.
        cost: by how much mean IoU would be higher if the class were right everywhere: (1 - IoU) / defined classes.
        precision, recall: of its pixels.
        boundary: boundary IoU.
        sizes: recall of small, medium and large objects.
        labelled: share of the labelled pixels of the images that were evaluated.
        trained: share of the labelled pixels of the real images that were trained on.
        source: the same of the synthetic images.
    """

    name: str
    colour: tuple[int, int, int]
    iou: float | None
    cost: float | None
    precision: float | None
    recall: float | None
    boundary: float | None
    sizes: tuple[float | None, ...]
    labelled: float | None
    trained: float | None
    source: float | None


def class_rows(
    shown: dict[str, Any],
    colours: Sequence[tuple[int, int, int]],
    scores: dict[str, Any] | None,
    shares: dict[str, dict[str, float]],
) -> list[ClassRow]:
    """The classes, those that cost most first, and those without an IoU last.

    Args:
        shown: an evaluation with its confusion matrix.
        colours: one for each class.
        scores: what ``hrs evaluate`` writes, for boundaries and sizes; None if that is not there.
        shares: role -> class -> share of the labelled pixels, as far as known.
    """
    matrix = np.array(shown["confusion_matrix"], np.int64)
    hit = np.diag(matrix)
    precision, recall = _plain(share(hit, matrix.sum(0))), _plain(share(hit, matrix.sum(1)))
    labelled = _plain(matrix.sum(1) / matrix.sum()) if matrix.sum() else [None] * len(matrix)
    defined = sum(value is not None for value in shown["iou"].values())
    sizes = (scores or {}).get("component_sizes", {})
    rows = []
    for number, (name, iou) in enumerate(shown["iou"].items()):
        rows.append(
            ClassRow(
                name=name,
                colour=colours[number],
                iou=iou,
                cost=None if iou is None else (1 - iou) / defined,
                precision=precision[number],
                recall=recall[number],
                boundary=scores["boundary_iou"].get(name) if scores else None,
                sizes=tuple(one["recall"].get(name) for one in sizes.values()),
                labelled=labelled[number],
                trained=shares.get("target", {}).get(name),
                source=shares.get("source", {}).get(name),
            )
        )
    return sorted(rows, key=lambda row: -1.0 if row.cost is None else row.cost, reverse=True)


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


@dataclass(frozen=True)
class Leak:
    """Pixels of one class that are taken for another.

    Attributes:
        label, prediction: names of the classes.
        pixels: how many.
        share: of the label's pixels.
        gain: by how much mean IoU would be higher if these pixels were right, in [0, 1].
    """

    label: str
    prediction: str
    pixels: int
    share: float
    gain: float


def largest_leaks(shown: dict[str, Any], count: int) -> list[Leak]:
    """The entries beside the diagonal of the confusion matrix that cost most mean IoU, those that cost most first.

    Args:
        shown: an evaluation with its confusion matrix.
        count: how many at most.
    """
    matrix, classes = np.array(shown["confusion_matrix"], np.int64), list(shown["iou"])
    hit, union = hit_and_union(matrix).astype(np.float64).T
    before = share(hit, union)
    total, defined = np.nansum(before), int((union > 0).sum())
    leaks = []
    for label, prediction in np.argwhere(matrix - np.diag(np.diag(matrix))):
        pixels = int(matrix[label, prediction])
        # The pixels join the label's intersection, and leave the union of the class that they were taken for. Where
        # nothing is left of that, the class is in neither labels nor predictions any more, and so in no mean.
        rest = union[prediction] - pixels
        after = total + pixels / union[label] - before[prediction] + (hit[prediction] / rest if rest else 0.0)
        gain = after / (defined - (not rest)) - total / defined
        of_label = pixels / int(matrix[label].sum())
        leaks.append(Leak(classes[label], classes[prediction], pixels, of_label, float(gain)))
    return sorted(leaks, key=lambda leak: leak.gain, reverse=True)[:count]


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix to be shown.

    Attributes:
        classes: in the order of rows and columns.
        shares: [n][n] share of the row's pixels, in [0, 1]; None in the rows of classes without a label.
        left_out: how many classes are not shown.
    """

    classes: list[str]
    shares: list[list[float | None]]
    left_out: int


def confusion(shown: dict[str, Any], rows: Sequence[ClassRow]) -> Confusion:
    """The confusion matrix in shares of its rows; of many classes only those that cost most."""
    matrix, classes = np.array(shown["confusion_matrix"], np.int64), list(shown["iou"])
    kept = {row.name for row in rows[:MOST_CLASSES]}
    where = [number for number, name in enumerate(classes) if name in kept]
    parts = share(matrix, np.repeat(matrix.sum(1, keepdims=True), len(matrix), 1))[np.ix_(where, where)]
    return Confusion([classes[n] for n in where], [_plain(part) for part in parts], len(classes) - len(where))
