"""Means, spreads and paired differences, by hand and by scipy's own tests."""

import numpy as np
import pytest
from scipy import stats
from support import made_up

from hrs_keras.errors import CheckpointError, RecipeError
from hrs_keras.experiments.statistics import Difference, Measurements, Summary, paired_difference, summarise


def test_summary_by_hand():
    # Deviations -2, 0 and 2: squares add up to 8, over n - 1 = 2 that is 4.
    assert summarise([50.0, 52.0, 54.0]) == Summary(3, 52.0, 2.0)
    assert summarise([50.0]) == Summary(1, 50.0, None)
    assert summarise([]) is None


def test_interval_of_three_pairs_by_hand():
    # Differences 1, 3 and 2: mean 2, standard deviation 1; t = 4.303 with 2 degrees of freedom.
    found = paired_difference({0: 51.0, 1: 54.0, 2: 54.0}, {2: 52.0, 0: 50.0, 1: 51.0})
    margin = 4.303 * 1 / 3**0.5
    assert (found.n, found.mean) == (3, pytest.approx(2))
    assert (found.low, found.high) == (pytest.approx(2 - margin, abs=1e-3), pytest.approx(2 + margin, abs=1e-3))


def test_interval_of_two_pairs_by_hand():
    # Differences 1 and 3: mean 2, standard deviation sqrt(2); t = 12.706 with 1 degree of freedom.
    # Seeds 5 and 7 were run with one system only.
    found = paired_difference({0: 51.0, 1: 54.0, 5: 99.0}, {0: 50.0, 1: 51.0, 7: 1.0})
    assert (found.n, found.mean) == (2, pytest.approx(2))
    assert found.low == pytest.approx(2 - 12.706, abs=1e-3)
    assert found.high == pytest.approx(2 + 12.706, abs=1e-3)


def test_one_pair_has_no_interval_and_none_no_difference():
    assert paired_difference({0: 51.5, 1: 3.0}, {0: 50.0, 2: 4.0}) == Difference(1, 1.5, None, None)
    assert paired_difference({0: 51.0}, {1: 50.0}) is None
    assert paired_difference({}, {}) is None


def test_pairs_that_agree_leave_no_margin():
    assert paired_difference({0: 52.0, 1: 53.0}, {0: 50.0, 1: 51.0}) == Difference(2, 2.0, 2.0, 2.0)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_interval_is_that_of_scipys_paired_test(n):
    one, other = np.random.default_rng(n).normal(50, 3, (2, n))
    found = paired_difference(dict(enumerate(one)), dict(enumerate(other)))
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_rows_hold_the_runs_that_there_are(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn", ours="seeds: [0, 1, 2, 3]")
    found = made_up.results(experiment, fcn={0: 0.5, 1: 0.52, 2: 0.54}, ours={1: 0.55, 3: 0.6})
    other = next(iter(found.values())) | {"digest": "0" * 12, "name": "of another experiment"}
    measured = made_up.measurements(experiment, found | {"0" * 12: other})
    assert list(measured.rows) == [("fcn", ()), ("joint", ()), ("ours", ())]
    fcn, joint, ours = measured.rows.values()
    assert [row.count for row in (fcn, joint, ours)] == ["3", "", "2 of 4"]
    assert fcn.means("last", "3") == pytest.approx({0: 50, 1: 52, 2: 54})
    assert ours.means("last", "3") == pytest.approx({1: 55, 3: 60})
    assert measured.difference(ours, "last", "3").mean == pytest.approx(3)  # of seed 1 alone
    assert measured.difference(joint, "last", "3") is None
    assert len(measured.found) == 5


def test_best_and_last_are_different_evaluations(tmp_path):
    experiment = made_up.experiment(tmp_path, "seeds: [0]", systems=["fcn"])
    (cell,) = experiment.cells()
    result = made_up.result(cell, 0.4, best={"step": 300, "miou": 0.45})
    result["evaluations"][1] = made_up.evaluation(300, 0.45)
    (row,) = made_up.measurements(experiment, {cell.digest: result}).rows.values()
    assert row.means("last", "3") == pytest.approx({0: 40})
    assert row.means("best", "3") == pytest.approx({0: 45})
    result["best"]["step"] = 450
    (row,) = made_up.measurements(experiment, {cell.digest: result}).rows.values()
    with pytest.raises(CheckpointError, match=rf"{cell.name} holds no evaluation of step 450, its best checkpoint"):
        row.means("best", "3")


def test_an_undefined_mean_is_no_value(tmp_path):
    experiment = made_up.experiment(tmp_path, systems=["fcn"])
    found = made_up.results(experiment, fcn={0: 0.5, 1: 0.52})
    next(iter(found.values()))["evaluations"][-1]["mean_iou"]["3"] = None
    (row,) = made_up.measurements(experiment, found).rows.values()
    assert row.means("last", "3") == pytest.approx({1: 52})


def test_cells_of_two_axes(tmp_path):
    text = """
axes:
  - {title: labels, cells: [{name: half, set: {data.target.0.subset: 0.5}}, {name: full}]}
  - {title: size, cells: [{name: small, set: {data.size: [32, 64]}}, {name: large}]}
"""
    experiment = made_up.experiment(tmp_path, text, systems=["fcn", "joint"])
    measured = Measurements(experiment, {})
    cells = [("half", "small"), ("half", "large"), ("full", "small"), ("full", "large")]
    assert measured.combinations() == cells
    assert measured.combinations(first=1) == [("small",), ("large",)]
    assert list(measured.rows) == [(system, chosen) for chosen in cells for system in ("fcn", "joint")]
    recipe = measured.rows["joint", ("half", "small")].planned[2].recipe
    assert (recipe.seed, recipe.data.target[0].subset, recipe.data.size) == (2, 0.5, (32, 64))


def test_one_table_has_one_label_space(tmp_path):
    more = "recipe: [more.yaml]"
    (tmp_path / "more.yaml").write_text("data: {classes: camvid}\n")
    with pytest.raises(RecipeError, match=r"table\.yaml: some cells predict the 3 classes of 'own', others the 11 of"):
        Measurements(made_up.experiment(tmp_path, joint=more), {})
