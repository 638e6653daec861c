"""Class mix with an averaged teacher: one step against NumPy, and what the teacher has to say in it."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import gradient_norms, observe
from support.own_trainers import CASES, assert_follows, batch_for, build

from hrs_keras.labels import LABEL_SPACES
from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.method.players import Part

SYSTEMS = [case for case in CASES if case.startswith("class_mix")]
each_system = pytest.mark.parametrize("case", SYSTEMS)


@functools.cache
def observed(case):
    seen = observe(build(case), batch_for(case))
    seen.trainer.steps.assign(0)  # the step's draws are repeated
    return seen


def shown_to(case):
    """What the segmenter is shown, by name: images, labels and weights of the pixels, in NumPy."""
    seen, batch = observed(case), {name: [t.numpy() for t in pair] for name, pair in observed(case).batch.items()}
    (x_s, y_s), (x_t, y_t) = batch["source"], batch["unlabelled" if "unlabelled" in batch else "target"]
    weight = np.ones(len(x_s))
    if "all" not in case:
        p = reference.softmax(seen.trainer.segmenter(x_t)["logits"])  # before the first step the teacher is the student
        y_t, weight = p.argmax(-1), (p.max(-1) >= 0.35).mean((1, 2))
        assert np.all((weight > 0.05) & (weight < 0.95))
    mask = seen.trainer.mixture(Part(0, seen.batch))[0].from_source.numpy()
    of_pixels = np.broadcast_to(weight[:, None, None], mask.shape).copy()
    if "held" in case:
        of_pixels[:, :16] = of_pixels[:, 32:] = 0  # margins of a quarter and a half of 64 rows
    mixed = (np.where(mask[..., None], x_s, x_t), np.where(mask, y_s, y_t), np.where(mask, 1, of_pixels))
    shown = {name: (*batch[name], np.ones(batch[name][1].shape)) for name in ("source", "target") if name in batch}
    if "no labels" in case:
        del shown["target"]
    return shown | {"mixed": mixed}, weight


def naive_distance(seen):
    """Mean over the images of the mean norm on positions whose 16x16 pixels are road, car or sky."""
    x, y = seen.batch["source"]
    names = LABEL_SPACES["camvid"].classes
    counted = np.isin(y.numpy()[:, ::16, ::16], [names.index(name) for name in ("road", "car", "sky")])
    assert 0 < counted.sum() < counted.size
    norms = tf.norm(seen.trainer.segmenter(x)["features"] - seen.trainer.frozen(x), axis=-1)
    return tf.reduce_mean(tf.reduce_sum(norms * counted, [1, 2]) / np.maximum(counted.sum((1, 2)), 1))


def test_a_position_is_of_a_class_that_three_quarters_of_its_pixels_have():
    """Left 3 of 4 pixels, and (3, 4) between the features: 5. Right 2 of 4: not counted. In the second image none."""
    labels = tf.constant([[[1, 1, 1, 1], [1, 255, 0, 0]], [[0, 0, 0, 0], [0, 0, 1, 2]]])
    fixed = tf.zeros((2, 1, 2, 2))
    features = tf.constant([[[[3.0, 4.0], [7.0, 7.0]]], [[[1.0, 1.0], [1.0, 1.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(features)
        distance = adaptation.feature_distance_of([1, 2], labels, features, fixed)
    np.testing.assert_allclose(distance, [5.0, 0.0], rtol=1e-6)
    expected = np.zeros(features.shape)
    expected[0, 0, 0] = [0.6, 0.8]
    np.testing.assert_allclose(tape.gradient(distance, features), expected, rtol=1e-6)


@each_system
def test_logged_losses(case):
    seen, (shown, weight) = observed(case), shown_to(case)
    logits = {name: seen.trainer.segmenter(x)["logits"].numpy() for name, (x, _, _) in shown.items()}
    expected = {
        f"loss/{name}": reference.source_segmentation_loss(y, logits[name], w[..., None]).mean()
        for name, (_, y, w) in shown.items()
    }
    if "all" not in case:
        expected["trusted"] = weight.mean()
    if "held" in case:
        expected["loss/distance"] = float(naive_distance(seen))
        assert expected["loss/distance"] > 0.01
    norms = {name: value for name, value in seen.logs.items() if name.startswith("gradient_norm/")}
    assert {n: v for n, v in seen.logs.items() if n not in norms} == pytest.approx(expected, rel=1e-5)
    assert norms == pytest.approx(gradient_norms(seen), rel=1e-3)


@each_system
def test_the_segmenter_follows_the_gradient_of_the_sum(case):
    """Once more, written out in plain TensorFlow, with a forward pass for each loss."""
    seen, (shown, _) = observed(case), shown_to(case)

    def objective(player):
        total = 0.0
        for x, y, w in shown.values():
            counted = np.eye(256, dtype="float32")[y][..., : tiny.CLASSES]
            log_f = tf.nn.log_softmax(seen.trainer.segmenter(x)["logits"])
            sums = tf.reduce_sum(-log_f * counted * w[..., None].astype("float32"), [1, 2, 3])
            total += tf.reduce_mean(sums / counted.sum((1, 2, 3)))
        return total + 0.4 * naive_distance(seen) if "held" in case else total

    assert_follows(seen, objective)


def test_only_images_without_labels_have_a_teacher():
    assert {case: observed(case).trainer.teacher is not None for case in SYSTEMS} == {
        "class_mix, no labels": True,
        "class_mix, some labels": True,
        "class_mix, no labels, held": True,
        "class_mix, all labels": False,
    }
    assert list(observed(SYSTEMS[0]).trainer.players[0].averages) == ["teacher"]
    assert observed(SYSTEMS[0]).trainer.evaluated is observed(SYSTEMS[0]).trainer.segmenter  # the student


def test_the_teacher_follows_the_student_and_labels_the_next_step():
    """After the first update it is a copy, after the second the mean of both; its pseudo-labels are then its own."""
    case = "class_mix, no labels"
    trainer, batch = build(case, "train.learning_rate.encoder=0.01"), batch_for(case)
    students = []
    for _ in range(2):
        trainer.train_step(batch)
        students.append([v.numpy() for v in trainer.segmenter.trainable_variables])
    for variable, first, second in zip(trainer.teacher.variables, *students, strict=True):
        np.testing.assert_allclose(variable.numpy(), (first + second) / 2, rtol=1e-5, atol=1e-7)
    images = batch["target"][0]
    labels = trainer.mixture(Part(0, batch))[0].labels.numpy()
    outside = ~trainer.mixture(Part(0, batch))[0].from_source.numpy()
    np.testing.assert_array_equal(labels[outside], trainer.teacher(images)["logits"].numpy().argmax(-1)[outside])


@pytest.mark.fault(
    "`trainer: class_mix` beside settings of other methods",
    "refused; the settings that are wanted are named",
)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("method.gan=true",), "trainer: class_mix wants source_weighting: plain and gan: false"),
        (("method.source_weighting=learned",), "trainer: class_mix wants source_weighting: plain"),
        (("method.pretrain=0.5",), "set pretrain: 0"),
        (("method.class_weights=inverse_sqrt",), "class_weights: none"),
        (("method.mix.replace_source=true",), "wants trainer: joint"),
        (("data.source=[]",), "needs at least one data set in data.source"),
        (("method.class_mix.teacher=1",), "method.class_mix.teacher"),
        (("method.class_mix.confidence=-1",), "method.class_mix.confidence"),
        (("method.class_mix.margins=[0.1]",), "method.class_mix.margins"),
        (("method.class_mix.margins=[0.5, 0.5]",), "method.class_mix.margins: leaves no row between them"),
        (("method.class_mix.distance=0.1", "encoder.weights=imagenet"), "name them in method.class_mix.things"),
        (("method.class_mix.things=[rod]",), "method.class_mix.things: no class 'rod'"),
        (
            ("method.class_mix.distance=0.1", "method.class_mix.things=[road]", "encoder.weights=null"),
            "trainer: class_mix holds the encoder near its pretrained weights, but encoder.weights: null has none",
        ),
    ],
)
def test_recipes_that_are_refused(refusal, overrides, message):
    settings = ("method.trainer=class_mix", "method.source_weighting=plain", "method.gan=false")
    assert message in refusal(*settings, *overrides)
