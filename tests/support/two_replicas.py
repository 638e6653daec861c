"""Training on two replicas beside one: run by :func:`support.processes.with_two_devices`."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.method.average import Average, Teacher
from hrs_keras.method.optimizer import FusedAdam
from hrs_keras.method.players import Player
from hrs_keras.method.trainer import Trainer
from hrs_keras.method.trainers.pixelda import PixelDATrainer
from support import one_step, own_trainers, pixelda_step
from support.optimizer_course import dense, gradients

STEPS = 5


def _both() -> list[tf.distribute.Strategy]:
    return [tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy()]


def _of_player(player: Player) -> list[keras.Variable]:
    """What it trains, and the averages of it."""
    return [*player.network.trainable_variables, *(v for of in player.averages.values() for v in of.variables)]


def _trained(trainer: Trainer) -> list[keras.Variable]:
    return [v for player in trainer.players for v in _of_player(player)]


def _compare(overrides: Sequence[str]) -> None:
    """All weights after some steps of the joint trainer, each replica with half of the images."""
    kinds = "encoder", "weighting", "generator", "discriminator"
    rates = [f"train.learning_rate.{kind}={rate}" for kind, rate in zip(kinds, (0.03, 0.3, 0.3, 0.3), strict=True)]
    batches = tf.data.Dataset.from_tensors(one_step.batch_of(images=4)).repeat(STEPS)
    ends, histories, shares = [], [], []
    for strategy in _both():
        with strategy.scope():
            trainer = one_step.build("train.steps=10", *rates, *overrides)
        for player in trainer.players:
            # Adam's steps have one length however small the gradient: where that is rounding error the runs would part.
            player.optimizer.epsilon = 1.0
        for variable in (v for p in trainer.players for v in p.network.trainable_variables):
            if not np.any(variable):
                # A bias begins at 0, of which nothing is a small part.
                variable.assign_add(tf.fill(variable.shape, 0.1))
        start = [v.numpy() for v in _trained(trainer)]
        shared = strategy.experimental_distribute_dataset(batches)
        histories.append(trainer.fit(shared, shuffle=False, verbose=0).history)
        assert int(tf.convert_to_tensor(trainer.step)) == STEPS
        shares.append([trainer.selected.result().numpy(), *trainer.selected.per_class().numpy()])
        ends.append([v.numpy() for v in _trained(trainer)])
        for variable in _trained(trainer):
            first, *others = strategy.experimental_local_results(variable.value)
            for other in others:
                np.testing.assert_array_equal(first, other)
    np.testing.assert_allclose(shares[0], shares[1], rtol=1e-5)
    for name, value in histories[1].items():
        if name != "selected":  # logged as the mean of the replicas' shares, of which each counts its own pixels
            np.testing.assert_allclose(histories[0][name], value, rtol=1e-4, err_msg=name)
    paths = [f"{p.name}: {v.path}" for p in trainer.players for v in _of_player(p)]
    worst: dict[str, float] = {}
    moved: dict[str, float] = {}
    for path, two, one, first in zip(paths, *ends, start, strict=True):
        player = path.split(":")[0]
        size = max(np.linalg.norm(one), np.linalg.norm(first))
        worst[player] = max(worst.get(player, 0), np.linalg.norm(two - one) / size)
        moved[player] = max(moved.get(player, 0), np.linalg.norm(one - first) / size)
    assert max(worst.values()) <= 1e-5, worst
    assert min(moved.values()) > 1e-4, moved


def compare_joint(*overrides: str) -> None:
    """The joint trainer's weights on two replicas are those on one, for one of three seeds.

    Sums differ in their last bits, also from run to run. Now and then a unit then lies on the other side of a kink, and
    its gradient with it. A fault would show whatever the weights are.
    """
    # Else rounding differs from run to run, and once in many runs a value that is nearly 0 is on the other side of it.
    tf.config.experimental.enable_op_determinism()
    for seed in range(3):
        try:
            return _compare([f"seed={seed}", *overrides])
        except AssertionError as error:
            print("seed", seed, error)
    raise AssertionError("no seed gives equal weights")


def compare_pixelda() -> None:
    """The PixelDA trainer's weights on two replicas are those on one."""
    # Replicas draw noise of their own; here it is to be the same for all images.
    PixelDATrainer.noise = lambda self, images, part: tf.tile(tf.linspace([-1.0], 1.0, 10, axis=1), [images, 1])
    batches = tf.data.Dataset.from_tensors(one_step.batch_of()).repeat(3)
    ends, histories = [], []
    for strategy in _both():
        with strategy.scope():
            rates = [f"train.learning_rate.{name}=1" for name in pixelda_step.PLAYERS]
            trainer = pixelda_step.build("train.steps=10", *rates)
        for player in trainer.players:
            player.optimizer.epsilon = 1.0  # Adam's steps are of one length, rounding errors' too, where it is small
        start = _flat(trainer)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        histories.append(trainer.fit(batches.with_options(options), shuffle=False, verbose=0).history)
        ends.append(_flat(trainer))
    for name, value in histories[1].items():
        np.testing.assert_allclose(histories[0][name], value, rtol=1e-5, err_msg=name)
    for name, first, two, one in zip(pixelda_step.PLAYERS, start, *ends, strict=True):
        move = np.linalg.norm(two - one) / np.linalg.norm(one - first)
        assert move < 1e-3, (name, move)


def compare_own_trainers() -> None:
    """The weights of trainers of their own, and what they average, on two replicas are those on one."""
    tf.config.experimental.enable_op_determinism()
    # Once: a second mirrored strategy of a process would mistake the first one's collectives for its own.
    strategies = _both()
    for case in own_trainers.ONE_OF_EACH:
        batches = tf.data.Dataset.from_tensors(own_trainers.batch_for(case))
        runs = []
        for strategy in strategies:
            with strategy.scope():
                rates = [f"train.learning_rate.{name}=0.1" for name in ("encoder", "generator", "discriminator")]
                trainer = own_trainers.build(case, *rates)
            for player in trainer.players:
                player.optimizer.epsilon = 1.0  # see compare_pixelda
            variables = _trained(trainer)
            start = [v.numpy() for v in variables]
            shared = strategy.experimental_distribute_dataset(batches)
            runs.append([])
            for _ in range(2):
                history = trainer.fit(shared, shuffle=False, verbose=0).history
                runs[-1].append((history, [v.numpy() for v in variables]))
            for variable in variables:
                first, *others = strategy.experimental_local_results(variable.value)
                assert all(np.array_equal(first, other) for other in others), (case, variable.path)
        # In the second step a ReLU or a maximum may decide otherwise for what differs by rounding.
        for tolerance, (two_history, two), (one_history, one) in zip((1e-4, 1e-2), *runs, strict=True):
            for name, value in one_history.items():
                np.testing.assert_allclose(two_history[name], value, rtol=tolerance, err_msg=f"{case}: {name}")
            for variable, first, of_two, of_one in zip(variables, start, two, one, strict=True):
                moved = np.linalg.norm(of_one - first)
                assert np.linalg.norm(of_two - of_one) <= tolerance * moved, (case, tolerance, variable.path)


def _flat(trainer: Trainer) -> list[np.ndarray]:
    """Of each player all weights, in one row."""
    return [np.concatenate([v.numpy().ravel() for v in p.network.trainable_variables]) for p in trainer.players]


def compare_optimizer(everything: bool) -> None:
    """The fused Adam adds the replicas' gradients up; their copies stay equal.

    Args:
        everything: with weight decay, rates of parts, averages, and a loss scale that overflows once.
    """
    mirrored, single = (_course(strategy, everything) for strategy in _both())
    assert len(mirrored) == (6 if everything else 2)
    for copies, (value,) in zip(mirrored, single, strict=True):
        assert len(copies) == 2
        np.testing.assert_array_equal(*copies)
        np.testing.assert_allclose(copies[0], value, rtol=1e-5)


def _course(strategy: tf.distribute.Strategy, everything: bool) -> list[list[np.ndarray]]:
    """Values of kernel and bias and of their averages, on each replica, after ten steps."""
    scale = 2.0**10 if everything else None
    with strategy.scope():
        network = dense()
        averages = [Average(network, 0.9), Teacher(network, 0.8)] if everything else []
        options = {"decoupled_decay": 0.3, "rate_factors": [1, 10]} if everything else {}
        optimizer = FusedAdam(1e-2, averages=averages, **options)
        if scale:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
        optimizer.build(network.trainable_variables)

    @tf.function
    def step(gradient: Sequence[tf.Tensor]) -> None:
        strategy.run(_share(gradient, scale, lambda summed: optimizer.apply(summed, network.trainable_variables)))

    for number, gradient in enumerate(gradients()):
        if scale and number == 5:  # overflows: left out
            step([tf.fill(g.shape, np.inf) for g in gradient])
            optimizer.dynamic_scale.assign(scale)
        step([tf.constant(g) for g in gradient])
    variables = [*network.trainable_variables, *(v for average in averages for v in average.variables)]
    return [[copy.numpy() for copy in strategy.experimental_local_results(v.value)] for v in variables]


def _share(
    gradient: Sequence[tf.Tensor], scale: float | None, apply: Callable[[list[tf.Tensor]], object]
) -> Callable[[], None]:
    """What a replica does: of two, i gives (i + 1) thirds of the gradient; the sum over them is the whole."""

    def of_replica() -> None:
        context = tf.distribute.get_replica_context()
        share = tf.cast(context.replica_id_in_sync_group + 1, tf.float32)
        share = share / 3 if context.num_replicas_in_sync == 2 else share
        apply(context.all_reduce("sum", [share * (scale or 1) * g for g in gradient]))

    return of_replica
