"""Arguments that several verbs share."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hrs_keras.errors import HRSError, printable
from hrs_keras.system.files import write_json, writing

if TYPE_CHECKING:
    from hrs_keras.media.label_maps import Outcome
    from hrs_keras.predict.views import View
    from hrs_keras.recipe.schema import Recipe

INPUTS = "PNG or JPEG {}: files, folders, or quoted patterns such as 'in/**/*.png'"
"""Help of the argument ``inputs``; what else than images is taken fills the gap."""


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """The words that name a recipe, its parts and the values that override it; read by :func:`read_recipe`."""
    parser.add_argument("recipe", help="a YAML file, or a name that `hrs recipes` lists")
    changes = "a part, such as systems/joint, changes the keys it names; key=value, such as train.steps=9, changes one"
    parser.add_argument("overrides", nargs="*", metavar="PART | key=value", help=changes)
    parser.set_defaults(open_list="overrides")


def read_recipe(options: argparse.Namespace) -> "Recipe":
    """The recipe that the words of :func:`add_recipe` name, with its parts and overrides.

    Raises:
        RecipeError: see :func:`hrs_keras.recipe.load_recipe`.
    """
    from hrs_keras import load_recipe

    parts = [word for word in options.overrides if _is_part(word)]
    return load_recipe([options.recipe, *parts], [word for word in options.overrides if word not in parts])


def _is_part(word: str) -> bool:
    """Whether a word names a part of a recipe: a file, or a packaged part as `hrs recipes` lists it."""
    from hrs_keras.recipe import packaged

    return "=" not in word and (word.endswith((".yaml", ".yml")) or packaged.is_file(packaged.find(word)))


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """``--checkpoint``: which of a run's weights to use."""
    parser.add_argument(
        "--checkpoint", choices=("best", "last"), default="best", help="which of a run's weights; default: best"
    )


def add_view(parser: argparse.ArgumentParser, after: str) -> None:
    """How images are shown to the network; read by :func:`read_view`.

    Args:
        after: the argument that a list of scales must not be given before.
    """
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--sliding", action="store_true", help="at its own scale, in windows of the training size")
    mode.add_argument("--pad", action="store_true", help="at its own scale, padded to multiples of 32")
    parser.add_argument("--overlap", type=float, help="share by which windows overlap, 0 to 0.9; default: 0.5")
    scales = f"average over the image at these scales; give it after {after}; default: 1"
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], metavar="FACTOR", help=scales)
    parser.add_argument("--flip", action="store_true", help="average with the mirrored image")


def check_view(options: argparse.Namespace) -> None:
    """Refuse words of :func:`add_view` that do not go together, before TensorFlow is imported; raises HRSError."""
    if options.overlap is not None and not options.sliding:
        raise HRSError("--overlap is the overlap of windows: it goes with --sliding")


def read_view(options: argparse.Namespace) -> "View":
    """The view that the words of :func:`add_view` name.

    Raises:
        HRSError: a number is out of its range.
    """
    from hrs_keras import View

    mode: Literal["resize", "pad", "sliding"] = "sliding" if options.sliding else "pad" if options.pad else "resize"
    overlap = 0.5 if options.overlap is None else options.overlap
    return View(mode, overlap, tuple(options.scales), options.flip)


def save_json(path: Path | None, value: dict[str, Any]) -> None:
    """Write what ``--json`` asks for, if it was given.

    Raises:
        HRSError: the file cannot be written.
    """
    if path is None:
        return
    with writing(path):
        if path.exists() and not path.is_file():  # a device such as /dev/stdout must not be replaced by a file
            path.write_text(json.dumps(value, indent=1) + "\n")
        else:
            write_json(path, value)


def tell_skipped(message: str) -> None:
    """Say on standard error which input is skipped and why, above the progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(f"hrs: skipped {message}", file=sys.stderr)


def tell_outcome(outcome: "Outcome", out: Path | str) -> int:
    """Print which folders in ``out`` have label maps; returns the exit code, which is 3 if inputs were skipped."""
    if not outcome.folders:
        print(f"nothing was written to {printable(Path(out))}: every input was skipped")
        return 3
    *folders, last = (f"{folder.name}/" for folder in outcome.folders)
    print(f"{', '.join(folders)} and {last} are in {printable(Path(out))}")
    return 3 if outcome.skipped else 0


def max_pixels(options: argparse.Namespace) -> dict[str, Any]:
    """``--max-pixels`` as a keyword argument, if it was given: its default is known where TensorFlow is imported."""
    return {} if options.max_pixels is None else {"max_pixels": options.max_pixels}
