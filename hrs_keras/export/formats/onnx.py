"""ONNX: read by ONNX Runtime, TensorRT, OpenVINO and others."""

from pathlib import Path
from typing import Any, ClassVar

from hrs_keras.export.format import Run
from hrs_keras.export.formats._by_keras import WrittenByKeras


class Onnx(WrittenByKeras):
    """Written by tf2onnx, run by ONNX Runtime."""

    name = "onnx"
    suffix = ".onnx"
    runtime = "ONNX Runtime"
    packages: ClassVar = {"onnx": "onnx", "tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"}
    install = "pip install 'hrs-keras[onnx]'"

    def convert(self, model: Any, path: Path) -> None:
        """See the base class; the free dimensions of input and output have the same names."""
        super().convert(model, path)
        _name_dimensions(path)

    def load(self, path: Path, threads: int | None, exact: bool) -> Run:
        """See the base class; computes in float32 in any case."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda images: session.run(["logits"], {"images": images})[0]


def _name_dimensions(path: Path) -> None:
    """Give the free dimensions the same names in input and output; tf2onnx numbers them."""
    import onnx

    model = onnx.load(path)
    for tensor in (*model.graph.input, *model.graph.output):
        for name, dimension in zip(("batch", "height", "width"), tensor.type.tensor_type.shape.dim, strict=False):
            dimension.dim_param = name
    onnx.save(model, path)


PLUGIN = Onnx()
