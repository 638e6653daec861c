"""Contract tests that every family of encoders passes."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import tiny

from hrs_keras.errors import CheckpointError
from hrs_keras.models import backbones, build_networks
from hrs_keras.models.encoders.efficientnet_lite import EfficientNetLite
from hrs_keras.models.encoders.keras_applications import KerasApplications
from hrs_keras.models.encoders.resnet import ResNet
from hrs_keras.models.encoders.vgg16 import VGG16
from hrs_keras.models.fcn8s import Heads, fcn8s
from hrs_keras.recipe.encoder import FEATURES, Encoder
from hrs_keras.recipe.plugins import ENCODERS

H, W, C = 64, 128, 11
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, H, W, 3)).astype("float32")


def application(model):
    return KerasApplications(family="keras_applications", model=model)


# Settings, and the channels of the features of stride 8, 16, 32 and the deepest ones.
FAMILIES = {
    "vgg16": (VGG16(family="vgg16", width=0.0625, fc=32, preprocessing="caffe"), (16, 32, 32, 32)),
    "resnet": (ResNet(family="resnet", width=0.25), (32, 64, 128, 128)),
    "efficientnet_lite": (EfficientNetLite(family="efficientnet_lite"), (40, 112, 1280, 320)),
    "MobileNetV3Small": (application("MobileNetV3Small"), (96, 288, 576, 576)),
    "MobileNetV3Large": (application("MobileNetV3Large"), (240, 672, 960, 960)),
    "ResNet50V2": (application("ResNet50V2"), (128, 256, 2048, 2048)),
    "EfficientNetV2B0": (application("EfficientNetV2B0"), (192, 672, 1280, 1280)),
    "ConvNeXtTiny": (application("ConvNeXtTiny"), (192, 384, 768, 768)),
}


def quick(names, *of_them):
    """Names as parameters, of which those that are not ``of_them`` are slow."""
    return [name if name in of_them else pytest.param(name, marks=pytest.mark.slow) for name in names]


def segmenter(name):
    return fcn8s(FAMILIES[name][0].build(), C, Heads("random", (1.0, 1.0, 1.0)))


def arrays(outputs):
    return {key: y.numpy() if hasattr(y, "numpy") else y for key, y in outputs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", quick(FAMILIES, "vgg16", "resnet"))
def test_contract(name, tmp_path):
    """Features as promised; repeatable; a gradient for every weight; serialises; any multiple of 32; checkpoints."""
    encoder, channels = FAMILIES[name]
    model = segmenter(name)
    strides = (8, 16, 32, encoder.deepest_stride)
    shapes = {key: (2, H // s, W // s, c) for key, s, c in zip(FEATURES, strides, channels, strict=True)}
    (network,) = (layer for layer in model.layers if isinstance(layer, keras.Model))
    features = arrays(network(IMAGES))
    assert {key: y.shape for key, y in features.items()} == shapes
    assert all(np.isfinite(y).all() and np.ptp(y) > 0 for y in features.values())

    with tf.GradientTape() as tape:
        outputs = model(IMAGES)
        loss = tf.add_n([tf.reduce_mean(tf.square(y)) for y in outputs.values()])
    assert all(g is not None for g in tape.gradient(loss, [v.value for v in model.trainable_variables]))
    outputs = arrays(outputs)
    assert outputs["logits"].shape == (2, H, W, C)

    model.save(tmp_path / "model.keras")
    again = arrays(keras.saving.load_model(tmp_path / "model.keras")(IMAGES))
    prefix = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    other = segmenter(name)
    tf.train.Checkpoint(model=other).read(prefix).assert_consumed()
    for key, y in outputs.items():
        np.testing.assert_array_equal(again[key], y)
        np.testing.assert_array_equal(other(IMAGES)[key].numpy(), y)
    assert tuple(model(IMAGES[:1, :32, :96])["logits"].shape) == (1, 32, 96, C)


@pytest.mark.parametrize("name", ["vgg16", "resnet", "efficientnet_lite", "MobileNetV3Small"])
@pytest.mark.fault("images whose sides are no multiples of 32", "refused; the nearest size that fits is named")
def test_encoders_name_the_size_to_use(name):
    network = FAMILIES[name][0].build()
    for size, advice in (((100, 128), "96x128"), ((64, 130), "64x128"), ((10, 64), "32x64")):
        message = f"divisible by 32, found {size[0]}x{size[1]}; resize or crop to {advice}"
        with pytest.raises(ValueError, match=message):
            network(np.zeros((1, *size, 3), "float32"))


@pytest.mark.parametrize("name", ENCODERS.names())
@pytest.mark.slow
def test_every_family_has_a_default_for_each_setting(name):
    encoder = ENCODERS.load_class(name, Encoder).model_validate({"family": name})
    assert encoder.weights is None and encoder.deepest_stride in (16, 32)
    assert set(encoder.build().output) == set(FEATURES)


def test_resnet_can_be_narrowed_from_its_second_stage_on():
    features = ResNet(family="resnet", width=0.125).build().output
    assert [features[name].shape[-1] for name in FEATURES] == [16, 32, 64, 64]


CHANGES = {
    "vgg16": ("encoder.family=vgg16",),
    "resnet": ("encoder.family=resnet", "encoder.width=1"),
    "efficientnet_lite": ("encoder.family=efficientnet_lite",),
    "keras_applications": ("encoder.family=keras_applications", "encoder.model=MobileNetV3Small"),
}


@pytest.mark.parametrize("family", CHANGES)
def test_networks_of_a_recipe_fit_each_other(family):
    networks = build_networks(tiny.recipe(*CHANGES[family]))
    prediction = networks.segmenter(IMAGES)
    rebuilt = networks.generator(prediction["features"])
    assert rebuilt.shape == IMAGES.shape
    assert networks.discriminator(rebuilt).shape == (2, 1, 1, 1)
    scores = {level: tuple(w(prediction["logits"]).shape[1:3]) for level, w in networks.weighting.items()}
    assert scores == {"pixel": (H, W), "region": (H // 8, W // 8), "image": (1, 1)}


@pytest.mark.parametrize("family", quick(CHANGES, "vgg16"))
def test_initial_weights_depend_on_the_seed_alone(family):
    def weights(seed):
        networks = build_networks(tiny.recipe(*CHANGES[family], f"seed={seed}"))
        every = [networks.segmenter, *networks.weighting.values(), networks.generator, networks.discriminator]
        return [w for network in every for w in network.get_weights()]

    first, other = weights(3), weights(4)
    np.random.default_rng().random()
    tf.random.normal((3,), seed=1)  # a training in this process may have forbidden random numbers without a seed
    for a, b in zip(first, weights(3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("name", "batch_norm", "weights", "frozen"),
    [
        ("efficientnet_lite", "auto", None, False),
        ("efficientnet_lite", "auto", "imagenet", True),
        ("efficientnet_lite", "frozen", None, True),
        ("efficientnet_lite", "trained", "imagenet", False),
        ("MobileNetV3Small", "auto", "imagenet", True),
    ],
)
def test_batch_normalisation_is_frozen_with_pretrained_weights(name, batch_norm, weights, frozen):
    """A frozen one gives in training what it gives otherwise, and its four vectors stay."""
    settings = FAMILIES[name][0].model_copy(update={"batch_norm": batch_norm, "weights": weights, "drop_connect": 0.0})
    network = settings.build()
    before = [variable.numpy() for variable in network.non_trainable_variables]
    trained = [variable.path for variable in network.trainable_variables]
    network(IMAGES * 3 + 1, training=True)
    after = [variable.numpy() for variable in network.non_trainable_variables]
    assert any(np.any(a != b) for a, b in zip(before, after, strict=True)) is not frozen
    assert any(path.endswith("gamma") for path in trained) is not frozen


FOLDED = {
    "efficientnet_lite": 49,
    "MobileNetV3Small": 34,
    "MobileNetV3Large": 46,
    "ResNet50V2": 32,
    "EfficientNetV2B0": 59,
}
"""How many layers of frozen batch normalisation the convolutions before them compute."""

PADDED = {"efficientnet_lite": 5, "MobileNetV3Small": 4, "MobileNetV3Large": 4, "ResNet50V2": 13, "EfficientNetV2B0": 0}
"""How many layers of zero padding the convolutions after them compute."""


@pytest.mark.parametrize("name", quick(FOLDED, "efficientnet_lite"))
def test_features_are_those_of_keras_own_batch_normalisation(name, monkeypatch):
    settings = FAMILIES[name][0].model_copy(update={"batch_norm": "frozen"})

    def features(network):
        numbers = np.random.default_rng(0)
        for variable in network.variables:
            if len(variable.shape) == 1:
                variable.assign(numbers.uniform(0.5, 1.5, variable.shape))
        return arrays(network(IMAGES))

    keras.utils.set_random_seed(0)
    folded = settings.build()
    monkeypatch.setattr(backbones, "fold_batch_norm", lambda *_: None)
    monkeypatch.setattr(backbones, "fold_padding", lambda *_: None)
    keras.utils.set_random_seed(0)
    own = settings.build()
    inner = next(layer for layer in folded.layers if isinstance(layer, keras.Model))
    other = collections.Counter(type(layer).__name__ for layer in inner.layers if "call" in vars(layer))
    assert other["Conv2D"] + other["DepthwiseConv2D"] == other["BatchNormalization"] == FOLDED[name]
    assert other["ZeroPadding2D"] == PADDED[name]
    expected = features(own)
    for key, found in features(folded).items():
        np.testing.assert_allclose(found, expected[key], rtol=1e-3, atol=1e-4 * np.abs(expected[key]).max())


@pytest.mark.slow
def test_weights_of_keras_applications_from_a_file(tmp_path):
    """Of the library's own network: the encoder then has its last features. A file that is missing is named."""
    path = tmp_path / "small.weights.h5"
    reference = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(None, None, 3))
    reference.save_weights(path)
    settings = KerasApplications(family="keras_applications", model="MobileNetV3Small", weights=str(path))
    network = settings.build()
    assert sum(len(layer.weights) for layer in settings.load_weights(network)) == len(reference.weights)
    expected = reference((IMAGES + 1) * 127.5, training=False)
    np.testing.assert_allclose(network(IMAGES)["stride32"], expected, rtol=1e-3, atol=1e-4)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"cannot load '.*small\.weights\.h5' of MobileNetV3Small"):
        settings.load_weights(network)
