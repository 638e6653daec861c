"""n replicas with a batch of b are one with n*b on the same samples: weights after 5 steps, for every player."""

import subprocess
import sys

import pytest
from support.paths import TESTS

# Logical devices can only be set before TensorFlow starts: hence processes of their own.
REPLICAS = """
import sys
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
# Else rounding differs from run to run, and once in many runs a value that is nearly 0 falls on the other side of it.
tf.config.experimental.enable_op_determinism()
from support.one_step import batch_of, build

STEPS = 5
KINDS = "encoder", "weighting", "generator", "discriminator"
rates = [f"train.learning_rate.{kind}={rate}" for kind, rate in zip(KINDS, (0.03, 0.3, 0.3, 0.3))]
batches = tf.data.Dataset.from_tensors(batch_of(images=4)).repeat(STEPS)


def of_player(player):
    "What it trains, and the averages of that."
    return [*player.network.trainable_variables, *(player.average.variables if player.average else ())]


def trained(trainer):
    return [v for player in trainer.players for v in of_player(player)]


def compare(seed):
    ends, histories, shares = [], [], []
    for strategy in (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy()):
        with strategy.scope():
            trainer = build("train.steps=10", f"seed={seed}", *rates, *sys.argv[1:])
        for player in trainer.players:
            # Adam's steps have one length however small the gradient: where that is rounding error the runs would part.
            player.optimizer.epsilon = 1.0
        for variable in (v for p in trainer.players for v in p.network.trainable_variables):
            if not np.any(variable):
                # A bias begins at 0, of which nothing is a small part.
                variable.assign_add(tf.fill(variable.shape, 0.1))
        start = [v.numpy() for v in trained(trainer)]
        shared = strategy.experimental_distribute_dataset(batches)
        histories.append(trainer.fit(shared, shuffle=False, verbose=0).history)
        assert int(tf.convert_to_tensor(trainer.step)) == STEPS
        shares.append([trainer.selected.result().numpy(), *trainer.selected.per_class().numpy()])
        ends.append([v.numpy() for v in trained(trainer)])
        for variable in trained(trainer):
            first, *others = strategy.experimental_local_results(variable.value)
            for other in others:
                np.testing.assert_array_equal(first, other)
    np.testing.assert_allclose(shares[0], shares[1], rtol=1e-5)
    for name, value in histories[1].items():
        if name != "selected":  # logged as the mean of the replicas' shares, of which each counts its own pixels
            np.testing.assert_allclose(histories[0][name], value, rtol=1e-4, err_msg=name)
    paths = [f"{p.name}: {v.path}" for p in trainer.players for v in of_player(p)]
    worst, moved = {}, {}
    for path, two, one, first in zip(paths, *ends, start, strict=True):
        player = path.split(":")[0]
        size = max(np.linalg.norm(one), np.linalg.norm(first))
        worst[player] = max(worst.get(player, 0), np.linalg.norm(two - one) / size)
        moved[player] = max(moved.get(player, 0), np.linalg.norm(one - first) / size)
    print("worst", worst, "moved", moved)
    assert max(worst.values()) <= 1e-5, worst
    assert min(moved.values()) > 1e-4, moved


# Sums differ in their last bits, also from run to run. Now and then a unit then lies on the other side of a kink,
# and its gradient with it. A fault would show whatever the weights are.
for seed in range(3):
    try:
        compare(seed)
        break
    except AssertionError as error:
        print("seed", seed, error)
else:
    sys.exit("no seed gives equal weights")
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        (),
        (
            *("train.batch_size=4", "train.accumulate=2"),
            "train.clip_norm={encoder: 0.5, weighting: 0.05, generator: 0.01, discriminator: 0.01}",
        ),
        (
            *("train.schedule=alternating", "method.channels=per_class", "train.warmup=2", "train.average=0.7"),
            "train.weight_decay={encoder: 0.5, weighting: 0.05}",
        ),
    ],
    ids=["plain", "accumulated and clipped", "alternating, averaged and decayed"],
)
def test_two_replicas_equal_one_with_the_whole_batch(changes):
    command = [sys.executable, "-c", REPLICAS, *changes]
    result = subprocess.run(command, cwd=TESTS, capture_output=True, text=True)
    assert "equal" in result.stdout, result.stdout + result.stderr
