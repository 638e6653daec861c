"""Class weights: their values by hand, and what they do beside the other weights of a pixel."""

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import SYSTEMS, batch_of, build, networks_outputs, observe, selection_of
from support.pixelda_step import build as build_pixelda

from hrs_keras.data.audit import audit
from hrs_keras.errors import RecipeError
from hrs_keras.method.class_weights import ClassWeights, inverse_sqrt
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks

ROAD, CAR = 3, 8  # of CamVid's classes
WEIGHTS = {domain: np.random.default_rng(seed).uniform(0.2, 5, tiny.CLASSES) for seed, domain in enumerate("st")}
WEIGHTS = {"source": WEIGHTS["s"], "target": WEIGHTS["t"]}


def test_values_by_hand():
    """Roots 0.8, 0.5, 0.1 and 0.3162...: below the line is their sum."""
    found = inverse_sqrt(np.array([0.64, 0.25, 0.01, 0.0, 0.1]))
    below = 0.8 + 0.5 + 0.1 + np.sqrt(0.1)
    np.testing.assert_allclose(found, [1.25 / below, 2 / below, 10 / below, 1, 1 / np.sqrt(0.1) / below], rtol=1e-12)


def test_their_mean_over_the_pixels_is_one():
    pixels = np.random.default_rng(0).integers(1, 10**6, 19)
    shares = pixels / pixels.sum()
    labels = np.repeat(np.arange(19), pixels // 1000 + 1)
    assert (shares * inverse_sqrt(shares)).sum() == pytest.approx(1, rel=1e-12)
    assert inverse_sqrt(shares)[labels].mean() == pytest.approx(1, rel=0.02)


def expected_losses(case, system):
    """Eq. 2 and 5 with a factor for each class: sums over pixels, one after the other."""
    outputs = networks_outputs(case.trainer, case.batch)
    found = {}
    for domain in ("source", "target"):
        labels = case.batch[domain][1].numpy()
        entropy = reference.cross_entropy(labels, outputs[domain]["logits"])
        h = selection_of(case.trainer, outputs, labels) if domain == "source" else np.ones((*labels.shape, 1))
        per_image = []
        for image, label in enumerate(labels):
            total = 0.0
            for i, j in zip(*np.nonzero(label != tiny.IGNORE), strict=True):
                c = label[i, j]
                total += WEIGHTS[domain][c] * h[image, i, j, min(c, h.shape[-1] - 1)] * entropy[image, i, j]
            per_image.append(total / (label != tiny.IGNORE).sum())
        found[f"loss/{domain}"] = np.mean(per_image)
    return found


@pytest.mark.parametrize("system", ["plain", "confidence mask", "focal loss", "one level", "linear median per class"])
def test_they_multiply_what_weighs_a_pixel_besides(system):
    batch = batch_of()
    plain, trainer = observe(build(*SYSTEMS[system]), batch), build(*SYSTEMS[system])
    trainer.class_weights = ClassWeights(WEIGHTS)
    case = observe(trainer, batch)
    losses = {name: value for name, value in case.logs.items() if name in ("loss/source", "loss/target")}
    assert losses == pytest.approx(expected_losses(case, system), rel=1e-5)
    others = {name for name in case.logs if name.startswith("loss/")} - losses.keys() | {"selected"}
    assert {name: case.logs[name] for name in others} == pytest.approx({name: plain.logs[name] for name in others})


def test_adapted_images_have_the_sources():
    trainer, batch = build_pixelda(), batch_of()
    trainer.class_weights = ClassWeights(WEIGHTS)
    (x_s, y_s), (x_t, y_t) = batch["source"], batch["target"]
    adapted = trainer.generator({"image": x_s, "noise": trainer.noise(2, part=0)})
    for name, images, labels, domain in (
        ("source", x_s, y_s.numpy(), "source"),
        ("adapted", adapted, y_s.numpy(), "source"),
        ("target", x_t, y_t.numpy(), "target"),
    ):
        entropy = reference.cross_entropy(labels, trainer(images).numpy())
        weight = np.append(WEIGHTS[domain], np.zeros(256 - tiny.CLASSES))[labels]
        expected = np.mean((entropy * weight).sum((1, 2)) / (labels != tiny.IGNORE).sum((1, 2)))
        found = trainer.losses_of(next(iter(trainer.turns(batch))).parts().__next__())[name]
        assert float(found) == pytest.approx(expected, rel=1e-5), name


# ---- from the data ---------------------------------------------------------------------------------------------


@pytest.fixture
def recipe(tmp_path, write_set, make_recipe):
    """Of the target's pixels a quarter is car; of the sources' a tenth and 40 %; the rest is road."""
    for name, columns in (("real", [0, 40]), ("few", [8, 8]), ("many", [32])):
        labels = []
        for cars in columns:
            label = np.full((40, 80), ROAD)
            label[:, :cars] = CAR
            labels.append(label)
        write_set(tmp_path / name, labels)
    small = ("encoder__width", 0.0625), ("encoder__fc", 8), ("encoder__weights", None)
    source = [{"root": "few", "weight": 2}, {"root": "many", "weight": 1}]
    changes = {"method__gan": False, "method__source_weighting": "plain", "encoder__preprocessing": "unit"}
    return make_recipe(
        tmp_path, [{"root": "real"}], source, method__class_weights="inverse_sqrt", **changes, **dict(small)
    )


def test_each_domain_has_its_own(recipe):
    sets = audit(recipe).sets
    trainer = build_trainer(recipe, build_networks(recipe), sets)
    weights = trainer.class_weights.weights
    car = {"target": 0.25, "source": (2 * 0.1 + 1 * 0.4) / 3}
    for domain, share in car.items():
        below = np.sqrt(share) + np.sqrt(1 - share)
        expected = np.ones(11)
        expected[CAR], expected[ROAD] = 1 / np.sqrt(share) / below, 1 / np.sqrt(1 - share) / below
        np.testing.assert_allclose(weights[domain], expected, rtol=1e-12)
    labels = tf.constant([[[CAR, 255], [ROAD, CAR]]])
    pixels = trainer.class_weights.of_pixels("target", labels).numpy()
    half, most = weights["target"][[CAR, ROAD]].astype("float32")
    np.testing.assert_array_equal(pixels, [[[half, 0], [most, half]]])


def test_a_target_alone_has_its_own(recipe):
    recipe.method.source_weighting = "none"
    assert list(ClassWeights.of(recipe, audit(recipe).sets).weights) == ["target"]


@pytest.mark.fault(
    "`method.class_weights` and a trainer that was built without the data", "refused; the call that gives it is named"
)
def test_weights_are_not_left_out_without_a_word(recipe):
    trainer = build_trainer(recipe, build_networks(recipe))
    with pytest.raises(
        RecipeError, match=r"method\.class_weights: inverse_sqrt .* build_trainer\(recipe, networks, audit"
    ):
        trainer.train_step(batch_of(images=1))


def test_other_recipes_have_none():
    recipe = tiny.recipe("method.gan=false")
    assert build_trainer(recipe, build_networks(recipe)).class_weights is None
    assert tiny.recipe("method.class_weights=inverse_sqrt").digest() != tiny.recipe().digest()
    assert tiny.recipe("method.class_weights=none").digest() == tiny.recipe().digest()
