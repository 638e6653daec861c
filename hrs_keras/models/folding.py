"""What stands around a convolution as part of it: the same numbers up to rounding, and fewer passes over features."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from hrs_keras.system.compat import replace_call, sole_input_layer

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_padding(model: keras.Model, outputs: Iterable[keras.KerasTensor]) -> None:
    """Have convolutions pad with zeros by themselves, where a layer does it for them and for nothing else.

    Only where ``padding="same"`` is the padding of that layer for every size that the stride divides.

    Args:
        model: a functional model, for images whose sides are multiples of all its strides.
        outputs: of its layers, what is used beside the model's own outputs.
    """
    used = _used(model, outputs)
    for layer in model.layers:
        pad: Any = sole_input_layer(layer) if type(layer) in _CONVOLUTIONS else None
        if type(pad) is keras.layers.ZeroPadding2D and id(pad.output) not in used and _pads_as_same(pad, layer):
            # Both attributes, so that the layers' configurations describe what is computed.
            layer.padding, pad.padding = "same", ((0, 0), (0, 0))
            replace_call(pad, _passed)


def _pads_as_same(pad: Any, layer: Any) -> bool:
    plain = layer.padding == "valid" and layer.data_format == pad.data_format and set(layer.dilation_rate) == {1}
    missing = [max(0, length - stride) for length, stride in zip(layer.kernel_size, layer.strides, strict=True)]
    return plain and pad.padding == tuple((number // 2, number - number // 2) for number in missing)


def fold_batch_norm(model: keras.Model, outputs: Iterable[keras.KerasTensor]) -> None:
    """Have convolutions compute the frozen batch normalisation that reads them, where nothing else reads them.

    ``(y - mean) g / sqrt(var + eps) + beta`` of ``y = x * k + b`` is ``x * (k s) + beta + (b - mean) s`` with
    ``s = g / sqrt(var + eps)``. Filters have far fewer numbers than features, which need not be read and written again.
    Layers, variables and their order, by which weights are stored, remain. In half precision filters and offset are
    rounded after they were computed in float32.

    Args:
        model: a functional model. Its frozen layers must remain so.
        outputs: of its layers, what is used beside the model's own outputs.
    """
    used = _used(model, outputs)
    for norm in model.layers:
        if type(norm) is keras.layers.BatchNormalization and not norm.trainable:
            layer = sole_input_layer(norm)
            if layer is not None and id(layer.output) not in used and _can_take(layer, norm):
                replace_call(layer, _Folded(layer, norm))
                replace_call(norm, _passed)


def _used(model: keras.Model, outputs: Iterable[keras.KerasTensor]) -> set[int]:
    return {id(tensor) for tensor in (*model.outputs, *outputs)}


def _can_take(layer: keras.layers.Layer, norm: keras.layers.BatchNormalization) -> bool:
    if type(layer) not in _CONVOLUTIONS:
        return False
    channels_last = layer.data_format == "channels_last" and norm.axis in (-1, 3)
    nothing_between = layer.activation is keras.activations.linear and layer.activity_regularizer is None
    return channels_last and nothing_between and not norm.renorm and layer.compute_dtype == norm.compute_dtype


class _Folded:
    """What a convolution is called as: it and the batch normalisation after it."""

    def __init__(self, layer: Any, norm: Any):
        self._layer, self._norm = layer, norm

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] -> [B, h, w, D]."""
        layer, norm = self._layer, self._norm
        scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale *= norm.gamma
        offset = -norm.moving_mean * scale
        if layer.use_bias:
            offset += tf.cast(layer.bias, scale.dtype) * scale
        if norm.center:
            offset += norm.beta
        kernel = tf.convert_to_tensor(layer.kernel)
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        scale = tf.reshape(scale, kernel.shape[2:] if depthwise else [-1])
        kernel = tf.cast(tf.cast(kernel, scale.dtype) * scale, kernel.dtype)
        if depthwise:
            features = keras.ops.depthwise_conv(
                inputs,
                kernel,
                strides=layer.strides,
                padding=layer.padding,
                dilation_rate=layer.dilation_rate,
                data_format=layer.data_format,
            )
        else:
            features = layer.convolution_op(inputs, kernel)
        return tf.nn.bias_add(features, tf.cast(offset, features.dtype))


def _passed(inputs: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
    return inputs
