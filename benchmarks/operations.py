"""Where the time of a training step goes, by kind of operation and by layer; prints Markdown.

python benchmarks/operations.py --encoder efficientnet_lite --height 160 --width 224 --batch 2

Operations run one after the other (``--inter-op 1``), so that their times add up. Matrix products stand in the place of
filter gradients (:mod:`hrs_keras.method.filter_gradients`) and of fc6 (:mod:`hrs_keras.models.wide_convolution`): their
GFLOP are those of the convolutions.
"""

import argparse
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # read when TensorFlow is imported

import flops
import tensorflow as tf
from measuring import table
from step import add_step_options, chosen_recipe, prepare
from tensorflow.tsl.profiler.protobuf import xplane_pb2

STEPS = 4
PRODUCT = "MatMul"
SHOWN = 15


def profile(step: Callable[[], object]) -> dict[str, dict[str, float]]:
    """Type of an operation, without what tells its kernel -> its name in the graph -> milliseconds a step."""
    step()
    step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            step()
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        planes = xplane_pb2.XSpace.FromString(file.read_bytes()).planes
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for plane in planes:
        for event in (event for line in plane.lines for event in line.events):
            told = re.fullmatch(r"([^: ]+):(\w+)", plane.event_metadata[event.metadata_id].name)
            if told and "Call" not in told[2]:  # a call's time is that of the operations in it
                kind = re.sub("^_(MklNative|Mkl)?(Fused)?|WithBias$", "", told[2])
                found[kind][told[1]] += event.duration_ps / 1e9 / STEPS
    return found


def report(times: dict[str, dict[str, float]], counted: dict[str, tuple[str, int]]) -> str:
    """Two Markdown tables: kinds of operations, and the slowest single convolutions.

    Args:
        times: from :func:`profile`.
        counted: name of a convolution in TensorFlow's own operations -> its kind and floating-point operations.
    """
    total = sum(sum(ms.values()) for ms in times.values())
    work: dict[str, int] = defaultdict(int)
    for name, (kind, operations) in counted.items():
        work[kind if name in times.get(kind, {}) else PRODUCT] += operations
    rows = []
    for kind, ms in sorted(times.items(), key=lambda item: -sum(item[1].values())):
        spent, gflop = sum(ms.values()), work[kind] / 1e9
        rate = [f"{gflop:.1f}", f"{gflop / spent * 1e3:.0f}"] if gflop else ["", ""]
        rows.append([kind, len(ms), f"{spent:.1f}", f"{100 * spent / total:.1f} %", *rate])
    kinds = table(["operation", "of them", "ms/step", "share", "GFLOP", "GFLOP/s"], rows[:SHOWN])
    single = [
        (times[kind][name], name, kind, operations)
        for name, (kind, operations) in counted.items()
        if name in times.get(kind, {})
    ]
    rows = [
        [_layer(name), kind, f"{ms:.1f}", f"{operations / ms / 1e6:.0f}"]
        for ms, name, kind, operations in sorted(single, reverse=True)[:SHOWN]
    ]
    layers = table(["layer", "operation", "ms", "GFLOP/s"], rows)
    return "\n".join([f"{total:.0f} ms a step in all\n", *kinds, "", *layers])


def _layer(name: str) -> str:
    """``segmenter/vgg16/block1_conv2`` of a name in the graph."""
    parts = name.removeprefix("gradient_tape/").split("/")[:-1]
    return "/".join(re.sub(r"_\d+$", "", part) for part in parts if part not in ("convolution", "depthwise"))


def main() -> None:
    """Parse the command line, profile, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_step_options(parser)
    parser.set_defaults(inter_op=1)
    options = parser.parse_args()
    recipe = chosen_recipe(options)
    # As in step.measure, they can be counted in float32 alone.
    make, (batch, *_) = prepare(recipe.computing_in("float32"), options.height, options.width)
    counted = {one.name: (one.kind, one.flops) for one in flops.convolutions(make(), batch)}
    make, (batch, *_) = prepare(recipe, options.height, options.width)
    step = make()
    print(report(profile(lambda: float(step(batch)["loss/target"])), counted))


if __name__ == "__main__":
    main()
