"""How well objects of each size are found.

An object is a connected component of a class in the label: pixels of the class that touch at sides or corners. Sizes
are areas in pixels, with the limits of COCO. What is counted is recall, since a pixel that is wrongly predicted belongs
to no labelled object, and so to no size.
"""

import numpy as np
from scipy import ndimage

from hrs_keras.labels import IGNORE_LABEL

COMPONENT_SIZES = {"small": 0, "medium": 32**2, "large": 96**2}
"""Name of a size -> the least area, in pixels of the label, of a component that has it."""

_TOUCHING = np.ones((3, 3), bool)


def count_components(label: np.ndarray, ids: np.ndarray, classes: int) -> np.ndarray:
    """Count connected components of the label, and what was found of them.

    Args:
        label: [h, w] integers, train ids, 255 = ignore.
        ids: [h, w] integers in [0, C), the predicted classes.
        classes: C.

    Returns:
        [C, 3, 4] int64, by class and size (:data:`COMPONENT_SIZES`): components; those of which more than half of the
        pixels are predicted right; pixels; pixels that are predicted right.
    """
    counts = np.zeros((classes, len(COMPONENT_SIZES), 4), np.int64)
    numbered = np.where(label == IGNORE_LABEL, 0, label.astype(np.int32) + 1)
    for index, window in enumerate(ndimage.find_objects(numbered, classes)):
        if window is None:
            continue
        inside = numbered[window] == index + 1
        components, number = ndimage.label(inside, _TOUCHING)
        of_pixels = components[inside]  # from here on the class's own pixels alone: most of a window is not
        areas = np.bincount(of_pixels, minlength=number + 1)[1:]
        right = np.bincount(of_pixels[ids[window][inside] == index], minlength=number + 1)[1:]
        sizes = np.searchsorted(list(COMPONENT_SIZES.values()), areas, side="right") - 1
        of_each = np.stack([np.ones_like(areas), 2 * right > areas, areas, right], axis=1)
        np.add.at(counts[index], sizes, of_each)
    return counts
