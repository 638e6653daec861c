"""Adversarial semi-supervised training: its losses by hand, one step against NumPy, and when it teaches itself."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import gradient_norms, observe
from support.own_trainers import assert_follows, batch_for, build

from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.models.weighting import weighting_network

SEMI = "adversarial_semi, some labels"
ALL = "adversarial_semi, all labels"
each_system = pytest.mark.parametrize("case", [SEMI, ALL])


# ---- the losses, by hand -----------------------------------------------------------------------------------------


def logits_of(*probabilities):
    """[1, 1, n, 2]: pixels whose first class has these probabilities."""
    return tf.constant([[[[math.log(p), math.log(1 - p)] for p in probabilities]]], tf.float32)


def verdict_of(*logits):
    return tf.constant([[[[logit] for logit in logits]]], tf.float32)


def test_a_pixel_is_believed_where_the_discriminator_takes_it_for_labels():
    """sigmoid(0) = 0.5, sigmoid(-2) = 0.119203: of these 0.2 keeps the first, -ln 0.7 = 0.356675."""
    logits, verdict = logits_of(0.7, 0.9), verdict_of(0, -2)
    np.testing.assert_array_equal(adaptation.believed_labels(logits, verdict, 0.2), [[[0, 255]]])
    np.testing.assert_allclose(adaptation.self_taught_loss(logits, verdict, 0.2), [0.356675], rtol=1e-5)


def test_a_prediction_that_is_believed_nowhere_teaches_nothing():
    logits, verdict = logits_of(0.7, 0.9), verdict_of(-2, -3)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = adaptation.self_taught_loss(logits, verdict, 0.2)
    assert loss == 0 and not np.any(tape.gradient(loss, logits))


def test_verdicts_by_hand():
    """To 1: (0.693147 + 2.126928) / 2, to 0: (0.693147 + 0.126928) / 2."""
    verdict, first = verdict_of(0, -2), tf.constant([[[True, False]]])
    np.testing.assert_allclose(adaptation.verdict_loss(verdict, 1.0), [1.410038], atol=1e-6)
    np.testing.assert_allclose(adaptation.verdict_loss(verdict, 0.0), [0.410038], atol=1e-6)
    np.testing.assert_allclose(adaptation.verdict_loss(verdict_of(1, 3), 1.0), [0.180925], atol=1e-6)
    np.testing.assert_allclose(adaptation.verdict_loss(verdict, 1.0, first), [0.693147], atol=1e-6)
    np.testing.assert_array_equal(adaptation.verdict_loss(verdict, 1.0, tf.zeros((1, 1, 2), tf.bool)), [0])


def test_an_ignored_pixel_of_a_label_is_the_zero_vector():
    found = adaptation.one_hot_labels(tf.constant([[[1, 255]]]), 3)
    np.testing.assert_array_equal(found, [[[[0, 1, 0], [0, 0, 0]]]])


# ---- one step ------------------------------------------------------------------------------------------------------


@functools.cache
def observed(case):
    return observe(build(case), batch_for(case))


def test_the_objectives_by_hand():
    """0.5 + 0.0141004 + 0.0014100 + 0.0356675 = 0.551178, and before the start without the last."""
    trainer = build(SEMI, "method.adversarial_semi.start=0.25", "train.steps=20")
    loss = {"target": 0.5, "adversarial/target": 1.410038, "adversarial/unlabelled": 1.410038, "self_taught": 0.356675}
    loss = {name: tf.constant(value) for name, value in loss.items()} | {"discriminator": tf.constant(0.295481)}
    found = []
    for step in (0, 4, 5, 19):
        trainer.steps.assign(step)
        found.append(float(trainer.objectives_of(loss)["encoder"]))
        assert trainer.objectives_of(loss)["discriminator"] is loss["discriminator"]
    assert found == pytest.approx([0.515510, 0.515510, 0.551178, 0.551178], rel=1e-5)


def outputs(case):
    """Every network run once more, by itself: of each domain images, labels, logits and verdict; labels' verdict."""
    seen = observed(case)
    trainer, found = seen.trainer, {}
    for name, (x, y) in seen.batch.items():
        logits = trainer.segmenter(x)["logits"].numpy()
        verdict = trainer.discriminator(reference.softmax(logits).astype("float32")).numpy()
        found[name] = x, y.numpy(), logits, verdict
    one_hot = np.eye(256, dtype="float32")[found["target"][1]][..., : tiny.CLASSES]
    return found, trainer.discriminator(one_hot).numpy()


def judged(verdict, wanted, valid):
    """Binary cross-entropy, averaged over the valid pixels of each image and then over the images."""
    loss = wanted * np.logaddexp(0, -verdict[..., 0]) + (1 - wanted) * np.logaddexp(0, verdict[..., 0])
    return np.mean([image[counts].mean() for image, counts in zip(loss.astype("float64"), valid, strict=True)])


@each_system
def test_logged_losses(case):
    seen, (found, of_labels) = observed(case), outputs(case)
    _, y, logits, verdict = found["target"]
    valid = y != tiny.IGNORE
    expected = {"loss/target": reference.target_segmentation_loss(y, logits).mean()}
    expected["loss/adversarial/target"] = judged(verdict, 1, valid)
    fake = [judged(verdict, 0, valid)]
    if case == SEMI:
        _, hidden, logits, verdict = found["unlabelled"]
        everywhere = np.ones_like(valid)
        expected["loss/adversarial/unlabelled"] = judged(verdict, 1, everywhere)
        kept = 1 / (1 + np.exp(-verdict[..., 0])) >= 0.54
        assert 0.05 < kept.mean() < 0.95 and np.all(hidden == tiny.IGNORE)
        believed = np.where(kept, logits.argmax(-1), tiny.IGNORE)
        expected["loss/self_taught"] = reference.target_segmentation_loss(believed, logits).mean()
        fake.append(judged(verdict, 0, everywhere))
    expected["loss/discriminator"] = (np.mean(fake) + judged(of_labels, 1, valid)) / 2
    norms = {name: value for name, value in seen.logs.items() if name.startswith("gradient_norm/")}
    assert {n: v for n, v in seen.logs.items() if n not in norms} == pytest.approx(expected, rel=1e-5)
    assert norms == pytest.approx(gradient_norms(seen), rel=1e-3)


def naive_objective(case, player):
    """What a player minimises, from a forward pass of its own and written out in plain TensorFlow."""
    seen, (found, _) = observed(case), outputs(case)
    trainer, total = seen.trainer, 0.0
    y = found["target"][1]
    counted = {"target": np.eye(256, dtype="float32")[y][..., : tiny.CLASSES]}
    if case == SEMI:
        _, _, logits, verdict = found["unlabelled"]
        kept = 1 / (1 + np.exp(-verdict)) >= 0.54
        counted["unlabelled"] = np.eye(tiny.CLASSES, dtype="float32")[logits.argmax(-1)] * kept
    for name, one_hot in counted.items():
        logits = trainer.segmenter(found[name][0])["logits"]
        p = tf.nn.softmax(logits)
        weight = one_hot.sum(-1) if name == "target" else np.ones_like(one_hot[..., 0])  # where D judges

        def mean(loss, weight=weight):
            return tf.reduce_mean(tf.reduce_sum(loss * weight, [1, 2]) / weight.sum((1, 2)))

        if player == "encoder":
            cross_entropy = tf.reduce_sum(-tf.nn.log_softmax(logits) * one_hot, [1, 2, 3]) / one_hot.sum((1, 2, 3))
            share = {"target": (1.0, 0.01), "unlabelled": (0.1, 0.001)}[name]
            total += share[0] * tf.reduce_mean(cross_entropy)
            total += share[1] * mean(tf.math.softplus(-trainer.discriminator(p)[..., 0]))
        else:
            total += mean(tf.math.softplus(trainer.discriminator(tf.constant(p.numpy()))[..., 0])) / len(counted) / 2
        if player == "discriminator" and name == "target":
            total += mean(tf.math.softplus(-trainer.discriminator(one_hot)[..., 0])) / 2
    return total


@each_system
def test_every_player_follows_the_gradient_of_its_own_objective_alone(case):
    assert [player.name for player in observed(case).trainer.players] == ["encoder", "discriminator"]
    assert_follows(observed(case), functools.partial(naive_objective, case))


def test_the_discriminator_can_leave_maps_without_labels_out():
    trainer = build(SEMI, "method.adversarial_semi.judge_unlabelled=false")
    found, of_labels = outputs(SEMI)
    _, y, _, verdict = found["target"]
    valid = y != tiny.IGNORE
    expected = (judged(verdict, 0, valid) + judged(of_labels, 1, valid)) / 2
    assert float(trainer.train_step(batch_for(SEMI))["loss/discriminator"]) == pytest.approx(expected, rel=1e-5)


def test_the_discriminator_has_the_layers_of_a_weighting_network():
    found = build(SEMI).discriminator
    expected = weighting_network("pixel", tiny.CLASSES, 1, 4, "linear")
    assert [v.shape for v in found.variables] == [v.shape for v in expected.variables]
    assert found.layers[-1].get_config()["activation"] == "linear"


@pytest.mark.fault(
    "`trainer: adversarial_semi` with synthetic images, or without any label",
    "refused; what is wanted is named",
)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("method.source_weighting=plain",), "trainer: adversarial_semi wants source_weighting: none"),
        (("data.labelled=none",), "data.labelled: none hides all labels"),
        (("method.adversarial_semi.threshold=2",), "method.adversarial_semi.threshold"),
        (("method.adversarial_semi.start=1",), "method.adversarial_semi.start"),
    ],
)
def test_recipes_that_are_refused(refusal, overrides, message):
    settings = ("method.trainer=adversarial_semi", "method.source_weighting=none", "method.gan=false")
    assert message in refusal(*settings, *overrides)
