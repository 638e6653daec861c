"""The parts of the encoder that no pretrained weights were loaded into, and their learning rate."""

import numpy as np
import pytest
from support import tiny
from support.one_step import batch_of
from support.pretrained import Pretrained

from hrs_keras.errors import RecipeError
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks
from hrs_keras.recipe import ENCODERS

PLAIN = ("encoder.family=pretrained", "encoder.heads=random", "method.source_weighting=plain", "method.gan=false")
HEADS = [f"score{stride}/{variable}" for stride in (32, 16, 8) for variable in ("kernel", "bias")]
TOP = ["top/kernel", "top/bias"]


@pytest.fixture(autouse=True)
def family():
    ENCODERS.register("pretrained", Pretrained)
    yield
    ENCODERS.unregister("pretrained")


@pytest.mark.parametrize(
    ("weights", "fresh"), [("all", HEADS), ("without top", TOP + HEADS)], ids=["all", "without top"]
)
def test_what_the_encoder_did_not_fill_is_fresh(weights, fresh):
    networks = build_networks(tiny.recipe(*PLAIN, f"encoder.weights={weights}"))
    assert sorted(variable.path for variable in networks.fresh) == sorted(fresh)
    assert all(any(v is known for known in networks.segmenter.trainable_variables) for v in networks.fresh)


def test_without_pretrained_weights_all_is_fresh():
    networks = build_networks(tiny.recipe(*PLAIN))
    assert networks.fresh == tuple(networks.segmenter.trainable_variables)


@pytest.mark.fault(
    "an encoder of your own does not say which layers its `load_weights` has filled", "an error that names the family"
)
def test_an_encoder_that_does_not_say_what_it_filled(monkeypatch):
    monkeypatch.setattr(Pretrained, "load_weights", lambda self, model: None)
    with pytest.raises(RecipeError, match=r"Pretrained\.load_weights\(\) of the family 'pretrained' returns None; it"):
        build_networks(tiny.recipe(*PLAIN, "encoder.weights=all"))


@pytest.mark.parametrize("factor", [1, 10])
def test_fresh_parts_learn_so_many_times_as_fast(factor):
    """Adam's first step is as long as the learning rate, whatever the gradient (Kingma & Ba 2015, Section 2.1)."""
    recipe = tiny.recipe(
        *PLAIN, "encoder.weights=without top", f"train.fresh_factor={factor}", "train.learning_rate.encoder=1e-3"
    )
    trainer = build_trainer(recipe, build_networks(recipe))
    variables = trainer.segmenter.trainable_variables
    before = {v.path: v.numpy() for v in variables}
    trainer.train_step(batch_of())
    moved = {v.path: np.abs(v.numpy() - before[v.path]).max() for v in variables}
    expected = {path: 1e-3 * (factor if path in TOP + HEADS else 1) for path in moved}
    assert moved == pytest.approx(expected, rel=2e-2)
    rates = {"encoder": pytest.approx(float(trainer.players[0].optimizer.learning_rate))}
    if factor != 1:
        rates["encoder/fresh"] = pytest.approx(10 * float(trainer.players[0].optimizer.learning_rate))
    assert trainer.players[0].learning_rates == rates
