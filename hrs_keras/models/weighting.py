"""Weighting networks W_p, W_r and W_i (Section 3.3): how much a prediction looks like one of a target image."""

import keras

STRIDE = 32
REGION_STRIDE = 8
"""The region map has 1/8 of the image's sides: 64 x 128 at the paper's 512 x 1024."""


def weighting_network(
    level: str, num_classes: int, channels: int = 1, width: int = 64, activation: str = "sigmoid"
) -> keras.Model:
    """Five 4x4 convolutions of stride 2, then the level's own size.

    Args:
        level: ``"pixel"`` (bilinear up to the image), ``"region"`` (bilinear up to 1/8 of it) or ``"image"``
            (one score an image, by global average pooling).
        num_classes: C, channels of the input.
        channels: K, 1 for a map shared by all classes (W^1) or C for one map a class (W^19).
        width: channels of the first convolution; they double three times.
        activation: of the output, applied last: ``"sigmoid"`` or ``"linear"``.

    Returns:
        A model from ``probabilities`` [B, H, W, C] float32 to ``scores`` [B, h, w, K] float32; with the
        sigmoid in [0, 1], where 1 means "like a target image".
    """
    probabilities = keras.Input((None, None, num_classes), name="probabilities")
    x = probabilities
    for layer in range(4):
        x = keras.layers.Conv2D(
            width * 2**layer, 4, strides=2, padding="same", kernel_initializer="he_normal", name=f"conv{layer + 1}"
        )(x)
        x = keras.layers.LeakyReLU(negative_slope=0.2, name=f"leaky{layer + 1}")(x)
    x = keras.layers.Conv2D(channels, 4, strides=2, padding="same", name="conv5")(x)
    if level == "image":
        x = keras.layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name="pool")(x)
    else:
        factor = {"pixel": STRIDE, "region": STRIDE // REGION_STRIDE}[level]
        x = keras.layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32", name="enlarge")(x)
    scores = keras.layers.Activation(activation, dtype="float32", name="scores")(x)
    return keras.Model(probabilities, scores, name=f"weighting_{level}")
