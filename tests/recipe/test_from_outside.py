"""An encoder and a data set from outside the package: the very files that docs/extending.md shows."""

import sys

import keras
import numpy as np
import pytest
from support import tiny
from support.outside import install, shown

from hrs_keras.errors import CheckpointError, RecipeError
from hrs_keras.models import build_networks, build_segmenter
from hrs_keras.recipe import DATA_SETS, ENCODERS, load_recipe
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.training.run import train

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 64, 128, 3)).astype("float32")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with the encoder ``mobilenet`` and the data sets ``mapillary`` and ``second_city``."""
    second_city = (
        "LAYOUT = {'root': 'cityscapes', 'images': 'leftImg8bit/{split}/*/*_leftImg8bit.png',"
        " 'labels': 'gtFine/{split}/*/*_gtFine_labelIds.png', 'ids': 'cityscapes'}\n"
    )
    files = {"mobilenet": shown('"""MobileNet'), "mapillary": shown('"""Mapillary'), "second_city": second_city}
    entry_points = (
        "[hrs_keras.encoders]\nmobilenet = mobilenet\n"
        "[hrs_keras.data_sets]\nmapillary = mapillary\nsecond_city = second_city:LAYOUT\n"
    )
    site = tmp_path / "site"
    install(site, files, entry_points)
    monkeypatch.syspath_prepend(str(site))
    yield site
    for name in files:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("installed")
def test_settings_of_an_encoder_from_outside():
    assert ENCODERS.names() == ["efficientnet_lite", "keras_applications", "mobilenet", "resnet", "vgg16"]
    recipe = tiny.recipe("encoder.family=mobilenet")
    assert type(recipe.encoder).__name__ == "MobileNet"
    assert recipe.to_dict()["encoder"] == {
        "family": "mobilenet",
        "weights": None,
        "heads": "random",
        "head_scales": [1.0, 1.0, 1.0],
        "width": 0.0625,
    }
    with pytest.raises(RecipeError, match=r"encoder\.widht: unknown key\. Did you mean 'width'\?"):
        tiny.recipe("encoder.family=mobilenet", "encoder.widht=2")
    with pytest.raises(
        RecipeError, match=r"encoder\.family: unknown encoder family 'mobilnet'\. Did you mean 'mobilenet'"
    ):
        tiny.recipe("encoder.family=mobilnet")


@pytest.mark.usefixtures("installed")
def test_an_encoder_from_outside_builds_and_serialises(tmp_path):
    recipe = tiny.recipe("encoder.family=mobilenet", "encoder.width=0.25", "precision=mixed_bfloat16")
    networks = build_networks(recipe)
    assert networks.generator(networks.segmenter(IMAGES)["features"]).shape == IMAGES.shape
    for one, again in zip(
        networks.segmenter.get_weights(), build_networks(recipe).segmenter.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, again)
    networks.segmenter.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES)["logits"], networks.segmenter(IMAGES)["logits"])


@pytest.mark.usefixtures("installed")
@pytest.mark.slow
def test_pretrained_weights_of_an_encoder_from_outside(tmp_path):
    options = {"input_shape": (64, 128, 3), "alpha": 0.25, "include_top": False, "weights": None}
    trained = keras.applications.MobileNet(**options)
    path = tmp_path / "mobilenet.weights.h5"
    trained.save_weights(path)
    recipe = tiny.recipe("encoder.family=mobilenet", "encoder.width=0.25", f"encoder.weights={path}")
    features = build_segmenter(recipe, pretrained=True)(IMAGES)["features"]
    np.testing.assert_allclose(features, trained(IMAGES), rtol=1e-4, atol=1e-5)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"encoder\.weights: cannot load .* of MobileNet"):
        build_segmenter(recipe, pretrained=True)


def test_an_encoder_that_lacks_a_feature_is_named(installed):
    text = (installed / "mobilenet.py").read_text()
    (installed / "mobilenet.py").write_text(text.replace('"stride16": "conv_pw_11_relu", ', ""))
    with pytest.raises(RecipeError, match=r"MobileNet\.build\(\) of the family 'mobilenet' .* must also give stride16"):
        build_segmenter(tiny.recipe("encoder.family=mobilenet"))


@pytest.mark.usefixtures("installed")
def test_a_data_set_from_outside():
    assert {"mapillary", "second_city", "gtav", "folder"} <= set(DATA_SETS.names())
    (dataset,) = tiny.recipe(
        "data.classes=cityscapes", "data.source=[{format: mapillary, split: training}]"
    ).data.source
    assert (dataset.images, dataset.encoding, dataset.table()[13]) == ("{split}/images/*.jpg", "palette", "road")
    with pytest.raises(RecipeError, match=r"unknown data set format 'mapilary'\. Did you mean 'mapillary'\?"):
        tiny.recipe("data.source=[{format: mapilary}]")


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
def test_both_train(recipe_file):
    """Two steps, from the audit to the export."""
    recipe = load_recipe(
        recipe_file,
        [
            *("encoder.family=mobilenet", "data.target=[{format: second_city}]", "train.steps=2", "name=outside"),
            *("method.gan=false", "train.validate_every=2", "train.selection_images=0", "train.pictures=0"),
        ],
    )
    result = train(recipe)
    assert result.step in (0, 2) and (result.saved_model / "saved_model.pb").is_file()
    assert RunFolder(result.run_dir).recipe() == recipe
    segmenter, step = load_segmenter(RunFolder(result.run_dir))
    assert step == result.step and segmenter(IMAGES)["features"].shape[1:3] == (2, 4)
