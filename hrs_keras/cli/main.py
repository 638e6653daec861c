"""The ``hrs`` command: one verb a task.

Exit codes: 0 done, 1 a bug (with traceback), 2 something the user can mend (one message), 3 done but for some
inputs that were skipped and named, 75 ended early and saved, told to or by the loss of a
worker (run the same command again), 130 interrupted.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hrs_keras.cli import commands
from hrs_keras.errors import HRSError, RerunError
from hrs_keras.export.runtimes import FORMATS
from hrs_keras.system.signals import breaking_off

_Command = Callable[[argparse.Namespace], int]

_INPUTS = "PNG or JPEG images or videos: files, folders, or quoted patterns such as 'in/**/*.png'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parse(arguments)
    with breaking_off(signal.SIGINT) as interrupted:
        try:
            return options.command(options)
        except HRSError as error:
            if isinstance(error, RerunError):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one more would hide the code that all is saved
            print(f"hrs: {error}", file=sys.stderr)
            return 75 if isinstance(error, RerunError) else 2
        except KeyboardInterrupt:
            pass
        except Exception:
            if not interrupted():
                raise
    print(f"\nhrs: interrupted{_RESUME.get(options.command, '')}", file=sys.stderr)
    return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse; argparse alone takes no more of a list (such as inputs) once an option stood behind its first part."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    listed = next((getattr(options, name) for name in ("overrides", "inputs", "words") if hasattr(options, name)), None)
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

    train = verb("train", commands.run_train, "Run a recipe: audit, train (or resume), evaluate, export.")
    _add_recipe(train)
    train.add_argument("--fresh", action="store_true", help="remove an earlier run of this name and start over")
    train.add_argument(
        "--profile", metavar="FIRST:LAST", help="write a trace of these steps for TensorBoard's profiler"
    )
    train.add_argument(
        "--devices",
        help="how many of the GPUs (default: all that are visible), or cpu, or cpu:N to take the CPU for N devices",
    )
    train.add_argument("--no-export", action="store_true", help="write no SavedModel; `hrs export` can do so later")

    check = verb(
        "audit", commands.run_audit, "Check a recipe's data: class shares, unknown ids, broken and orphaned files."
    )
    _add_recipe(check)
    check.add_argument("--json", type=Path, help="also write the audit to this file")

    _add_prepare(
        verb("prepare", commands.run_prepare, "Convert a recipe's data sets to TFRecord shards, to train from those.")
    )

    _add_experiment(
        verb("experiment", commands.run_experiment, "Run a table of systems, settings and seeds, and report on it.")
    )

    score = verb("evaluate", commands.run_evaluate, "Evaluate a run on its validation set.")
    score.add_argument("run", help="a run folder, such as runs/toy_city")
    score.add_argument("overrides", nargs="*", metavar="key=value", help="change the data, such as data.root=FOLDER")
    score.add_argument("--write-ids", type=Path, metavar="DIR", help="write predictions as label-id PNGs")
    score.add_argument("--json", type=Path, help="also write the result to this file")

    predict = verb("predict", commands.run_predict, "Segment images and videos with a run's weights or an export.")
    _add_predict(predict)

    export = verb("export", commands.run_export, "Write a run's segmenter as a SavedModel, or for another runtime.")
    export.add_argument("run", help="a run folder")
    export.add_argument("--format", choices=("saved_model", *FORMATS), default="saved_model")
    export.add_argument("--version", type=int, help="default: one more than the highest there is")
    export.add_argument(
        "--max-pixels", type=int, help="larger images are refused when the SavedModel is served; default: 2**24"
    )

    _add_request(
        verb("request", commands.run_request, "Segment images with a model that TensorFlow Serving has loaded.")
    )

    for sub in (score, predict, export):
        sub.add_argument("--checkpoint", choices=("best", "last"), default="best", help="of a run; default: best")

    toy = verb(
        "toy-city", commands.run_toy_city, "Generate the toy city: a small two-domain data set in the real formats."
    )
    toy.add_argument("folder")
    for name, text in (("gtav", "source images"), ("synthia", "source images"), ("train", "target"), ("val", "target")):
        toy.add_argument(f"--{name}", type=int, help=f"number of {text} ({name})")
    toy.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of all images, in pixels")
    toy.add_argument("--seed", type=int)
    return parser


def _add_recipe(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("recipe", help="a YAML file; recipes/base.yaml documents every key")
    changes = "a part, such as recipes/systems/joint.yaml, changes the keys it names; key=value changes one, last"
    sub.add_argument("overrides", nargs="*", metavar="PART.yaml | key=value", help=changes)


def _add_prepare(prepare: argparse.ArgumentParser) -> None:
    _add_recipe(prepare)
    to = "the folder to fill, such as gs://bucket/folder; default: the recipe's data.prepared"
    prepare.add_argument("--to", metavar="FOLDER", help=to)
    prepare.add_argument("--jobs", type=int, help="samples converted at a time; default: one a CPU")
    size = "of a file at most; default: 256, or what FOLDER was begun with"
    prepare.add_argument("--shard-size", type=float, metavar="MiB", help=size)
    prepare.add_argument("--verify", action="store_true", help="convert nothing; read FOLDER and check its hashes")


def _add_experiment(table: argparse.ArgumentParser) -> None:
    words = "experiments, such as recipes/experiments/camvid_table1.yaml; key=value changes all their recipes"
    table.add_argument("words", nargs="+", metavar="FILE.yaml | key=value", help=words)
    table.add_argument("--jobs", type=int, default=1, help="runs at a time, which share the CPUs evenly; default: 1")
    table.add_argument("--only", nargs="+", default=[], metavar="SYSTEM", help="run these systems; default: all")
    results = "one JSON file a run; runs that have theirs are not made again; default: results"
    table.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help=results)
    table.add_argument("--report", action="store_true", help="only write the report of what there is; run nothing")
    out = "for FILE.md, the report, and its pictures; default: that of --results"
    table.add_argument("--out", type=Path, metavar="DIR", help=out)
    into = "also put the report between the lines <!-- begin: FILE --> and <!-- end: FILE --> of this file"
    table.add_argument("--into", type=Path, metavar="PAGE.md", help=into)


def _add_predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("model", help="a run folder, a SavedModel, or a folder of numbered versions of one")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help=_INPUTS)
    predict.add_argument("--out", required=True, metavar="DIR", help="folder for ids/, colour/ and overlay/")
    mode = predict.add_mutually_exclusive_group()
    mode.add_argument("--sliding", action="store_true", help="in windows of the training size, not resized to it")
    mode.add_argument("--pad", action="store_true", help="as they are, filled up to multiples of 32, not resized")
    predict.add_argument("--overlap", type=float, help="of windows, 0 to 0.9; default: 0.5")
    scales = "average over these sizes; stands after INPUT; default: 1"
    predict.add_argument("--scales", type=float, nargs="+", default=[1.0], metavar="FACTOR", help=scales)
    predict.add_argument("--flip", action="store_true", help="average with the mirrored image")
    predict.add_argument("--batch-size", type=int, default=1, help="images of one size predicted at once; default: 1")
    predict.add_argument("--confidence", action="store_true", help="also write confidence/NAME.npy")
    predict.add_argument("--probabilities", action="store_true", help="also write probabilities/NAME.npy")
    predict.add_argument("--max-pixels", type=int, help="larger images are skipped; default: 2**24")


def _add_request(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("address", help="http://HOST:8501 (REST) or HOST:8500 (gRPC)")
    ask.add_argument("inputs", nargs="+", metavar="INPUT", help=_INPUTS.replace(" or videos", ""))
    ask.add_argument("--model", required=True, metavar="NAME", help="the name it is served under")
    ask.add_argument("--version", type=int, help="default: the newest that is loaded")
    ask.add_argument("--out", required=True, metavar="DIR", help="folder for class_ids/ and confidence/, grey PNGs")
    ask.add_argument("--classes", metavar="NAME", help="cityscapes or camvid: also write colour/ and overlay/")
    ask.add_argument("--batch-size", type=int, default=1, help="images a request; a server may limit it; default: 1")
    waits = "of silence (REST), or in all (gRPC); default: 30"
    ask.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help=waits)
    ask.add_argument("--attempts", type=int, default=5, help="while the server is unavailable; default: 5, the most")


_RESUME = {
    commands.run_train: "; the same command, without --fresh, goes on from the last checkpoint",
    commands.run_experiment: "; the same command goes on",
    commands.run_prepare: "; the same command goes on with the shards that are missing",
}


if __name__ == "__main__":
    sys.exit(main())
