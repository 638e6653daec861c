"""Every compared system, trained for real on the toy city."""

import numpy as np
import pytest
import tensorflow as tf
from support.one_step import begin
from support.own_trainers import photographs
from support.paths import REPOSITORY

SYSTEMS = sorted(path.stem for path in (REPOSITORY / "recipes/systems").glob("*.yaml"))
SMALL = (
    *("method.pixelda.channels=4", "method.pixelda.blocks=1", "method.road.width=8"),
    *("method.lsd.generator_channels=[8, 8, 8, 8, 8]", "method.lsd.discriminator_channels=8"),
)
OWN = {
    "class_mix": ("data.labelled=0.5",),
    "adversarial_semi": ("data.labelled=0.5", "method.adversarial_semi.start=0.5"),
    "road": ("encoder.family=photographs", "encoder.weights=all"),
}
"""Of systems that do most where only some target images have labels, or that want pretrained weights."""
pytestmark = pytest.mark.usefixtures("photographs_known")


@pytest.fixture
def photographs_known():
    with photographs():
        yield


def systems(*quick: str):
    """All systems, of which those that are not ``quick`` are slow."""
    return pytest.mark.parametrize(
        "system", [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in SYSTEMS]
    )


@systems("fcn")
def test_losses_fall(recipe_file, system):
    trainer, batches = begin(recipe_file, system, "train.steps=50", *SMALL, *OWN.get(system, ()))
    steps = 0
    for phase in batches:
        step = tf.function(trainer.train_step)
        logs = [{name: float(value) for name, value in step(batch).items()} for batch in phase]
        steps += len(logs)
        assert all(np.isfinite(list(log.values())).all() for log in logs)
        for loss in {"loss/source", "loss/target", "loss/adapted"} & logs[0].keys():
            curve = [log[loss] for log in logs]
            tenth = len(curve) // 5
            assert np.mean(curve[-tenth:]) < 0.95 * np.mean(curve[:tenth]), loss
    assert steps == int(trainer.step) == 50


def after_a_step_of_each_phase(recipe_file, system, seed):
    """All weights."""
    trainer, batches = begin(recipe_file, system, "train.steps=4", f"seed={seed}", *SMALL, *OWN.get(system, ()))
    for phase in batches:
        for batch in phase.take(1):
            trainer.train_step(batch)
    return [v.numpy() for player in trainer.players for v in player.network.trainable_variables]


@systems("fcn")
def test_a_seed_repeats(recipe_file, system):
    one, again = (after_a_step_of_each_phase(recipe_file, system, seed=3) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))


@pytest.mark.parametrize("system", ["fcn", pytest.param("pixelda", marks=pytest.mark.slow)])  # of either trainer
def test_another_seed_does_not_repeat(recipe_file, system):
    one, other = (after_a_step_of_each_phase(recipe_file, system, seed) for seed in (3, 4))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
