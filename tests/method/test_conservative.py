"""The conservative loss: its values and slopes by hand, and what a step makes of them."""

import math

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import LAMBDA_SOURCE, batch_of, build, observe

from hrs_keras.method import losses
from hrs_keras.method.measured import SourceEntropy

PLAIN = ("method.source_weighting=plain", "method.gan=false")


def logits_for(probability: float) -> tf.Tensor:
    """[1, 1, 1, 2], by which class 0 has that probability."""
    return tf.constant([[[[math.log(probability / (1 - probability)), 0.0]]]], tf.float32)


# By hand: u = -ln p, (1 - u / ln a)^2, its derivative by p, and by the logit of the true class (dp/dz = p (1 - p)).
TABLE = [
    (math.e, 0.2, 0.371415, -6.094379, -0.975101),
    (math.e, 0.5, 0.094159, 1.227411, 0.306853),
    (math.e, 0.9, 0.800380, 1.988088, 0.178928),
    (2.0, 0.2, 1.747494, None, None),
    (2.0, 0.5, 0.0, 0.0, 0.0),
    (2.0, 0.9, 0.719099, None, None),
]


@pytest.mark.parametrize(("base", "p", "value", "by_p", "by_z"), TABLE)
def test_values_and_slopes(base, p, value, by_p, by_z):
    probability, logits = tf.constant(p), logits_for(p)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([probability, logits])
        of_p = losses.conservative(-tf.math.log(probability), base, 1.0)
        entropy = losses.cross_entropy(tf.zeros([1, 1, 1], tf.int32), logits)
        of_z = tf.reduce_sum(losses.conservative(entropy, base, 1.0))
    slope, of_logits = float(tape.gradient(of_p, probability)), tape.gradient(of_z, logits).numpy().ravel()
    assert float(of_p) == pytest.approx(value, abs=1e-6) and float(of_z) == pytest.approx(value, abs=1e-5)
    if by_p is not None:
        assert slope == pytest.approx(by_p, abs=2e-5) and of_logits[0] == pytest.approx(by_z, abs=2e-6)
    # What is badly predicted is learned, what is predicted too well is unlearned; the turning point is 1 / base.
    assert np.sign(round(slope, 5)) == np.sign(round(p - 1 / base, 5))
    assert of_logits.sum() == pytest.approx(0, abs=1e-6)


def test_the_turning_point_and_the_ends():
    u = tf.constant([1.0, 0.0, 100.0])  # p = 1/e, p = 1, p = e^-100
    with tf.GradientTape() as tape:
        tape.watch(u)
        found = losses.conservative(u, math.e, 3.0)
    np.testing.assert_allclose(found, [0, 3, 3 * 9801], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(found, u), [0, -6, 3 * 198], rtol=1e-6)


def test_mean_over_the_valid_pixels():
    """Pixels of p = 0.2 and 0.9, and one that is ignored; and an image without a valid pixel."""
    pixels = [logits_for(p) for p in (0.2, 0.9, 0.5)]
    logits = tf.concat([tf.concat(pixels, 2)] * 2, 0)
    labels = tf.constant([[[0, 0, 255]], [[255, 255, 255]]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = losses.segmentation_loss(labels, logits, None, lambda u: losses.conservative(u, math.e, 1.0))
    np.testing.assert_allclose(found, [0.585897, 0], atol=1e-6)
    gradient = tape.gradient(found, logits).numpy()
    assert np.all(gradient[1] == 0) and np.all(gradient[0, 0, 2] == 0)
    np.testing.assert_allclose(gradient[0, 0, :2, 0], np.array([-0.975101, 0.178928]) / 2, atol=2e-6)


def test_what_is_measured_of_the_source():
    measured = SourceEntropy(limit=1.0)
    for p in (0.2, 0.5):  # u = 1.609438 and 0.693147
        measured.update_state(tf.constant([[[0]]]), logits_for(p))
        measured.update_state(tf.constant([[[255]]]), logits_for(0.9))
    assert {name: float(value) for name, value in measured.result().items()} == pytest.approx(
        {"mean": (1.609438 + 0.693147) / 2, "below": 0.5}
    )


def test_a_step_goes_down_the_conservative_loss_of_the_source_and_the_cross_entropy_of_the_target():
    base, weight = 2.5, 1.7
    settings = (f"method.conservative.base={base}", f"method.conservative.weight={weight}")
    trainer, batch = build(*PLAIN, "method.source_loss=conservative", *settings), batch_of()
    case = observe(trainer, batch)
    entropy = {d: reference.cross_entropy(y.numpy(), trainer(x).numpy()) for d, (x, y) in batch.items()}
    valid = {d: y.numpy() != tiny.IGNORE for d, (_, y) in batch.items()}
    of_source = np.where(valid["source"], weight * (1 - entropy["source"] / np.log(base)) ** 2, 0)
    per_image = {"target": entropy["target"], "source": of_source}
    for domain, loss in per_image.items():
        expected = np.mean(loss.sum((1, 2)) / valid[domain].sum((1, 2)))
        assert case.logs[f"loss/{domain}"] == pytest.approx(expected, rel=1e-5), domain
    measured = trainer.measurements()
    u = entropy["source"][valid["source"]]
    assert measured["source/cross_entropy"] == pytest.approx(u.mean(), rel=1e-5)
    assert measured["source/above_turning_point"] == pytest.approx((u < np.log(base)).mean(), abs=1e-3)
    assert trainer.measurements() == {}  # nothing since

    # A pixel's gradient is that of the cross-entropy, times 2 lambda (u / ln a - 1) / ln a.
    factor = 2 * weight * (entropy["source"] / np.log(base) - 1) / np.log(base)
    weights = {"target": valid["target"] * 1.0, "source": LAMBDA_SOURCE * factor * valid["source"]}
    with tf.GradientTape() as tape:
        objective = 0.0
        for domain, (x, y) in batch.items():
            found = losses.cross_entropy(y, trainer.segmenter(x)["logits"])
            weighted = tf.reduce_sum(tf.constant(weights[domain], tf.float32) * found, [1, 2])
            per_image = weighted / valid[domain].sum((1, 2)).astype("float32")
            objective += tf.reduce_mean(per_image)
    gradients = tape.gradient(objective, [v.value for v in trainer.segmenter.trainable_variables])
    for moved, gradient in zip(case.moved["encoder"], gradients, strict=True):
        np.testing.assert_allclose(moved, gradient, 0, 5e-4 * np.abs(gradient).max() + 2e-8)


@pytest.mark.fault("`source_loss: conservative` where it would not be read", "refused; the key that is wanted is named")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method.source_weighting=none", "method.gan=false"], "wants source images, but source_weighting: none reads"),
        (
            ["method.trainer=pixelda", "method.source_weighting=plain", "method.gan=false"],
            "is of trainer: joint, found pixelda",
        ),
        (["method.mix.replace_source=true"], "wants source_loss: cross_entropy: target pixels are in mixed images"),
        (["method.conservative.base=1"], "method.conservative.base: Input should be greater than 1 (found 1)"),
        (["method.conservative.weight=0"], "method.conservative.weight: Input should be greater than 0 (found 0)"),
    ],
)
def test_what_is_refused(refusal, overrides, message):
    assert message in refusal("method.source_loss=conservative", *overrides)


def test_recipes_of_before_mean_the_cross_entropy():
    assert tiny.recipe("method.source_loss=cross_entropy").digest() == tiny.recipe().digest()
    assert tiny.recipe("method.source_loss=conservative").digest() != tiny.recipe().digest()
