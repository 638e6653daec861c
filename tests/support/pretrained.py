"""A tiny family of encoders with pretrained weights for all of its layers, or for all but the last."""

import numpy as np

from hrs_keras.recipe import Encoder


class Pretrained(Encoder):
    """Three strided convolutions, ``stem``, ``middle`` and ``top``, the first with batch normalisation.

    Attributes:
        weights: ``"all"``, or ``"without top"``.
    """

    @property
    def deepest_stride(self) -> int:
        """Of ``top``."""
        return 32

    def build(self):
        """See :meth:`Encoder.build`."""
        import keras

        from hrs_keras.models.layers import image_input

        image, x = image_input("unit")
        x = keras.layers.Conv2D(4, 8, strides=8, use_bias=False, name="stem")(x)
        x = stride8 = keras.layers.ReLU(name="relu")(keras.layers.BatchNormalization(name="norm")(x))
        x = stride16 = keras.layers.Conv2D(4, 2, strides=2, name="middle")(x)
        x = keras.layers.Conv2D(4, 2, strides=2, name="top")(x)
        features = {"stride8": stride8, "stride16": stride16, "stride32": x, "deepest": x}
        return keras.Model(image, features, name="pretrained")

    def load_weights(self, model):
        """Random numbers that are always the same."""
        names = ("stem", "norm", "middle", *(("top",) if self.weights == "all" else ()))
        layers = [model.get_layer(name) for name in names]
        rng = np.random.default_rng(0)
        for layer in layers:
            layer.set_weights([rng.uniform(0, 0.5, value.shape) for value in layer.get_weights()])
        return layers
