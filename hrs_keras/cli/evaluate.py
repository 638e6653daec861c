"""``hrs evaluate``."""

import argparse
from pathlib import Path

from hrs_keras.cli.words import add_checkpoint, save_json

HELP = "Evaluate a run on its validation or test images."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_folder", metavar="run", help="a run folder, such as runs/toy_city")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change the data, such as data.root=FOLDER")
    on = "the images to evaluate on: the recipe's data.validation or data.test; default: validation"
    parser.add_argument("--on", choices=("validation", "test"), default="validation", help=on)
    parser.add_argument("--write-ids", type=Path, metavar="DIR", help="write predictions as label-id PNGs")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    add_checkpoint(parser)
    parser.set_defaults(open_list="overrides")


def run(options: argparse.Namespace) -> int:
    """Evaluate and print the result."""
    from hrs_keras import evaluate_run

    result = evaluate_run(
        options.run_folder,
        which=options.checkpoint,
        on=options.on,
        overrides=options.overrides,
        write_ids=options.write_ids,
    )
    print(f"{options.on} images:\n{result.table()}")
    save_json(options.json, {"on": options.on, **result.to_dict()})
    return 0
