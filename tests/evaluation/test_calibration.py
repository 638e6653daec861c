"""Expected calibration error and the reliability curve, by hand."""

import numpy as np
import pytest

from hrs_keras.evaluation.calibration import BINS, count_confidence, expected_error, reliability


def test_by_hand():
    # 4 pixels that are 90 % sure, of which 2 are right; 6 that are 50 % sure, of which 3 are right.
    confidence = np.array([0.9] * 4 + [0.5] * 6, np.float32)
    right = np.array([1, 1, 0, 0, 1, 1, 1, 0, 0, 0], bool)
    counts = count_confidence(right, confidence)
    assert counts.sum(0).tolist() == pytest.approx([10, 5, 6.6])
    assert counts[[7, 13], :2].tolist() == [[6, 3], [4, 2]]
    assert expected_error(counts) == pytest.approx(0.4 * 0.4)
    mean, accuracy = reliability(counts)
    assert mean[13] == pytest.approx(0.9) and accuracy[13] == 0.5 and accuracy[7] == 0.5
    assert np.isnan(mean[[0, 6, 14]]).all() and np.isnan(accuracy[[0, 6, 14]]).all()


def test_errors_within_a_bin_cancel_out_and_those_of_bins_do_not():
    within = count_confidence(np.array([False, True]), np.array([0.67, 0.73], np.float32))
    assert within[10, 0] == 2 and expected_error(within) == pytest.approx(0.2)
    apart = count_confidence(np.array([True, False]), np.array([0.5, 0.9], np.float32))
    assert expected_error(apart) == pytest.approx((0.5 + 0.9) / 2)


def test_bounds():
    """A bin includes its lower bound; the last one includes 1."""
    sure = np.array([0, 1 / 15, np.nextafter(np.float32(1 / 15), np.float32(0)), 1], np.float32)
    assert np.flatnonzero(count_confidence(np.ones(4, bool), sure)[:, 0]).tolist() == [0, 1, BINS - 1]


def test_nothing_labelled():
    counts = count_confidence(np.zeros(0, bool), np.zeros(0, np.float32))
    assert not counts.any() and np.isnan(expected_error(counts)) and np.isnan(reliability(counts)).all()


def test_counts_add_up():
    rng = np.random.default_rng(0)
    right, sure = rng.random(1000) < 0.5, rng.random(1000).astype(np.float32)
    halves = [count_confidence(right[part], sure[part]) for part in (slice(300), slice(300, None))]
    np.testing.assert_allclose(halves[0] + halves[1], count_confidence(right, sure), rtol=1e-12)
    # With one pixel a bin the error is the mean distance: checked against a plain loop.
    loop = sum(
        abs(np.sum(right[inside]) - np.sum(sure[inside], dtype=np.float64))
        for inside in (np.minimum(sure.astype(float) * 15 // 1, 14) == number for number in range(15))
    )
    assert expected_error(count_confidence(right, sure)) == pytest.approx(loop / 1000)
