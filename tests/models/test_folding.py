"""Padding and frozen batch normalisation as part of a convolution: beside sums in float64; what is left to Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.models.folding import fold_batch_norm, fold_padding

LAYERS = {
    "convolution": lambda: keras.layers.Conv2D(6, 3, padding="same", use_bias=False),
    "with bias, strided": lambda: keras.layers.Conv2D(6, 3, strides=2, bias_initializer="normal"),
    "with holes": lambda: keras.layers.Conv2D(6, 3, dilation_rate=2, padding="same"),
    "in groups": lambda: keras.layers.Conv2D(6, 3, groups=2, padding="same"),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
    "depthwise, strided": lambda: keras.layers.DepthwiseConv2D(5, strides=2, bias_initializer="normal"),
}
IMAGES = np.random.default_rng(0).normal(size=(2, 10, 12, 4)).astype("float32")


def frozen(**settings):
    norm = keras.layers.BatchNormalization(**settings)
    norm.trainable = False
    return norm


def drawn(model, seed=0):
    """The model with a random number in every variable."""
    numbers = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(numbers.uniform(0.5, 2, variable.shape))
    return model


def chain(layer, norm):
    image = keras.Input(IMAGES.shape[1:])
    return drawn(keras.Model(image, norm(layer(image))))


def is_folded(*layers):
    return [vars(layer).get("call") is not None for layer in layers]


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False, "epsilon": 0.1}])
@pytest.mark.parametrize("name", LAYERS)
def test_it_is_the_normalised_convolution(name, settings):
    layer, norm = LAYERS[name](), frozen(**settings)
    model = chain(layer, norm)
    convolved = layer(IMAGES).numpy().astype("float64")  # before it is folded
    g = norm.gamma.numpy() if norm.scale else 1.0
    beta = norm.beta.numpy() if norm.center else 0.0
    mean, variance = norm.moving_mean.numpy().astype("float64"), norm.moving_variance.numpy().astype("float64")
    expected = (convolved - mean) * g / np.sqrt(variance + norm.epsilon) + beta
    fold_batch_norm(model, [])
    assert is_folded(layer, norm) == [True, True]
    for training in (False, True):
        np.testing.assert_allclose(model(IMAGES, training=training).numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_the_layers_themselves(name):
    def gradients(fold):
        model = chain(LAYERS[name](), frozen())
        if fold:
            fold_batch_norm(model, [])
        images = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_mean(tf.square(model(images, training=True)))
        return tape.gradient(loss, [images, *(v.value for v in model.trainable_variables)])

    for ours, own in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_allclose(ours.numpy(), own.numpy(), rtol=1e-4, atol=1e-5)


def test_weights_set_later_count():
    layer, norm = LAYERS["convolution"](), frozen()
    model = chain(layer, norm)
    fold_batch_norm(model, [])
    apart = chain(LAYERS["convolution"](), frozen())
    before = model(IMAGES).numpy()
    for one in (model, apart):
        drawn(one, seed=1)
    np.testing.assert_allclose(model(IMAGES).numpy(), apart(IMAGES).numpy(), rtol=1e-4, atol=1e-4)
    assert np.abs(model(IMAGES).numpy() - before).max() > 1


def test_layers_and_variables_remain():
    model = chain(LAYERS["depthwise"](), frozen())
    before = [model.layers, [v.path for v in model.variables], [v.path for v in model.trainable_variables]]
    fold_batch_norm(model, [])
    assert before == [model.layers, [v.path for v in model.variables], [v.path for v in model.trainable_variables]]


def test_half_precision_rounds_filters_and_offset_once():
    """They are computed in float32: the answer is within the rounding of the sums' terms."""
    layer, norm = keras.layers.Conv2D(6, 3, dtype="mixed_bfloat16"), frozen(dtype="mixed_bfloat16")
    model = chain(layer, norm)
    norm.moving_mean.assign(20 * norm.moving_mean)  # far from 0, where much cancels
    images = tf.cast(IMAGES, tf.bfloat16).numpy().astype("float64")
    kernel, bias = (weight.numpy().astype("float64") for weight in (layer.kernel, layer.bias))
    scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy().astype("float64") + norm.epsilon)
    offset = norm.beta.numpy() + (bias - norm.moving_mean.numpy()) * scale

    def convolved(x, k):
        return tf.nn.conv2d(x, k, 1, "VALID").numpy()

    expected = convolved(images, kernel * scale) + offset
    terms = convolved(np.abs(images), np.abs(kernel * scale)) + np.abs(offset)
    fold_batch_norm(model, [])
    ours = model(IMAGES)
    assert ours.dtype == tf.bfloat16
    assert np.all(np.abs(ours.numpy().astype("float64") - expected) <= 2.0**-7 * terms)


def test_what_trains_its_statistics_stays():
    layer, norm = LAYERS["convolution"](), keras.layers.BatchNormalization()
    fold_batch_norm(chain(layer, norm), [])
    assert is_folded(layer, norm) == [False, False]


@pytest.mark.parametrize("reader", ["a layer", "an output of the model", "an output beside", "a second call"])
def test_a_convolution_that_something_else_reads_stays(reader):
    layer, norm = LAYERS["convolution"](), frozen()
    image = keras.Input(IMAGES.shape[1:])
    features = layer(image)
    outputs = [norm(features)]
    if reader == "a layer":
        outputs.append(keras.layers.ReLU()(features))
    elif reader == "an output of the model":
        outputs.append(features)
    elif reader == "a second call":
        outputs.append(layer(keras.layers.ReLU()(image)))
    model = drawn(keras.Model(image, outputs))
    before = [output.numpy() for output in keras.tree.flatten(model(IMAGES))]
    fold_batch_norm(model, [features] if reader == "an output beside" else [])
    assert is_folded(layer, norm) == [False, False]
    for one, other in zip(before, keras.tree.flatten(model(IMAGES)), strict=True):
        np.testing.assert_array_equal(one, other.numpy())


class OwnConvolution(keras.layers.Conv2D):
    """Computes something else, for all one knows."""


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (lambda: keras.layers.Conv2D(6, 3, activation="relu"), frozen),
        (lambda: OwnConvolution(6, 3), frozen),
        (lambda: keras.layers.SeparableConv2D(6, 3), frozen),
        (lambda: keras.layers.ReLU(), frozen),
        (lambda: keras.layers.Conv2D(6, 3), lambda: frozen(axis=1)),
        (lambda: keras.layers.Conv2D(6, 3), lambda: frozen(renorm=True)),
        (lambda: keras.layers.Conv2D(6, 3, activity_regularizer="l2"), frozen),
        (lambda: keras.layers.Conv2D(6, 3, dtype="mixed_bfloat16"), frozen),
    ],
)
def test_what_cannot_take_it_stays(layer, norm):
    layer, norm = layer(), norm()
    fold_batch_norm(chain(layer, norm), [])
    assert is_folded(layer, norm) == [False, False]


STRIDED = {
    "convolution": (((0, 1), (0, 1)), lambda: keras.layers.Conv2D(6, 3, strides=2)),
    "depthwise": (((0, 1), (0, 1)), lambda: keras.layers.DepthwiseConv2D(3, strides=2)),
    "depthwise, 5x5": (((1, 2), (1, 2)), lambda: keras.layers.DepthwiseConv2D(5, strides=2)),
    "not square": (((0, 1), (2, 2)), lambda: keras.layers.Conv2D(6, (3, 5), strides=(2, 1))),
    "with stride 1": (((1, 1), (1, 1)), lambda: keras.layers.Conv2D(6, 3)),
}


def padded(padding, layer):
    pad, image = keras.layers.ZeroPadding2D(padding), keras.Input(IMAGES.shape[1:])
    return pad, drawn(keras.Model(image, layer(pad(image))))


@pytest.mark.parametrize("name", STRIDED)
def test_a_convolution_pads_by_itself(name):
    """Values and gradients are those of zeros written around the images; the configurations of the layers agree."""
    padding, layer = STRIDED[name][0], STRIDED[name][1]()
    pad, model = padded(padding, layer)

    def found(network, images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            answer = network(images)
            loss = tf.reduce_sum(tf.square(answer))
        return [answer, *tape.gradient(loss, [images, *(v.value for v in model.trainable_variables)])]

    around = tf.constant(np.pad(IMAGES, ((0, 0), *padding, (0, 0))))
    expected = found(layer, around)
    (top, bottom), (left, right) = padding
    expected[1] = expected[1][:, top : around.shape[1] - bottom, left : around.shape[2] - right]
    fold_padding(model, [])
    assert layer.padding == "same" and is_folded(pad) == [True]
    for one, other in zip(found(model, tf.constant(IMAGES)), expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6 * np.abs(other).max())
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy(IMAGES).numpy(), expected[0].numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("padding", "layer"),
    [
        (((1, 1), (1, 1)), lambda: keras.layers.Conv2D(6, 3, strides=2)),  # as in ResNet
        (((1, 0), (1, 0)), lambda: keras.layers.Conv2D(6, 3, strides=2)),
        (((0, 1), (0, 1)), lambda: keras.layers.Conv2D(6, 3, strides=2, padding="same")),
        (((1, 1), (1, 1)), lambda: keras.layers.Conv2D(6, 3, dilation_rate=2)),
        (((0, 1), (0, 1)), lambda: OwnConvolution(6, 3, strides=2)),
        (((0, 1), (0, 1)), lambda: keras.layers.MaxPooling2D(3, strides=2)),
    ],
)
def test_another_padding_stays(padding, layer):
    pad, model = padded(padding, layer())
    before = model(IMAGES).numpy()
    fold_padding(model, [])
    assert is_folded(pad) == [False] and pad.padding == padding
    np.testing.assert_array_equal(model(IMAGES).numpy(), before)


@pytest.mark.parametrize("reader", ["a layer", "an output of the model", "an output beside"])
def test_a_padding_that_something_else_reads_stays(reader):
    pad, image = keras.layers.ZeroPadding2D(((0, 1), (0, 1))), keras.Input(IMAGES.shape[1:])
    features = pad(image)
    outputs = [keras.layers.Conv2D(6, 3, strides=2)(features)]
    if reader == "a layer":
        outputs.append(keras.layers.ReLU()(features))
    elif reader == "an output of the model":
        outputs.append(features)
    fold_padding(keras.Model(image, outputs), [features] if reader == "an output beside" else [])
    assert is_folded(pad) == [False] and pad.padding == ((0, 1), (0, 1))
