"""Residual networks, version 2 (He et al. 2016), as keras-cv builds them."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hrs_keras.recipe.encoder import Encoder, Preprocessing
from hrs_keras.recipe.types import Positive, PositiveInt

if TYPE_CHECKING:
    import keras


class ResNet(Encoder):
    """Four stages of basic residual blocks; with the default blocks as deep as ResNet-18.

    ``deepest`` is the last stage, and so is ``stride32``.

    Attributes:
        width: multiplies the channels of stages 2 to 4 (128 to 512); keras-cv fixes stem and first stage at 64.
        blocks: residual blocks of each of the four stages, at least 2.
        preprocessing: what the convolutions read.
    """

    width: Positive = 1.0
    blocks: Annotated[list[Annotated[PositiveInt, Field(ge=2)]], Field(min_length=4, max_length=4)] = Field(
        default_factory=lambda: [2, 2, 2, 2]
    )
    preprocessing: Preprocessing = "unit"

    @property
    def deepest_stride(self) -> int:
        """32: stem and stages halve the image five times."""
        return 32

    def build(self) -> "keras.Model":
        """See :meth:`Encoder.build`."""
        import keras  # slow, as is keras-cv, and not needed to read a recipe
        from keras_cv.models import ResNetV2Backbone

        from hrs_keras.models.layers import image_input

        image, x = image_input(self.preprocessing)
        backbone = ResNetV2Backbone(
            stackwise_filters=[64, *(max(1, round(channels * self.width)) for channels in (128, 256, 512))],
            stackwise_blocks=list(self.blocks),
            stackwise_strides=[1, 2, 2, 2],
            include_rescaling=False,
            block_type="basic_block",
            name="backbone",
        )
        levels = backbone.pyramid_level_inputs
        outputs = {level: backbone.get_layer(levels[level]).output for level in ("P3", "P4", "P5")}
        pyramid = keras.Model(backbone.input, outputs, name="pyramid")(x)
        features = {f"stride{2**level}": pyramid[f"P{level}"] for level in (3, 4, 5)}
        return keras.Model(image, features | {"deepest": pyramid["P5"]}, name="resnet")


PLUGIN = ResNet
