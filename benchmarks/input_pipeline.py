"""What ``make bench-input`` runs: training batches from Cityscapes' pairs, by this package and by a PyTorch DataLoader.

python benchmarks/input_pipeline.py --root ../shared/data/cityscapes --peer /path/to/python

``--peer`` is a Python with PyTorch and OpenCV or Pillow; its DataLoader does the same work in two workers. This package
reads the files, and records that ``hrs prepare`` made of them. The samples of all sides are first compared. Then every
measurement is a process of its own, and the sides take turns; ratios are taken within a round, to the decoder that is
the faster one over all rounds. Prints Markdown.
"""

import argparse
import os
import platform
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import Round, add_input_options, in_turns, median, run, spread, table

HERE = Path(__file__).parent
DECODERS = ("opencv", "pillow")
SIDES = {"raw files": "data.prepared=null", "prepared": "data.prepared={prepared}"}
"""What the tables say -> the change to input.yaml that makes it so."""
LIMITS = {"raw files": 1.2, "prepared": 5.0}
"""How many times as many pairs a second as the peer a side is to give."""


def commands(options: argparse.Namespace, prepared: str) -> dict[str, list[str]]:
    """Side -> the command that measures it, in the order of a round; ``prepared`` is filled."""
    shared = [f"--{name}={getattr(options, name)}" for name in ("root", "height", "width", "batch", "steps")]
    shared.append(f"--warm-up={options.warm_up}")
    ours = [sys.executable, str(HERE / "batches.py"), *shared]
    run([*ours, f"--prepare={prepared}"])
    found = {name: [*ours, change.format(prepared=prepared)] for name, change in SIDES.items()}
    if options.peer:
        peer = [*shlex.split(options.peer), str(HERE / "torch_input.py"), *shared, f"--workers={options.workers}"]
        found |= {_peer(decoder): [*peer, f"--decoder={decoder}"] for decoder in options.decoders}
    return found


def _peer(decoder: str) -> str:
    return f"PyTorch, {decoder}"


def difference(ours: Path, other: Path) -> list[str]:
    """How two sides' samples differ: share of equal labels, mean and largest difference of images in grey levels."""
    with np.load(ours) as a, np.load(other) as b:
        levels = np.abs(a["images"] - b["images"]) * 127.5
        equal = (a["labels"] == b["labels"]).mean()
    return [f"{100 * equal:.3f} %", f"{levels.mean():.2f}", f"{levels.max():.1f}"]


def agreement(measured: dict[str, list[str]]) -> str:
    """A table of every side's difference from the first one's samples, which are our own from raw files."""
    with tempfile.TemporaryDirectory(prefix="hrs-input-") as folder:
        saved = {name: Path(folder, f"{number}.npz") for number, name in enumerate(measured)}
        for name, command in measured.items():
            run([*command, f"--save={saved[name]}"])
        first, *others = saved
        rows = [[name, *difference(saved[first], saved[name])] for name in others]
    columns = ["samples beside those from raw files", "equal labels", "mean difference, grey levels", "largest"]
    return "\n".join(table(columns, rows)) + "\n"


def report(rounds: list[Round]) -> str:
    """Two Markdown tables: the sides, and the ratios to the fastest peer with their limits and spread."""
    speed = {name: median(rounds, name, "pairs_per_s") for name in rounds[0]}
    rows = [[name, f"{fast:.1f}", f"{median(rounds, name, 'ms'):.1f}"] for name, fast in speed.items()]
    lines = table(["side", "pairs/s", "ms/batch"], rows)
    peers = {name: fast for name, fast in speed.items() if name.startswith("PyTorch")}
    if not peers:
        return "\n".join(lines) + "\n"
    rival = max(peers, key=peers.get)
    rows = []
    for name in SIDES:
        ratios = [one[name]["pairs_per_s"] / one[rival]["pairs_per_s"] for one in rounds]
        rows.append([f"{name} / {rival}", f"{statistics.median(ratios):.2f}", spread(ratios), LIMITS[name]])
    return "\n".join([*lines, "", *table(["ratio", "median", "least to most", "at least"], rows)]) + "\n"


def main() -> None:
    """Parse the command line, compare the samples, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("HRS_PEER_PYTHON"), help="default: $HRS_PEER_PYTHON")
    parser.add_argument("--decoders", nargs="+", choices=DECODERS, default=DECODERS, help="of the peer")
    parser.add_argument("--workers", type=int, default=2, help="of the peer")
    parser.add_argument("--rounds", type=int, default=5)
    add_input_options(parser)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {options.steps} batches of {options.batch} pairs each\n")
    with tempfile.TemporaryDirectory(prefix="hrs-prepared-") as prepared:
        measured = commands(options, prepared)
        print(agreement(measured), flush=True)
        if not options.peer:
            print("The PyTorch peer was left out: no --peer PYTHON and no HRS_PEER_PYTHON.\n")
        print(report(in_turns(measured, options.rounds, f"{options.height}x{options.width}")), flush=True)


if __name__ == "__main__":
    main()
