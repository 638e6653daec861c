"""One image through the same network, layer by layer, in TensorFlow, ONNX Runtime and PyTorch; prints Markdown.

python benchmarks/layers.py --peer '/path/to/python torch_hrs.py'
python benchmarks/layers.py --encoder efficientnet_lite

TensorFlow and ONNX Runtime tell by their profilers how long the operations of a layer took, with what they have fused
into them; in PyTorch the convolutions' calls are timed, without the ReLU. TensorFlow is told that weights do not
change, as `hrs predict` tells it, and runs one operation at a time. The score heads are left out. Layers of
EfficientNet-Lite are taken together, by block and kind, with what scales their filters; the PyTorch peer has VGG16
alone.
"""

import argparse
import json
import os
import re
import shlex
import tempfile
from collections import defaultdict
from pathlib import Path

os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}  # read by TensorFlow's import

import flops
import numpy as np
import tensorflow as tf
from exports import network
from measuring import add_network_options, leave_out_peer, run, table
from operations import profile

from hrs_keras.export.format import load_format
from hrs_keras.export.portable import pixel_model
from hrs_keras.export.signatures import network_logits

HERE = Path(__file__).parent
LAYER = re.compile(r"block\d_conv\d|fc[67]|/(?:stem|top)(?=_)")
BLOCK = re.compile(r"(block\d)[a-z]_(expand|project|add)?")
"""Of EfficientNet-Lite; an addition has the convolution before it fused into it."""
REPEATS = 5


def in_tensorflow(segmenter: tf.keras.Model, images: np.ndarray) -> tuple[dict[str, float], dict[str, int]]:
    """Layer -> milliseconds, and layer -> floating-point operations."""
    given = tf.constant(images)
    found = flops.convolutions(tf.function(lambda x: network_logits(segmenter, x), autograph=False), given)
    counted: dict[str, int] = defaultdict(int)
    for one in found:
        if name := layer(one.name):
            counted[name] += one.flops
    answer = tf.function(lambda x: network_logits(segmenter, x), autograph=False)
    times: dict[str, float] = defaultdict(float)
    for ms in profile(lambda: answer(given).numpy()).values():
        for operation, spent in ms.items():
            if name := layer(operation):
                times[name] += spent
    return times, counted


def in_onnx_runtime(path: Path, images: np.ndarray, threads: int) -> dict[str, float]:
    """Layer -> milliseconds, by ONNX Runtime's profiler."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    options.profile_file_prefix = str(path.with_suffix(""))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for _ in range(REPEATS):
        session.run(["logits"], {"images": images})
    calls: dict[str, list[float]] = defaultdict(list)  # of each operation; the first takes longer
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time") and layer(event["name"]):
            calls[event["name"]].append(event["dur"] / 1e3)
    times: dict[str, float] = defaultdict(float)
    for operation, spent in calls.items():
        times[str(layer(operation))] += float(np.median(spent))
    return times


def in_torch(options: argparse.Namespace, counted: dict[str, int]) -> dict[str, float]:
    """Layer -> milliseconds, as the peer's own Python says; its layers must be those counted, in their order."""
    names = ("height", "width", "fc", "channels", "threads")
    told = [word for name in names for word in (f"--{name}", str(getattr(options, name)))]
    command = [*shlex.split(options.peer), *told, "--channels-last", "--by-layer"]
    layers = run([command[0], str(HERE / "torch_forward.py"), *command[1:]])["layers"][: len(counted)]
    if [one["flop"] for one in layers] != list(counted.values()):
        raise SystemExit(f"the peer's layers are not those of TensorFlow: {layers}, {counted}")
    return dict(zip(counted, (one["ms"] for one in layers), strict=True))


def layer(name: str) -> str | None:
    """The layer that the name of an operation in a graph tells of; None of what is in none of those compared."""
    if found := LAYER.search(name):
        return found[0].strip("/")
    found = BLOCK.search(name)
    return found and f"{found[1]}, {'1x1' if found[2] else 'depthwise'}"


def main() -> None:
    """Parse the command line, profile, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("HRS_PEER"), help="'PYTHON torch_hrs.py'; default: $HRS_PEER")
    parser.add_argument("--threads", type=int, default=2)
    add_network_options(parser)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    recipe, segmenter = network(options)
    images = np.random.default_rng(0).integers(0, 256, (1, *recipe.data.size, 3)).astype(np.float32)
    times = {}
    times["TensorFlow"], counted = in_tensorflow(segmenter, images)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        load_format("onnx").convert(pixel_model(segmenter, None), path)
        times["ONNX Runtime"] = in_onnx_runtime(path, images, options.threads)
    leave_out_peer(options)
    if options.peer:
        times["PyTorch, channels last"] = in_torch(options, counted)
    print("\n".join(report(times, counted)))


def report(times: dict[str, dict[str, float]], counted: dict[str, int]) -> list[str]:
    """A table of the layers: milliseconds and GFLOP/s in each runtime."""
    columns = ["layer", "GFLOP", *(column for name in times for column in (f"{name}: ms", "GFLOP/s"))]
    rows = []
    for name, operations in counted.items():
        spent = [of_layer[name] for of_layer in times.values()]
        cells = [cell for ms in spent for cell in (f"{ms:.1f}", f"{operations / ms / 1e6:.0f}")]
        rows.append([name, f"{operations / 1e9:.2f}", *cells])
    sums = [sum(of_layer[name] for name in counted) for of_layer in times.values()]
    rows.append(["all of these", "", *(cell for ms in sums for cell in (f"{ms:.0f}", ""))])
    return table(columns, rows)


if __name__ == "__main__":
    main()
