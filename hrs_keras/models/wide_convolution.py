"""Convolutions whose filters are about as large as their images."""

import keras
import tensorflow as tf

LARGEST = 8 * 16
"""Positions of an image up to which a product of matrices was measured to be quicker (docs/benchmarks.md)."""


@keras.saving.register_keras_serializable("hrs_keras")
class WideConv2D(keras.layers.Conv2D):
    """A ``Conv2D`` with stride 1 that keeps the size, for filters about as large as the image: FCN8s' fc6.

    oneDNN has no quick kernel for them. On a CPU they are products of matrices here, up to :data:`LARGEST` positions:
    the same numbers up to rounding. Images whose size is not known when a graph is made are convolved as by ``Conv2D``.
    """

    def convolution_op(self, inputs: keras.KerasTensor, kernel: keras.KerasTensor) -> keras.KerasTensor:
        """[B, H, W, C] and the filter [I, J, C, D] -> [B, H, W, D]."""
        if is_product(inputs.shape):
            return convolve(inputs, kernel)
        return super().convolution_op(inputs, kernel)


def is_product(shape: tuple[int | None, ...]) -> bool:
    """Whether images [B, H, W, C] of this shape are convolved as a product of matrices."""
    _, height, width, _ = shape
    known = height is not None and width is not None
    return known and height * width <= LARGEST and not tf.config.list_logical_devices("GPU")


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
