"""Every compared system, trained for real on the toy city."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import REPOSITORY

from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import training_batches
from hrs_keras.models import build_networks
from hrs_keras.recipe import load_recipe
from hrs_keras.training import TRAINERS

SYSTEMS = sorted(path.stem for path in (REPOSITORY / "recipes/systems").glob("*.yaml"))


def begin(recipe_file, system, *overrides):
    """A trainer and, for each phase, its batches."""
    recipe = load_recipe([recipe_file, REPOSITORY / f"recipes/systems/{system}.yaml"], overrides)
    sets = audit(recipe).sets
    trainer = TRAINERS[recipe.method.trainer](recipe, build_networks(recipe))
    batches = [training_batches(recipe, sets, phase.first) for phase in recipe.phases]
    return trainer, batches


@pytest.mark.parametrize("system", SYSTEMS)
def test_losses_fall(recipe_file, system):
    trainer, batches = begin(
        recipe_file, system, "train.steps=50", "method.pixelda.channels=4", "method.pixelda.blocks=1"
    )
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


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_seed_repeats_and_another_does_not(recipe_file, system):
    outcome = []
    for seed in (3, 3, 4):
        trainer, batches = begin(recipe_file, system, "train.steps=4", f"seed={seed}")
        for phase in batches:
            for batch in phase.take(1):
                trainer.train_step(batch)
        outcome.append([v.numpy() for player in trainer.players for v in player.network.trainable_variables])
    assert all(np.array_equal(a, b) for a, b in zip(outcome[0], outcome[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(outcome[0], outcome[2], strict=True))
