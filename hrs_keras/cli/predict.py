"""``hrs predict``."""

import argparse
from pathlib import Path

from hrs_keras.cli.words import INPUTS, add_checkpoint, max_pixels
from hrs_keras.errors import HRSError, printable

HELP = "Segment images and videos with a run's weights or an export."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", help="a run folder, a SavedModel, or a folder of numbered versions of one")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS.format("images or videos"))
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for ids/, colour/ and overlay/")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--sliding", action="store_true", help="in windows of the training size, not resized to it")
    mode.add_argument("--pad", action="store_true", help="in their own size, padded to multiples of 32, not resized")
    parser.add_argument("--overlap", type=float, help="of windows, 0 to 0.9; default: 0.5")
    scales = "average over these sizes; stands after INPUT; default: 1"
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], metavar="FACTOR", help=scales)
    parser.add_argument("--flip", action="store_true", help="average with the mirrored image")
    parser.add_argument("--batch-size", type=int, default=1, help="images of one size predicted at once; default: 1")
    parser.add_argument("--confidence", action="store_true", help="also write confidence/NAME.npy")
    parser.add_argument("--probabilities", action="store_true", help="also write probabilities/NAME.npy")
    parser.add_argument("--max-pixels", type=int, help="larger images are skipped; default: 2**24")
    add_checkpoint(parser)
    parser.set_defaults(open_list="inputs")


def run(options: argparse.Namespace) -> int:
    """Segment the inputs; code 3 if some were skipped."""
    from hrs_keras.media.inputs import find_inputs

    find_inputs(options.inputs)  # before TensorFlow is imported: a typo is reported at once
    if options.overlap is not None and not options.sliding:
        raise HRSError("--overlap is the overlap of windows: it goes with --sliding")

    from hrs_keras import View, predict_files

    mode = "sliding" if options.sliding else "pad" if options.pad else "resize"
    try:
        overlap = 0.5 if options.overlap is None else options.overlap
        view = View(mode, overlap, tuple(options.scales), options.flip)
    except ValueError as error:
        raise HRSError(str(error)) from None
    skipped = predict_files(
        options.model,
        options.inputs,
        options.out,
        view=view,
        which=options.checkpoint,
        batch_size=options.batch_size,
        confidence=options.confidence,
        probabilities=options.probabilities,
        **max_pixels(options),
    )
    folders = ["ids/", "colour/", "overlay/"]
    folders += [f"{name}/" for name in ("confidence", "probabilities") if getattr(options, name)]
    print(f"{', '.join(folders[:-1])} and {folders[-1]} are in {printable(Path(options.out))}")
    return 3 if skipped else 0
