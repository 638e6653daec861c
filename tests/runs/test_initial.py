"""A run that begins with another's weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import tiny

from hrs_keras.errors import CheckpointError, RecipeError
from hrs_keras.method.trainer import Trainer, build_trainer
from hrs_keras.models import build_networks
from hrs_keras.recipe.comparing import compare
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.initial import InitialWeights
from hrs_keras.training.run import train

FCN = ["method.source_weighting=none", "method.gan=false", "data.source=[]"]


def recipe(*overrides: str) -> Recipe:
    return tiny.recipe("name=new", "runs=runs", *overrides, size=(32, 64))


def build(made: Recipe) -> Trainer:
    return build_trainer(made, build_networks(made))


def values(of: Trainer) -> dict[str, list[np.ndarray]]:
    return {player.name: [v.numpy() for v in player.network.weights] for player in of.players}


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("initial")


@pytest.fixture(autouse=True)
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def first(place) -> dict[str, list[np.ndarray]]:
    """The best weights of the run ``runs/first``, which has dropout and another seed and has taken steps.

    In its last checkpoint the biases of the deepest score head are 3.
    """
    made = recipe("name=first", "seed=5", "encoder.dropout=0.5", f"runs={place}/runs")
    run, joint = RunFolder(made.run_dir), build(made)
    run.claim(made)
    joint.steps.assign(7)
    for player in joint.players:
        player.optimizer.iterations.assign(7)
        for variable in player.network.trainable_variables:
            variable.assign(variable + 0.125)
    checkpoints = Checkpoints(joint, run.checkpoints, keep=2)
    assert checkpoints.save_if_best(5, 0.5)
    best, bias = values(joint), joint.segmenter.trainable_variables[-1]
    bias.assign(np.full(bias.shape, 3.0))
    checkpoints.save_now(7)
    return best


def test_all_players_begin_with_the_best_weights(first, capsys):
    made = recipe("train.init_from=runs/first")
    new = build(made)
    note = InitialWeights.of(made).load(new)
    ours = values(new)
    assert ours.keys() == first.keys() and len(ours) == 6
    assert all(equal(ours[name], first[name]) for name in ours)
    assert int(new.step) == 0 and all(int(player.optimizer.iterations) == 0 for player in new.players)
    moments = [v for player in new.players for v in player.optimizer.variables if v.path.endswith("momentum")]
    assert moments and not any(np.any(moment.numpy()) for moment in moments)
    assert note == {"run": "runs/first", "checkpoint": "best", "step": 5, "players": list(first)}
    assert "the weights of encoder, weighting/pixel" in capsys.readouterr().out


def test_the_last_weights_and_players_that_begin_afresh(first, here, capsys):
    """A run of the target alone begins with the encoder of a joint run, and a joint run with that of it."""
    alone = recipe("name=alone", "train.init_from=runs/first:last", *FCN)
    fcn, run = build(alone), RunFolder(alone.run_dir)
    assert InitialWeights.of(alone).load(fcn) == {
        "run": "runs/first", "checkpoint": "last", "step": 7, "players": ["encoder"],
    }  # fmt: skip
    assert np.all(fcn.segmenter.trainable_variables[-1].numpy() == 3)
    run.claim(alone)
    Checkpoints(fcn, run.checkpoints, keep=1).save_now(9)
    made = recipe("train.init_from=runs/alone:last", "method.levels=[pixel]")
    new = build(made)
    before = values(new)
    capsys.readouterr()
    assert InitialWeights.of(made).load(new)["players"] == ["encoder"]
    after = values(new)
    assert equal(after.pop("encoder"), values(fcn)["encoder"])
    assert after and all(equal(after[name], before[name]) for name in after)
    assert "(last, step 9); weighting/pixel, generator, discriminator begin afresh" in capsys.readouterr().out


def test_averaged_weights_are_what_is_begun_with(here):
    """Of a run with train.average its averages, and a new run's averages begin there."""
    averaging = recipe("name=averaging", "train.average=0.9", *FCN)
    old, run = build(averaging), RunFolder(averaging.run_dir)
    for average in old.players[0].average.variables:
        average.assign(np.full(average.shape, 7.0))
    run.claim(averaging)
    Checkpoints(old, run.checkpoints, keep=1).save_if_best(5, 0.5)
    made = recipe("train.init_from=runs/averaging", "train.average=0.5", *FCN)
    new = build(made)
    InitialWeights.of(made).load(new)
    (player,) = new.players
    assert all(np.all(variable.numpy() == 7) for variable in (*player.variables, *player.average.variables))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            ["encoder.fc=16", *FCN],
            r"'encoder': there is fc6/kernel \[7, 7, 32, 32\] where .* has fc6/kernel \[7, 7, 32, 16\]",
        ),
        (
            ["method.weighting_width=8", "method.gan=false"],
            r"'weighting/pixel': there is .*\[.*, 4\] where this recipe has .*\[.*, 8\]",
        ),
    ],
    ids=["encoder", "weighting"],
)
@pytest.mark.fault("train.init_from names a run of other networks", "its first variable that does not fit is named")
def test_other_networks(first, changes, says):
    made = recipe("train.init_from=runs/first", *changes)
    new = build(made)
    before = values(new)
    with pytest.raises(CheckpointError, match=says):
        InitialWeights.of(made).load(new)
    after = values(new)
    assert all(equal(after[name], before[name]) for name in after)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("runs/nowhere", "runs/nowhere is no run folder"),
        ("runs/empty", "runs/empty holds no 'best' checkpoint"),
        ("runs/empty:last", "runs/empty holds no 'last' checkpoint"),
        ("runs/new", "runs/new is this run itself"),
    ],
)
@pytest.mark.fault("train.init_from names no run, one without a checkpoint, or the run itself", "refused before work")
def test_a_missing_run_is_refused_before_the_data_is_looked_at(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    RunFolder(Path("runs/empty")).claim(recipe("name=empty"))
    RunFolder(Path("runs/new")).claim(recipe(f"train.init_from={name}"))
    with pytest.raises(CheckpointError, match=says):
        train(recipe(f"train.init_from={name}", "data.root=/nowhere"))


@pytest.mark.fault("train.init_from is empty", "the recipe is refused")
def test_an_empty_name():
    with pytest.raises(RecipeError, match=r"train\.init_from: wants a run folder"):
        recipe("train.init_from=''")


def test_another_spelling_is_the_same_run(first, here):
    def changed(one: str, other: str) -> list[str]:
        return compare(recipe(f"train.init_from={one}"), recipe(f"train.init_from={other}")).numbers

    assert not changed("runs/first", f"{here}/runs/first:best")
    assert not changed("runs/first:last", "./runs/first:last")
    for other in ("runs/first:last", "runs/second", "null"):
        assert changed("runs/first", other)


@pytest.mark.slow
def test_a_run_begins_with_anothers_weights_and_can_be_made_longer(copied, tmp_path):
    """Step 0 of the new run is evaluated as the other's best; its rates are those of its number of steps."""
    from hrs_keras.recipe.reading import load_recipe

    best = json.loads((copied / "checkpoints/best.json").read_text())["step"]
    words = ["name=second", f"train.init_from={copied}", "train.log_every=1", "train.validate_every=2"]
    train(load_recipe(tmp_path / "tiny.yaml", [*words, "train.steps=2"]), export=False)
    run = RunFolder(tmp_path / "runs/second")
    evaluations = [
        json.loads(file.read_text()) for file in (copied / f"evaluations/step_{best:07d}.json", run.evaluation_file(0))
    ]
    assert evaluations[0]["confusion_matrix"] == evaluations[1]["confusion_matrix"]
    copied.rename(tmp_path / "gone")  # it is needed at the beginning only
    train(load_recipe(tmp_path / "tiny.yaml", [*words, "train.steps=4"]), export=False)
    rows = [line.split(",") for line in run.log_file.read_text().splitlines()]
    column = rows[0].index("learning_rate/encoder")
    rates = [1e-3 * (1 - step / steps) ** 0.9 for step, steps in ((1, 2), (2, 2), (3, 4), (4, 4))]
    np.testing.assert_allclose([float(row[column]) for row in rows[1:]], rates, rtol=1e-5)
    history = run.history()
    assert history[0]["init_from"]["step"] == best and history[1] == {"step": 2, "settings": ["train.steps: 2 -> 4"]}
    assert json.loads(run.evaluation_file(4).read_text())["step"] == 4 and run.result_file.is_file()
