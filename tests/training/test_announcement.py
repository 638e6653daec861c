"""What a run says of its players before their first step."""

import numpy as np
import pytest
import tensorflow as tf
from support import tiny
from support.pretrained import Pretrained

from hrs_keras.method.class_weights import ClassWeights
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks, global_state
from hrs_keras.recipe import ENCODERS
from hrs_keras.training import run
from hrs_keras.training.announcement import announce


@pytest.mark.parametrize(
    ("precision", "has", "gpu", "warned"),
    [
        ("mixed_bfloat16", False, False, True),
        ("mixed_bfloat16", False, True, False),
        ("mixed_bfloat16", None, False, False),
        ("mixed_float16", True, False, False),
        ("float32", True, False, False),
    ],
)
def test_a_processor_without_instructions_for_the_precision(monkeypatch, caplog, precision, has, gpu, warned):
    asked = []
    monkeypatch.setattr(global_state, "computes_in", lambda dtype: asked.append(dtype) or has)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"] if gpu else [])
    run.warn_of_slow_precision(tiny.recipe(f"precision={precision}"))
    assert asked == [precision.removeprefix("mixed_")]
    expected = f"precision: {precision}: this processor has no instructions for bfloat16"
    assert (expected in caplog.text) == warned and bool(caplog.records) == warned


@pytest.fixture(autouse=True)
def family():
    ENCODERS.register("pretrained", Pretrained)
    yield
    ENCODERS.unregister("pretrained")


def said(*changes, class_weights=None):
    recipe = tiny.recipe("encoder.family=pretrained", "method.levels=[image]", "method.gan=false", *changes)
    trainer = build_trainer(recipe, build_networks(recipe))
    trainer.class_weights = class_weights
    return list(announce(trainer, recipe))


# Kernels and biases of stem (without), normalisation, middle and top, and of three heads for 11 classes, by hand.
ENCODER = 8 * 8 * 3 * 4 + 2 * 4 + 2 * (2 * 2 * 4 * 4 + 4)
HEADS = 3 * (4 * 11 + 11)


def test_parameters_and_learning_rates():
    weighting, encoder = said("train.learning_rate.encoder=3e-4")[::-1]
    assert encoder == f"encoder: {ENCODER + HEADS:,} parameters, learning rate 0.0003"
    assert weighting.startswith("weighting/image: ") and weighting.endswith(" parameters, learning rate 0.0001")


def test_all_that_is_on():
    encoder, weighting, warmup = said(
        *("encoder.weights=all", "train.fresh_factor=10", "train.weight_decay={encoder: 0.01, weighting: 0.02}"),
        *("train.average=0.999", "train.clip_norm.encoder=5", "train.steps=2000", "train.warmup=100"),
    )
    assert encoder == (
        f"encoder: {ENCODER + HEADS:,} parameters, learning rate 0.0001, 10 times that for the {HEADS} that are not"
        " pretrained, gradients clipped to a norm of 5, weight decay 0.01, validated and exported with weights averaged"
        " by 0.999"
    )
    assert weighting.endswith(" parameters, learning rate 0.0001, weight decay 0.02")
    assert warmup == "learning rates rise over 100 steps and decay over the other 1900"


def test_an_averaged_teacher():
    mixing = ("method.trainer=class_mix", "method.source_weighting=plain", "data.labelled=none")
    (encoder,) = said(*mixing, "method.class_mix.teacher=0.9")
    assert encoder.endswith("learning rate 0.0001, its teacher's weights averaged by 0.9")


def test_weights_of_classes():
    weights = ClassWeights({"target": np.array([0.5, 1.25, *9 * [1]]), "source": np.full(11, 12.345)})
    target, source = said(class_weights=weights)[-2:]
    assert target.startswith("weights of the classes, target: sky 0.5, building 1.2, ")
    assert source.startswith("weights of the classes, source: sky 12, building 12, ")
