"""The interval of mean IoU over images, or over sequences of them."""

import math
import tracemalloc

import numpy as np
import pytest

from hrs_keras.evaluation.bootstrap import RESAMPLES, SEED, interval, paired_interval
from hrs_keras.labels import LabelSpace

THREE = LabelSpace("three", ("a", "b", "c"), ((0, 0, 0),) * 3, {"all": ("a", "b", "c"), "two": ("a", "c")})


def counted(rng: np.random.Generator, images: int) -> np.ndarray:
    union = rng.integers(0, 50, (images, 3))
    return np.stack([rng.integers(0, union + 1), union], axis=2)


def by_loop(counts: np.ndarray, members: list[int]) -> tuple[float, float]:
    """Resamples drawn one after the other, each image as often as its weight says."""
    rng, means = np.random.default_rng(SEED), []
    for _ in range(RESAMPLES):
        hit, union = np.zeros(3), np.zeros(3)
        for image, times in enumerate(rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)))):
            hit += times * counts[image, :, 0]
            union += times * counts[image, :, 1]
        present = [hit[c] / union[c] for c in members if union[c]]
        if present:
            means.append(sum(present) / len(present))
    return tuple(np.percentile(means, [2.5, 97.5]))


def test_images_are_drawn_where_names_show_no_sequences():
    counts = counted(np.random.default_rng(1), 12)
    found = interval([f"{i:04d}.png" for i in range(12)], counts, THREE)
    assert (found.over, found.units, found.sequences) == ("images", 12, 1)
    assert found.remark == "too narrow: the images are of 1 sequence"
    for name, members in (("all", [0, 1, 2]), ("two", [0, 2])):
        assert found.means[name] == pytest.approx(by_loop(counts, members), rel=1e-12)


def test_sequences_are_drawn_whole():
    counts = counted(np.random.default_rng(2), 18)
    names = [f"{i % 6}/{i}.png" for i in range(18)]
    found = interval(names, counts, THREE)
    assert (found.over, found.units, found.sequences, found.remark) == ("sequences", 6, 6, "")
    sums = np.stack([counts[sequence::6].sum(0) for sequence in range(6)])
    assert found.means["all"] == pytest.approx(by_loop(sums, [0, 1, 2]), rel=1e-12)
    assert interval(names, counts, THREE) == found  # seeded


def test_few_sequences_and_images_each_of_their_own():
    counts = counted(np.random.default_rng(3), 12)
    four = interval([f"{i % 4}/{i}.png" for i in range(12)], counts, THREE)
    assert (four.over, four.units) == ("images", 12)
    assert four.remark == "too narrow: the images are of 4 sequences"
    own = interval([f"{i}/x.png" for i in range(12)], counts, THREE)
    assert (own.over, own.units, own.remark) == ("images", 12, "") and own.means == four.means


def test_what_has_no_interval():
    one = interval(["x.png"], counted(np.random.default_rng(4), 1), THREE)
    assert one.remark == "too few for an interval" and one.means["all"][0] == one.means["all"][1]
    nothing = interval(["x.png", "y.png"], np.zeros((2, 3, 2), int), THREE)
    assert all(map(math.isnan, nothing.means["all"]))
    # A class that only one image has is absent from a third of the resamples, and left out of those means.
    rare = np.zeros((10, 3, 2), int)
    rare[:, 0], rare[0, 1] = (1, 1), (0, 9)
    assert interval([f"{i}.png" for i in range(10)], rare, THREE).means["all"] == (0.5, 1.0)


def test_five_thousand_images_take_little_memory():
    counts = np.random.default_rng(5).integers(1, 99, (5000, 3, 2)).cumsum(axis=2)
    names = [f"{i}.png" for i in range(5000)]
    tracemalloc.start()
    try:
        low, high = interval(names, counts, THREE).means["all"]
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert 0.49 < low < 0.5 < high < 0.51


# ---- two models on the same images ------------------------------------------------------------------------------


def test_a_paired_interval_counts_both_models_in_the_same_draws():
    """Against resamples drawn one after the other."""
    rng = np.random.default_rng(5)
    one, other = counted(rng, 12), counted(rng, 12)
    found = paired_interval([f"{n} of all.png" for n in range(12)], one, other, THREE)
    draws, differences, of_first = np.random.default_rng(SEED), [], []
    for _ in range(RESAMPLES):
        times = draws.multinomial(12, np.full(12, 1 / 12))
        ious = [hit / union for hit, union in (np.tensordot(times, counts, 1).T for counts in (one, other))]
        differences.append(ious[1].mean() - ious[0].mean())
        of_first.append(ious[1][0] - ious[0][0])
    assert found.mean == pytest.approx(np.quantile(differences, [0.025, 0.975]))
    assert found.by_class[0] == pytest.approx(np.quantile(of_first, [0.025, 0.975]))
    assert (found.over, found.units) == ("images", 12)


def test_the_same_model_differs_from_itself_by_nothing():
    counts = counted(np.random.default_rng(6), 9)
    found = paired_interval([f"{n} of all.png" for n in range(9)], counts, counts, THREE)
    assert found.mean == (0.0, 0.0) and not found.by_class.any()


def test_what_is_hard_for_both_cancels_out():
    """One is a point better in every image: the interval of the difference is narrow, that of each model wide."""
    rng = np.random.default_rng(7)
    hit = rng.integers(0, 90, (40, 3))
    one, other = (np.stack([hit + more, np.full_like(hit, 100)], axis=2) for more in (0, 1))
    names = [f"{n} of all.png" for n in range(40)]
    low, high = paired_interval(names, one, other, THREE).mean
    assert low == pytest.approx(0.01) and high == pytest.approx(0.01)
    wide = interval(names, one, THREE).means["all"]
    assert wide[1] - wide[0] > 0.05
