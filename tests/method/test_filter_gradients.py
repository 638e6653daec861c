"""Filter gradients as matrix products: beside NumPy sums, and in place of TensorFlow's own where that is quicker."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.method import filter_gradients
from hrs_keras.method.filter_gradients import filter_gradient, quick_filter_gradients


def summed(images, gradients, kernel, padding):
    """Offset by offset, in float64: what a filter's element is multiplied by, times what its product counts."""
    rows, columns = kernel[:2]
    height, width = gradients.shape[1:3]
    if padding == "SAME":
        above, beside = rows - 1, columns - 1
        pads = [[above // 2, above - above // 2], [beside // 2, beside - beside // 2]]
        images = np.pad(images, [[0, 0], *pads, [0, 0]])
    found = np.empty(kernel)
    for i, j in np.ndindex(rows, columns):
        found[i, j] = np.einsum("bhwc,bhwd->cd", images[:, i : i + height, j : j + width], gradients)
    return found


@pytest.mark.parametrize(
    ("shape", "kernel", "padding"),
    [
        ((2, 9, 12, 3), (3, 3, 3, 5), "SAME"),
        ((2, 9, 12, 3), (3, 3, 3, 5), "VALID"),
        ((3, 8, 7, 4), (1, 1, 4, 2), "SAME"),
        ((1, 11, 8, 2), (4, 2, 2, 3), "SAME"),
        ((1, 11, 8, 2), (4, 2, 2, 3), "VALID"),
        ((2, 4, 8, 6), (7, 7, 6, 4), "SAME"),  # most offsets lie outside
        ((2, 6, 5, 3), (1, 3, 3, 2), "SAME"),
        ((2, 5, 6, 3), (3, 1, 3, 2), "VALID"),
    ],
)
def test_it_is_the_sum_over_all_positions(shape, kernel, padding):
    numbers = np.random.default_rng(0)
    images = numbers.normal(size=shape).astype("float32")
    height, width = (shape[n + 1] - (kernel[n] - 1 if padding == "VALID" else 0) for n in range(2))
    gradients = numbers.normal(size=(shape[0], height, width, kernel[3])).astype("float32")
    found = filter_gradient(tf.constant(images), tf.constant(gradients), kernel).numpy()
    np.testing.assert_allclose(found, summed(images, gradients, kernel, padding), rtol=1e-4, atol=1e-4)


LAYERS = {
    "plain": lambda: keras.layers.Conv2D(6, 3, padding="same"),
    "valid": lambda: keras.layers.Conv2D(6, (2, 5)),
    "pointwise": lambda: keras.layers.Conv2D(6, 1),
    "strided": lambda: keras.layers.Conv2D(6, 3, strides=2, padding="same"),
    "dilated": lambda: keras.layers.Conv2D(6, 3, dilation_rate=2, padding="same"),
    "transposed": lambda: keras.layers.Conv2DTranspose(6, 4, strides=2, padding="same"),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(3, padding="same"),
}
QUICK = ("plain", "valid", "pointwise", "dilated")
"""Keras dilates by a convolution without holes on rearranged images."""


@pytest.fixture
def without_avx512(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    monkeypatch.setattr(filter_gradients, "has_avx512", lambda: False)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_keeps_its_gradients(without_avx512, name, traced):
    layer = LAYERS[name]()
    images = tf.random.stateless_normal((2, 10, 12, 4), (1, 2))
    layer.build(images.shape)

    def gradients(context):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images) ** 2)
        with context():
            return tape.gradient(loss, [images, *layer.trainable_variables])

    call = tf.function(gradients, autograph=False) if traced else gradients
    for ours, own in zip(call(quick_filter_gradients), call(nullcontext), strict=True):
        np.testing.assert_allclose(ours.numpy(), own.numpy(), rtol=1e-3, atol=1e-3)


def operations(layer, images):
    @tf.function(autograph=False)
    def gradient(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(images))
        with quick_filter_gradients():
            return tape.gradient(loss, layer.trainable_variables)

    return {op.type for op in gradient.get_concrete_function(images).graph.get_operations()}


@pytest.mark.parametrize("name", LAYERS)
def test_which_layers_are_taken_so(without_avx512, name):
    found = operations(LAYERS[name](), tf.zeros((2, 10, 12, 4)))
    assert ("MatMul" in found) == (name in QUICK)
    assert any("BackpropFilter" in kind for kind in found) == (name not in QUICK)


@pytest.mark.parametrize("change", ["avx512", "unknown", "no onednn", "half precision", "unknown size"])
def test_elsewhere_tensorflow_keeps_its_own(without_avx512, monkeypatch, change):
    layer, images = LAYERS["plain"](), tf.zeros((2, 10, 12, 4))
    if change == "no onednn":
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    elif change == "half precision":
        layer = keras.layers.Conv2D(6, 3, dtype="mixed_bfloat16")
    elif change == "unknown size":
        images = tf.TensorSpec((None, None, None, 4))
    else:
        monkeypatch.setattr(filter_gradients, "has_avx512", lambda: True if change == "avx512" else None)
    layer.build((None, None, None, 4))
    found = operations(layer, images)
    assert "Conv2DBackpropFilter" in found and "MatMul" not in found
