"""What the comparisons share: measurements in processes of their own, taken in turns, and Markdown tables of them.

Needs the standard library alone, so that any Python can run what imports it.
"""

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

CLASSES = 19
ENCODERS = ("vgg16", "efficientnet_lite")

Round = dict[str, dict]
"""System -> what one measurement of it printed."""


def run(command: list[str]) -> dict:
    """Run one measurement and read the JSON on its last line."""
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if result.returncode:
        raise SystemExit(f"{shlex.join(command)}\nfailed with code {result.returncode}:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def in_turns(commands: dict[str, list[str]], rounds: int, what: str) -> list[Round]:
    """Measure the systems A B C, A B C, ...: a machine whose speed drifts slows all of them alike."""
    measured = []
    for number in range(1, rounds + 1):
        measured.append({name: run(command) for name, command in commands.items()})
        times = ", ".join(f"{name} {one['ms']:.0f}" for name, one in measured[-1].items() if "ms" in one)
        print(f"{what} round {number} of {rounds}, ms: {times}", file=sys.stderr)
    return measured


def timed(call: Callable[[], object], repeats: int, warm_up: int = 2) -> dict[str, float]:
    """Median and least milliseconds of a call, and the process's peak memory so far."""
    seconds = []
    for _ in range(warm_up + repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {
        "ms": round(statistics.median(seconds[warm_up:]) * 1e3, 1),
        "min_ms": round(min(seconds[warm_up:]) * 1e3, 1),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Which FCN8s, and at what size."""
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=512)
    add_encoder_options(parser)


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    """Which FCN8s, for any size; told to another command by :func:`encoder_options`."""
    parser.add_argument("--encoder", choices=ENCODERS, default="vgg16", help="efficientnet_lite: that of blender_idd")
    parser.add_argument("--fc", type=int, default=1024, help="channels of VGG16's fc6 and fc7")
    parser.add_argument("--channels", type=int, default=64, help="of VGG16's first block; 64 is full width")


def encoder_options(options: argparse.Namespace) -> list[str]:
    """What :func:`add_encoder_options` reads."""
    return [word for name in ("encoder", "fc", "channels") for word in (f"--{name}", str(getattr(options, name)))]


def leave_out_peer(options: argparse.Namespace) -> None:
    """Say why there is no PyTorch peer, if there is none: it was not named, or is another network or batch."""
    if options.encoder != "vgg16" or getattr(options, "batch", 1) != 1:
        options.peer = None
        print("The PyTorch peer was left out: it has VGG16 and batch 1 alone.\n")
    elif not options.peer:
        print("The PyTorch peer was left out: no --peer 'PYTHON torch_hrs.py' and no HRS_PEER.\n")


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Which pairs, what is made of them, and how many batches are timed."""
    parser.add_argument("--root", type=Path, required=True, help="holds leftImg8bit/ and gtFine/ of Cityscapes")
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=25, help="timed batches")
    parser.add_argument(
        "--warm-up", type=int, default=10, help="batches before them; as many as are held in advance, or more"
    )


def rate(take: Callable[[], object], options: argparse.Namespace) -> dict[str, float]:
    """How fast batches are taken after a warm-up: milliseconds a batch, and pairs a second."""
    for _ in range(options.warm_up):
        take()
    start = time.perf_counter()
    for _ in range(options.steps):
        take()
    seconds = (time.perf_counter() - start) / options.steps
    return {"ms": round(seconds * 1e3, 1), "pairs_per_s": round(options.batch / seconds, 2)}


def median(rounds: list[Round], system: str, key: str) -> float | None:
    """Of what a system's measurements say under a key; None if they say nothing."""
    found = [measured[system][key] for measured in rounds if key in measured[system]]
    return statistics.median(found) if found else None


def spread(values: list[float]) -> str:
    """``0.95 to 1.10``."""
    return f"{min(values):.2f} to {max(values):.2f}"


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Lines of a Markdown table; the first column is aligned to the left, the others to the right."""
    columns = list(columns)
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return ["| " + " | ".join(map(str, cells)) + " |" for cells in lines]
