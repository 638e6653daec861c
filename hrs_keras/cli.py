"""The ``hrs`` command: one verb a task.

Exit codes: 0 done, 1 a bug (with traceback), 2 something the user can mend (one message), 3 done but for some
inputs that were skipped and named, 130 interrupted.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hrs_keras.errors import HRSError

_Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parse(arguments)
    try:
        return options.command(options)
    except HRSError as error:
        print(f"hrs: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        resume = "; the same command, without --fresh, goes on from the last checkpoint"
        print(f"\nhrs: interrupted{resume if options.command is _train else ''}", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse; argparse alone takes no more of a list (overrides, inputs) once an option stood behind its first part."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    listed = next((getattr(options, name) for name in ("overrides", "inputs") if hasattr(options, name)), None)
    if rest and (listed is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        listed += rest
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hrs", description="Semantic segmentation from few real and many synthetic labels."
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, command: _Command, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    train = verb("train", _train, "Run a recipe: audit, train (or resume), evaluate, export.")
    train.add_argument("recipe", help="a YAML file; recipes/base.yaml documents every key")
    train.add_argument("overrides", nargs="*", metavar="key=value", help="change a key, such as train.steps=1000")
    train.add_argument("--fresh", action="store_true", help="remove an earlier run of this name and start over")

    check = verb("audit", _audit, "Check a recipe's data: class shares, unknown ids, broken and orphaned files.")
    check.add_argument("recipe")
    check.add_argument("overrides", nargs="*", metavar="key=value")
    check.add_argument("--json", type=Path, help="also write the audit to this file")

    score = verb("evaluate", _evaluate, "Evaluate a run on its validation set.")
    score.add_argument("run", help="a run folder, such as runs/toy_city")
    score.add_argument("overrides", nargs="*", metavar="key=value", help="change the data, such as data.root=FOLDER")
    score.add_argument("--write-ids", type=Path, metavar="DIR", help="write predictions as label-id PNGs")
    score.add_argument("--json", type=Path, help="also write the result to this file")

    predict = verb("predict", _predict, "Segment image files with a run's weights.")
    predict.add_argument("run")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="image files, or folders of them")
    predict.add_argument("--out", required=True, metavar="DIR", help="folder for ids/, colour/ and overlay/")

    export = verb("export", _export, "Write a run's segmenter as a SavedModel.")
    export.add_argument("run")
    export.add_argument("--version", type=int, help="default: one more than the highest there is")

    for sub in (score, predict, export):
        sub.add_argument("--checkpoint", choices=("best", "last"), default="best", help="default: best")

    toy = verb("toy-city", _toy_city, "Generate the toy city: a small two-domain data set in the real formats.")
    toy.add_argument("folder")
    for name, text in (("gtav", "source images"), ("synthia", "source images"), ("train", "target"), ("val", "target")):
        toy.add_argument(f"--{name}", type=int, help=f"number of {text} ({name})")
    toy.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of all images, in pixels")
    toy.add_argument("--seed", type=int)
    return parser


# TensorFlow takes seconds to import: each command imports what it needs, so that --help does not.


def _train(options: argparse.Namespace) -> int:
    from hrs_keras import load_recipe

    recipe = load_recipe(options.recipe, options.overrides)  # before the wait: a typo is told at once

    from hrs_keras import train

    train(recipe, fresh=options.fresh)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from hrs_keras import load_recipe

    recipe = load_recipe(options.recipe, options.overrides)

    from hrs_keras import audit

    result = audit(recipe, strict=False)
    print(result.table())
    _write_json(options.json, result.to_dict())
    empty = any(not len(pairs) for sets in result.sets.values() for pairs in sets)
    if result.errors and (empty or recipe.data.on_bad == "error"):
        count = len(result.errors)
        print(f"hrs: {count} error{'s'[: count > 1]}; training would refuse this data", file=sys.stderr)
        return 2
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from hrs_keras import evaluate_run

    result = evaluate_run(
        options.run, which=options.checkpoint, overrides=options.overrides, write_ids=options.write_ids
    )
    print(result.table())
    _write_json(options.json, result.to_dict())
    return 0


def _predict(options: argparse.Namespace) -> int:
    from hrs_keras import predict_run

    skipped = predict_run(options.run, options.inputs, options.out, which=options.checkpoint)
    print(f"ids/, colour/ and overlay/ are in {options.out}")
    return 3 if skipped else 0


def _export(options: argparse.Namespace) -> int:
    from hrs_keras import export_run

    print(export_run(options.run, which=options.checkpoint, version=options.version))
    return 0


def _toy_city(options: argparse.Namespace) -> int:
    from hrs_keras.toy_city import ToyCity, generate

    names = {field.name for field in dataclasses.fields(ToyCity)}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    try:
        print(generate(options.folder, ToyCity(**given)))
    except (ValueError, OSError) as error:
        raise HRSError(str(error)) from None
    return 0


def _write_json(path: Path | None, value: dict) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(value, indent=1) + "\n")
    except OSError as error:
        raise HRSError(f"cannot write {path}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
