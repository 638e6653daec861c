"""Layers that several networks share."""

from typing import Any

import keras

from hrs_keras.recipe.encoder import Preprocessing


@keras.saving.register_keras_serializable("hrs_keras")
class CaffePreprocessing(keras.layers.Layer):
    """RGB in [-1, 1] to BGR in [0, 255] less the ImageNet mean: what VGG16's published weights were trained on."""

    MEAN_BGR = (103.939, 116.779, 123.68)

    def call(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """[B, H, W, 3] -> [B, H, W, 3]."""
        mean = keras.ops.convert_to_tensor(self.MEAN_BGR, image.dtype)
        return (image[..., ::-1] + 1.0) * 127.5 - mean


@keras.saving.register_keras_serializable("hrs_keras")
class RequireMultiple(keras.layers.Layer):
    """Passes images on; refuses a height or width that is not a multiple of ``of``, and names one that is.

    Args:
        of: in pixels.

    Raises:
        ValueError: from calling it, where the size is known.
    """

    def __init__(self, of: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.of = of

    def call(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """[B, H, W, 3] -> the same."""
        height, width = image.shape[1:3]
        if any(side is not None and side % self.of for side in (height, width)):
            nearest = [side and max(self.of, round(side / self.of) * self.of) for side in (height, width)]
            raise ValueError(
                f"image height and width must be divisible by {self.of}, found {height}x{width};"
                f" resize or crop to {nearest[0]}x{nearest[1]}"
            )
        return image

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, for saving."""
        return super().get_config() | {"of": self.of}


def image_input(preprocessing: Preprocessing) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """An encoder's input, whose sides must be multiples of 32, and what its first convolution reads.

    Args:
        preprocessing: see :data:`hrs_keras.recipe.encoder.Preprocessing`.

    Returns:
        ``image`` [B, H, W, 3] float32 in [-1, 1], and the same preprocessed.
    """
    image = keras.Input((None, None, 3), name="image")
    x = RequireMultiple(32, name="size_check")(image)
    if preprocessing == "caffe":
        return image, CaffePreprocessing(name="preprocessing")(x)
    if preprocessing == "bytes":
        return image, keras.layers.Rescaling(127.5, 127.5, name="preprocessing")(x)
    return image, x


def relu_conv(channels: int, kernel: int, name: str) -> keras.layers.Conv2D:
    """A square convolution that keeps the size, with ReLU and He's initial weights.

    Args:
        channels: of its output.
        kernel: side of the kernel in pixels.
        name: of the layer.
    """
    return keras.layers.Conv2D(
        channels, kernel, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )
