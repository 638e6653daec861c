"""Recall by the size of connected components, against a flood fill and by hand."""

import numpy as np
import pytest

from hrs_keras.evaluation.components import COMPONENT_SIZES, count_components


def by_flood_fill(label: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((classes, 3, 4), np.int64)
    seen = label == 255
    for start in np.ndindex(*label.shape):
        if seen[start]:
            continue
        index, component, rest = label[start], [], [start]
        seen[start] = True
        while rest:
            row, column = rest.pop()
            component.append((row, column))
            for at in np.ndindex(3, 3):
                there = (row + at[0] - 1, column + at[1] - 1)
                inside = 0 <= there[0] < label.shape[0] and 0 <= there[1] < label.shape[1]
                if inside and not seen[there] and label[there] == index:
                    seen[there] = True
                    rest.append(there)
        right = sum(guess[at] == index for at in component)
        size = 0 if len(component) < 1024 else 1 if len(component) < 9216 else 2
        counts[index, size] += [1, 2 * right > len(component), len(component), right]
    return counts


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_flood_fill(seed):
    rng = np.random.default_rng(seed)
    label = np.kron(rng.integers(0, 4, (6, 8)), np.ones((20, 20), int))
    noisy = rng.random(label.shape) < 0.02
    label[noisy] = rng.choice([0, 1, 255], noisy.sum())
    guess = np.where(rng.random(label.shape) < 0.6, np.where(label == 255, 0, label), rng.integers(0, 4, label.shape))
    np.testing.assert_array_equal(count_components(label, guess, 4), by_flood_fill(label, guess, 4))


def test_sizes_by_hand():
    label = np.zeros((200, 200), int)
    label[:32, :32] = 1  # 1024: medium
    label[40:71, :33] = 1  # 1023: small
    label[100:196, 100:196] = 2  # 9216: large
    guess = np.zeros_like(label)
    guess[:32, :16] = 1  # half of it is not more than half
    guess[40:71, :32] = 1
    guess[100:196, 100:196] = 2
    small, medium, large = count_components(label, guess, 4).transpose(1, 0, 2)
    assert small[1].tolist() == [1, 1, 1023, 31 * 32]
    assert medium[1].tolist() == [1, 0, 1024, 512]
    assert large[2].tolist() == [1, 1, 9216, 9216] and large[0].tolist() == [1, 1, 28737, 28737]
    assert not small[[0, 2, 3]].any() and not medium[[0, 2, 3]].any() and not large[[1, 3]].any()
    assert COMPONENT_SIZES == {"small": 0, "medium": 1024, "large": 9216}


def test_corners_touch_and_ignored_pixels_divide():
    label = np.array([[1, 0, 0], [0, 1, 0], [255, 255, 255], [0, 0, 1]])
    counts = count_components(label, np.ones_like(label), 2)[:, 0]
    assert counts.tolist() == [[2, 0, 6, 0], [2, 2, 3, 3]]


def test_nothing_labelled():
    assert not count_components(np.full((3, 4), 255), np.zeros((3, 4), int), 2).any()
