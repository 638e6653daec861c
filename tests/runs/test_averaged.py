"""Runs with all that pretrained networks want: what checkpoints hold, and that a resumed run ends as another."""

import json

import numpy as np
import pytest
import tensorflow as tf
from support import tiny
from support.checkpoints import logged, tensors
from support.one_step import batch_of
from support.pretrained import Pretrained

from hrs_keras import evaluate_run
from hrs_keras.errors import CheckpointError, NonFiniteError
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks, build_segmenter
from hrs_keras.recipe import ENCODERS, load_recipe
from hrs_keras.runs.checkpoints import Checkpoints, restore_segmenter
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_selecting
from hrs_keras.training.run import train
from hrs_keras.training.saving import Saving

ALL_ON = (
    *("encoder.family=pretrained", "encoder.weights=without top", "encoder.heads=random"),
    *("train.fresh_factor=10", "train.warmup=2"),
    *("train.weight_decay={encoder: 0.1, weighting: 0.1}", "train.average=0.7"),
    *("method.levels=[image]", "method.gan=false", "train.learning_rate.encoder=1e-2"),
)


@pytest.fixture(autouse=True)
def family():
    ENCODERS.register("pretrained", Pretrained)
    yield
    ENCODERS.unregister("pretrained")


def trainer(*changes):
    recipe = tiny.recipe(*ALL_ON, "train.steps=6", *changes)
    return build_trainer(recipe, build_networks(recipe))


def values(of):
    """Everything that a trainer has, in an order of its own."""
    averages = [v for player in of.players if player.average for v in player.average.variables]
    state = [v for player in of.players for v in (*player.network.variables, *player.optimizer.variables)]
    return [variable.numpy() for variable in (*state, *averages)]


@pytest.mark.slow
def test_goes_on_from_a_checkpoint_bit_for_bit(tmp_path):
    batch, straight, first = batch_of(), trainer(), trainer()
    for _ in range(4):
        straight.train_step(batch)
    for _ in range(2):
        first.train_step(batch)
    Checkpoints(first, tmp_path, keep=1).save_now(2)
    second = trainer()
    assert Checkpoints(second, tmp_path, keep=1).restore()
    for a, b in zip(values(second), values(first), strict=True):
        np.testing.assert_array_equal(a, b)
    for _ in range(2):
        second.train_step(batch)
    for a, b in zip(values(second), values(straight), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(values(first), values(second), strict=True))


def test_a_segmenter_is_restored_with_averaged_weights_and_the_trained_ones_statistics(tmp_path):
    one, images = trainer(), batch_of()["target"][0]
    for _ in range(2):
        one.train_step(batch_of())
    Checkpoints(one, tmp_path, keep=1).save_now(2)
    restored = build_segmenter(tiny.recipe(*ALL_ON, "train.steps=6"))
    assert restore_segmenter(restored, tmp_path, "last", averaged=True) == 2
    np.testing.assert_allclose(restored(images)["logits"], one(images), rtol=1e-5, atol=1e-6)
    for variable, average in zip(restored.trainable_variables, one.players[0].average.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())
    statistics = [v.path for v in restored.non_trainable_variables]
    assert len(statistics) == 2
    for variable, own in zip(restored.non_trainable_variables, one.segmenter.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), own.numpy())
    assert restore_segmenter(restored, tmp_path, "last") == 2
    for variable, own in zip(restored.variables, one.segmenter.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), own.numpy())


def test_what_selects_is_restored_with_the_trained_weights(tmp_path):
    """The weighting networks beside the segmenter, in float32 whatever the run computed in; no average."""
    recipe = tiny.recipe(*ALL_ON, "train.steps=6", "precision=mixed_bfloat16")
    one, run = build_trainer(recipe, build_networks(recipe)), RunFolder(tmp_path)
    one.train_step(batch_of())
    run.recipe_file.write_text(recipe.to_yaml())
    Checkpoints(one, run.checkpoints, keep=1).save_now(1)
    found = load_selecting(run, "last")
    assert found.step == 1 and list(found.weighting) == ["image"] and found.segmenter.compute_dtype == "float32"
    loaded = [*found.segmenter.variables, *found.weighting["image"].variables]
    for variable, own in zip(loaded, (*one.segmenter.variables, *one.weighting["image"].variables), strict=True):
        np.testing.assert_array_equal(variable.numpy(), own.numpy())


@pytest.mark.fault("the average of a run's weights holds a number that is not finite", "no checkpoint is written of it")
def test_an_average_that_is_not_finite_is_not_saved(tmp_path):
    one = trainer()
    average = one.players[0].average.variables[0]
    average.assign(tf.fill(average.shape, np.nan))
    with pytest.raises(NonFiniteError, match=r"step 3: the variable \S*kernel of player 'encoder' is not finite"):
        Checkpoints(one, tmp_path, keep=1).save(3)
    assert not list(tmp_path.glob("*/step-*"))


@pytest.mark.fault(
    "a checkpoint without averaged weights is loaded where `train.average` is set",
    "it is refused as one that does not fit",
)
def test_a_checkpoint_without_an_average_does_not_fit(tmp_path):
    Checkpoints(trainer("train.average=null"), tmp_path, keep=1).save_now(1)
    with pytest.raises(CheckpointError, match="does not fit the networks"):
        Checkpoints(trainer(), tmp_path, keep=1).restore()
    with pytest.raises(CheckpointError, match="does not fit the networks"):
        restore_segmenter(build_segmenter(tiny.recipe(*ALL_ON, "train.steps=6")), tmp_path, "last", averaged=True)


@pytest.mark.slow
def test_a_run_with_all_of_it_resumes_and_is_judged_by_its_averages(recipe_file, monkeypatch):
    """The best weights, loaded again, give the very counts that the validation had of the averages."""
    times = ["train.steps=4", "train.validate_every=2", "train.checkpoint_every=1", "train.log_every=1"]
    alone = ["method.source_weighting=none"]  # a domain and a player that are quick to trace
    whole, cut = (load_recipe(recipe_file, [*ALL_ON, *times, *alone, f"name={name}"]) for name in ("whole", "cut"))
    result = train(whole, export=False)
    recorded = json.loads((whole.run_dir / f"evaluations/step_{result.step:07d}.json").read_text())
    done = json.loads((whole.run_dir / "result.json").read_text())
    assert done["confusion_matrix"] == recorded["confusion_matrix"]
    assert evaluate_run(whole.run_dir).to_dict()["confusion_matrix"] == done["confusion_matrix"]
    rates = [float(row["learning_rate/encoder/fresh"]) for row in logged(whole.run_dir)]
    # After a step the log has the rate of the next one: the second of the warm-up, the decay's two, and 0.
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1 * 0.5**0.9, 0], rtol=1e-5)

    usual = Saving.after_step

    def interrupt(self, step, ending):
        usual(self, step, ending)
        if step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Saving, "after_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(cut, export=False)
    monkeypatch.undo()
    train(cut, export=False)
    for which in ("last", "best"):
        ours, theirs = tensors(cut.run_dir / "checkpoints" / which), tensors(whole.run_dir / "checkpoints" / which)
        assert ours == theirs and any("/average/" in name for name in ours)
