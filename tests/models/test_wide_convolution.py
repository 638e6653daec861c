"""Convolutions with filters about as large as their images, against TensorFlow's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.models import wide_convolution
from hrs_keras.models.wide_convolution import WideConv2D, convolve, is_product


def layer_of(kernel: int) -> WideConv2D:
    layer = WideConv2D(5, kernel, padding="same", activation="relu", bias_initializer="ones")
    layer.build((None, None, None, 3))
    return layer


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


def test_what_is_a_product(monkeypatch):
    assert is_product((None, 8, 16, 512)) and is_product((1, 1, 1, 1))
    assert not is_product((1, 8, 17, 512)) and not is_product((1, None, 16, 512)) and not is_product((1, 8, None, 1))
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"] if kind == "GPU" else [])
    assert not is_product((None, 8, 16, 512))


@pytest.mark.parametrize(("shape", "operation"), [((None, 4, 8, 3), "MatMul"), ((None, None, None, 3), "Conv2D")])
def test_the_layer_in_a_graph(shape, operation):
    layer = layer_of(7)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    assert {op.type for op in graph.get_operations()} & {"MatMul", "Conv2D"} == {operation}
    images = tf.random.stateless_normal((2, 4, 8, 3), [0, 1])
    plain = keras.layers.Conv2D(5, 7, padding="same", activation="relu")
    plain.build((None, None, None, 3))
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        tf.function(layer, input_signature=[tf.TensorSpec(shape)])(images), plain(images), atol=1e-5
    )


def test_in_half_precision_it_computes_in_half_precision():
    layer = WideConv2D(5, 7, padding="same", dtype="mixed_bfloat16")
    assert layer(tf.zeros((1, 4, 8, 3))).dtype == tf.bfloat16


def test_vgg16_has_it_for_fc6_alone():
    from hrs_keras.models.encoders.vgg16 import VGG16

    model = VGG16(family="vgg16", width=0.0625, fc=4, dropout=0.0, weights=None).build()
    assert [layer.name for layer in model.layers if isinstance(layer, wide_convolution.WideConv2D)] == ["fc6"]
