"""LSD-seg: its losses and networks by hand, and one step against NumPy."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import gradient_norms, observe
from support.own_trainers import assert_follows, batch_for, build

from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.models.lsd import class_discriminator, skip_generator

SOURCE, SOURCE_REBUILT, TARGET, TARGET_REBUILT = 0, 1, 2, 3


# ---- by hand -------------------------------------------------------------------------------------------------------


def test_domains_by_hand():
    """Logits (2, 0, 0, 0): class 0 costs ln(e^2 + 3) - 2 = 0.340753, class 2 costs 2.340753."""
    logits = tf.constant([[[[2.0, 0, 0, 0]]]])
    np.testing.assert_allclose(adaptation.domain_cross_entropy(logits, 0), [0.340753], rtol=1e-5)
    np.testing.assert_allclose(adaptation.domain_cross_entropy(logits, 2), [2.340753], rtol=1e-6)
    np.testing.assert_allclose(adaptation.domain_cross_entropy(tf.zeros((1, 3, 5, 4)), 3), [1.386294], rtol=1e-6)


def test_coarse_labels_are_those_at_the_middle_and_keep_their_orientation():
    label = np.arange(16 * 32).reshape(1, 16, 32).astype("int32") % 200
    np.testing.assert_array_equal(adaptation.coarse_labels(tf.constant(label), (2, 4)), label[:, 4::8, 4::8])


def test_a_discriminator_that_only_guesses():
    """19 classes: L_D = 4 ln 4 + ln 19 = 8.489616, L_G = ln 19 + 0.2 ln 4 + rec, L_F = CE + 0.0016 (2 ln 4 + ln 19)."""
    trainer = build("lsd", "data.classes=cityscapes", "method.lsd.adversarial=0.0016", "method.lsd.classes=0.0016")
    for head in ("score_domains", "score_classes"):
        for variable in trainer.discriminator.get_layer(head).variables:
            variable.assign(tf.zeros_like(variable))
    loss = {n: float(v) for n, v in trainer.train_step(batch_for("lsd")).items() if n.startswith("loss/")}
    assert loss["loss/discriminator"] == pytest.approx(8.489616, rel=1e-6)
    found = trainer.objectives_of({name.removeprefix("loss/"): tf.constant(value) for name, value in loss.items()})
    assert float(found["generator"]) - loss["loss/reconstruction"] == pytest.approx(3.221698, rel=1e-5)
    assert float(found["encoder"]) - loss["loss/source"] == pytest.approx(0.009147, abs=1e-6)


def test_sizes_and_layers_of_the_networks():
    """By hand. G: six transposed convolutions and ten others, a bias in the last alone. D: ten, and two heads with."""
    generator = skip_generator({"stride32": 7, "stride16": 5, "stride8": 3}, [4, 5, 6, 8, 9])
    shapes = {"stride32": (1, 16, 32, 7), "stride16": (1, 32, 64, 5), "stride8": (1, 64, 128, 3)}
    assert generator.compute_output_shape(shapes) == (1, 512, 1024, 3)
    ups = 49 * 7 * 4 + 9 * 4 * 5 + 9 * (5 + 5) * 6 + 25 * (6 + 3) * 8 + 25 * 8 * 9 + (64 * 9 * 3 + 3)
    assert generator.count_params() == ups + 2 * 9 * (4**2 + 5**2 + 6**2 + 8**2 + 9**2)
    discriminator = class_discriminator(19, 6)
    assert discriminator.compute_output_shape((1, 512, 1024, 3)) == {
        "domains": (1, 64, 128, 4),
        "classes": (1, 64, 128, 19),
    }
    heads = (9 * 6 + 1) * (4 + 19)
    assert discriminator.count_params() == 16 * 3 * 6 + 9 * 9 * 6 * 6 + heads


# ---- one step ------------------------------------------------------------------------------------------------------


@functools.cache
def observed():
    return observe(build("lsd"), batch_for("lsd"))


def judged_by(trainer, batch):
    """Every network run once more: the segmenter, what is rebuilt, and what is said of real and of rebuilt images."""
    found = {name: trainer.segmenter(x) for name, (x, _) in batch.items()}
    rebuilt = {
        name: trainer.generator({skip: of[skip] for skip in ("stride32", "stride16", "stride8")})
        for name, of in found.items()
    }
    real = {name: trainer.discriminator(x) for name, (x, _) in batch.items()}
    return found, rebuilt, real, {name: trainer.discriminator(x) for name, x in rebuilt.items()}


def patches(logits, domain):
    return -reference.log_softmax(logits)[..., domain].mean()


@pytest.mark.slow
def test_logged_losses():
    seen = observed()
    found, rebuilt, real, fake = judged_by(seen.trainer, seen.batch)
    y = seen.batch["source"][1].numpy()
    coarse = y[:, 4::8, 4::8]
    expected = {
        "loss/source": reference.target_segmentation_loss(y, found["source"]["logits"]).mean(),
        "loss/encoder/domains": patches(fake["source"]["domains"], TARGET) + patches(fake["target"]["domains"], SOURCE),
        "loss/generator/domains": patches(fake["source"]["domains"], SOURCE)
        + patches(fake["target"]["domains"], TARGET),
        "loss/classes": reference.target_segmentation_loss(coarse, fake["source"]["classes"]).mean(),
        "loss/reconstruction": sum(
            reference.reconstruction_loss(rebuilt[name], x).mean() for name, (x, _) in seen.batch.items()
        ),
        "loss/discriminator": patches(real["source"]["domains"], SOURCE)
        + patches(fake["source"]["domains"], SOURCE_REBUILT)
        + patches(real["target"]["domains"], TARGET)
        + patches(fake["target"]["domains"], TARGET_REBUILT)
        + reference.target_segmentation_loss(coarse, real["source"]["classes"]).mean(),
    }
    norms = {name: value for name, value in seen.logs.items() if name.startswith("gradient_norm/")}
    assert {n: v for n, v in seen.logs.items() if n not in norms} == pytest.approx(expected, rel=1e-5)
    assert norms == pytest.approx(gradient_norms(seen), rel=1e-3)


def naive_objective(player):
    """What a player minimises, from forward passes of its own and written out in plain TensorFlow."""
    trainer, batch = observed().trainer, observed().batch
    y = batch["source"][1].numpy()

    def cross_entropy(labels, logits):
        counted = np.eye(256, dtype="float32")[labels][..., : tiny.CLASSES]
        return tf.reduce_mean(
            tf.reduce_sum(-tf.nn.log_softmax(logits) * counted, [1, 2, 3]) / np.maximum(counted.sum((1, 2, 3)), 1)
        )

    def domain(logits, wanted):
        return tf.reduce_mean(-tf.nn.log_softmax(logits)[..., wanted])

    found, rebuilt, real, fake = judged_by(trainer, batch)
    classes = cross_entropy(y[:, 4::8, 4::8], fake["source"]["classes"])
    if player == "encoder":
        other = domain(fake["source"]["domains"], TARGET) + domain(fake["target"]["domains"], SOURCE)
        return cross_entropy(y, found["source"]["logits"]) + 0.3 * other + 0.2 * classes
    if player == "generator":
        same = domain(fake["source"]["domains"], SOURCE) + domain(fake["target"]["domains"], TARGET)
        apart = [tf.reduce_mean(tf.abs(rebuilt[name] - x)) for name, (x, _) in batch.items()]
        return classes + 0.1 * same + tf.add_n(apart)
    fake = {name: trainer.discriminator(tf.constant(x.numpy())) for name, x in rebuilt.items()}
    own = domain(real["source"]["domains"], SOURCE) + domain(real["target"]["domains"], TARGET)
    own += domain(fake["source"]["domains"], SOURCE_REBUILT) + domain(fake["target"]["domains"], TARGET_REBUILT)
    return own + cross_entropy(y[:, 4::8, 4::8], real["source"]["classes"])


@pytest.mark.slow
def test_every_player_follows_the_gradient_of_its_own_objective_alone():
    assert [player.name for player in observed().trainer.players] == ["encoder", "generator", "discriminator"]
    assert_follows(observed(), naive_objective)


def test_without_a_label_the_classes_count_nothing():
    batch = batch_for("lsd")
    batch["source"] = (batch["source"][0], tf.fill(batch["source"][1].shape, tiny.IGNORE))
    logs = build("lsd").train_step(batch)
    assert float(logs["loss/classes"]) == float(logs["loss/source"]) == 0


@pytest.mark.fault(
    "`trainer: lsd` where target labels are kept, which it would not read",
    "refused; `data.labelled: none` is asked for",
)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "method.trainer: lsd reads no target label, but data.labelled: all keeps some"),
        (("data.labelled=none", "method.source_weighting=mask"), "trainer: lsd wants source_weighting: plain"),
        (("data.labelled=none", "method.lsd.generator_channels=[1]"), "method.lsd.generator_channels"),
        (("data.labelled=none", "method.lsd.dropout=1"), "method.lsd.dropout"),
    ],
)
def test_recipes_that_are_refused(refusal, overrides, message):
    settings = ("method.trainer=lsd", "method.source_weighting=plain", "method.gan=false")
    assert message in refusal(*settings, *overrides)
