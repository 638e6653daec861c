"""One image through the same FCN8s, layer by layer, in TensorFlow, ONNX Runtime and PyTorch; prints Markdown.

python benchmarks/layers.py --peer '/path/to/python torch_hrs.py'

Each runtime tells by its own profiler how long a convolution took, with what it has fused into it. TensorFlow is told
that weights do not change, as `hrs predict` tells it, and runs one operation at a time.
"""

import argparse
import json
import os
import re
import shlex
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}  # read by TensorFlow's import

import flops
import numpy as np
import tensorflow as tf
from exports import network
from measuring import add_network_options, run, table
from operations import profile

from hrs_keras.export.format import load_format
from hrs_keras.export.portable import pixel_model
from hrs_keras.export.signatures import network_logits

HERE = Path(__file__).parent
LAYER = re.compile(r"block\d_conv\d|fc[67]")
REPEATS = 5


def in_tensorflow(segmenter: tf.keras.Model, images: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Layer -> milliseconds, and layer -> floating-point operations."""
    answer = tf.function(lambda x: network_logits(segmenter, x), autograph=False)
    counted = {layer(one.name): one.flops for one in flops.convolutions(answer, tf.constant(images))}
    times: dict[str, float] = defaultdict(float)
    for kind, ms in profile(lambda: answer(tf.constant(images)).numpy()).items():
        for name, spent in ms.items() if "Conv2D" in kind else ():
            times[layer(name)] += spent
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
    times: dict[str, list[float]] = defaultdict(list)
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time") and "Conv" in event["args"]["op_name"]:
            times[layer(event["name"])].append(event["dur"] / 1e3)
    return {name: float(np.median(found)) for name, found in times.items()}


def layer(name: str) -> str:
    """The layer that a convolution's name in a graph tells of; the score heads together are ``other``."""
    found = LAYER.search(name)
    return found[0] if found else "other"


def main() -> None:
    """Parse the command line, profile, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("HRS_PEER"), help="'PYTHON torch_hrs.py'; default: $HRS_PEER")
    parser.add_argument("--threads", type=int, default=2)
    add_network_options(parser)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    shape = options.height, options.width, options.fc, options.channels
    recipe, segmenter = network(*shape)
    images = np.random.default_rng(0).integers(0, 256, (1, *recipe.data.size, 3)).astype(np.float32)
    times = {}
    times["TensorFlow"], counted = in_tensorflow(segmenter, images)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        load_format("onnx").convert(pixel_model(segmenter, None), path)
        times["ONNX Runtime"] = in_onnx_runtime(path, images, options.threads)
    if options.peer:
        python, script = shlex.split(options.peer)
        names = ("height", "width", "fc", "channels", "threads")
        told = [word for name in names for word in (f"--{name}", str(getattr(options, name)))]
        command = [python, str(HERE / "torch_forward.py"), script, *told, "--channels-last", "--by-layer"]
        layers = [name for name in counted if name != "other"]
        times["PyTorch, channels last"] = dict(zip(layers, run(command)["layers"], strict=False))
    print("\n".join(report(times, counted)))


def report(times: dict[str, dict[str, float]], counted: dict[str, float]) -> list[str]:
    """A table of the layers: milliseconds and GFLOP/s in each runtime."""
    columns = ["layer", "GFLOP", *(column for name in times for column in (f"{name}: ms", "GFLOP/s"))]
    rows = []
    for name in (name for name in counted if name != "other"):
        ms = [of_layer[name] for of_layer in times.values()]
        rates = [f"{counted[name] / one / 1e6:.0f}" for one in ms]
        rows.append(
            [
                name,
                f"{counted[name] / 1e9:.2f}",
                *(x for pair in zip(map("{:.1f}".format, ms), rates, strict=True) for x in pair),
            ]
        )
    sums = [sum(of_layer[name] for name in counted if name != "other") for of_layer in times.values()]
    rows.append(["all of these", "", *(x for one in sums for x in (f"{one:.0f}", ""))])
    return table(columns, rows)


if __name__ == "__main__":
    sys.exit(main())
