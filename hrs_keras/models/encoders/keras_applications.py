"""Classifiers of ``keras.applications`` as encoders: one adapter for all families."""

from typing import TYPE_CHECKING, Literal

from hrs_keras.recipe.encoder import BatchNorm, Encoder, Preprocessing

if TYPE_CHECKING:
    import keras

Model = Literal[
    "ConvNeXtTiny",
    "ConvNeXtSmall",
    "ConvNeXtBase",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "ResNet50V2",
    "ResNet101V2",
    "ResNet152V2",
]

_READS_UNIT = ("ResNet50V2", "ResNet101V2", "ResNet152V2")
"""These read RGB in [-1, 1]. All others have a layer for their own preprocessing and read RGB in [0, 255]."""


class KerasApplications(Encoder):
    """A network of ``keras.applications`` without its classifier.

    The feature of a stride is the output of the last layer of that size, as in feature pyramids (Lin et al. 2017);
    ``deepest`` is the one of stride 32.

    Attributes:
        model: the network's name in ``keras.applications``.
        weights: ``"imagenet"`` (downloaded by Keras) or a weights file of the network with ``include_top=False``.
        batch_norm: see :data:`hrs_keras.recipe.encoder.BatchNorm`; ConvNeXt has none.
    """

    model: Model = "ResNet50V2"
    batch_norm: BatchNorm = "auto"

    @property
    def origin(self) -> str:
        """See :attr:`Encoder.origin`."""
        return super().origin + (", downloaded by Keras" if self.weights == "imagenet" else "")

    @property
    def deepest_stride(self) -> int:
        """32, as of all these networks."""
        return 32

    def build(self) -> "keras.Model":
        """See :meth:`Encoder.build`."""
        from hrs_keras.models.backbones import encoder_of
        from hrs_keras.models.layers import image_input

        preprocessing: Preprocessing = "unit" if self.model in _READS_UNIT else "bytes"
        return encoder_of(
            self._pyramid(self._application(weights=None)), image_input(preprocessing), self.model.lower()
        )

    def load_weights(self, model: "keras.Model") -> "list[keras.layers.Layer]":
        """Fill the whole network.

        Raises:
            CheckpointError: the file is missing or does not fit, or the download failed.
        """
        from hrs_keras.models.backbones import with_weights

        advice = (
            f"Fetch them on a connected machine (keras.applications.{self.model}(include_top=False)"
            ".save_weights('NAME.weights.h5')) and set encoder.weights to that file, or set encoder.weights: null to"
            " train from scratch"
        )
        given = self._pyramid(with_weights(self._application, str(self.weights), self.model, advice))
        network = model.get_layer("pyramid")
        network.set_weights(given.get_weights())
        return list(network.layers)

    def _application(self, weights: str | None) -> "keras.Model":
        import keras  # slow, and not needed to read a recipe

        build = getattr(keras.applications, self.model)
        return build(include_top=False, weights=weights, input_shape=(None, None, 3))

    def _pyramid(self, backbone: "keras.Model") -> "keras.Model":
        from hrs_keras.models.backbones import freeze_batch_norm, last_of_each_stride, pyramid

        if self.freezes(self.batch_norm):
            freeze_batch_norm(backbone)
        features = last_of_each_stride(backbone)
        return pyramid(backbone, features | {"deepest": features["stride32"]})


PLUGIN = KerasApplications
