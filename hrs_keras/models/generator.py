"""Generator G (Section 3.3): from the encoder's deepest features back to the image."""

from collections.abc import Sequence

import keras

from hrs_keras.models.layers import relu_conv


def generator(in_channels: int, stride: int = 16, channels: Sequence[int] = (256, 128, 64, 32, 32, 32)) -> keras.Model:
    """Two residual blocks and seven convolutions.

    The paper gives the first six stride 2, which would overshoot the image: as many of them as the features are
    halvings away from it are transposed convolutions of stride 2, the others have stride 1.

    Args:
        in_channels: channels of the features.
        stride: how many times smaller than the image the features are; a power of two up to 64.
        channels: of the first six convolutions; the seventh is 1x1 with 3 channels.

    Returns:
        A model from ``features`` [B, h, w, in_channels] to ``reconstruction`` [B, h * stride, w * stride, 3]
        float32 in (-1, 1).
    """
    doublings = stride.bit_length() - 1
    features = keras.Input((None, None, in_channels), name="features")
    x = features
    for block in (1, 2):
        y = relu_conv(in_channels, 3, f"residual{block}_conv1")(x)
        y = keras.layers.Conv2D(in_channels, 3, padding="same", name=f"residual{block}_conv2")(y)
        x = keras.layers.Add(name=f"residual{block}_add")([x, y])
    for layer, width in enumerate(channels, start=1):
        if layer <= doublings:
            x = keras.layers.Conv2DTranspose(
                width, 3, 2, "same", activation="relu", kernel_initializer="he_normal", name=f"up{layer}"
            )(x)
        else:
            x = relu_conv(width, 3, f"flat{layer}")(x)
    x = keras.layers.Conv2D(3, 1, name="to_rgb")(x)
    image = keras.layers.Activation("tanh", dtype="float32", name="reconstruction")(x)
    return keras.Model(features, image, name="generator")
