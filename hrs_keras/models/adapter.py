"""PixelDA's generator (Bousmalis et al. 2017, Fig. 2): from a synthetic image and noise to an adapted image."""

from typing import Any

import keras


def adapter(size: tuple[int, int], noise: int = 10, channels: int = 64, blocks: int = 6) -> keras.Model:
    """A residual network that keeps the image's resolution.

    A dense layer turns the noise into one channel more of the image; 3x3 convolutions follow, then a 1x1
    convolution to three channels. The original's batch normalization would make an adapted image depend on the others
    of its batch, which here may be of one image, or be shared out over several replicas. Each image is normalized by
    itself instead, as is usual for style; the noise's channel, which must not be the same for all noise, not at all.

    Args:
        size: (H, W) in pixels; the dense layer needs to know it.
        noise: numbers of noise for each image.
        channels: of the 3x3 convolutions.
        blocks: residual blocks, of two convolutions each.

    Returns:
        A model from ``image`` [B, H, W, 3] float32 in [-1, 1] and ``noise`` [B, noise] float32 in [-1, 1] to
        ``adapted`` [B, H, W, 3] float32 in (-1, 1).
    """
    image = keras.Input((*size, 3), name="image")
    numbers = keras.Input((noise,), name="noise")
    # With this initializer the channel's values are about as large as the image's.
    z = keras.layers.Dense(size[0] * size[1], "relu", kernel_initializer="he_normal", name="project")(numbers)
    x = keras.layers.Concatenate(name="with_noise")([image, keras.layers.Reshape((*size, 1), name="channel")(z)])
    x = keras.layers.ReLU(name="relu_in")(_conv(channels, "conv_in")(x))
    for block in range(1, blocks + 1):
        y = _normalized(x, channels, f"block{block}", 1)
        y = keras.layers.ReLU(name=f"block{block}_relu")(y)
        y = _normalized(y, channels, f"block{block}", 2)
        x = keras.layers.Add(name=f"block{block}_add")([x, y])
    x = keras.layers.Conv2D(3, 1, name="to_rgb")(x)
    adapted = keras.layers.Activation("tanh", dtype="float32", name="adapted")(x)
    return keras.Model({"image": image, "noise": numbers}, adapted, name="adapter")


def _conv(channels: int, name: str, **kwargs: Any) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer="he_normal", name=name, **kwargs)


def _normalized(x: keras.KerasTensor, channels: int, block: str, layer: int) -> keras.KerasTensor:
    x = _conv(channels, f"{block}_conv{layer}", use_bias=False)(x)  # which the normalization would take away again
    return keras.layers.GroupNormalization(groups=-1, name=f"{block}_norm{layer}")(x)  # a channel is a group
