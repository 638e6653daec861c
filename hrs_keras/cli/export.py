"""``hrs export``."""

import argparse
from pathlib import Path

from hrs_keras.cli.words import add_checkpoint
from hrs_keras.export.options import PRECISIONS, ExportOptions

HELP = "Write a run's segmenter as a SavedModel, or for another runtime."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_folder", metavar="run", help="a run folder")
    # No choices: looking for the formats of other packages takes time that --help should not take.
    formats = "saved_model, onnx, openvino, litert, or one that an installed package adds; default: saved_model"
    parser.add_argument("--format", default="saved_model", help=formats)
    to = "folder that the numbered version is written to; default: SAVED_MODELS/NAME, or SAVED_MODELS/NAME-FORMAT"
    parser.add_argument("--to", type=Path, metavar="FOLDER", help=to)
    parser.add_argument("--version", type=int, help="default: one more than the highest there is")
    parser.add_argument(
        "--max-pixels", type=int, help="larger images are refused when the SavedModel is served; default: 2**24"
    )
    precision = "what the SavedModel computes in; default: what the run was trained in"
    parser.add_argument("--precision", choices=PRECISIONS, help=precision)
    add_checkpoint(parser)


def run(options: argparse.Namespace) -> int:
    """Export, and print the path."""
    chosen = ExportOptions(
        format=options.format,
        which=options.checkpoint,
        version=options.version,
        out=options.to,
        max_pixels=options.max_pixels,
        precision=options.precision,
    )
    from hrs_keras import export_run

    print(export_run(options.run_folder, chosen))
    return 0
