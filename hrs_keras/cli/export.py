"""``hrs export``."""

import argparse
from pathlib import Path
from typing import Any

from hrs_keras.cli.words import add_checkpoint, max_pixels
from hrs_keras.errors import HRSError

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
    add_checkpoint(parser)


def run(options: argparse.Namespace) -> int:
    """Export, and print the path."""
    chosen: dict[str, Any] = {"which": options.checkpoint, "version": options.version, "out": options.to}
    if options.format == "saved_model":
        from hrs_keras import export_run

        print(export_run(options.run_folder, **chosen, **max_pixels(options)))
        return 0
    if options.max_pixels is not None:
        raise HRSError(f"--max-pixels is for SavedModels; {options.format} files hold no such limit")

    from hrs_keras import export_run_portable

    print(export_run_portable(options.run_folder, options.format, **chosen))
    return 0
