"""Boundary IoU (Cheng et al., "Boundary IoU", CVPR 2021) of semantic labels.

The *band* of a class are its pixels within a distance d of its contour; boundary IoU is the intersection over union of
the class's band in the label and its band in the prediction, where a pixel of the union need only be in one of them.
Large areas, whose insides are easy, do not hide there how exactly the contours are found.

As in the authors' code, d is 2 % of the image's diagonal (rounded, at least 1), distances count diagonal steps as 1
(erosion by a square of 2 d + 1 pixels), and the edge of the image is contour. Pixels that the label ignores are not on
the other side of any contour, and whatever is predicted there counts nowhere: a prediction that is right wherever there
is a label has a boundary IoU of 1.
"""

import math

import numpy as np
from scipy import ndimage

from hrs_keras.labels import IGNORE_LABEL

BOUNDARY_RATIO = 0.02
"""The distance d as a share of the image's diagonal."""


def count_boundaries(label: np.ndarray, ids: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels near contours.

    Args:
        label: [h, w] integers, train ids, 255 = ignore.
        ids: [h, w] integers in [0, C), the predicted classes.
        classes: C.

    Returns:
        [C, 3] int64: pixels in the class's band of both, of the label, and of the prediction.
    """
    distance = boundary_distance(label.shape)
    label = label.astype(np.uint8)
    ids = np.where(label == IGNORE_LABEL, IGNORE_LABEL, ids).astype(np.uint8)
    of_label, of_ids = _band(label, distance), _band(ids, distance)
    both = of_label & of_ids & (label == ids)
    return np.stack([np.bincount(found, minlength=classes) for found in (label[both], label[of_label], ids[of_ids])], 1)


def boundary_distance(size: tuple[int, ...]) -> int:
    """The distance d in pixels for images of ``size`` (h, w)."""
    return max(1, round(BOUNDARY_RATIO * math.hypot(*size)))


def _band(ids: np.ndarray, distance: int) -> np.ndarray:
    """[h, w] uint8 -> [h, w] bool: whether another class, or the outside, is within a distance.

    The class of a pixel is the only one around it exactly if it is both the least and the greatest there: two filters
    do for all classes at once, whatever the distance.
    """
    own, window = ids + np.uint8(1), 2 * distance + 1  # what is ignored becomes 0
    least = ndimage.minimum_filter(np.where(own, own, np.uint8(255)), window, mode="constant", cval=0)
    greatest = ndimage.maximum_filter(own, window, mode="constant", cval=0)
    return (own > 0) & ((least < own) | (greatest > own))
