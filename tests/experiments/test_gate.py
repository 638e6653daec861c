"""The runs that a gate adds to an experiment, and the experiments whose gate could not be computed."""

import re
from pathlib import Path

import pytest
from support import made_up
from support.made_up import AMOUNTS, gated

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.grid import load_experiment, load_experiments
from hrs_keras.experiments.runner import plan


def test_the_baseline_is_run_with_all_labels_as_well(tmp_path):
    experiment = gated(tmp_path)
    plain = gated(tmp_path / "plain", gate="")
    assert [cell.digest for cell in experiment.cells()] == [cell.digest for cell in plain.cells()]
    assert plain.gate_cells() == []
    few = [cell for cell in experiment.cells() if cell.system == "fcn"]
    every = experiment.gate_cells()
    assert [(cell.system, cell.seed) for cell in every] == [("fcn", 0), ("fcn", 1), ("fcn", 2)]
    for one, other in zip(few, every, strict=True):
        assert re.fullmatch(rf"fcn-all_labels-s{one.seed}-{other.digest[:6]}", other.name)
        assert (one.recipe.data.target[0].subset, other.recipe.data.target[0].subset) == (0.125, None)
        assert not one.all_labels and other.all_labels
        target = [set_.model_copy(update={"subset": 0.125}) for set_ in other.recipe.data.target]
        data = other.recipe.data.model_copy(update={"target": target})
        assert one.recipe == other.recipe.model_copy(update={"data": data, "name": one.name})


def test_they_are_run_beside_the_others_seed_by_seed(tmp_path):
    experiments = load_experiments([gated(tmp_path).path])
    order = [(task.cell.system, task.cell.all_labels, task.cell.seed) for task in plan(experiments)]
    assert order == [(*row, seed) for seed in range(3) for row in (("fcn", False), ("joint", False), ("fcn", True))]
    of_fcn = [task.cell for task in plan(experiments, only=["fcn"])]
    assert [(cell.all_labels, cell.seed) for cell in of_fcn] == [(all_, seed) for seed in range(3) for all_ in (0, 1)]
    assert not any(task.cell.all_labels for task in plan(experiments, only=["joint"]))


def test_each_setting_has_its_own_and_shares_the_run_with_all_labels_that_is_there(tmp_path):
    experiment = gated(tmp_path, axes=AMOUNTS)
    names = [(cell.cells, cell.recipe.data.target[0].subset) for cell in experiment.gate_cells() if not cell.seed]
    assert names == [(("1/8",), None), (("1/2",), None), (("full",), None)]
    full = [cell.digest for cell in experiment.cells() if (cell.system, cell.cells) == ("fcn", ("full",))]
    assert {cell.digest for cell in experiment.gate_cells()} == set(full) and len(full) == 3
    assert len(plan([experiment])) == 18  # none is run for the gate alone


def test_overrides_do_not_take_the_labels_away(tmp_path):
    path = gated(tmp_path).path
    experiment = load_experiment(path, ["data.target.0.subset=0.5", "train.batch_size=3"])
    cells = experiment.cells()[0], experiment.gate_cells()[0]
    assert [cell.recipe.data.target[0].subset for cell in cells] == [0.5, None]
    assert [cell.recipe.train.batch_size for cell in cells] == [3, 3]


def test_hidden_labels_are_given_back():
    """Of `idd_unsupervised` the baseline has none, and with all of them is joint training."""
    experiment = load_experiment("idd_unsupervised")
    hidden, given = experiment.cells()[0].recipe, experiment.gate_cells()[0].recipe
    assert (hidden.data.labelled, given.data.labelled) == ("none", "all")
    assert [recipe.phases[0].domains for recipe in (hidden, given)] == [("source",), ("source", "target")]
    assert {cell.system for cell in experiment.cells() if cell.recipe.data.has_target_labels} == {"fcn"}


@pytest.mark.parametrize(
    "gate, says",
    [
        ("{labels: 2}", r"gate\.all_labels: missing\. Give it a value"),
        ("{all_lables: {}}", r"gate\.all_lables: unknown key\. Did you mean 'all_labels'\?"),
        ("{all_labels: {}}", r"gate\.all_labels: changes nothing; wants what gives the baseline all labels, such as"),
        ("{all_labels: {train.steps: 800}}", r"gate\.all_labels: changes train\.steps; .*change data\.target alone"),
        ("{all_labels: {data.targets: 1}}", r"gate\.all_labels: changes data\.targets; .*change data\.target alone"),
        ("{all_labels: {data.target.4.subset: null}}", r"system 'fcn' with all labels: .*'4' is no position in a list"),
        ("{all_labels: {data.target.0.subset: null}, labels: -1}", r"gate\.labels: Input should be greater than or eq"),
        ("{all_labels: {data.target.0.subset: null}, labels: .nan}", r"gate\.labels: Input should be"),
    ],
)
@pytest.mark.fault(
    "an experiment's gate that says something else than all labels", "the file is refused, and the key named"
)
def test_gates_that_are_refused(tmp_path, gate, says):
    with pytest.raises(RecipeError, match=says):
        gated(tmp_path, gate=f"gate: {gate}").cells()


@pytest.mark.fault("a gate without a baseline", "the file is refused")
def test_a_gate_is_about_a_baseline(tmp_path):
    with pytest.raises(RecipeError, match="gate: is about the baseline, but none is named; set baseline to the name"):
        made_up.experiment(tmp_path, made_up.GATE)


@pytest.mark.parametrize(
    "steps, every, says",
    [
        (602, 150, r"train\.steps: 602 cannot be divided into quarters; set it to a multiple of 4, such as 604$"),
        (600, 200, r"train\.validate_every: 200 leaves .* of the 600 steps .* to a divisor of 450, such as 150$"),
        (1200, 200, r"train\.validate_every: 200 leaves .* of the 1200 steps .* to a divisor of 900, such as 180$"),
        (600, 2000, r"train\.validate_every: 2000 .* to a divisor of 450, such as 450$"),
    ],
)
@pytest.mark.fault(
    "an experiment with a gate whose runs are not evaluated after three quarters of their steps",
    "the file is refused before any run, with a value that fits",
)
def test_three_quarters_of_the_steps_must_be_evaluated(tmp_path: Path, steps, every, says):
    path = gated(tmp_path).path
    with pytest.raises(RecipeError, match=rf"table\.yaml, system 'fcn': gate: {says}"):
        load_experiments([path], [f"train.steps={steps}", f"train.validate_every={every}"])
    fitting = re.search(r"such as (\d+)", says)[1]
    fixed = [f"train.steps={fitting}", "train.validate_every=3"] if steps % 4 else [f"train.validate_every={fitting}"]
    assert load_experiments([path], [f"train.steps={steps}", *fixed])
