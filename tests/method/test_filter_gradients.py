"""Filter gradients as products of matrices or by another kernel: beside NumPy sums, and which layers are taken so."""

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
    "large depthwise": lambda: keras.layers.DepthwiseConv2D(5, padding="same"),
    "large depthwise, valid": lambda: keras.layers.DepthwiseConv2D((7, 4), depth_multiplier=2),
    "large depthwise, strided": lambda: keras.layers.DepthwiseConv2D(5, strides=2, padding="same"),
    "large depthwise, strided and valid": lambda: keras.layers.DepthwiseConv2D(5, strides=2),
    "large depthwise, dilated": lambda: keras.layers.DepthwiseConv2D(5, padding="same", dilation_rate=2),
}
QUICK = ("plain", "valid", "pointwise", "dilated")
"""Keras dilates by a convolution without holes on rearranged images."""


@pytest.fixture
def with_onednn(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    monkeypatch.setattr(filter_gradients, "_threads", lambda: 4)


@pytest.fixture
def without_avx512(with_onednn, monkeypatch):
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

    return gradient.get_concrete_function(images).graph.get_operations()


def kinds(layer, images):
    return {op.type for op in operations(layer, images)}


@pytest.mark.parametrize("name", LAYERS)
def test_which_layers_are_taken_so(without_avx512, name):
    found = kinds(LAYERS[name](), tf.zeros((2, 10, 12, 4)))
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
    found = kinds(layer, images)
    assert "Conv2DBackpropFilter" in found and "MatMul" not in found


def depthwise_paddings(layer, images):
    found = [op for op in operations(layer, images) if op.type == "DepthwiseConv2dNativeBackpropFilter"]
    return [op.get_attr("padding") for op in found]


@pytest.mark.parametrize("name", [name for name in LAYERS if "depthwise" in name])
def test_large_depthwise_filters_leave_onednn(with_onednn, name):
    (padding,) = depthwise_paddings(LAYERS[name](), tf.zeros((2, 10, 12, 4)))
    assert (padding == b"EXPLICIT") == ("large" in name)


def test_depthwise_filters_of_images_of_unknown_size_do_not(with_onednn):
    layer = LAYERS["large depthwise"]()
    layer.build((None, None, None, 4))
    assert depthwise_paddings(layer, tf.TensorSpec((None, None, None, 4))) == [b"SAME"]


def test_nor_do_they_where_the_images_of_a_batch_leave_threads_idle(with_onednn):
    for images, padding in ((2, b"EXPLICIT"), (1, b"SAME")):
        assert depthwise_paddings(LAYERS["large depthwise"](), tf.zeros((images, 10, 12, 4))) == [padding]


def test_nor_do_they_where_onednn_is_not_used(with_onednn, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert depthwise_paddings(LAYERS["large depthwise"](), tf.zeros((2, 10, 12, 4))) == [b"SAME"]


@pytest.mark.parametrize(("padding", "stride"), [("SAME", 1), ("SAME", 2), ("VALID", 1), ("VALID", 2)])
def test_a_depthwise_filters_gradient_is_the_sum_over_all_positions(with_onednn, padding, stride):
    numbers = np.random.default_rng(0)
    images = numbers.normal(size=(2, 9, 12, 3)).astype("float32")
    layer = keras.layers.DepthwiseConv2D(5, strides=stride, padding=padding.lower(), use_bias=False)
    with tf.GradientTape() as tape:
        answer = layer(images)
        factors = numbers.normal(size=answer.shape).astype("float32")
        loss = tf.reduce_sum(answer * factors)
    with quick_filter_gradients():
        (found,) = tape.gradient(loss, layer.trainable_variables)
    height, width = answer.shape[1:3]
    if padding == "SAME":
        pads = [max(0, (n - 1) * stride + 5 - size) for n, size in ((height, 9), (width, 12))]
        images = np.pad(images, [[0, 0], *([pad // 2, pad - pad // 2] for pad in pads), [0, 0]])
    expected = np.empty((5, 5, 3))
    for i, j in np.ndindex(5, 5):
        met = images[:, i : i + height * stride : stride, j : j + width * stride : stride][:, :height, :width]
        expected[i, j] = np.einsum("bhwc,bhwc->c", met, factors)
    np.testing.assert_allclose(found.numpy()[..., 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_half_precision_no_part_of_a_sum_is_lost(with_onednn, dtype):
    """Numbers of one sign: a sum kept in half precision would stop growing."""
    numbers = np.random.default_rng(0)
    images, gradient = (tf.cast(numbers.uniform(0.5, 1.5, (2, 64, 64, 3)), dtype) for _ in range(2))
    kernel = tf.Variable(tf.ones((5, 5, 3, 1), dtype))
    with tf.GradientTape() as tape:
        answer = tf.nn.depthwise_conv2d(images, kernel, [1, 1, 1, 1], "SAME")
    with quick_filter_gradients():
        found = tape.gradient(answer, kernel, output_gradients=gradient)
    padded = np.pad(images.numpy().astype("float64"), [[0, 0], [2, 2], [2, 2], [0, 0]])
    expected = np.empty((5, 5, 3))
    for i, j in np.ndindex(5, 5):
        met = padded[:, i : i + 64, j : j + 64]
        expected[i, j] = np.einsum("bhwc,bhwc->c", met, gradient.numpy().astype("float64"))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy().astype("float64")[..., 0], expected, rtol=2.0**-8)
