"""FusedAdam: Kingma & Ba's update, Keras's optimizer behaviour."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.optimizer_course import gradients, start, train
from support.paths import TESTS

from hrs_keras.method.optimizer import FusedAdam, build_optimizer


def adam(steps, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-7):
    """Algorithm 1 of Kingma & Ba 2015, in the form of its section 2 that Keras and TensorFlow take epsilon in."""
    theta = [value.astype(np.float64) for value in start()]
    m = [np.zeros_like(value) for value in theta]
    v = [np.zeros_like(value) for value in theta]
    trace = []
    for t, gradient in enumerate(steps, start=1):
        alpha = learning_rate(t - 1) * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        for i, g in enumerate(gradient):
            g = g.astype(np.float64)
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g**2
            theta[i] = theta[i] - alpha * m[i] / (np.sqrt(v[i]) + epsilon)
        trace.append([value.copy() for value in theta])
    return trace


def assert_same_course(found, expected):
    """Equal changes, not only equal values: ten steps move a weight by far less than its size."""
    for step_found, step_expected in zip(found, expected, strict=True):
        for a, b, first in zip(step_found, step_expected, start(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(a - first, b - first, rtol=1e-4, atol=3e-7)


@pytest.mark.parametrize("kind", ["encoder", "weighting", "generator", "discriminator"])
def test_agrees_with_kingma_and_ba_under_polynomial_decay(kind):
    rates = {"encoder": 1e-2, "weighting": 2e-2, "generator": 3e-2, "discriminator": 4e-2}
    recipe = tiny.recipe("train.steps=12", *(f"train.learning_rate.{k}={rate}" for k, rate in rates.items()))
    found = train(build_optimizer(recipe, kind), gradients())
    assert_same_course(found, adam(gradients(), lambda step: reference.polynomial_decay(step, rates[kind], 12)))


def test_clips_the_norm_of_all_gradients_together():
    recipe = tiny.recipe("train.steps=12", "train.learning_rate.encoder=1e-2", "train.clip_norm.encoder=0.01")
    norms = [np.sqrt(sum((g.astype("float64") ** 2).sum() for g in gradient)) for gradient in gradients()]
    assert min(norms) < 0.01 < max(norms)
    clipped = [
        [(g * min(1, 0.01 / norm)).astype("float32") for g in gradient]
        for gradient, norm in zip(gradients(), norms, strict=True)
    ]
    found = train(build_optimizer(recipe, "encoder"), gradients())
    assert_same_course(found, adam(clipped, lambda step: reference.polynomial_decay(step, 1e-2, 12)))
    free = build_optimizer(recipe, "generator")
    assert free.global_clipnorm is None


def test_stands_still_once_the_learning_rate_has_decayed():
    recipe = tiny.recipe("train.steps=4", "train.learning_rate.encoder=0.1")
    trace = train(build_optimizer(recipe, "encoder"), gradients())
    for later in trace[4:]:
        for a, b in zip(later, trace[3], strict=True):
            np.testing.assert_array_equal(a, b)


def test_agrees_with_keras_adam():
    options = {"learning_rate": 1e-2, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}
    assert_same_course(train(FusedAdam(**options), gradients()), train(keras.optimizers.Adam(**options), gradients()))


def test_same_result_within_a_traced_function():
    variables = [keras.Variable(value) for value in start()]
    optimizer = FusedAdam(1e-2)
    optimizer.build(variables)
    step = tf.function(lambda gradient: optimizer.apply(gradient, variables))
    for gradient in gradients():
        step([tf.constant(g) for g in gradient])
    expected = train(FusedAdam(1e-2), gradients())[-1]
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-6)


def test_updates_are_one_kernel_a_variable():
    variables = [keras.Variable(value) for value in start()]
    optimizer = FusedAdam(1e-2)
    optimizer.build(variables)
    step = tf.function(lambda gradient: optimizer.apply(gradient, variables))
    graph = step.get_concrete_function([tf.constant(g) for g in gradients()[0]]).graph
    assert [op.type for op in graph.get_operations()].count("ResourceApplyAdam") == len(variables)


def test_serialises_with_its_schedule():
    optimizer = build_optimizer(tiny.recipe("train.steps=12", "train.decay_power=0.7"), "generator")
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(copy, FusedAdam)
    assert copy.get_config() == optimizer.get_config()
    assert_same_course(train(copy, gradients()), train(optimizer, gradients()))


def test_continues_from_its_saved_state():
    variables = [keras.Variable(value) for value in start()]
    first = FusedAdam(1e-2)
    first.build(variables)
    for gradient in gradients()[:5]:
        first.apply([tf.constant(g) for g in gradient], variables)
    state = {}
    first.save_own_variables(state)
    second = FusedAdam(1e-2)
    second.build(variables)
    second.load_own_variables({key: np.array(value) for key, value in state.items()})
    for gradient in gradients()[5:]:
        second.apply([tf.constant(g) for g in gradient], variables)
    expected = train(FusedAdam(1e-2), gradients())[-1]
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-6)


TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
from hrs_keras.method.optimizer import FusedAdam
from support.optimizer_course import gradients, start, train

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    variables = [keras.Variable(value) for value in start()]
    optimizer = FusedAdam(1e-2)
    optimizer.build(variables)

@tf.function
def step(gradient):
    # Replica i gives (i + 1) thirds of the gradient; the sum over the replicas is the whole.
    def of_replica():
        share = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group + 1, tf.float32) / 3
        summed = tf.distribute.get_replica_context().all_reduce("sum", [share * g for g in gradient])
        optimizer.apply(summed, variables)
    strategy.run(of_replica)

for gradient in gradients():
    step([tf.constant(g) for g in gradient])
for variable, value in zip(variables, train(FusedAdam(1e-2), gradients())[-1]):
    for copy in strategy.experimental_local_results(variable.value):
        np.testing.assert_allclose(copy.numpy(), value, rtol=1e-5)
    assert len(strategy.experimental_local_results(variable.value)) == 2
print("equal")
"""


@pytest.mark.slow
def test_two_replicas_add_their_gradients_up_and_stay_equal():
    # Logical devices can only be set before TensorFlow starts: hence a process of its own.
    result = subprocess.run([sys.executable, "-c", TWO_REPLICAS], cwd=TESTS, capture_output=True, text=True)
    assert result.stdout.strip().endswith("equal"), result.stderr
