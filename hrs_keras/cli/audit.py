"""``hrs audit``."""

import argparse
import sys
from pathlib import Path

from hrs_keras.cli.words import add_recipe, read_recipe, save_json

HELP = "Check a recipe's data: class shares, unknown ids, broken and orphaned files."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_recipe(parser)
    parser.add_argument("--json", type=Path, help="also write the audit to this file")


def run(options: argparse.Namespace) -> int:
    """Print the audit; code 2 if training would refuse the data."""
    recipe = read_recipe(options)

    from hrs_keras import audit

    result = audit(recipe, strict=False)
    print(result.table())
    save_json(options.json, result.to_dict())
    empty = any(not len(pairs) for sets in result.sets.values() for pairs in sets)
    errors = result.errors if empty else result.refused(recipe.data.on_bad)
    if errors:
        count = len(errors)
        print(f"hrs: {count} error{'s'[: count > 1]}; training would refuse this data", file=sys.stderr)
        return 2
    return 0
