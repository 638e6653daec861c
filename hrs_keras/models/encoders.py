"""Encoders: images to the features that FCN8s scores and the generator reads.

Every encoder is a functional ``keras.Model`` from ``image`` [B, H, W, 3] float32 in [-1, 1] to a dictionary:
``stride8``, ``stride16``, ``stride32`` (what the score heads read) and ``deepest`` (the last convolutional
features, what the generator reads). H and W are any multiple of 32.
"""

import keras
import numpy as np

from hrs_keras.errors import CheckpointError

# Convolutions a block and their channels: configuration D of Simonyan & Zisserman 2015.
VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
DEEPEST_STRIDE = {"vgg16": 16, "resnet": 32}
"""Encoder family -> how many times smaller ``deepest`` is than the image."""


@keras.saving.register_keras_serializable("hrs_keras")
class CaffePreprocessing(keras.layers.Layer):
    """RGB in [-1, 1] -> BGR in [0, 255] less the ImageNet mean: what VGG16's published weights were trained on."""

    MEAN_BGR = (103.939, 116.779, 123.68)

    def call(self, image):
        """[B, H, W, 3] -> [B, H, W, 3]."""
        mean = keras.ops.convert_to_tensor(self.MEAN_BGR, image.dtype)
        return (image[..., ::-1] + 1.0) * 127.5 - mean


@keras.saving.register_keras_serializable("hrs_keras")
class RequireMultiple(keras.layers.Layer):
    """Passes images on; refuses a height or width that is not a multiple of ``of``, naming one that is."""

    def __init__(self, of: int, **kwargs):
        super().__init__(**kwargs)
        self.of = of

    def call(self, image):
        """[B, H, W, 3] -> the same."""
        height, width = image.shape[1:3]
        if any(side is not None and side % self.of for side in (height, width)):
            nearest = [side and max(self.of, round(side / self.of) * self.of) for side in (height, width)]
            raise ValueError(
                f"image height and width must be divisible by {self.of}, found {height}x{width};"
                f" resize or crop to {nearest[0]}x{nearest[1]}"
            )
        return image

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"of": self.of}


def _image_input(preprocessing: str) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    image = keras.Input((None, None, 3), name="image")
    x = RequireMultiple(32, name="size_check")(image)
    return image, CaffePreprocessing(name="preprocessing")(x) if preprocessing == "caffe" else x


def _relu_conv(channels: int, kernel: int, name: str) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(
        channels, kernel, padding="same", activation="relu", kernel_initializer="he_normal", name=name
    )


def vgg16(width: float = 1.0, fc: int = 4096, dropout: float = 0.5, preprocessing: str = "caffe") -> keras.Model:
    """VGG16 as FCN uses it: conv1 to conv5, then fc6 and fc7 as convolutions (7x7 and 1x1).

    Args:
        width: multiplies the convolutions' channels (64 to 512).
        fc: channels of fc6 and fc7.
        dropout: rate after each of the two.
        preprocessing: ``"caffe"`` or ``"unit"`` (the image as it is).

    ``deepest`` is conv5_3 before its pooling, at stride 16.
    """
    image, x = _image_input(preprocessing)
    pools = []
    for block, (convolutions, channels) in enumerate(VGG16_BLOCKS, start=1):
        for layer in range(1, convolutions + 1):
            x = _relu_conv(max(1, round(channels * width)), 3, f"block{block}_conv{layer}")(x)
        deepest = x
        x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
        pools.append(x)
    for name, kernel in (("fc6", 7), ("fc7", 1)):
        x = _relu_conv(fc, kernel, name)(x)
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    features = {"stride8": pools[2], "stride16": pools[3], "stride32": x, "deepest": deepest}
    return keras.Model(image, features, name="vgg16")


def resnet(width: float = 1.0, blocks: tuple[int, ...] = (2, 2, 2, 2), preprocessing: str = "unit") -> keras.Model:
    """keras-cv's residual network (v2); the default blocks make it ResNet-18 in depth.

    Args:
        width: multiplies the channels of stages 2 to 4 (128 to 512); keras-cv fixes stem and first stage at 64.
        blocks: residual blocks of each of the four stages, at least 2.
        preprocessing: ``"caffe"`` or ``"unit"``.

    ``deepest`` is the last stage, at stride 32.
    """
    from keras_cv.models import ResNetV2Backbone  # slow to import, and needed by this family alone

    image, x = _image_input(preprocessing)
    backbone = ResNetV2Backbone(
        stackwise_filters=[64, *(max(1, round(channels * width)) for channels in (128, 256, 512))],
        stackwise_blocks=list(blocks),
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=False,
        block_type="basic_block",
        name="backbone",
    )
    levels = backbone.pyramid_level_inputs
    pyramid = keras.Model(
        backbone.input,
        {level: backbone.get_layer(levels[level]).output for level in ("P3", "P4", "P5")},
        name="pyramid",
    )(x)
    features = {
        "stride8": pyramid["P3"],
        "stride16": pyramid["P4"],
        "stride32": pyramid["P5"],
        "deepest": pyramid["P5"],
    }
    return keras.Model(image, features, name="resnet")


def load_vgg16_classifier(encoder: keras.Model, weights: str) -> None:
    """Fill a full-width :func:`vgg16` from the ImageNet classifier, fc6 and fc7 from its dense head by reshaping.

    Args:
        encoder: ``vgg16(width=1, fc=4096)``.
        weights: ``"imagenet"`` (downloaded by Keras) or the path of a weights file of
            ``keras.applications.VGG16(include_top=True)``.

    Raises:
        CheckpointError: the file is missing or does not fit, or the download failed.
    """
    classifier = _vgg16_classifier(weights)
    for layer in classifier.layers:
        if layer.name.startswith("block") and layer.get_weights():
            encoder.get_layer(layer.name).set_weights(layer.get_weights())
    for dense, convolution in (("fc1", "fc6"), ("fc2", "fc7")):
        kernel, bias = classifier.get_layer(dense).get_weights()
        target = encoder.get_layer(convolution)
        # The classifier flattens [7, 7, 512] in row-major order, which is the kernel's own layout.
        target.set_weights([np.reshape(kernel, target.kernel.shape), bias])


def _vgg16_classifier(weights: str) -> keras.Model:
    advice = (
        "Fetch vgg16_weights_tf_dim_ordering_tf_kernels.h5 on a connected machine and set encoder.weights to its"
        " path, or set encoder.weights: null (and encoder.preprocessing: unit) to train from scratch"
    )
    try:
        return keras.applications.VGG16(include_top=True, weights=weights)
    except Exception as error:  # Keras raises bare Exception for a failed download, ValueError or OSError for a file
        what = "cannot download the ImageNet weights" if weights == "imagenet" else f"cannot load {weights!r}"
        raise CheckpointError(f"encoder.weights: {what} of VGG16 ({error}). {advice}") from error
