"""``hrs request``."""

import argparse

from hrs_keras.cli.words import INPUTS, tell_outcome, tell_skipped

HELP = "Segment images with a model that TensorFlow Serving has loaded."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("address", help="http://HOST:8501 (REST) or HOST:8500 (gRPC)")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS.format("images"))
    parser.add_argument("--model", required=True, metavar="NAME", help="the name it is served under")
    parser.add_argument("--version", type=int, help="default: the newest that is loaded")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the folders of label maps")
    classes = "cityscapes, camvid or idd_lite: write ids/, colour/ and overlay/ instead of train_ids/"
    parser.add_argument("--classes", metavar="NAME", help=classes)
    size = "images in one request; a server may limit it; default: 1"
    parser.add_argument("--batch-size", type=int, default=1, help=size)
    timeout = "longest silence (REST) or time of a request (gRPC); default: 30"
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help=timeout)
    parser.add_argument(
        "--attempts", type=int, default=5, help="times to ask an unavailable server, 1 to 5; default: 5"
    )
    parser.set_defaults(open_list="inputs")


def run(options: argparse.Namespace) -> int:
    """Segment the inputs; code 3 if some were skipped."""
    from hrs_keras import RequestOptions, ServedModel, request_files

    served = ServedModel(options.address, options.model, options.version, options.timeout, options.attempts)
    chosen = RequestOptions(options.classes, options.batch_size, tell_skipped)
    return tell_outcome(request_files(served, options.inputs, options.out, chosen), options.out)
