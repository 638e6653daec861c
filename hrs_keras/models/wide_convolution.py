"""Convolutions whose filters are about as large as their images."""

import keras
import tensorflow as tf

LARGEST = {"float32": 128, "bfloat16": 512}
"""Positions, of all images together, up to which a product was measured to be quicker; see docs/benchmarks.md."""


@keras.saving.register_keras_serializable("hrs_keras")
class WideConv2D(keras.layers.Conv2D):
    """A ``Conv2D`` for filters about as large as the image, such as FCN8s' fc6: the same numbers up to rounding.

    oneDNN has no quick kernel for them. Where there is no GPU, a convolution with stride 1 that keeps the size is a
    product of matrices, up to :data:`LARGEST` positions. That is settled when a graph is made: one whose images may
    have any size has the convolution, and a SavedModel keeps what it was exported with.
    """

    def convolution_op(self, inputs: keras.KerasTensor, kernel: keras.KerasTensor) -> keras.KerasTensor:
        """[B, H, W, C] and the filter [I, J, C, D] -> [B, h, w, D]."""
        ones = {*self.strides, *self.dilation_rate, self.groups} == {1}
        plain = ones and self.padding == "same" and self.data_format == "channels_last"
        if plain and is_product(inputs.shape, keras.backend.standardize_dtype(inputs.dtype)):
            return convolve(inputs, kernel)
        return super().convolution_op(inputs, kernel)


def is_product(shape: tuple[int | None, ...], dtype: str) -> bool:
    """Whether images [B, H, W, C] of this shape are convolved as a product of matrices.

    Args:
        shape: a batch that is not known counts as one image.
        dtype: of the images.
    """
    batch, height, width, _ = shape
    if height is None or width is None or tf.config.list_logical_devices("GPU"):
        return False
    return (batch or 1) * height * width <= LARGEST.get(dtype, 0)


def convolve(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """``y[p] = sum_ij x[p + (i, j)] k[i, j]``, with zeros around the images, as one product of matrices.

    Args:
        images: x [B, H, W, C] float; H and W are static.
        kernel: k [I, J, C, D], of the images' dtype.

    Returns:
        y [B, H, W, D].
    """
    height, width = images.shape[1:3]
    rows, columns, _, filters = kernel.shape
    above, beside = (rows - 1) // 2, (columns - 1) // 2
    x = tf.pad(images, [[0, 0], [above, rows - 1 - above], [beside, columns - 1 - beside], [0, 0]])
    x = tf.concat([x[:, :, j : j + width] for j in range(columns)], -1)
    x = tf.concat([x[:, i : i + height] for i in range(rows)], -1)
    product = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), tf.reshape(kernel, [-1, filters]))
    return tf.reshape(product, [-1, height, width, filters])
