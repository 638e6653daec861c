"""Half precision: it learns as float32 does, and float16 survives gradients that overflow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.one_step import batch_of, begin, build

from hrs_keras.runs.checkpoints import Checkpoints


@pytest.fixture
def policy():
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def curve(recipe_file, precision, policy, steps):
    """The target's loss in the first of 50 steps; nothing random but the order of the images."""
    policy(precision)
    # In bfloat16 oneDNN's gradient of a strided convolution of a single pixel, as in D of 32x64, is not to be trusted.
    size = "data.size=[64, 128]"
    calm = ("encoder.dropout=0", "method.label_noise=0", "data.augment={}")
    trainer, (batches,) = begin(recipe_file, "ours_w1", "train.steps=50", f"precision={precision}", size, *calm)
    step = tf.function(trainer.train_step)
    logs = [step(batch) for batch in batches.take(steps)]
    scales = [float(p.optimizer.scale_loss(1.0)) for p in trainer.players]
    assert all(scale > 1 for scale in scales) if precision == "mixed_float16" else scales == [1] * len(scales)
    return np.array([float(log["loss/target"]) for log in logs])


@pytest.mark.slow
def test_half_precision_learns_as_float32_does(recipe_file, policy):
    """Ten steps' mean loss is within 10 % of float32's, which has fallen by a quarter. A step in float16 is slow."""
    exact = curve(recipe_file, "float32", policy, 50)
    for precision, steps in (("mixed_bfloat16", 50), ("mixed_float16", 25)):
        expected = exact[steps - 10 : steps].mean()
        assert expected < 0.75 * exact[:5].mean()
        half = curve(recipe_file, precision, policy, steps)
        assert half[-10:].mean() == pytest.approx(expected, rel=0.1), precision


@pytest.mark.slow
def test_a_scale_that_is_too_large_is_halved_and_the_step_left_out(policy, tmp_path):
    policy("mixed_float16")
    trainer, batch = build("precision=mixed_float16"), batch_of()
    for player in trainer.players:
        player.optimizer.dynamic_scale.assign(2.0**100)
    before = [v.numpy() for player in trainer.players for v in player.variables]
    logs = trainer.train_step(batch)
    assert all(np.isfinite(float(value)) for name, value in logs.items() if name.startswith("loss/"))
    assert all(np.array_equal(v, b) for v, b in zip(weights(trainer), before, strict=True))
    assert [float(player.optimizer.dynamic_scale) for player in trainer.players] == [2.0**99] * len(trainer.players)
    assert int(trainer.step) == 1 and int(trainer.players[0].optimizer.iterations) == 0

    # Scales belong to a checkpoint, and the steps taken are not those that were left out.
    Checkpoints(trainer, tmp_path, keep=1).save_now(1)
    again = build("precision=mixed_float16")
    assert Checkpoints(again, tmp_path, keep=1).restore()
    assert int(again.step) == 1 and float(again.players[-1].optimizer.dynamic_scale) == 2.0**99

    for player in again.players:
        player.optimizer.dynamic_scale.assign(2.0**10)
    again.train_step(batch)
    moved = [not np.array_equal(v, b) for v, b in zip(weights(again), before, strict=True)]
    assert int(again.step) == 2 and np.mean(moved) > 0.9


def weights(trainer):
    return [v.numpy() for player in trainer.players for v in player.variables]
