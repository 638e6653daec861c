"""Steps without target labels, or with real images that have none beside those that have."""

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import batch_of, build, observe
from support.pixelda_step import build as build_pixelda

from hrs_keras.method.players import Part

ONE_LEVEL = "method.levels=[region]"
OTHERS = ["weighting/region", "generator", "discriminator"]


@pytest.fixture(scope="module")
def whole():
    """A step with all labels."""
    return observe(build(ONE_LEVEL), batch_of())


def losses_of(case, left_out=()):
    return {name: value for name, value in case.logs.items() if name.startswith("loss/") and name not in left_out}


def assert_same_moves(one, other, players):
    for name in players:
        for a, b in zip(one.moved[name], other.moved[name], strict=True):
            np.testing.assert_allclose(a, b, 0, 1e-4 * np.abs(a).max() + 2e-8, err_msg=name)


def test_joint_training_without_labels_follows_the_source_loss_alone():
    batch = batch_of()
    plain = ("method.source_weighting=plain", "method.gan=false")
    hidden = observe(build(*plain, "data.labelled=none"), batch)
    alone = observe(build(*plain), {"source": batch["source"]})
    assert "loss/target" not in hidden.logs
    assert hidden.logs["loss/source"] == pytest.approx(alone.logs["loss/source"], rel=1e-6)
    assert_same_moves(hidden, alone, ["encoder"])


def test_the_whole_method_without_labels(whole):
    """The weighting networks and the GAN see the real images as ever; the encoder alone misses their labels."""
    hidden = observe(build(ONE_LEVEL, "data.labelled=none"), whole.batch)  # whatever labels a batch has
    assert set(whole.logs) - set(hidden.logs) == {"loss/target"}
    assert losses_of(hidden) == pytest.approx(losses_of(whole, left_out=["loss/target"]), rel=1e-6)
    assert_same_moves(whole, hidden, OTHERS)
    assert any(not np.allclose(a, b) for a, b in zip(whole.moved["encoder"], hidden.moved["encoder"], strict=True))


def test_images_without_labels_are_real_images_to_all_but_the_encoder(whole):
    """One of a batch's two real images comes without its label: all that learn from images alone learn the same."""
    images, labels = whole.batch["target"]
    batch = {
        "source": whole.batch["source"],
        "target": (images[:1], labels[:1]),
        "unlabelled": (images[1:], tf.fill(labels[1:].shape, tiny.IGNORE)),
    }
    some = observe(build(ONE_LEVEL, "data.labelled=1"), batch)
    but = ["loss/target"]
    assert losses_of(some, but) == pytest.approx(losses_of(whole, but), rel=1e-5)
    assert_same_moves(whole, some, OTHERS)
    expected = reference.target_segmentation_loss(labels[:1].numpy(), some.trainer(images[:1]).numpy())
    assert some.logs["loss/target"] == pytest.approx(expected.mean(), rel=1e-5)


def test_pixelda_without_labels_is_the_original():
    """The task network learns from source and adapted images (Bousmalis et al. 2017, Eq. 4), their losses averaged."""
    trainer, batch = build_pixelda("data.labelled=none"), batch_of()
    loss = trainer.losses_of(Part(0, batch))
    assert set(loss) == {"source", "adapted", "content", "adversarial", "discriminator"}
    assert float(trainer.objectives_of(loss)["encoder"]) == pytest.approx(float(loss["source"] + loss["adapted"]) / 2)
    images, labels = batch["target"]
    some = {"source": batch["source"], "target": (images[:1], labels[:1]), "unlabelled": (images[1:], labels[1:])}
    found = trainer.losses_of(Part(0, some))  # real to the discriminator, whether they have labels or not
    assert float(found["discriminator"]) == pytest.approx(float(loss["discriminator"]), rel=1e-5)
