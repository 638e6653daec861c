"""Gradients of convolutions by their filters, where TensorFlow's own kernels for them are slow (docs/benchmarks.md).

On processors without AVX-512 oneDNN has no quick kernel for them in TensorFlow's layout (channels last): it falls back
to one that runs at a fifth to a half of the rate of the convolution itself. Products of matrices give the same and come
nearer to that rate. Only convolutions with stride 1 are taken so; TensorFlow's kernels for the others are quicker than
any way to say them in TensorFlow's operations.

Depthwise ones with more than nine elements a filter take twice as long in oneDNN as in TensorFlow's older kernel, where
threads are few. Which of the two computes an operation is not for a program to say; but oneDNN takes none whose padding
is given in numbers.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from hrs_keras.system.compat import replaced_gradients
from hrs_keras.system.processor import has_avx512, usable_cpus

THREADS_AN_IMAGE = 2
"""With how many threads for each image the older kernel, which has one an image, was measured to be quicker."""


def filter_gradient(images: tf.Tensor, gradients: tf.Tensor, kernel: Sequence[int]) -> tf.Tensor:
    """The gradient of a convolution with stride 1 by its filter: ``sum_p x[p + (i, j)] g[p]^T`` for each offset (i, j).

    Args:
        images: x [B, H, W, C] float, what was convolved; all sizes are static.
        gradients: g [B, h, w, D], by the convolution's output. Where the output is larger than the offsets leave room
            for, the images were padded by zeros, the odd one at the bottom and the right ("SAME").
        kernel: the filter's shape (I, J, C, D).

    Returns:
        [I, J, C, D] float.
    """
    rows, columns, channels, filters = kernel
    batch, height, width = gradients.shape[:3]
    above, beside = height + rows - 1 - images.shape[1], width + columns - 1 - images.shape[2]
    if above or beside:
        pads = [[above // 2, above - above // 2], [beside // 2, beside - beside // 2]]
        images = tf.pad(images, [[0, 0], *pads, [0, 0]])
    if columns > 1:  # side by side: one product for all offsets in a row
        images = tf.concat([images[:, :, j : j + width] for j in range(columns)], -1)
    if height <= 4 * (rows - 1):  # so few rows that those added below would be a quarter of them, or more
        images, rows = tf.concat([images[:, i : i + height] for i in range(rows)], -1), 1
    # Row offsets are offsets in the flattened images, which need no copies, if the gradients get the same padding.
    padded = images.shape[1]
    gradients = tf.pad(gradients, [[0, 0], [0, padded - height], [0, 0], [0, 0]]) if padded > height else gradients
    pixels = (batch * padded - rows + 1) * width
    x, g = (tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in (images, gradients))
    products = [tf.matmul(x[i * width : i * width + pixels], g[:pixels], transpose_a=True) for i in range(rows)]
    return tf.reshape(tf.stack(products), [*kernel[:2], channels, filters])


def quick_filter_gradients() -> AbstractContextManager[None]:
    """A context in which tapes take filter gradients in the ways above, on processors where those are quicker."""
    eigen = os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "1"
    if eigen or tf.config.list_logical_devices("GPU"):
        return nullcontext()
    quick = {"DepthwiseConv2dNative": _gradients_of_depthwise_convolution}
    if has_avx512() is False:
        quick["Conv2D"] = _gradients_of_convolution
    return replaced_gradients(quick)


def _gradients_of_convolution(op: Any, gradient: tf.Tensor, otherwise: Callable) -> Sequence[tf.Tensor | None]:
    images, kernel = op.inputs
    plain = (
        _is_plain(op)
        and set(op.get_attr("strides")) == {1}
        and images.dtype == tf.float32
        and images.shape.is_fully_defined()
        and images.shape[-1] == kernel.shape[2]  # not in groups
    )
    if not plain:
        return otherwise(op, gradient)
    of_images = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(images), filter=kernel, out_backprop=gradient, strides=[1, 1, 1, 1], padding=_padding(op)
    )
    return [of_images, filter_gradient(images, gradient, kernel.shape.as_list())]


def _gradients_of_depthwise_convolution(
    op: Any, gradient: tf.Tensor, otherwise: Callable
) -> Sequence[tf.Tensor | None]:
    images, kernel = op.inputs
    shape, strides = kernel.shape.as_list(), op.get_attr("strides")
    plain = _is_plain(op) and images.shape.is_fully_defined()
    if not plain or shape[0] * shape[1] <= 9 or _threads() > THREADS_AN_IMAGE * images.shape[0]:
        return otherwise(op, gradient)
    of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=tf.shape(images), filter=kernel, out_backprop=gradient, strides=strides, padding=_padding(op)
    )
    pads = []
    for size, length, stride in zip(images.shape[1:3], shape[:2], strides[1:3], strict=True):
        missing = max(0, (-(-size // stride) - 1) * stride + length - size) if _padding(op) == "SAME" else 0
        pads += [missing // 2, missing - missing // 2]
    # It adds up in the type that it is given, where in half precision most of a sum would be lost.
    exact = tf.float32 if images.dtype.size < 4 else images.dtype
    of_filter = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=tf.cast(images, exact),
        filter_sizes=shape,
        out_backprop=tf.cast(gradient, exact),
        strides=strides,
        padding="EXPLICIT",
        explicit_paddings=[0, 0, *pads, 0, 0],
    )
    return [of_images, tf.cast(of_filter, images.dtype)]


def _threads() -> int:
    """How many may compute an operation."""
    return tf.config.threading.get_intra_op_parallelism_threads() or len(usable_cpus())


def _padding(op: Any) -> str:
    return tf.compat.as_str(op.get_attr("padding"))


def _is_plain(op: Any) -> bool:
    """Whether a convolution has its channels last, no holes, and a padding that is not given in numbers."""
    # An operation that is computed at once tells of a default that it was not given.
    channels_last = tf.compat.as_str(op.get_attr("data_format") or "NHWC") == "NHWC"
    return channels_last and set(op.get_attr("dilations")) == {1} and _padding(op) in ("SAME", "VALID")
