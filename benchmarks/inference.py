"""What ``make bench-inference`` runs: one image through the same network in every runtime it is exported to.

python benchmarks/inference.py --rounds 5 --encoder vgg16 --peer '/path/to/python torch_hrs.py'

The network is exported once a size; then every measurement is a process of its own, and the systems take turns. Ratios
are taken within a round; the table has their medians. Prints Markdown.
"""

import argparse
import os
import platform
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import Round, add_encoder_options, encoder_options, in_turns, leave_out_peer, median, run, spread, table

from hrs_keras.system.processor import computes_in

HERE = Path(__file__).parent
SIZES = ("256x512", "512x1024")
BASELINE = "Keras predict"
HALF = "SavedModel, logits, bfloat16, weights frozen"
SYSTEMS = {
    BASELINE: "keras",
    "SavedModel, logits": "logits",
    "SavedModel, logits, weights frozen": "logits-frozen",
    "SavedModel, arrays, weights frozen": "arrays-frozen",
    HALF: "logits-bfloat16-frozen",
    "ONNX Runtime": "onnx",
    "OpenVINO, float32": "openvino",
    "OpenVINO, as it chooses": "openvino-fast",
    "LiteRT": "litert",
}
"""What the tables say -> what forward.py calls it; bfloat16 where the processor has instructions for it."""
AIMS = (
    ("SavedModel, logits, weights frozen", "ONNX Runtime", 1.25),
    ("SavedModel, arrays, weights frozen", "SavedModel, logits, weights frozen", 1.05),
    (HALF, "SavedModel, logits, weights frozen", ""),
)
"""One system's time over another's, and what it is to be at most, if anything."""


def commands(size: str, folder: str, options: argparse.Namespace) -> dict[str, list[str]]:
    """System -> the command that measures it, in the order of a round."""
    shape = _shape(size, options)
    shape += ["--repeats", str(options.repeats), "--threads", str(options.threads)]
    ours = [sys.executable, str(HERE / "forward.py"), "--folder", folder]
    measured = {name: system for name, system in SYSTEMS.items() if name != HALF or computes_in("bfloat16")}
    found = {name: [*ours, "--system", system, *shape] for name, system in measured.items()}
    if options.peer:
        python, script = shlex.split(options.peer)
        peer = [python, str(HERE / "torch_forward.py"), script, *shape]
        found |= {"PyTorch eager": peer, "PyTorch eager, channels last": [*peer, "--channels-last"]}
    return found


def _shape(size: str, options: argparse.Namespace) -> list[str]:
    height, width = size.split("x")
    return ["--height", height, "--width", width, *encoder_options(options)]


def report(size: str, network: str, held: dict, rounds: list[Round]) -> str:
    """Three Markdown tables: the systems, with their time as a ratio to Keras', the aims, and what the exports hold."""
    lines = [f"### {size.replace('x', ' x ')}, batch 1, {network}: median of {len(rounds)} rounds", ""]
    rows = []
    for system in rounds[0]:
        ratios = [measured[system]["ms"] / measured[BASELINE]["ms"] for measured in rounds]
        ms, least = median(rounds, system, "ms"), min(measured[system]["min_ms"] for measured in rounds)
        times = [f"{ms:.1f}", f"{least:.1f}", f"{1e3 / ms:.2f}", f"{median(rounds, system, 'rss_mib'):.0f}"]
        rows.append([system, *times, f"{statistics.median(ratios):.2f}", spread(ratios)])
    lines += table(["system", "ms", "least ms", "images/s", "peak MiB", f"over {BASELINE}", "least to most"], rows)
    aims = []
    for system, other, limit in AIMS:
        ratios = [one[system]["ms"] / one[other]["ms"] for one in rounds if {system, other} <= one.keys()]
        if ratios:
            aims.append([f"{system} / {other}", f"{statistics.median(ratios):.2f}", spread(ratios), limit])
    lines += ["", *table(["ratio", "median", "least to most", "limit"], aims)]
    rows = [
        [name, one.get("gflop", ""), one.get("elements", ""), one.get("mib", ""), one.get("difference", "")]
        for name, one in held.items()
    ]
    columns = ["export", "GFLOP/image", "numbers in variables", "MiB on disk", "largest difference of logits"]
    return "\n".join([*lines, "", *table(columns, rows)]) + "\n"


def main() -> None:
    """Parse the command line, export and measure size by size, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("HRS_PEER"), help="'PYTHON torch_hrs.py'; default: $HRS_PEER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=10, help="timed images of a measurement")
    parser.add_argument("--threads", type=int, default=2)
    add_encoder_options(parser)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="HEIGHTxWIDTH")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, {options.repeats} images each\n")
    leave_out_peer(options)
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="hrs-inference-") as folder:
            exports = [sys.executable, str(HERE / "exports.py"), "--folder", folder]
            held = run([*exports, *_shape(size, options)])
            rounds = in_turns(commands(size, folder, options), options.rounds, size)
        if options.peer:
            held["PyTorch eager"] = {"elements": rounds[0]["PyTorch eager"]["elements"]}
        vgg16 = f"VGG16 of {options.channels} channels, fc {options.fc}"
        network = {"vgg16": vgg16, "efficientnet_lite": "EfficientNet-Lite0"}[options.encoder]
        print(report(size, network, held, rounds), flush=True)


if __name__ == "__main__":
    main()
