"""``hrs evaluate``."""

import argparse
from pathlib import Path

from hrs_keras.cli.words import add_checkpoint, add_view, check_view, read_view, save_json
from hrs_keras.system.processor import assume_frozen_weights

HELP = "Score a run or an export on the run's validation or test images."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_folder", metavar="run", help="a run folder, such as runs/toy_city")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change the data, such as data.root=FOLDER")
    on = "the images to evaluate on: the recipe's data.validation or data.test; default: validation"
    parser.add_argument("--on", choices=("validation", "test"), default="validation", help=on)
    model = "an export in any format, to be scored in place of the run's weights"
    parser.add_argument("--model", type=Path, metavar="EXPORT", help=model)
    add_view(parser, after="key=value")
    parser.add_argument("--write-ids", type=Path, metavar="DIR", help="write predictions as label-id PNGs")
    parser.add_argument("--json", type=Path, help="also write the scores to this file")
    out = "folder for the scores and the counts of each image; default: the run's evaluations/"
    parser.add_argument("--out", type=Path, metavar="DIR", help=out)
    add_checkpoint(parser)
    parser.set_defaults(open_list="overrides")


def run(options: argparse.Namespace) -> int:
    """Evaluate and print the scores."""
    check_view(options)
    assume_frozen_weights()

    from hrs_keras import EvaluateOptions, evaluate_run
    from hrs_keras.runs.folder import RunFolder

    chosen = EvaluateOptions(
        on=options.on,
        overrides=tuple(options.overrides),
        which=options.checkpoint,
        model=options.model,
        view=read_view(options),
        write_ids=options.write_ids,
        out=options.out or RunFolder(options.run_folder).evaluations,
    )
    scores = evaluate_run(options.run_folder, chosen)
    print(f"{options.on} images:\n{scores.table()}")
    save_json(options.json, {"on": options.on, **scores.to_dict()})
    return 0
