"""What holds for every trainer of its own: it resumes, is shared out over replicas and parts, computes in bfloat16."""

import math

import numpy as np
import pytest
import tensorflow as tf
from support.one_step import observe
from support.own_trainers import ONE_OF_EACH, batch_for, build
from support.processes import with_two_devices
from support.two_replicas import compare_own_trainers

from hrs_keras.runs.checkpoints import Checkpoints

every_trainer = pytest.mark.parametrize("case", ONE_OF_EACH)


def values(trainer):
    """Everything that a trainer has: weights, optimizers, averages."""
    for player in trainer.players:
        yield from (v.numpy() for v in (*player.network.variables, *player.optimizer.variables))
        for average in player.averages.values():
            yield from (v.numpy() for v in average.variables)


@pytest.mark.slow
@every_trainer
def test_goes_on_from_a_checkpoint_bit_for_bit(case, tmp_path):
    """All that is random is on: dropout, label noise, and the looks of mixed images."""
    random = ("encoder.dropout=0.5", "method.label_noise=0.1", "method.mix.colour=0.2", "method.mix.blur=0.5")
    first, second, batch = build(case, *random), build(case, *random, "seed=0"), batch_for(case)
    first.train_step(batch)
    Checkpoints(first, tmp_path, keep=1).save_now(1)
    names = [name for name, _ in tf.train.list_variables(tf.train.latest_checkpoint(str(tmp_path / "last")))]
    assert any("/teacher/" in name for name in names) == bool(first.players[0].averages)
    saved = list(values(first))
    logs = first.train_step(batch)
    assert Checkpoints(second, tmp_path, keep=1).restore() and int(second.step) == 1
    for restored, value in zip(values(second), saved, strict=True):
        np.testing.assert_array_equal(restored, value)
    again = second.train_step(batch)
    assert {name: float(value) for name, value in again.items()} == {name: float(v) for name, v in logs.items()}
    ends = list(zip(values(second), values(first), saved, strict=True))
    assert all(np.array_equal(resumed, straight) for resumed, straight, _ in ends)
    assert any(np.any(straight != value) for _, straight, value in ends)


@pytest.mark.slow
@every_trainer
def test_parts_of_a_batch_add_up_to_the_whole(case):
    batch = batch_for(case, images=2)
    whole, parts = (observe(build(case, "train.batch_size=2", f"train.accumulate={n}"), batch) for n in (1, 2))
    assert whole.logs == pytest.approx(parts.logs, rel=1e-5)
    for player in whole.moved:
        for one, other in zip(whole.moved[player], parts.moved[player], strict=True):
            np.testing.assert_allclose(one, other, 0, 1e-4 * np.abs(one).max() + 2e-8, err_msg=player)


@every_trainer
@pytest.mark.usefixtures("bfloat16")
def test_mixed_precision_computes_losses_in_float32(case):
    trainer = build(case, "precision=mixed_bfloat16")
    assert trainer.segmenter.get_layer("score8").compute_dtype == "bfloat16"
    logs = trainer.train_step(batch_for(case))
    assert all(value.dtype == tf.float32 and math.isfinite(value) for value in logs.values())
    assert all(np.isfinite(value).all() for value in values(trainer))


@pytest.mark.slow
def test_two_replicas_equal_one_with_the_whole_batch():
    with_two_devices(compare_own_trainers)
