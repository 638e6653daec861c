"""LiteRT, which was called TensorFlow Lite: for telephones and small computers."""

from pathlib import Path
from typing import ClassVar

from hrs_keras.export.format import Run
from hrs_keras.export.formats._by_keras import WrittenByKeras


class LiteRt(WrittenByKeras):
    """Written by TensorFlow's converter, run by LiteRT."""

    name = "litert"
    suffix = ".tflite"
    runtime = "LiteRT"
    packages: ClassVar = {"ai_edge_litert": "ai-edge-litert"}
    install = "pip install 'hrs-keras[litert]'"
    fixed_size = True  # free sizes cost some speed, and the accelerators of telephones need fixed ones

    def load(self, path: Path, threads: int | None, exact: bool) -> Run:
        """See the base class; computes in float32 in any case."""
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path), num_threads=threads).get_signature_runner()
        return lambda images: runner(images=images)["logits"]


PLUGIN = LiteRt()
