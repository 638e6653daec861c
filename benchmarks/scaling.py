"""What ``make bench-scaling`` runs: a training step of the whole method on one device and on two virtual ones.

python benchmarks/scaling.py --rounds 5

On a CPU virtual devices share the cores, so three sides are needed to tell what distributing costs from what the cores
give: one core with one image of each domain; two devices on two cores with an image each; one device on two cores with
both images. Every measurement is a process of its own, and the sides take turns. Prints Markdown.
"""

import argparse
import platform
import statistics
import sys
from pathlib import Path

from measuring import Round, in_turns, median, spread, table

SIDES = {
    "1 device, 1 core, batch 1": ["--devices=cpu", "--cores=1", "--threads=1", "--batch=1"],
    "1 device, 2 cores, batch 2": ["--devices=cpu", "--cores=2", "--threads=2", "--batch=2"],
    "2 devices, 2 cores, batch 2": ["--devices=cpu:2", "--cores=2", "--threads=2", "--batch=2"],
}


def report(rounds: list[Round]) -> str:
    """Two Markdown tables: the sides, and what two devices give and cost, taken within each round."""
    one, both, two = SIDES
    columns = {"ms": "ms/step", "rss_mib": "peak MiB"}
    rows = [[name, *(f"{median(rounds, name, key):.0f}" for key in columns)] for name in SIDES]
    lines = table(["side", *columns.values()], rows)
    found = {
        "images a second, two devices on two cores / one on one (2 is ideal)": [
            2 * measured[one]["ms"] / measured[two]["ms"] for measured in rounds
        ],
        "images a second, one device on two cores / on one (what the machine gives)": [
            2 * measured[one]["ms"] / measured[both]["ms"] for measured in rounds
        ],
        "step time, two devices / one, same cores and batch (1 is free)": [
            measured[two]["ms"] / measured[both]["ms"] for measured in rounds
        ],
    }
    rows = [[name, f"{statistics.median(ratios):.2f}", spread(ratios)] for name, ratios in found.items()]
    return "\n".join([*lines, "", *table(["ratio", "median", "least to most"], rows)]) + "\n"


def main() -> None:
    """Parse the command line, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--fc", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    shape = [f"--{name}={getattr(options, name)}" for name in ("height", "width", "fc", "steps")]
    step = [sys.executable, str(Path(__file__).with_name("step.py")), *shape]
    print(f"{platform.processor() or platform.machine()}, {options.height}x{options.width}, fc {options.fc}\n")
    print(report(in_turns({name: [*step, *side] for name, side in SIDES.items()}, options.rounds, "scaling")))


if __name__ == "__main__":
    main()
