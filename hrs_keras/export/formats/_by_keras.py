"""What the formats have in common that are written by ``keras.Model.export``."""

import warnings
from pathlib import Path
from typing import Any

from hrs_keras.errors import HRSError
from hrs_keras.export.format import ExportFormat

LEAST_KERAS = "3.15"
"""Keras 3.12, the last for Python 3.10, has no LiteRT export, and an OpenVINO export that today's OpenVINO breaks."""


class WrittenByKeras(ExportFormat):
    """A format that ``keras.Model.export`` knows by the same name."""

    def require_writable(self) -> None:
        """See the base class; needs a recent Keras too."""
        import keras
        from packaging.version import Version

        if Version(keras.__version__) < Version(LEAST_KERAS):
            raise HRSError(
                f"the format {self.name} is written by Keras {LEAST_KERAS} or newer, which needs Python 3.11, found"
                f" Keras {keras.__version__}; export where there is one: a run folder can be copied"
            )
        super().require_writable()

    def convert(self, model: Any, path: Path) -> None:
        """See the base class."""
        import tensorflow as tf

        signature = [tf.TensorSpec(model.input_shape, tf.float32, name="images")]
        with warnings.catch_warnings():
            # Keras (3.15) asks NumPy for a name that it has no more, to put it there for tf2onnx.
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
            model.export(str(path), format=self.name, input_signature=signature, verbose=False)
