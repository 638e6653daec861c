"""Contract tests that every network passes, and what the paper's layer list says of each."""

import itertools
import math
import random as pyrandom

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import tiny

from hrs_keras.errors import CheckpointError
from hrs_keras.models import build_networks, build_segmenter
from hrs_keras.models.discriminator import discriminator
from hrs_keras.models.encoders.resnet import ResNet
from hrs_keras.models.encoders.vgg16 import VGG16
from hrs_keras.models.fcn8s import fcn8s
from hrs_keras.models.generator import generator
from hrs_keras.models.global_state import precision_policy, seeded
from hrs_keras.models.layers import CaffePreprocessing
from hrs_keras.models.weighting import weighting_network
from hrs_keras.recipe.encoder import Encoder
from hrs_keras.recipe.plugins import ENCODERS

H, W, C = 64, 128, 11
FULL_VGG = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]  # convolutions a block and their channels


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def probabilities(images=2):
    return tf.nn.softmax(random(images, H, W, C) * 5).numpy()


def vgg_segmenter():
    return fcn8s(VGG16(family="vgg16", width=0.0625, fc=32, preprocessing="caffe").build(), C)


def resnet_segmenter():
    return fcn8s(ResNet(family="resnet").build(), C)


FAMILIES = {
    "vgg16": ("encoder.family=vgg16",),
    "resnet": ("encoder.family=resnet", "encoder.width=1"),
}
IMAGES = random(2, H, W, 3)
SCORES = {"pixel": (H, W), "region": (H // 8, W // 8), "image": (1, 1)}
# Name -> (how to build it, an input, the shapes of the outputs, the range of the only output).
CASES = {
    "vgg16": (vgg_segmenter, IMAGES, {"logits": (2, H, W, C), "features": (2, H // 16, W // 16, 32)}, None),
    "resnet": (resnet_segmenter, IMAGES, {"logits": (2, H, W, C), "features": (2, H // 32, W // 32, 512)}, None),
    "generator from stride 16": (
        lambda: generator(6, 16, [8] * 6),
        random(2, H // 16, W // 16, 6),
        (2, H, W, 3),
        (-1, 1),
    ),
    "generator from stride 32": (
        lambda: generator(6, 32, [8] * 6),
        random(2, H // 32, W // 32, 6),
        (2, H, W, 3),
        (-1, 1),
    ),
    "discriminator": (lambda: discriminator([4, 4, 6, 6, 8, 8]), random(2, 256, 384, 3), (2, 2, 3, 1), None),
}
for level, size in SCORES.items():
    for k in (1, C):
        build = lambda level=level, k=k: weighting_network(level, C, k, width=4)  # noqa: E731
        CASES[f"weighting {level} {k}"] = (build, probabilities(), (2, *size, k), (0, 1))


def leaves(value):
    return value if isinstance(value, dict) else {"": value}


def arrays(outputs):
    """A dictionary of tensors as one of arrays."""
    return {key: y.numpy() for key, y in outputs.items()}


@pytest.mark.parametrize("name", CASES)
def test_contract(name, tmp_path):
    """Output shape, dtype and range; repeatable; serialises; predicts; has a gradient for every weight."""
    build, x, shapes, bounds = CASES[name]
    model = build()
    with tf.GradientTape() as tape:
        outputs = leaves(model(x))
        loss = tf.add_n([tf.reduce_mean(tf.square(y)) for y in outputs.values()])
    assert {key: tuple(y.shape) for key, y in outputs.items()} == leaves(shapes)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    outputs = arrays(outputs)
    for key, y in outputs.items():
        assert y.dtype == "float32"
        assert np.isfinite(y).all()
        assert np.ptp(y) > 0, f"{key} is constant"
        if bounds:
            assert bounds[0] <= np.min(y) and np.max(y) <= bounds[1]
    assert all(g is not None for g in gradients)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    reloaded, predicted = arrays(leaves(again(x))), leaves(model.predict(x, verbose=0))
    for key, y in outputs.items():
        np.testing.assert_array_equal(reloaded[key], y)
        np.testing.assert_allclose(predicted[key], y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (96, 160)])
@pytest.mark.parametrize("name", ["vgg16", "resnet"])
def test_segmenter_takes_any_multiple_of_32(name, size):
    outputs = CASES[name][0]()(random(1, *size, 3))
    assert tuple(outputs["logits"].shape) == (1, *size, C)


@pytest.mark.parametrize("name", ["vgg16", "resnet"])
@pytest.mark.parametrize(("size", "advice"), [((100, 128), "96x128"), ((64, 130), "64x128"), ((10, 64), "32x64")])
def test_segmenter_names_the_size_to_use(name, size, advice):
    with pytest.raises(ValueError, match=f"divisible by 32, found {size[0]}x{size[1]}; resize or crop to {advice}"):
        CASES[name][0]()(random(1, *size, 3))


def test_resnet_can_be_narrowed_from_its_second_stage_on():
    features = ResNet(family="resnet", width=0.125).build().output
    assert [features[name].shape[-1] for name in ("stride8", "stride16", "stride32", "deepest")] == [16, 32, 64, 64]


def conv(kernel, inputs, outputs):
    return kernel * kernel * inputs * outputs + outputs


def test_parameters_of_fcn8s_on_vgg16():
    count, inputs = 0, 3
    for convolutions, channels in FULL_VGG:
        for _ in range(convolutions):
            count += conv(3, inputs, channels)
            inputs = channels
    assert count == 14_714_688  # VGG16 without its top, as published
    count += conv(7, 512, 4096) + conv(1, 4096, 4096)
    count += conv(1, 4096, 19) + conv(1, 512, 19) + conv(1, 256, 19)
    model = fcn8s(VGG16(family="vgg16", preprocessing="caffe").build(), 19)
    assert model.count_params() == count
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == count
    shape = model.compute_output_shape((1, 512, 1024, 3))
    assert shape == {"logits": (1, 512, 1024, 19), "features": (1, 32, 64, 512)}


@pytest.mark.parametrize("k", [1, 19])
def test_parameters_and_size_of_the_weighting_networks(k):
    expected = conv(4, 19, 64) + conv(4, 64, 128) + conv(4, 128, 256) + conv(4, 256, 512) + conv(4, 512, k)
    sizes = {"pixel": (512, 1024), "region": (64, 128), "image": (1, 1)}
    for level, size in sizes.items():
        model = weighting_network(level, 19, k)
        assert model.count_params() == expected
        assert model.compute_output_shape((1, 512, 1024, 19)) == (1, *size, k)


def test_parameters_and_size_of_the_generator():
    expected = 4 * conv(3, 512, 512)  # two residual blocks of two
    for inputs, outputs in ((512, 256), (256, 128), (128, 64), (64, 32), (32, 32), (32, 32)):
        expected += conv(3, inputs, outputs)
    model = generator(512)
    assert model.count_params() == expected + conv(1, 32, 3)
    assert model.compute_output_shape((1, 32, 64, 512)) == (1, 512, 1024, 3)


def test_parameters_and_patches_of_the_discriminator():
    channels = (3, 64, 128, 256, 512, 512, 512, 1)
    model = discriminator()
    assert model.count_params() == sum(conv(3, a, b) for a, b in itertools.pairwise(channels))
    assert model.compute_output_shape((1, 512, 1024, 3)) == (1, 4, 8, 1)


def bilinear(image, factor):
    """Half-pixel centres, edge pixels repeated: each output pixel weighs its four neighbours by distance."""
    height, width = image.shape[:2]

    def neighbours(length):
        centre = (np.arange(length * factor) + 0.5) / factor - 0.5
        low = np.floor(centre).astype(int)
        return np.clip(low, 0, length - 1), np.clip(low + 1, 0, length - 1), centre - low

    top, bottom, v = neighbours(height)
    left, right, u = neighbours(width)
    v, u = v[:, None, None], u[None, :, None]
    upper = image[top][:, left] * (1 - u) + image[top][:, right] * u
    lower = image[bottom][:, left] * (1 - u) + image[bottom][:, right] * u
    return upper * (1 - v) + lower * v


def test_scores_are_added_up_bilinearly_as_in_fcn8s():
    model = vgg_segmenter()
    scores = keras.Model(model.inputs[0], [model.get_layer(f"score{s}").output for s in (32, 16, 8)])
    score32, score16, score8 = (s.numpy()[0].astype("float64") for s in scores(IMAGES[:1]))
    expected = bilinear(bilinear(bilinear(score32, 2) + score16, 2) + score8, 8)
    np.testing.assert_allclose(model(IMAGES[:1])["logits"].numpy()[0], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("level", SCORES)
@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_weighting_network_resizes_its_last_convolution(level, activation):
    model = weighting_network(level, C, 1, width=4, activation=activation)
    raw = keras.Model(model.inputs[0], model.get_layer("conv5").output)(probabilities(1)).numpy()[0].astype("float64")
    assert raw.shape == (H // 32, W // 32, 1)
    expected = raw.mean((0, 1), keepdims=True) if level == "image" else bilinear(raw, SCORES[level][0] * 32 // H)
    if activation == "sigmoid":
        expected = 1 / (1 + np.exp(-expected))
    np.testing.assert_allclose(model(probabilities(1)).numpy()[0], expected, rtol=1e-4, atol=1e-5)


def test_caffe_preprocessing():
    image = np.array([-1, 0, 1], "float32").reshape(1, 1, 1, 3)  # red 0, green 127.5, blue 255
    expected = keras.applications.vgg16.preprocess_input((image + 1) * 127.5)
    result = CaffePreprocessing()(image).numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_allclose(np.ravel(result), [255 - 103.939, 127.5 - 116.779, 0 - 123.68], rtol=1e-5)


@pytest.mark.parametrize("name", ENCODERS.names())
def test_every_family_gives_the_features_that_it_promises(name):
    encoder = ENCODERS.load_class(name, Encoder).model_validate({"family": name})
    shapes = {key: shape[1:3] for key, shape in encoder.build().compute_output_shape((1, 64, 128, 3)).items()}
    assert shapes == {f"stride{s}": (64 // s, 128 // s) for s in (8, 16, 32)} | {
        "deepest": (64 // encoder.deepest_stride, 128 // encoder.deepest_stride)
    }


@pytest.mark.parametrize("family", ["vgg16", "resnet"])
def test_networks_of_a_recipe_fit_each_other(family):
    networks = build_networks(tiny.recipe(*FAMILIES[family]))
    prediction = networks.segmenter(IMAGES)
    rebuilt = networks.generator(prediction["features"])
    assert rebuilt.shape == IMAGES.shape
    assert networks.discriminator(rebuilt).shape == (2, 1, 1, 1)
    assert {level: tuple(w(prediction["logits"]).shape[1:3]) for level, w in networks.weighting.items()} == SCORES


@pytest.mark.parametrize("family", ["vgg16", "resnet"])
def test_initial_weights_depend_on_the_seed_alone(family):
    def weights(seed):
        networks = build_networks(tiny.recipe(*FAMILIES[family], f"seed={seed}"))
        every = [networks.segmenter, *networks.weighting.values(), networks.generator, networks.discriminator]
        return [w for network in every for w in network.get_weights()]

    first, other = weights(3), weights(4)
    np.random.default_rng().random()
    tf.random.normal((3,))
    for a, b in zip(first, weights(3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(first, other, strict=True))


def test_building_leaves_global_state_as_it_was():
    """The caller's random numbers, NumPy's and TensorFlow's too, and the dtype policy."""

    def drawn():
        return pyrandom.random(), np.random.rand(), float(tf.random.uniform(()))

    pyrandom.seed(1)
    np.random.seed(1)
    tf.random.set_seed(1)
    undisturbed = [drawn(), drawn()]
    pyrandom.seed(1)
    np.random.seed(1)
    tf.random.set_seed(1)
    disturbed = [drawn()]
    networks = build_networks(tiny.recipe("precision=mixed_bfloat16"))
    assert keras.config.dtype_policy().name == "float32"
    assert networks.segmenter.get_layer("score8").compute_dtype == "bfloat16"
    assert [*disturbed, drawn()] == undisturbed


def test_global_state_is_put_back_after_an_error():
    recipe, state = tiny.recipe("precision=mixed_float16"), pyrandom.getstate()
    with pytest.raises(ZeroDivisionError), seeded(3), precision_policy(recipe):
        assert keras.config.dtype_policy().name == "mixed_float16" and pyrandom.getstate() != state
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == "float32" and pyrandom.getstate() == state


def test_a_segmenter_computes_in_the_recipes_precision_whatever_the_policy():
    with precision_policy(tiny.recipe("precision=mixed_float16")):
        segmenter = build_segmenter(tiny.recipe("precision=mixed_bfloat16"))
    assert segmenter.get_layer("score8").compute_dtype == "bfloat16"


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


@pytest.mark.parametrize("case", ["offline", "missing", "corrupt", "wrong architecture", "folder"])
def test_weights_that_cannot_be_loaded(broken_weights, case):
    weights = broken_weights[case]
    settings = VGG16(family="vgg16", weights=weights, preprocessing="caffe")
    with pytest.raises(CheckpointError) as caught:
        settings.load_weights(None)  # fails before it touches the network
    message = str(caught.value)
    assert ("cannot download the ImageNet weights" if weights == "imagenet" else weights) in message
    assert "encoder.weights: null" in message
    assert "vgg16_weights_tf_dim_ordering_tf_kernels.h5" in message
