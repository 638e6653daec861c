"""FCN8s: the segmentation network E+S (Section 3.3; Long et al. 2015)."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("hrs_keras")
class BilinearUpSampling(keras.layers.Layer):
    """Enlarges maps ``factor`` times; unlike Keras' ``UpSampling2D`` (3.15) also where their size is not known.

    Args:
        factor: by which both sides grow."""

    def __init__(self, factor: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        """[B, h, w, C] -> [B, factor * h, factor * w, C]."""
        size = maps.shape[1:3]
        size = size if size.is_fully_defined() else tf.shape(maps)[1:3]
        return tf.cast(tf.image.resize(maps, [side * self.factor for side in (size[0], size[1])]), maps.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, for saving."""
        return super().get_config() | {"factor": self.factor}


class Heads(NamedTuple):
    """How FCN8s's 1x1 score heads begin; see :class:`hrs_keras.recipe.encoder.Encoder`.

    Attributes:
        start: ``"zero"`` or ``"random"`` (Glorot uniform).
        scales: what the features of stride 32, 16 and 8 are multiplied by.
    """

    start: str
    scales: tuple[float, float, float]


STRIDES = (32, 16, 8)
"""Of the features that the score heads read."""


def score_heads(segmenter: keras.Model) -> list[keras.layers.Layer]:
    """The 1x1 score heads of a model from :func:`fcn8s`, that of the deepest features first."""
    return [segmenter.get_layer(f"score{stride}") for stride in STRIDES]


def fcn8s(encoder: keras.Model, num_classes: int, heads: Heads) -> keras.Model:
    """Put FCN8s's score heads and its fixed up-sampling on an encoder.

    The 1x1 score heads belong to E; S is the up-sampling and adding, and has no variables.

    Args:
        encoder: from :meth:`hrs_keras.recipe.encoder.Encoder.build`.
        num_classes: C.
        heads: how the score heads begin.

    Returns:
        A model from ``image`` [B, H, W, 3] float32 in [-1, 1], H and W multiples of 32, to ``logits``
        [B, H, W, C] float32; ``features``, the encoder's ``deepest``; and ``stride32``, ``stride16`` and ``stride8``,
        the features that are scored.
    """

    def score(stride: int) -> keras.KerasTensor:
        x, scale = features[f"stride{stride}"], scales[stride]
        if scale != 1:
            x = keras.layers.Rescaling(scale, name=f"scale{stride}")(x)
        return keras.layers.Conv2D(num_classes, 1, kernel_initializer=initial, name=f"score{stride}")(x)

    def enlarge(x: keras.KerasTensor, factor: int, name: str) -> keras.KerasTensor:
        return BilinearUpSampling(factor, name=name)(x)

    initial = {"zero": "zeros", "random": "glorot_uniform"}[heads.start]
    scales = dict(zip(STRIDES, heads.scales, strict=True))
    features = encoder(encoder.inputs[0])
    x = keras.layers.Add(name="fuse16")([enlarge(score(32), 2, "up32to16"), score(16)])
    x = keras.layers.Add(name="fuse8")([enlarge(x, 2, "up16to8"), score(8)])
    # Losses and thresholds read float32 whatever the precision policy.
    x = keras.layers.Activation("linear", dtype="float32", name="float32")(x)
    logits = BilinearUpSampling(8, dtype="float32", name="logits")(x)
    scored = {f"stride{stride}": features[f"stride{stride}"] for stride in STRIDES}
    return keras.Model(
        encoder.inputs[0], {"logits": logits, "features": features["deepest"], **scored}, name="segmenter"
    )
