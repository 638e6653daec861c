"""OpenVINO: for Intel's processors and others."""

import sys
from pathlib import Path
from typing import ClassVar

from hrs_keras.errors import HRSError
from hrs_keras.export.format import Run
from hrs_keras.export.formats._by_keras import WrittenByKeras

FIRST_PYTHON_WITHOUT = (3, 13)
"""The first Python on which OpenVINO's converter (2026.4) fails: it relies on ``exec`` changing local names."""


class OpenVino(WrittenByKeras):
    """Written and run by OpenVINO; the weights are in a .bin file beside the .xml file."""

    name = "openvino"
    suffix = ".xml"
    runtime = "OpenVINO"
    # scipy: Keras' OpenVINO export imports it, though neither of the two requires it
    packages: ClassVar = {"openvino": "openvino", "scipy": "scipy"}
    install = "pip install 'hrs-keras[openvino]'"

    def require_writable(self) -> None:
        """See the base class; needs a Python that is not too recent too."""
        super().require_writable()
        if sys.version_info >= FIRST_PYTHON_WITHOUT:
            raise HRSError(
                f"OpenVINO's converter does not work on Python {'.'.join(map(str, FIRST_PYTHON_WITHOUT))} and newer;"
                " export on an older one (a run folder can be copied), or to onnx, which OpenVINO reads as well"
            )

    def load(self, path: Path, threads: int | None, exact: bool) -> Run:
        """See the base class."""
        import openvino

        settings: dict[str, int | str] = {"INFERENCE_NUM_THREADS": threads} if threads else {}
        settings |= {"INFERENCE_PRECISION_HINT": "f32"} if exact else {}
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)
        return lambda images: compiled({"images": images})["logits"]


PLUGIN = OpenVino()
