"""FusedAdam: Kingma & Ba's update, Keras's optimizer behaviour."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.optimizer_course import gradients, start, train
from support.processes import with_two_devices
from support.two_replicas import compare_optimizer

from hrs_keras.method.optimizer import FusedAdam, build_optimizer


def adam(steps, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-7, decay=0.0, factors=(1, 1)):
    """Algorithm 1 of Kingma & Ba 2015, in the form of its section 2 that Keras and TensorFlow take epsilon in.

    With ``decay`` line 12 of Algorithm 2 of Loshchilov & Hutter 2019 for the matrix, lambda being rate * decay; the
    rate of variable i is ``factors[i]`` times the learning rate.
    """
    theta = [value.astype(np.float64) for value in start()]
    m = [np.zeros_like(value) for value in theta]
    v = [np.zeros_like(value) for value in theta]
    trace = []
    for t, gradient in enumerate(steps, start=1):
        for i, g in enumerate(gradient):
            g = g.astype(np.float64)
            rate = learning_rate(t - 1) * factors[i]
            alpha = rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g**2
            shrunk = rate * decay * theta[i] if theta[i].ndim > 1 else 0
            theta[i] = theta[i] - alpha * m[i] / (np.sqrt(v[i]) + epsilon) - shrunk
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


# ---- what pretrained networks want ---------------------------------------------------------------------------------


def test_learning_rates_rise_and_then_decay():
    """By hand: of 3 steps the t-th has t / 3 of 0.1; then (1 - k / 5)^2 of it over the 5 others, and 0 ever after."""
    recipe = tiny.recipe("train.steps=8", "train.warmup=3", "train.decay_power=2", "train.learning_rate.generator=0.1")
    optimizer = build_optimizer(recipe, "generator")
    optimizer.build([variable := keras.Variable([1.0])])
    found = []
    for _ in range(10):
        found.append(float(optimizer.learning_rate))
        optimizer.apply([tf.constant([1.0])], [variable])
    expected = [0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.064, 0.036, 0.016, 0.004, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_without_a_warm_up_the_schedule_is_the_polynomial_decay_itself():
    config = build_optimizer(tiny.recipe("train.steps=8"), "encoder").get_config()
    assert config["learning_rate"]["class_name"] == "PolynomialDecay"
    assert config["learning_rate"]["config"]["decay_steps"] == 8


def test_a_warm_up_is_that_many_steps_before_the_schedule():
    """What follows is the run of the remaining steps without a warm-up."""
    warm, cold = (
        build_optimizer(tiny.recipe(f"train.steps={steps}", f"train.warmup={warmup}"), "encoder").learning_rate
        for steps, warmup in ((9, 4), (5, 0))
    )
    assert float(cold) == pytest.approx(4 * float(warm))


def test_weight_decay_is_that_of_loshchilov_and_hutter_for_the_matrix_alone():
    recipe = tiny.recipe(
        *("train.steps=12", "train.learning_rate.encoder=1e-2", "train.weight_decay.encoder=0.5"),
        *("train.warmup=3", "train.clip_norm.generator=1"),
    )
    found = train(build_optimizer(recipe, "encoder"), gradients())

    def rate(step):
        return 1e-2 * (step + 1) / 3 if step < 3 else reference.polynomial_decay(step - 3, 1e-2, 9)

    assert_same_course(found, adam(gradients(), rate, decay=0.5))
    assert build_optimizer(recipe, "generator").decoupled_decay == 0


def test_weight_decay_is_that_of_keras_adamw():
    options = {"learning_rate": 1e-2, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}
    found = train(FusedAdam(decoupled_decay=0.3, **options), gradients())
    decayed = train(keras.optimizers.AdamW(weight_decay=0.3, **options), gradients())
    plain = train(keras.optimizers.Adam(**options), gradients())
    assert_same_course(found, [[matrix, bias] for (matrix, _), (_, bias) in zip(decayed, plain, strict=True)])


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_variables_with_a_rate_of_their_own_decay_at_that_rate(decay):
    found = train(FusedAdam(1e-3, decoupled_decay=decay, rate_factors=[10, 1]), gradients())
    assert_same_course(found, adam(gradients(), lambda step: 1e-3, decay=decay, factors=(10, 1)))


def test_weight_decay_costs_what_does_not_decay_nothing():
    def operations(**options):
        variables = [keras.Variable(value) for value in start()]
        optimizer = FusedAdam(1e-2, **options)
        optimizer.build(variables)
        step = tf.function(lambda gradient: optimizer.apply(gradient, variables))
        graph = step.get_concrete_function([tf.constant(g) for g in gradients()[0]]).graph
        return collections.Counter(op.type for op in graph.get_operations())

    plain, decayed = operations(), operations(decoupled_decay=0.1)
    assert plain["AssignSubVariableOp"] == 0 and decayed["AssignSubVariableOp"] == 1
    assert plain["ResourceApplyAdam"] == decayed["ResourceApplyAdam"] == len(start())


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


@pytest.mark.parametrize(
    "changes", [(), ("train.warmup=4", "train.weight_decay.generator=0.2")], ids=["plain", "everything"]
)
def test_serialises_with_its_schedule(changes):
    recipe = tiny.recipe("train.steps=12", "train.decay_power=0.7", *changes)
    optimizer = build_optimizer(recipe, "generator", rate_factors=[1.0, 3.0] if changes else ())
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


@pytest.mark.slow
@pytest.mark.parametrize("everything", [False, True])
def test_two_replicas_add_their_gradients_up_and_stay_equal(everything):
    with_two_devices(compare_optimizer, everything)
