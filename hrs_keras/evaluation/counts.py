"""What is counted in an image, so that scores of any set of images are sums of counts."""

from dataclasses import dataclass

import numpy as np

from hrs_keras.evaluation.boundaries import count_boundaries
from hrs_keras.evaluation.calibration import BINS, count_confidence
from hrs_keras.evaluation.components import COMPONENT_SIZES, count_components
from hrs_keras.labels import IGNORE_LABEL


@dataclass(frozen=True)
class Counts:
    """Counts of one image, or their sums over several.

    Attributes:
        confusion: [C, C] int64, pixels; row = label, column = prediction.
        boundary: [C, 3] int64, pixels; see :func:`hrs_keras.evaluation.boundaries.count_boundaries`.
        components: [C, 3, 4] int64; see :func:`hrs_keras.evaluation.components.count_components`.
        confidence: [15, 3] float64; see :func:`hrs_keras.evaluation.calibration.count_confidence`.
    """

    confusion: np.ndarray
    boundary: np.ndarray
    components: np.ndarray
    confidence: np.ndarray

    @classmethod
    def none(cls, classes: int) -> "Counts":
        """Nothing counted yet, of so many classes."""
        return cls(
            np.zeros((classes, classes), np.int64),
            np.zeros((classes, 3), np.int64),
            np.zeros((classes, len(COMPONENT_SIZES), 4), np.int64),
            np.zeros((BINS, 3), np.float64),
        )

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.confusion + other.confusion,
            self.boundary + other.boundary,
            self.components + other.components,
            self.confidence + other.confidence,
        )


@dataclass(frozen=True)
class ImageCounts:
    """The counts of an image, and which image it is.

    Attributes:
        name: the image's path below the folder of its data set; it may hold any character, and bytes that are not
            UTF-8 as :func:`os.fsdecode` gives them.
        data_set: position of the data set in the recipe's list.
        size: (h, w) of the label.
        counts: what was counted.
    """

    name: str
    data_set: int
    size: tuple[int, int]
    counts: Counts


def count(label: np.ndarray, ids: np.ndarray, confidence: np.ndarray, classes: int) -> Counts:
    """Compare a prediction with its label.

    Args:
        label: [h, w] integers, train ids, 255 = ignore: such a pixel counts nowhere.
        ids: [h, w] integers in [0, C), the predicted classes.
        confidence: [h, w] float32 in [0, 1], their probabilities.
        classes: C.
    """
    valid = label != IGNORE_LABEL
    pairs = label[valid].astype(np.int64) * classes + ids[valid]
    return Counts(
        np.bincount(pairs, minlength=classes**2).reshape(classes, classes),
        count_boundaries(label, ids, classes),
        count_components(label, ids, classes),
        count_confidence((label == ids)[valid], confidence[valid]),
    )
