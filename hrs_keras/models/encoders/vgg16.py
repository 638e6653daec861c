"""VGG16 as FCN uses it (Simonyan & Zisserman 2015, configuration D; Long et al. 2015)."""

from typing import TYPE_CHECKING

from pydantic import model_validator

from hrs_keras.errors import CheckpointError
from hrs_keras.recipe.encoder import Encoder, Preprocessing
from hrs_keras.recipe.types import Positive, PositiveInt, Share

if TYPE_CHECKING:
    import keras

# Convolutions a block and their channels.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class VGG16(Encoder):
    """conv1 to conv5, then fc6 and fc7 as convolutions (7x7 and 1x1).

    ``deepest`` is conv5_3 before its pooling.

    Attributes:
        width: multiplies the convolutions' channels (64 to 512).
        fc: channels of fc6 and fc7.
        dropout: rate after each of the two, in [0, 1).
        weights: ``"imagenet"`` (downloaded by Keras) or a weights file of
            ``keras.applications.VGG16(include_top=True)``; either wants the full network.
        preprocessing: what the convolutions read.
    """

    width: Positive = 1.0
    fc: PositiveInt = 4096
    dropout: Share = 0.5
    preprocessing: Preprocessing = "unit"

    @model_validator(mode="after")
    def _weights_fit(self) -> "VGG16":
        if self.weights is None:
            return self
        if self.width != 1 or self.fc != 4096:
            raise ValueError(
                f"weights={self.weights!r} needs the full network (width 1, fc 4096), found width {self.width:g} and"
                f" fc {self.fc}; set weights: null to train from scratch"
            )
        if self.preprocessing != "caffe":
            raise ValueError(f"weights={self.weights!r} were trained on caffe-style input: set preprocessing: caffe")
        return self

    @property
    def deepest_stride(self) -> int:
        """16: conv5 comes after four poolings."""
        return 16

    def build(self) -> "keras.Model":
        """See :meth:`Encoder.build`."""
        import keras  # slow, and not needed to read a recipe

        from hrs_keras.models.layers import image_input, relu_conv

        image, x = image_input(self.preprocessing)
        pools = []
        for block, (convolutions, channels) in enumerate(BLOCKS, start=1):
            for layer in range(1, convolutions + 1):
                x = relu_conv(max(1, round(channels * self.width)), 3, f"block{block}_conv{layer}")(x)
            deepest = x
            x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
            pools.append(x)
        for name, kernel in (("fc6", 7), ("fc7", 1)):
            x = relu_conv(self.fc, kernel, name)(x)
            x = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        features = {"stride8": pools[2], "stride16": pools[3], "stride32": x, "deepest": deepest}
        return keras.Model(image, features, name="vgg16")

    def load_weights(self, model: "keras.Model") -> None:
        """Fill the network from the ImageNet classifier; fc6 and fc7 from its dense layers by reshaping.

        Raises:
            CheckpointError: the file is missing or does not fit, or the download failed.
        """
        import numpy as np

        classifier = self._classifier()
        for layer in classifier.layers:
            if layer.name.startswith("block") and layer.get_weights():
                model.get_layer(layer.name).set_weights(layer.get_weights())
        for dense, convolution in (("fc1", "fc6"), ("fc2", "fc7")):
            kernel, bias = classifier.get_layer(dense).get_weights()
            target = model.get_layer(convolution)
            # The classifier flattens [7, 7, 512] in row-major order, which is the kernel's own layout.
            target.set_weights([np.reshape(kernel, target.kernel.shape), bias])

    def _classifier(self) -> "keras.Model":
        import keras  # slow, and not needed to read a recipe

        advice = (
            "Fetch vgg16_weights_tf_dim_ordering_tf_kernels.h5 on a connected machine and set encoder.weights to its"
            " path, or set encoder.weights: null (and encoder.preprocessing: unit) to train from scratch"
        )
        imagenet = self.weights == "imagenet"
        try:
            return keras.applications.VGG16(include_top=True, weights=self.weights)
        except Exception as error:  # Keras: bare Exception for a failed download, ValueError or OSError for a file
            what = "cannot download the ImageNet weights" if imagenet else f"cannot load {self.weights!r}"
            raise CheckpointError(f"encoder.weights: {what} of VGG16 ({error}). {advice}") from error


PLUGIN = VGG16
