"""A source weighting and a system from outside the package: the very files that docs/extending.md shows."""

import csv
import math
import sys

import numpy as np
import pytest
import tensorflow as tf
from support import reference, tiny
from support.one_step import batch_of
from support.outside import install, shown

from hrs_keras.errors import RecipeError
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks
from hrs_keras.recipe import load_recipe
from hrs_keras.recipe.plugins import SOURCE_WEIGHTINGS, TRAINERS
from hrs_keras.recipe.source_weighting import SourcePixels
from hrs_keras.training.run import train

PLAIN = ("method.source_weighting=plain", "method.gan=false")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with the source weighting ``small_loss`` and the trainer ``entropy``."""
    files = {"small_loss": shown('"""Small-loss'), "entropy": shown('"""Joint training with entropy')}
    entry_points = "[hrs_keras.source_weightings]\nsmall_loss = small_loss\n[hrs_keras.trainers]\nentropy = entropy\n"
    install(tmp_path / "site", files, entry_points)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    for name in files:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("installed")
def test_a_source_weighting_from_outside():
    assert "small_loss" in SOURCE_WEIGHTINGS.names()
    recipe = tiny.recipe("method.source_weighting=small_loss", "method.gan=false", "encoder.heads=random")
    assert recipe.method.reads_source and not recipe.method.selects
    images, labels = tiny.domain(3, images=2)
    trainer = build_trainer(recipe, build_networks(recipe))
    assert not trainer.weighting and [player.name for player in trainer.players] == ["encoder"]
    logits = trainer(images)
    weights = trainer.source_weighting.weights(SourcePixels(tf.constant(labels), logits, {}), recipe.method)
    likely = np.log(reference.softmax(logits.numpy()))
    own = np.take_along_axis(likely, np.minimum(labels, tiny.CLASSES - 1)[..., None], -1)[..., 0]
    loss = np.where(labels == tiny.IGNORE, 0, -own)
    expected = loss < loss.mean((1, 2), keepdims=True)
    assert np.mean(weights.numpy() == expected) > 0.999  # but for rounding at the limit
    logs = trainer.train_step(batch_of())
    assert 0 < float(logs["loss/source"]) < 10 and 0 < float(logs["selected"]) < 1


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_a_system_from_outside_is_trained(recipe_file):
    short = ("train.steps=2", "train.log_every=1", "train.validate_every=2")
    recipe = load_recipe(recipe_file, ["method.trainer=entropy", *PLAIN, *short, "name=entropy"])
    result = train(recipe, export=False)
    with open(result.run_dir / "log.csv") as file:
        entropies = [float(row["loss/entropy"]) for row in csv.DictReader(file)]
    assert len(entropies) == 2 and all(0 < entropy <= math.log(19) for entropy in entropies)
    assert (result.run_dir / "checkpoints/last/step-2.index").is_file()


def test_a_source_weighting_that_is_none():
    SOURCE_WEIGHTINGS.register("nonsense", dict)
    try:
        with pytest.raises(RecipeError, match=r"source_weighting: .*'nonsense'.*an instance of .*SourceWeighting"):
            tiny.recipe("method.source_weighting=nonsense", "method.gan=false")
    finally:
        SOURCE_WEIGHTINGS.unregister("nonsense")


def test_a_system_that_is_none():
    TRAINERS.register("nonsense", dict)
    try:
        recipe = tiny.recipe("method.trainer=nonsense", *PLAIN)
        with pytest.raises(RecipeError, match=r"trainer 'nonsense' .* is .*dict.*derived from .*\.Trainer"):
            build_trainer(recipe, build_networks(recipe))
    finally:
        TRAINERS.unregister("nonsense")
    with pytest.raises(RecipeError, match=r"method\.trainer: unknown trainer 'nonsense'"):
        tiny.recipe("method.trainer=nonsense", *PLAIN)
