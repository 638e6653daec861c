"""Every compared system, trained for real on the toy city."""

import numpy as np
import pytest
import tensorflow as tf
from support.one_step import begin
from support.paths import REPOSITORY

SYSTEMS = sorted(path.stem for path in (REPOSITORY / "recipes/systems").glob("*.yaml"))
SMALL = ("method.pixelda.channels=4", "method.pixelda.blocks=1")


def systems(*quick: str):
    """All systems, of which those that are not ``quick`` are slow."""
    return pytest.mark.parametrize(
        "system", [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in SYSTEMS]
    )


@systems("fcn", "ours_w1")
def test_losses_fall(recipe_file, system):
    trainer, batches = begin(recipe_file, system, "train.steps=50", *SMALL)
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


@systems("fcn")
def test_a_seed_repeats_and_another_does_not(recipe_file, system):
    outcome = []
    for seed in (3, 3, 4):
        trainer, batches = begin(recipe_file, system, "train.steps=4", f"seed={seed}", *SMALL)
        for phase in batches:
            for batch in phase.take(1):
                trainer.train_step(batch)
        outcome.append([v.numpy() for player in trainer.players for v in player.network.trainable_variables])
    assert all(np.array_equal(a, b) for a, b in zip(outcome[0], outcome[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(outcome[0], outcome[2], strict=True))
