"""Contract tests that every network passes, and what the paper's layer list says of each."""

import itertools
import json
import math
import random as pyrandom

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import tiny
from support.processes import start

from hrs_keras.errors import HRSError
from hrs_keras.models import build_networks, build_segmenter
from hrs_keras.models.discriminator import discriminator
from hrs_keras.models.encoders.vgg16 import VGG16
from hrs_keras.models.fcn8s import Heads, fcn8s
from hrs_keras.models.generator import generator
from hrs_keras.models.global_state import precision_policy, seeded, settle_keras
from hrs_keras.models.layers import CaffePreprocessing
from hrs_keras.models.weighting import weighting_network

H, W, C = 64, 128, 11
FULL_VGG = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]  # convolutions a block and their channels


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def probabilities(images=2):
    return tf.nn.softmax(random(images, H, W, C) * 5).numpy()


RANDOM = Heads("random", (1.0, 1.0, 1.0))


def vgg_segmenter(heads=RANDOM):
    return fcn8s(VGG16(family="vgg16", width=0.0625, fc=32, preprocessing="caffe").build(), C, heads)


IMAGES = random(2, H, W, 3)
SCORES = {"pixel": (H, W), "region": (H // 8, W // 8), "image": (1, 1)}
# Name -> (how to build it, an input, the shapes of the outputs, the range of the only output).
CASES = {
    "vgg16": (
        vgg_segmenter,
        IMAGES,
        {
            **{"logits": (2, H, W, C), "features": (2, H // 16, W // 16, 32)},
            **{"stride32": (2, H // 32, W // 32, 32), "stride16": (2, H // 16, W // 16, 32)},
            "stride8": (2, H // 8, W // 8, 16),
        },
        None,
    ),
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


def conv(kernel, inputs, outputs):
    return kernel * kernel * inputs * outputs + outputs


@pytest.mark.slow
def test_parameters_of_fcn8s_on_vgg16():
    count, inputs = 0, 3
    for convolutions, channels in FULL_VGG:
        for _ in range(convolutions):
            count += conv(3, inputs, channels)
            inputs = channels
    assert count == 14_714_688  # VGG16 without its top, as published
    count += conv(7, 512, 4096) + conv(1, 4096, 4096)
    count += conv(1, 4096, 19) + conv(1, 512, 19) + conv(1, 256, 19)
    model = fcn8s(VGG16(family="vgg16", preprocessing="caffe").build(), 19, RANDOM)
    assert model.count_params() == count
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == count
    shape = model.compute_output_shape((1, 512, 1024, 3))
    scored = {"stride32": (1, 16, 32, 4096), "stride16": (1, 32, 64, 512), "stride8": (1, 64, 128, 256)}
    assert shape == {"logits": (1, 512, 1024, 19), "features": (1, 32, 64, 512)} | scored


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


@pytest.mark.parametrize("heads", [RANDOM, Heads("random", (1.0, 0.01, 0.0001))], ids=["plain", "scaled"])
def test_scores_are_added_up_bilinearly_as_in_fcn8s(heads):
    model = vgg_segmenter(heads)
    scores = keras.Model(model.inputs[0], [model.get_layer(f"score{s}").output for s in (32, 16, 8)])
    score32, score16, score8 = (s.numpy()[0].astype("float64") for s in scores(IMAGES[:1]))
    expected = bilinear(bilinear(bilinear(score32, 2) + score16, 2) + score8, 8)
    np.testing.assert_allclose(model(IMAGES[:1])["logits"].numpy()[0], expected, rtol=1e-4, atol=1e-3)


def test_heads_that_start_at_zero_give_every_class_the_same_score():
    model = vgg_segmenter(Heads("zero", (1.0, 1.0, 1.0)))
    assert not np.any(model(IMAGES)["logits"]) and np.any(model(IMAGES)["features"])


def test_head_scales_multiply_the_features_of_their_stride():
    """What a head adds is its kernel times the scaled features, by hand."""
    model = vgg_segmenter(Heads("random", (1.0, 0.01, 0.0001)))
    encoder = model.get_layer("vgg16")
    for stride, scale in ((32, 1.0), (16, 0.01), (8, 0.0001)):
        head = model.get_layer(f"score{stride}")
        features = encoder(IMAGES[:1])[f"stride{stride}"].numpy().astype("float64")
        kernel, bias = (value.astype("float64") for value in head.get_weights())
        found = keras.Model(model.inputs[0], head.output)(IMAGES[:1]).numpy()
        np.testing.assert_allclose(found, scale * features @ kernel[0, 0] + bias, rtol=1e-4, atol=1e-5)


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


@pytest.fixture
def other_keras_settings():
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    yield
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")


@pytest.mark.fault(
    "another `image_data_format` or `floatx` in keras.json, or set by a program",
    "changed to what the networks need, with a warning; results are the same",
)
def test_networks_do_not_depend_on_other_settings_of_keras(other_keras_settings, capsys):
    networks = build_networks(tiny.recipe())
    assert capsys.readouterr().out == (
        "warning: Keras' settings were not what hrs_keras needs; changed image_data_format from channels_first to"
        " channels_last and floatx from float64 to float32\n"
    )
    rate = keras.optimizers.schedules.PolynomialDecay(1e-3, 10)(0)
    assert rate.dtype == "float32" and keras.config.dtype_policy().name == "float32"
    images = random(1, 32, 64, 3)
    logits = networks.segmenter(images)["logits"]
    assert logits.shape == (1, 32, 64, C) and logits.dtype == "float32"
    expected = build_networks(tiny.recipe()).segmenter(images)["logits"]
    np.testing.assert_array_equal(logits, expected)
    assert not capsys.readouterr().out


@pytest.mark.fault(
    "another backend of Keras, in keras.json or by `KERAS_BACKEND`",
    "TensorFlow is used; refused where the program has imported Keras before",
)
@pytest.mark.slow
def test_the_backend_is_tensorflow(tmp_path, monkeypatch):
    settings = {"backend": "jax", "floatx": "float64", "image_data_format": "channels_first", "nnx_enabled": True}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    others = {"KERAS_BACKEND": "torch", "KERAS_NNX_ENABLED": "1", "TF_USE_LEGACY_KERAS": "1"}
    code = "import hrs_keras, keras, keras_cv.models; print(keras.config.backend())"
    process = start("-c", code, cache=tmp_path, KERAS_HOME=str(tmp_path), **others)
    out, err = process.communicate(timeout=60)
    assert out == "tensorflow\n", err
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(HRSError, match=r"Keras was imported with the backend jax.* KERAS_BACKEND=tensorflow"):
        settle_keras()


def test_a_segmenter_computes_in_the_recipes_precision_whatever_the_policy():
    with precision_policy(tiny.recipe("precision=mixed_float16")):
        segmenter = build_segmenter(tiny.recipe("precision=mixed_bfloat16"))
    assert segmenter.get_layer("score8").compute_dtype == "bfloat16"
