"""What ``make bench`` runs: this package's training step beside its own ceiling and a PyTorch peer's.

python benchmarks/compare.py --rounds 5 --peer '/path/to/python torch_hrs.py'
python benchmarks/compare.py --encoder efficientnet_lite --sizes 160x224 --batch 2

Every measurement is a process of its own, and the systems take turns (A B C A B C ...), so that a machine whose speed
drifts slows all of them alike. Ratios are taken within a round; the table has their medians. Prints Markdown.
"""

import argparse
import os
import platform
import shlex
import statistics
import sys
from pathlib import Path

from measuring import ENCODERS, Round, in_turns, leave_out_peer, median, spread, table

from hrs_keras.system.processor import computes_in

HERE = Path(__file__).parent
SIZES = ("128x256", "256x512")
LIMITS = {"full / peer shared": 0.65, "full / peer naive": 0.8, "full / joint, time over FLOPs": 1.1}
OVER_CEILING = "GFLOP/s over ceiling"
AT_LEAST = {"128x256": 0.70, "256x512": 0.75}
"""What GFLOP/s over the ceiling are to be."""
OWN = "full, TensorFlow's convolutions"
"""The same step without this package's formulations of convolutions."""
HALF = "full, bfloat16"
"""Measured where the processor has instructions for it."""
# The paper's layer list, written as the peer's options.
PEER_LAYERS = (
    "--batch 1 --vgg-width 64 --classes 19 --w-out 1 --w-width 64"
    " --gen [256,128,64,32] --gen-flat [32,32] --disc [64,128,256,512,512,512]"
)


def commands(size: str, options: argparse.Namespace) -> dict[str, list[str]]:
    """System -> the command that measures it, in the order of a round."""
    height, width = size.split("x")
    shape = ["--height", height, "--width", width, "--fc", str(options.fc)]
    shape += ["--steps", str(options.steps), "--threads", str(options.threads)]
    step = [sys.executable, str(HERE / "step.py"), *shape, "--encoder", options.encoder, "--batch", str(options.batch)]
    ours = {name: [*step, "--system", name] for name in ("full", "joint")} | {OWN: [*step, "--own-convolutions"]}
    if computes_in("bfloat16"):
        ours[HALF] = [*step, "--precision", "mixed_bfloat16"]
    ceiling = [sys.executable, str(HERE / "convolution_ceiling.py"), "--threads", str(options.threads)]
    peer = {}
    if options.peer:
        layers = shlex.split(PEER_LAYERS)
        for schedule in ("shared", "naive"):
            peer[f"peer {schedule}"] = [*shlex.split(options.peer), "--schedule", schedule, *shape, *layers]
    return ours | peer | {"ceiling": ceiling}


def ratios(measured: dict[str, dict]) -> dict[str, float]:
    """What one round says, by name; the names in ``LIMITS`` are to stay at or below their limit."""
    full, joint = measured["full"], measured["joint"]
    result = {f"full / {name}": full["ms"] / measured[name]["ms"] for name in measured if name.startswith("peer")}
    result[f"full / {OWN}"] = full["ms"] / measured[OWN]["ms"]
    if HALF in measured:
        result[f"{HALF} / full"] = measured[HALF]["ms"] / full["ms"]
    result["full / joint, time over FLOPs"] = full["ms"] / joint["ms"] / (full["gflop"] / joint["gflop"])
    result[OVER_CEILING] = full["gflops_per_s"] / measured["ceiling"]["gflops_per_s"]
    return result


def report(size: str, what: str, rounds: list[Round]) -> str:
    """Two Markdown tables: the systems, and the ratios with their limits and their spread over the rounds."""
    columns = {"ms": "ms/step", "gflop": "GFLOP/step", "gflops_per_s": "GFLOP/s", "rss_mib": "peak MiB"}
    lines = [f"### {size.replace('x', ' x ')}, {what}: median of {len(rounds)} rounds", ""]
    medians = {system: [median(rounds, system, key) for key in columns] for system in rounds[0]}
    systems = [[system, *("" if m is None else f"{m:.0f}" for m in found)] for system, found in medians.items()]
    lines += table(["system", *columns.values()], systems)
    by_round = [ratios(measured) for measured in rounds]
    by_name = {name: [one[name] for one in by_round] for name in by_round[0]}
    limits = LIMITS | ({OVER_CEILING: f"at least {AT_LEAST[size]:.2f}"} if size in AT_LEAST else {})
    rows = [[name, f"{statistics.median(v):.2f}", spread(v), limits.get(name, "")] for name, v in by_name.items()]
    lines += ["", *table(["ratio", "median", "least to most", "limit"], rows)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line, measure round by round, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("HRS_PEER"), help="'PYTHON torch_hrs.py'; default: $HRS_PEER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="timed steps of a measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--encoder", choices=ENCODERS, default="vgg16", help="efficientnet_lite: that of blender_idd")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--fc", type=int, default=1024, help="channels of VGG16's fc6 and fc7")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="HEIGHTxWIDTH")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, {options.steps} steps each\n")
    leave_out_peer(options)
    network = f"fc {options.fc}" if options.encoder == "vgg16" else "EfficientNet-Lite0"
    for size in options.sizes:
        rounds = in_turns(commands(size, options), options.rounds, size)
        print(report(size, f"batch {options.batch}, {network}", rounds), flush=True)


if __name__ == "__main__":
    main()
