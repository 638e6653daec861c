"""``hrs train``."""

import argparse
import re

from hrs_keras.cli.words import add_recipe, read_recipe
from hrs_keras.errors import HRSError

HELP = "Run a recipe: audit, train (or resume), evaluate, export."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe(parser)
    parser.add_argument("--fresh", action="store_true", help="remove an earlier run of this name and start over")
    parser.add_argument(
        "--profile", metavar="FIRST:LAST", help="write a trace of these steps for TensorBoard's profiler"
    )
    parser.add_argument(
        "--devices",
        help="how many of the GPUs (default: all that are visible), or cpu, or cpu:N to take the CPU for N devices",
    )
    parser.add_argument("--no-export", action="store_true", help="write no SavedModel; `hrs export` can do so later")
    parser.set_defaults(after_interrupt="; the same command, without --fresh, goes on from the last checkpoint")


def run(options: argparse.Namespace) -> int:
    """Audit, train or resume, evaluate, export."""
    recipe = read_recipe(options)  # before TensorFlow is imported: a typo is reported at once
    profile = _steps(options.profile)

    from hrs_keras import train

    train(recipe, fresh=options.fresh, export=not options.no_export, profile=profile, devices=options.devices)
    return 0


def _steps(text: str | None) -> range | None:
    """``FIRST:LAST`` as the steps from FIRST to LAST, both included."""
    if text is None:
        return None
    if not (steps := re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)):
        raise HRSError(f"--profile wants FIRST:LAST, two step numbers such as 100:110, found {text!r}")
    return range(int(steps[1]), int(steps[2]) + 1)
