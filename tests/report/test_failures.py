"""What classes and leaks cost."""

import numpy as np
import pytest

from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.labels import own_label_space
from hrs_keras.report.failures import MOST_CLASSES, class_rows, confusion, largest_leaks

SPACE = own_label_space(("road", "sky", "car"))
MATRIX = np.array([[60, 0, 20], [10, 10, 0], [0, 0, 0]])


def shown(matrix=MATRIX, space=SPACE):
    return Evaluation(np.array(matrix), space, 3).to_dict()


def test_what_a_class_costs():
    """By hand: road 60 of 90, sky 10 of 20, car 0 of 20; the costs add up to what mean IoU lacks."""
    rows = class_rows(shown(), SPACE.palette, None, {"target": {"road": 0.9, "sky": 0.1, "car": 0.0}})
    assert [row.name for row in rows] == ["car", "sky", "road"]
    assert [row.cost for row in rows] == pytest.approx([1 / 3, 0.5 / 3, (1 / 3) / 3])
    assert sum(row.cost for row in rows) == pytest.approx(1 - shown()["mean_iou"]["3"])
    car, sky, road = rows
    assert (car.recall, car.precision, car.trained, car.labelled) == (None, 0.0, 0.0, 0.0)
    assert (road.recall, road.precision) == pytest.approx((0.75, 60 / 70))
    assert sky.boundary is None and sky.source is None


@pytest.mark.parametrize("matrix", [MATRIX, np.random.default_rng(1).integers(0, 50, (3, 3))])
def test_a_leak_is_worth_what_mean_iou_would_gain(matrix):
    """Against mean IoU counted anew from the matrix in which the leak is mended."""
    matrix = np.array(matrix)
    before = shown(matrix)["mean_iou"]["3"]
    for leak in largest_leaks(shown(matrix), 10):
        label, prediction = (SPACE.classes.index(name) for name in (leak.label, leak.prediction))
        mended = matrix.copy()
        mended[label, label] += matrix[label, prediction]
        mended[label, prediction] = 0
        assert leak.gain == pytest.approx(shown(mended)["mean_iou"]["3"] - before)
        assert leak.share == pytest.approx(leak.pixels / matrix[label].sum())


def test_leaks_that_cost_most_come_first():
    found = largest_leaks(shown(), 10)
    assert [(leak.label, leak.prediction, leak.pixels) for leak in found] == [("road", "car", 20), ("sky", "road", 10)]
    assert len(largest_leaks(shown(), 1)) == 1


def test_a_large_confusion_matrix_is_cut():
    space = own_label_space(tuple(f"c{n}" for n in range(60)))
    found = confusion(
        shown(np.eye(60, dtype=int), space), class_rows(shown(np.eye(60, dtype=int), space), space.palette, None, {})
    )
    assert (len(found.classes), found.left_out) == (MOST_CLASSES, 60 - MOST_CLASSES)
    assert [len(part) for part in found.shares] == [MOST_CLASSES] * MOST_CLASSES


def test_a_row_without_labels_has_no_shares():
    rows = class_rows(shown(), SPACE.palette, None, {})
    assert confusion(shown(), rows).shares == [[0.75, 0.0, 0.25], [0.5, 0.5, 0.0], [None, None, None]]
