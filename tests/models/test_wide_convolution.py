"""Convolutions with filters about as large as their images, against TensorFlow's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.models.encoders.vgg16 import VGG16
from hrs_keras.models.global_state import seeded
from hrs_keras.models.wide_convolution import WideConv2D, convolve, is_product


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])


@pytest.mark.parametrize("kernel", [(7, 7), (4, 4), (3, 5), (1, 1), (2, 1)])
@pytest.mark.parametrize("size", [(4, 8), (1, 1), (5, 7)])
def test_the_product_and_its_gradients_are_the_convolutions(kernel, size):
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(2, *size, 3)), tf.float64)
    filters = tf.constant(rng.normal(size=(*kernel, 3, 5)), tf.float64)
    told = tf.constant(rng.normal(size=(2, *size, 5)), tf.float64)
    found = []
    for call in (convolve, lambda x, k: tf.nn.conv2d(x, k, 1, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch([images, filters])
            y = call(images, filters)
            loss = tf.reduce_sum(told * y)
        found.append([y, *tape.gradient(loss, [images, filters])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_one_position_by_hand():
    """A single pixel meets the filter's centre alone; the filter's other weights meet zeros."""
    kernel = tf.reshape(tf.range(18.0), (3, 3, 2, 1))
    answer = convolve(tf.constant([[[[2.0, 3.0]]]]), kernel)
    assert answer.numpy().tolist() == [[[[2 * 8.0 + 3 * 9.0]]]]


def test_what_is_a_product(monkeypatch, no_gpu):
    assert is_product((None, 8, 16, 512), "float32") and is_product((4, 4, 8, 1), "float32")
    assert not is_product((None, 8, 17, 512), "float32") and not is_product((5, 4, 8, 1), "float32")
    assert is_product((4, 8, 16, 1), "bfloat16") and not is_product((5, 8, 16, 1), "bfloat16")
    assert not is_product((1, None, 4, 1), "float32") and not is_product((1, 4, None, 1), "float32")
    assert not is_product((1, 4, 8, 1), "float16")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"] if kind == "GPU" else [])
    assert not is_product((None, 8, 16, 512), "float32")


SAME = {"padding": "same"}


@pytest.mark.parametrize(
    ("changes", "shape", "operation"),
    [
        (SAME, (None, 4, 8, 4), "MatMul"),
        (SAME | {"dtype": "mixed_bfloat16"}, (None, 4, 8, 4), "MatMul"),
        (SAME, (None, None, None, 4), "Conv2D"),
        ({}, (None, 4, 8, 4), "Conv2D"),
        (SAME | {"strides": 2}, (None, 4, 8, 4), "Conv2D"),
        (SAME | {"dilation_rate": 2}, (None, 4, 8, 4), "Conv2D"),
        (SAME | {"groups": 2}, (None, 4, 8, 4), None),  # in a function of its own
    ],
)
def test_the_layer_answers_as_conv2d(no_gpu, changes, shape, operation):
    layer, plain = (
        kind(6, 3, activation="relu", bias_initializer="ones", **changes) for kind in (WideConv2D, keras.layers.Conv2D)
    )
    for one in (layer, plain):
        one.build((None, None, None, 4))
    plain.set_weights(layer.get_weights())
    call = tf.function(layer, input_signature=[tf.TensorSpec(shape)])
    operations = call.get_concrete_function().graph.get_operations()
    computed = {(op.type, op.outputs[0].dtype.name) for op in operations if op.type in ("MatMul", "Conv2D")}
    assert computed == ({(operation, layer.compute_dtype)} if operation else set())
    images = tf.random.stateless_normal((2, 4, 8, 4), [0, 1])
    found, expected = (tf.cast(one, tf.float32) for one in (call(images), plain(images)))
    assert found.shape == expected.shape == layer.compute_output_shape((2, 4, 8, 4))
    np.testing.assert_allclose(found, expected, atol=0.05 if "dtype" in changes else 1e-5)


def test_vgg16_has_it_for_fc6_alone():
    model = VGG16(family="vgg16", width=0.0625, fc=4, dropout=0.0, weights=None).build()
    assert [layer.name for layer in model.layers if isinstance(layer, WideConv2D)] == ["fc6"]
    twin = keras.models.clone_model(model)
    assert isinstance(twin.get_layer("fc6"), WideConv2D) and twin.get_layer("fc6").padding == "same"


def test_vgg16s_initial_weights_are_those_of_its_layers_made_from_the_first_to_the_last():
    """Each layer draws its seed when it is made, dropout too: another order would change every run from scratch."""
    with seeded(3):
        model = VGG16(family="vgg16", width=0.0625, fc=4, dropout=0.5, weights=None).build()
    with seeded(3):
        x = image = keras.Input((None, None, 3))
        for convolutions, channels in ((2, 4), (2, 8), (3, 16), (3, 32), (3, 32)):
            for _ in range(convolutions):
                x = keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer="he_normal")(x)
        for kernel in (7, 1):
            x = keras.layers.Conv2D(4, kernel, padding="same", kernel_initializer="he_normal")(x)
            x = keras.layers.Dropout(0.5)(x)
        plain = keras.Model(image, x)
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
