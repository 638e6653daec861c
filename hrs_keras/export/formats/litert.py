"""LiteRT, which was called TensorFlow Lite: for telephones and small computers."""

from pathlib import Path
from typing import Any, ClassVar

from hrs_keras.export.format import ExportFormat, Run
from hrs_keras.export.formats import _by_keras


class LiteRt(ExportFormat):
    """Written by TensorFlow's converter, run by LiteRT."""

    name = "litert"
    suffix = ".tflite"
    runtime = "LiteRT"
    packages: ClassVar = {"ai_edge_litert": "ai-edge-litert"}
    install = "pip install 'hrs-keras[litert]'"
    fixed_size = True  # free sizes cost some speed, and the accelerators of telephones need fixed ones

    def require_writable(self) -> None:
        """See the base class; needs a recent Keras too."""
        _by_keras.require_keras(self.name)
        self.require_packages()

    def convert(self, model: Any, path: Path) -> None:
        """See the base class."""
        _by_keras.export(model, path, "litert")

    def load(self, path: Path, threads: int | None, exact: bool) -> Run:
        """See the base class; computes in float32 in any case."""
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path), num_threads=threads).get_signature_runner()
        return lambda images: runner(images=images)["logits"]


PLUGIN = LiteRt()
