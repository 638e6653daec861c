"""Discriminator D (Section 3.3): a PatchGAN that tells target images from reconstructions."""

from collections.abc import Sequence

import keras


def discriminator(channels: Sequence[int] = (64, 128, 256, 512, 512, 512)) -> keras.Model:
    """Seven 3x3 convolutions of stride 2; LeakyReLU 0.01 after the first six.

    Args:
        channels: of the first six convolutions.

    Returns:
        A model from ``image`` [B, H, W, 3] in [-1, 1] to ``logits`` [B, ceil(H / 128), ceil(W / 128), 1] float32,
        one a patch, positive = real.
    """
    image = keras.Input((None, None, 3), name="image")
    x = image
    for layer, width in enumerate(channels, start=1):
        x = keras.layers.Conv2D(
            width, 3, strides=2, padding="same", kernel_initializer="he_normal", name=f"conv{layer}"
        )(x)
        x = keras.layers.LeakyReLU(negative_slope=0.01, name=f"leaky{layer}")(x)
    x = keras.layers.Conv2D(1, 3, strides=2, padding="same", name=f"conv{len(channels) + 1}")(x)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name="discriminator")
