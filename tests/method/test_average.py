"""The average of weights: against sums written out, where it is looked at, and where steps are left out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.one_step import batch_of, build
from support.optimizer_course import dense, gradients, start

from hrs_keras.method.average import Average, Teacher
from hrs_keras.method.optimizer import FusedAdam

PLAIN = ("method.source_weighting=plain", "method.gan=false")


def course(decay, scaled=False):
    """A network and its average, and the weights after each of ten steps."""
    network = dense()
    average = Average(network, decay)
    optimizer = FusedAdam(1e-2, averages=[average])
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0)
    optimizer.build(network.trainable_variables)
    for gradient in gradients():
        optimizer.apply([tf.constant(g) for g in gradient], network.trainable_variables)
        yield network, average, optimizer


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_is_the_weighted_mean_of_the_weights_after_each_update(decay):
    values = []
    for n, (network, average, _) in enumerate(course(decay), 1):
        values.append([value.astype("float64") for value in network.get_weights()])
        shares = decay ** np.arange(n - 1, -1, -1)
        for number, variable in enumerate(average.variables):
            expected = sum(share * value[number] for share, value in zip(shares, values, strict=True)) / shares.sum()
            np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6, atol=1e-7)


def test_two_updates_by_hand():
    """d = 0.75: after updates to 1 and to 8 it is (0.75 * 1 + 8) / 1.75 = 5; the initial 100 does not count."""
    network = dense()
    average = Average(network, 0.75)
    average.variables[1].assign(tf.fill((5,), 100.0))
    average.follow(1, tf.ones(5), tf.constant(1.0))
    np.testing.assert_allclose(average.variables[1].numpy(), 1, rtol=1e-5)
    average.follow(1, tf.fill((5,), 8.0), tf.constant(2.0))
    np.testing.assert_allclose(average.variables[1].numpy(), 5, rtol=1e-5)


def test_a_teacher_is_a_copy_then_the_plain_mean_and_then_exponential():
    """Weights of 1, 2, 3 after the first updates give 1, 1.5, 2; from update 100 on a hundredth of each is new."""
    network = dense()
    teacher = Teacher(network, 0.99)
    for update, (student, expected) in enumerate([(1, 1), (2, 1.5), (3, 2)], 1):
        teacher.follow(1, tf.fill((5,), float(student)), tf.constant(float(update)))
        np.testing.assert_allclose(teacher.variables[1].numpy(), expected, rtol=1e-6)
    shares = [float(teacher.share(tf.constant(float(n)))) for n in (1, 2, 50, 99, 100, 101, 1000)]
    assert shares == pytest.approx([1, 1 / 2, 1 / 50, 1 / 99, 0.01, 0.01, 0.01], rel=1e-5)


def test_before_the_first_update_it_is_the_initial_weights():
    for variable, value in zip(Average(dense(), 0.9).variables, start(), strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_step_that_overflows_is_not_averaged():
    *_, (network, average, optimizer) = course(0.9, scaled=True)
    before = [value.numpy() for value in average.variables]
    for value in (np.inf, np.nan):
        optimizer.apply([tf.fill(v.shape, value) for v in network.trainable_variables], network.trainable_variables)
    for variable, value in zip(average.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert int(optimizer.iterations) == len(gradients())


def test_answers_with_averaged_weights_and_the_networks_own_statistics():
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(image))
    network = keras.Model(image, {"logits": keras.layers.Conv2D(2, 1)(x)})
    average = Average(network, 0.9)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)).astype("float32")
    network(images, training=True)  # moves the statistics
    for number, variable in enumerate(average.variables):
        variable.assign(variable + 0.1 * (number + 1))
    copy = keras.models.clone_model(network)
    for one, other in zip(copy.variables, network.variables, strict=True):
        one.assign(other)
    for one, other in zip(copy.trainable_variables, average.variables, strict=True):
        one.assign(other)
    before = [value.copy() for value in network.get_weights()]
    np.testing.assert_allclose(average(images)["logits"], copy(images)["logits"], rtol=1e-6)
    np.testing.assert_allclose(tf.function(average)(images)["logits"], copy(images)["logits"], rtol=1e-5, atol=1e-6)
    assert not np.allclose(average(images)["logits"], network(images)["logits"], rtol=1e-2)
    for value, kept in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


@pytest.mark.slow
def test_a_trainer_answers_with_it_and_selects_and_trains_without():
    trainer, plain = build("train.average=0.5"), build()
    assert plain.evaluated is plain.segmenter
    assert [player.name for player in trainer.players if player.average] == ["encoder"]
    images, labels = batch_of()["source"]
    for _ in range(2):
        trainer.train_step(batch_of())
        plain.train_step(batch_of())
    for one, other in zip(trainer.players, plain.players, strict=True):
        for a, b in zip(one.network.get_weights(), other.network.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    selected = [each.selection_maps(images, labels)["H"] for each in (trainer, plain)]
    np.testing.assert_array_equal(*selected)
    averaged = trainer(images)
    assert not np.array_equal(averaged, plain(images))
    trainer.segmenter.set_weights([value.numpy() for value in trainer.players[0].average.variables])
    np.testing.assert_allclose(averaged, trainer.segmenter(images)["logits"], rtol=1e-4, atol=1e-5)


def test_half_precision_averages_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trainer = build("train.average=0.5", "precision=mixed_bfloat16", *PLAIN)
    finally:
        keras.config.set_dtype_policy("float32")
    average = trainer.players[0].average
    assert {variable.dtype for variable in average.variables} == {"float32"}
    images = batch_of()["target"][0]
    np.testing.assert_array_equal(trainer(images), trainer.segmenter(images)["logits"])  # initial weights
