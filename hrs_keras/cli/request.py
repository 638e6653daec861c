"""``hrs request``."""

import argparse
from pathlib import Path

from hrs_keras.cli.words import INPUTS
from hrs_keras.errors import printable

HELP = "Segment images with a model that TensorFlow Serving has loaded."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("address", help="http://HOST:8501 (REST) or HOST:8500 (gRPC)")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS.format("images"))
    parser.add_argument("--model", required=True, metavar="NAME", help="the name it is served under")
    parser.add_argument("--version", type=int, help="default: the newest that is loaded")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for class_ids/ and confidence/, grey PNGs")
    parser.add_argument("--classes", metavar="NAME", help="cityscapes or camvid: also write colour/ and overlay/")
    size = "images in one request; a server may limit it; default: 1"
    parser.add_argument("--batch-size", type=int, default=1, help=size)
    timeout = "longest silence (REST) or time of a request (gRPC); default: 30"
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help=timeout)
    parser.add_argument("--attempts", type=int, default=5, help="while the server is unavailable; default: 5, the most")
    parser.set_defaults(open_list="inputs")


def run(options: argparse.Namespace) -> int:
    """Segment the inputs; code 3 if some were skipped."""
    from hrs_keras import request_files

    skipped = request_files(
        options.address,
        options.inputs,
        options.out,
        model=options.model,
        version=options.version,
        timeout=options.timeout,
        attempts=options.attempts,
        classes=options.classes,
        batch_size=options.batch_size,
    )
    folders = "class_ids/, confidence/, colour/ and overlay/" if options.classes else "class_ids/ and confidence/"
    print(f"{folders} are in {printable(Path(options.out))}")
    return 3 if skipped else 0
