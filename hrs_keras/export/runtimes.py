"""Exported model files in the runtimes that they are for; needs neither TensorFlow nor Keras.

The runtimes are optional: ``pip install 'hrs-keras[onnx]'``, ``[openvino]`` or ``[litert]``.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hrs_keras.errors import HRSError

Run = Callable[[np.ndarray], np.ndarray]
"""``images`` [B, H, W, 3] float32 in [0, 255] -> ``logits`` [B, H, W, C] float32, to be read before the next call."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        name: how ``hrs export --format`` and the package's extra call it.
        suffix: of the model's file.
        runtime: what runs it, in words.
        packages: import name -> distribution of what converting and running want.
        load: (file, threads, exact) -> :data:`Run`; see :func:`open_model`.
        fixed_size: H and W are those of the export; otherwise any multiples of 32. The batch is free in all.
    """

    name: str
    suffix: str
    runtime: str
    packages: dict[str, str]
    load: Callable[[Path, int | None, bool], Run]
    fixed_size: bool = False

    def require(self) -> None:
        """See that the format's packages are there.

        Raises:
            HRSError: naming those that are not, and how to install them.
        """
        if missing := [name for module, name in self.packages.items() if importlib.util.find_spec(module) is None]:
            raise HRSError(
                f"the format {self.name} needs {' and '.join(missing)}, not installed here:"
                f" pip install 'hrs-keras[{self.name}]'"
            )


def open_model(path: str | Path, *, threads: int | None = None, exact: bool = True) -> Run:
    """Load an exported file (.onnx, .xml or .tflite) on the CPU.

    Args:
        threads: None for as many as the runtime chooses.
        exact: compute in float32. OpenVINO alone does otherwise unless told: it takes bfloat16 or float16 on
            processors that are quicker with it.

    Raises:
        HRSError: no such format, its runtime is not installed, or the file cannot be loaded.
    """
    path = Path(path)
    found = next((known for known in FORMATS.values() if known.suffix == path.suffix), None)
    if found is None:
        raise HRSError(f"{path}: wants a file that ends in {', '.join(known.suffix for known in FORMATS.values())}")
    found.require()
    try:
        return found.load(path, threads, exact)
    except Exception as error:  # the runtimes raise what they like: RuntimeError, ValueError, classes of their own
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise HRSError(f"{path} cannot be loaded by {found.runtime}: {first_line}; export the run again") from error


def _onnx(path: Path, threads: int | None, exact: bool) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits"], {"images": images})[0]


def _openvino(path: Path, threads: int | None, exact: bool) -> Run:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    settings |= {"INFERENCE_PRECISION_HINT": "f32"} if exact else {}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda images: compiled({"images": images})["logits"]


def _litert(path: Path, threads: int | None, exact: bool) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path), num_threads=threads).get_signature_runner()
    return lambda images: runner(images=images)["logits"]


FORMATS = {
    known.name: known
    for known in (
        Format(
            "onnx",
            ".onnx",
            "ONNX Runtime",
            {"onnx": "onnx", "tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"},
            _onnx,
        ),
        # scipy: Keras' OpenVINO export imports it, though neither of the two asks for it
        Format("openvino", ".xml", "OpenVINO", {"openvino": "openvino", "scipy": "scipy"}, _openvino),
        # Free sizes cost LiteRT some speed, and phones' accelerators want them fixed.
        Format("litert", ".tflite", "LiteRT", {"ai_edge_litert": "ai-edge-litert"}, _litert, fixed_size=True),
    )
}
"""Name -> format."""
