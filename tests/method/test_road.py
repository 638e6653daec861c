"""ROAD: its losses by hand, one step against NumPy, and what is frozen."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import gradient_norms, observe
from support.own_trainers import assert_follows, batch_for, build

from hrs_keras.errors import RecipeError
from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.models.grid_classifiers import bounds, grid_classifiers
from hrs_keras.runs.checkpoints import Checkpoints

PLAIN = ("method.trainer=road", "method.source_weighting=plain", "method.gan=false")


# ---- by hand -------------------------------------------------------------------------------------------------------


def test_distance_of_features_by_hand():
    """Positions that differ by (3, 4) and by (0, 0): (5 + 0) / 2."""
    fixed = tf.constant([[[[1.0, 2.0], [0.5, -1.0]]]])
    features = fixed + tf.constant([[[[3.0, 4.0], [0.0, 0.0]]]])
    np.testing.assert_allclose(adaptation.feature_distance(features, fixed), [2.5], atol=1e-6)


def test_features_that_have_not_moved_have_no_distance_and_no_gradient():
    features = tf.constant(np.random.default_rng(0).normal(0, 100, (2, 3, 4, 5)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(features)
        distance = adaptation.feature_distance(features, features)
    np.testing.assert_allclose(distance, [0, 0], atol=2e-6)
    np.testing.assert_array_equal(tape.gradient(distance, features), tf.zeros_like(features))


def test_classifiers_that_guess_cost_ln_2_a_cell():
    """Both domains, halved: 9 ln 2 = 6.238325, of which the encoder gets -0.01 times."""
    logits = tf.zeros((1, 16, 32, 1))
    loss = (adaptation.grid_domain_loss(logits, 0.0, 3) + adaptation.grid_domain_loss(logits, 1.0, 3)) / 2
    np.testing.assert_allclose(loss, [6.238325], rtol=1e-6)
    np.testing.assert_allclose(-0.01 * loss, [-0.062383], rtol=1e-5)


def test_a_cell_counts_by_itself():
    """ln 3 throughout the middle cell: (1.386294 + 0.287682) / 2 = 0.836988 there, in all 6.382166."""
    logits = np.zeros((1, 16, 32, 1), "float32")
    logits[:, 6:11, 11:22] = np.log(3)
    loss = (adaptation.grid_domain_loss(logits, 0.0, 3) + adaptation.grid_domain_loss(logits, 1.0, 3)) / 2
    np.testing.assert_allclose(loss, [6.382166], rtol=1e-6)


def test_every_position_is_in_one_cell():
    assert [stop - start for start, stop in bounds(16, 3)] == [6, 5, 5]
    assert [stop - start for start, stop in bounds(32, 3)] == [11, 11, 10]
    for side in range(1, 40):
        cells = [cell for cell, (start, stop) in enumerate(bounds(side, 3)) for _ in range(start, stop)]
        expected = [3 * i // side for i in range(side)]
        assert cells == [sorted(set(expected)).index(cell) for cell in expected]  # without those that have none


def test_a_classifier_sees_its_own_cell_alone():
    model = grid_classifiers((4, 8), 5, cells=3, width=6)
    features = tf.constant(np.random.default_rng(0).normal(0, 1, (2, 4, 8, 5)).astype("float32"))
    with tf.GradientTape() as tape:
        of_cell = tf.reduce_sum(model(features)[:, :2, :3])  # the first: rows 0 and 1, columns 0 to 2
    gradients = tape.gradient(of_cell, [v.value for v in model.trainable_variables])
    reached = {v.path.split("_")[0].split("/")[0] for v, g in zip(model.variables, gradients, strict=True) if np.any(g)}
    assert reached == {"cell11"} and len(gradients) == 9 * 3 * 2
    assert model(features).shape == (2, 4, 8, 1)


# ---- one step ------------------------------------------------------------------------------------------------------


@functools.cache
def observed():
    return observe(build("road"), batch_for("road"))


def cells_of(h, w):
    """[h, w]: the number of each position's cell, as the formula has it."""
    return np.array([[3 * (3 * i // h) + 3 * j // w for j in range(w)] for i in range(h)])


def test_logged_losses():
    seen = observed()
    trainer, (x_s, y_s), (x_t, _) = seen.trainer, seen.batch["source"], seen.batch["target"]
    found = {name: trainer.segmenter(x) for name, x in (("source", x_s), ("target", x_t))}
    f, z = found["target"]["features"].numpy().astype("float64"), trainer.frozen(x_t).numpy()
    expected = {
        "loss/source": reference.target_segmentation_loss(y_s.numpy(), found["source"]["logits"]).mean(),
        "loss/distance": np.sqrt(((f - z) ** 2).sum(-1)).mean(),
        "loss/discriminator": 0.0,
    }
    for name, sign in (("source", 1), ("target", -1)):
        logits = trainer.discriminator(found[name]["features"]).numpy()[..., 0].astype("float64")
        cost, cells = np.logaddexp(0, sign * logits), cells_of(*logits.shape[1:])
        expected["loss/discriminator"] += sum(cost[:, cells == m].mean() for m in range(9)) / 2
    assert expected["loss/distance"] > 0.01
    norms = {name: value for name, value in seen.logs.items() if name.startswith("gradient_norm/")}
    assert {n: v for n, v in seen.logs.items() if n not in norms} == pytest.approx(expected, rel=1e-5)
    assert norms == pytest.approx(gradient_norms(seen), rel=1e-3)


def naive_objective(player):
    seen = observed()
    trainer, (x_s, y_s), (x_t, _) = seen.trainer, seen.batch["source"], seen.batch["target"]
    found = {name: trainer.segmenter(x) for name, x in (("source", x_s), ("target", x_t))}
    features = {name: each["features"] for name, each in found.items()}
    if player == "discriminator":
        features = {name: tf.constant(each.numpy()) for name, each in features.items()}
    cells = cells_of(*features["source"].shape[1:3])
    domains = 0.0
    for name, sign in (("source", 1), ("target", -1)):
        cost = tf.math.softplus(sign * trainer.discriminator(features[name])[..., 0])
        for m in range(9):
            own = (cells == m).astype("float32")
            domains += tf.reduce_mean(tf.reduce_sum(cost * own, [1, 2])) / own.sum() / 2
    if player == "discriminator":
        return domains
    counted = np.eye(256, dtype="float32")[y_s.numpy()][..., : tiny.CLASSES]
    sums = tf.reduce_sum(-tf.nn.log_softmax(found["source"]["logits"]) * counted, [1, 2, 3])
    distance = tf.reduce_mean(tf.norm(features["target"] - trainer.frozen(x_t), axis=-1))
    return tf.reduce_mean(sums / counted.sum((1, 2, 3))) + 0.3 * distance - 0.5 * domains


def test_every_player_follows_the_gradient_of_its_own_objective_alone():
    """The encoder's of the domains is that of the classifiers' loss, times -``domains``: a reversed gradient."""
    assert [player.name for player in observed().trainer.players] == ["encoder", "discriminator"]
    seen = observed()
    at_the_top = [v for v in seen.trainer.segmenter.trainable_variables if "top" in v.path]
    assert len(at_the_top) == 2
    assert_follows(seen, naive_objective)


# ---- what is frozen ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_frozen_encoder_is_the_pretrained_one_and_stays_so(tmp_path):
    trainer = build("road", "train.learning_rate.encoder=0.01", apart=False)
    before = [v.numpy() for v in trainer.frozen.variables]
    own = {v.path: v.numpy() for v in trainer.segmenter.variables}
    assert all(np.array_equal(own[v.path], value) for v, value in zip(trainer.frozen.variables, before, strict=True))
    logs = [trainer.train_step(batch_for("road")) for _ in range(2)]
    assert float(logs[0]["loss/distance"]) <= 1e-6 < 1e-3 < float(logs[1]["loss/distance"])
    for variable, value in zip(trainer.frozen.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    Checkpoints(trainer, tmp_path, keep=1).save_now(2)
    names = [name for name, _ in tf.train.list_variables(tf.train.latest_checkpoint(str(tmp_path / "last")))]
    assert not any("frozen" in name for name in names) and any("encoder" in name for name in names)


def test_an_encoder_that_drops_at_random_is_pretrained_throughout_too():
    """The state of a dropout's random numbers is no weight that a file could fill."""
    trainer = build("road", "encoder.dropout=0.5")
    assert len(trainer.frozen.variables) > len(trainer.frozen.weights) == 4
    assert np.isfinite(float(trainer.train_step(batch_for("road"))["loss/distance"]))


def test_features_of_stride_32_may_be_held_instead():
    trainer, batch = build("road", "method.road.features=stride32"), batch_for("road")
    features = [trainer.segmenter(batch["target"][0])["stride32"], trainer.frozen(batch["target"][0])]
    assert features[0].shape == features[1].shape == (2, 2, 4, 6)
    expected = np.sqrt(((features[0].numpy() - features[1].numpy()) ** 2).sum(-1)).mean()
    assert float(trainer.train_step(batch)["loss/distance"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.fault("ROAD with an encoder without pretrained weights, or with weights for a part of it", "refused")
def test_road_without_pretrained_weights_is_refused(refusal):
    none = "method.trainer: road holds the encoder near its pretrained weights, but encoder.weights: null has none"
    assert none in refusal(*PLAIN, "data.labelled=none", "encoder.weights=null")
    with pytest.raises(RecipeError, match=r"encoder.weights: top does not fill \S*stem/kernel, "):
        build("road", "encoder.weights=top")


@pytest.mark.fault(
    "`trainer: road` where target labels are kept, which it would not read",
    "refused; `data.labelled: none` is asked for",
)
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "method.trainer: road reads no target label, but data.labelled: all keeps some"),
        (("data.labelled=0.5",), "data.labelled: 0.5 keeps some; set data.labelled: none"),
        (("data.labelled=none", "method.source_weighting=learned"), "trainer: road wants source_weighting: plain"),
        (("data.labelled=none", "method.road.cells=0"), "method.road.cells"),
    ],
)
def test_recipes_that_are_refused(refusal, overrides, message):
    assert message in refusal(*PLAIN, *overrides)
