"""What the decision of one image costs, operation by operation, in TensorFlow and in ONNX Runtime; prints Markdown.

python benchmarks/decision.py --height 256 --width 512

TensorFlow: what a SavedModel's *arrays* do with the logits of an image of the training size. ONNX Runtime: the
likeliest class and its probability by its own operations, without a PNG. Both tell by their profilers, one operation at
a time.
"""

import argparse
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # read when TensorFlow is imported

import numpy as np
import tensorflow as tf
from measuring import CLASSES, table
from operations import profile

from hrs_keras.export import signatures

REPEATS = 50


def in_tensorflow(logits: np.ndarray) -> dict[str, float]:
    """Kind of an operation -> milliseconds an image."""

    def decide(logits: tf.Tensor) -> tuple[tf.Tensor, ...]:
        ids, confidence = signatures._decide(logits, tf.shape(logits)[:2])
        return ids, confidence, signatures._png(ids)

    graph = tf.function(decide, input_signature=[tf.TensorSpec([None, None, CLASSES])], autograph=False)
    given = tf.constant(logits)
    for _ in range(REPEATS):
        graph(given)
    return {kind: sum(ms.values()) for kind, ms in profile(lambda: graph(given)).items()}


def in_onnx_runtime(logits: np.ndarray, threads: int) -> dict[str, float]:
    """Kind of an operation -> milliseconds an image, the median of many."""
    import onnx
    import onnxruntime

    nodes = [
        onnx.helper.make_node("ArgMax", ["logits"], ["ids"], axis=2, keepdims=0),
        onnx.helper.make_node("Softmax", ["logits"], ["probabilities"], axis=2),
        onnx.helper.make_node("ReduceMax", ["probabilities", "axis"], ["confidence"], keepdims=0),
    ]
    size, real = logits.shape, onnx.TensorProto.FLOAT
    values = onnx.helper.make_tensor_value_info
    outputs = [values("ids", onnx.TensorProto.INT64, size[:2]), values("confidence", real, size[:2])]
    axis = onnx.helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [2])
    graph = onnx.helper.make_graph(nodes, "decision", [values("logits", real, size)], outputs, [axis])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = threads, True
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "decision")
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for _ in range(REPEATS):
            session.run(None, {"logits": logits})
        for event in json.loads(Path(session.end_profiling()).read_text()):
            if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                times[event["args"]["op_name"]].append(event["dur"] / 1e3)
    return {kind: float(np.median(ms)) for kind, ms in times.items()}


def main() -> None:
    """Parse the command line, profile, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # As FCN8s answers: scores of eight times fewer rows and columns, enlarged.
    scores = np.random.default_rng(0).normal(size=(options.height // 8, options.width // 8, CLASSES))
    logits = tf.image.resize(scores, (options.height, options.width)).numpy()
    runtimes = {"TensorFlow": in_tensorflow(logits), "ONNX Runtime": in_onnx_runtime(logits, options.threads)}
    rows = [
        [name, kind, f"{ms:.1f}"]
        for name, times in runtimes.items()
        for kind, ms in sorted(times.items(), key=lambda item: -item[1])
        if ms >= 0.05
    ]
    rows += [[name, "all of these", f"{sum(times.values()):.1f}"] for name, times in runtimes.items()]
    print("\n".join(table(["", "operation", "ms"], rows)))


if __name__ == "__main__":
    main()
