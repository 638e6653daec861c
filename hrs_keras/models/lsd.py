"""LSD-seg's networks (Sankaranarayanan et al., CVPR 2018): a generator with skips, a discriminator of classes."""

from collections.abc import Callable, Mapping, Sequence

import keras

DOMAINS = 4
"""What the discriminator tells apart: source and target images, and images rebuilt from the features of either."""


def skip_generator(features: Mapping[str, int], channels: Sequence[int], dropout: float = 0.5) -> keras.Model:
    """Rebuilds an image from the features that FCN8s scores.

    Six transposed convolutions. Behind each but the last are instance normalisation (without scale and offset), ReLU,
    and two residual convolutions.

    Args:
        features: ``stride32``, ``stride16`` and ``stride8`` -> how many channels these features have.
        channels: of the first five transposed convolutions.
        dropout: rate after each residual convolution.

    Returns:
        A model from a dictionary of ``stride32`` [B, H/32, W/32, F], ``stride16`` and ``stride8`` to
        ``reconstruction`` [B, H, W, 3] float32 in (-1, 1).
    """
    inputs = {name: keras.Input((None, None, count), name=name) for name, count in features.items()}
    x = inputs["stride32"]
    for number, (width, kernel, stride) in enumerate(zip(channels, (7, 3, 3, 5, 5), (1, 2, 2, 2, 2), strict=True), 1):
        if skip := {3: "stride16", 4: "stride8"}.get(number):
            x = keras.layers.Concatenate(name=f"with_{skip}")([x, inputs[skip]])
        x = keras.layers.Conv2DTranspose(
            width, kernel, stride, "same", use_bias=False, kernel_initializer=_normal(), name=f"up{number}"
        )(x)
        x = keras.layers.ReLU(name=f"up{number}_relu")(_normalized(x, f"up{number}"))
        for block in (1, 2):
            x = _residual(x, f"up{number}_residual{block}", _relu, dropout)
    x = keras.layers.Conv2DTranspose(3, 8, 2, "same", **_initial(), name="to_rgb")(x)
    image = keras.layers.Activation("tanh", dtype="float32", name="reconstruction")(x)
    return keras.Model(inputs, image, name="skip_generator")


def class_discriminator(num_classes: int, channels: int = 128, dropout: float = 0.5) -> keras.Model:
    """Says of each patch of an image from which of four domains it is, and which class it shows.

    Args:
        num_classes: C.
        channels: of all convolutions but the heads.
        dropout: rate after each residual convolution.

    Returns:
        A model from ``image`` [B, H, W, 3] in [-1, 1] to ``domains`` [B, H/8, W/8, 4] and ``classes``
        [B, H/8, W/8, C], float32 logits.
    """
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(channels, 4, 2, "same", use_bias=False, kernel_initializer=_normal(), name="conv")(image)
    x = _leaky_relu("conv_relu")(_normalized(x, "conv"))
    for stage in (1, 2, 3):
        for block in (1, 2, 3):
            x = _residual(x, f"stage{stage}_residual{block}", _leaky_relu, dropout)
        if stage < 3:
            x = keras.layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
    heads = {}
    for name, count in (("domains", DOMAINS), ("classes", num_classes)):
        scores = keras.layers.Conv2D(count, 3, padding="same", **_initial(), name=f"score_{name}")(x)
        heads[name] = keras.layers.Activation("linear", dtype="float32", name=name)(scores)
    return keras.Model(image, heads, name="class_discriminator")


def _residual(
    x: keras.KerasTensor, name: str, activation: Callable[[str], keras.layers.Layer], dropout: float
) -> keras.KerasTensor:
    """x + dropout(activation(norm(conv3x3(x)))); without a bias, which the normalisation would take away again."""
    conv = keras.layers.Conv2D(
        x.shape[-1], 3, padding="same", use_bias=False, kernel_initializer=_normal(), name=f"{name}_conv"
    )
    y = activation(f"{name}_relu")(_normalized(conv(x), name))
    return keras.layers.Add(name=f"{name}_add")([x, keras.layers.Dropout(dropout, name=f"{name}_dropout")(y)])


def _normalized(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Instance normalisation: each channel of an image is a group."""
    return keras.layers.GroupNormalization(groups=-1, center=False, scale=False, name=f"{name}_norm")(x)


def _relu(name: str) -> keras.layers.Layer:
    return keras.layers.ReLU(name=name)


def _leaky_relu(name: str) -> keras.layers.Layer:
    return keras.layers.LeakyReLU(negative_slope=0.2, name=name)


def _initial() -> dict[str, keras.initializers.Initializer]:
    return {"kernel_initializer": _normal(), "bias_initializer": _uniform()}


def _normal() -> keras.initializers.Initializer:  # a new one each time: one alone would draw the same for all layers
    return keras.initializers.RandomNormal(stddev=0.02)


def _uniform() -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-0.01, 0.01)
