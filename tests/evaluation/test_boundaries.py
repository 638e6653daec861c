"""Boundary IoU against a loop over pixels, against the authors' definition by erosion, and by hand."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from hrs_keras.evaluation.boundaries import boundary_distance, count_boundaries

CLASSES = 5


def blobs(seed: int, size: tuple[int, int], ignored: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """A label of blobs, some of it ignored, and a prediction that is mostly right."""
    rng = np.random.default_rng(seed)
    label = ndimage.zoom(rng.integers(0, CLASSES, (4, 5)), (size[0] / 4, size[1] / 5), order=0).astype(np.int32)
    label[rng.random(label.shape) < ignored] = 255
    guess = np.where(rng.random(label.shape) < 0.8, np.roll(label, 1, axis=1), rng.integers(0, CLASSES, label.shape))
    return label, np.where(guess == 255, 0, guess)


def in_band(ids: np.ndarray, at: tuple[int, int], distance: int) -> bool:
    """Whether another class, or the outside of the image, is within a distance of a pixel that is not ignored."""
    height, width = ids.shape
    for down, across in itertools.product(range(-distance, distance + 1), repeat=2):
        row, column = at[0] + down, at[1] + across
        if not (0 <= row < height and 0 <= column < width):
            return True
        if ids[row, column] not in (255, ids[at]):
            return True
    return False


def by_loop(label: np.ndarray, guess: np.ndarray) -> np.ndarray:
    distance = boundary_distance(label.shape)
    shown = np.where(label == 255, 255, guess)
    counts = np.zeros((CLASSES, 3), np.int64)
    for at in np.ndindex(*label.shape):
        if label[at] == 255:
            continue
        of_label, of_guess = in_band(label, at, distance), in_band(shown, at, distance)
        counts[label[at], 1] += of_label
        counts[shown[at], 2] += of_guess
        counts[label[at], 0] += of_label and of_guess and label[at] == shown[at]
    return counts


@pytest.mark.parametrize("size", [(20, 25), (33, 110), (1, 1), (1, 9), (7, 2)], ids=str)
@pytest.mark.parametrize("ignored", [0.0, 0.1, 1.0])
def test_equals_a_loop_over_pixels(size, ignored):
    label, guess = blobs(0, size, ignored)
    np.testing.assert_array_equal(count_boundaries(label, guess, CLASSES), by_loop(label, guess))


def test_equals_the_definition_by_erosion():
    """As the authors' code has it: a mask less what is left after d erosions by 3x3, the outside being no mask."""
    label, guess = blobs(1, (80, 120), ignored=0)
    distance = boundary_distance(label.shape)
    assert distance == 3

    def band(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        return mask & ~ndimage.binary_erosion(padded, np.ones((3, 3)), iterations=distance)[1:-1, 1:-1]

    bands = [(band(label == c), band(guess == c)) for c in range(CLASSES)]
    expected = [[(one & other).sum(), one.sum(), other.sum()] for one, other in bands]
    np.testing.assert_array_equal(count_boundaries(label, guess, CLASSES), expected)


def test_by_hand():
    label = np.zeros((1, 8), int)
    label[0, 4:] = 1
    guess = np.zeros((1, 8), int)
    guess[0, 5:] = 1
    # One row: the edge is next to every pixel, so that the bands are the classes, and boundary IoU is IoU.
    assert count_boundaries(label, guess, 2).tolist() == [[4, 4, 5], [3, 4, 3]]
    label, guess = (np.repeat(row, 7, axis=0) for row in (label, guess))
    assert boundary_distance(label.shape) == 1
    # Of class 0 in the label all but 5 x 2 inner pixels, in the prediction all but 5 x 3 of 35.
    assert count_boundaries(label, guess, 2)[0].tolist() == [28 - 10 - 5, 28 - 10, 35 - 15]


def test_what_is_ignored_is_no_contour():
    label = np.full((40, 40), 255)
    label[:, :20] = 3
    # The contour towards the ignored half is not known: only the edge of the image is one, of whatever is predicted.
    edge = 40 * 20 - 38 * 19
    for there in (0, 3):
        guess = np.full((40, 40), there)
        guess[:, :20] = 3
        counts = count_boundaries(label, guess, CLASSES)
        assert counts[3].tolist() == [edge] * 3 and counts.sum() == 3 * edge


def test_the_last_class_there_can_be():
    label = np.full((9, 9), 254)
    label[:, 4:] = 255
    counts = count_boundaries(label, np.full((9, 9), 254), 255)
    assert counts[254].tolist() == [9 * 4 - 7 * 3] * 3


@pytest.mark.parametrize(
    ("size", "distance"), [((1, 1), 1), ((360, 480), 12), ((1024, 2048), 46), ((227, 320), 8)], ids=str
)
def test_the_distance_is_two_per_cent_of_the_diagonal(size, distance):
    assert boundary_distance(size) == distance
