"""FCN8s: the segmentation network E+S (Section 3.3; Long et al. 2015)."""

import keras


def fcn8s(encoder: keras.Model, num_classes: int) -> keras.Model:
    """Put FCN8s's score heads and its fixed up-sampling on an encoder.

    The 1x1 score heads belong to E; S is the up-sampling and adding, and has no variables.

    Args:
        encoder: from ``hrs_keras.models.encoders``.
        num_classes: C.

    Returns:
        A model from ``image`` [B, H, W, 3] float32 in [-1, 1], H and W multiples of 32, to ``logits``
        [B, H, W, C] float32 and ``features``, the encoder's ``deepest``.
    """

    def score(stride: int) -> keras.KerasTensor:
        return keras.layers.Conv2D(num_classes, 1, name=f"score{stride}")(features[f"stride{stride}"])

    def enlarge(x: keras.KerasTensor, factor: int, name: str) -> keras.KerasTensor:
        return keras.layers.UpSampling2D(factor, interpolation="bilinear", name=name)(x)

    features = encoder(encoder.inputs[0])
    x = keras.layers.Add(name="fuse16")([enlarge(score(32), 2, "up32to16"), score(16)])
    x = keras.layers.Add(name="fuse8")([enlarge(x, 2, "up16to8"), score(8)])
    # Losses and thresholds read float32 whatever the precision policy.
    x = keras.layers.Activation("linear", dtype="float32", name="float32")(x)
    logits = keras.layers.UpSampling2D(8, interpolation="bilinear", dtype="float32", name="logits")(x)
    return keras.Model(encoder.inputs[0], {"logits": logits, "features": features["deepest"]}, name="segmenter")
