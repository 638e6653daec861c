"""``hrs predict``."""

import argparse
from typing import Literal

from hrs_keras.cli.words import INPUTS, add_checkpoint, max_pixels, tell_outcome, tell_skipped
from hrs_keras.errors import HRSError

HELP = "Segment images and videos with a run's weights or an export."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", help="a run folder, an export in any format, or a folder of numbered versions of one")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS.format("images or videos"))
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for ids/, colour/ and overlay/")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--sliding", action="store_true", help="at its own scale, in windows of the training size")
    mode.add_argument("--pad", action="store_true", help="at its own scale, padded to multiples of 32")
    parser.add_argument("--overlap", type=float, help="share by which windows overlap, 0 to 0.9; default: 0.5")
    scales = "average over the image at these scales; give it after INPUT; default: 1"
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], metavar="FACTOR", help=scales)
    parser.add_argument("--flip", action="store_true", help="average with the mirrored image")
    parser.add_argument("--batch-size", type=int, default=1, help="images of one size predicted at once; default: 1")
    confidence = parser.add_mutually_exclusive_group()
    grey, exact = "also write confidence/NAME.png, 255 times the confidence", "also write confidence/NAME.npy, float32"
    confidence.add_argument("--confidence", action="store_const", const="png", help=grey)
    confidence.add_argument("--confidence-npy", dest="confidence", action="store_const", const="npy", help=exact)
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

    from hrs_keras import PredictOptions, View, predict_files

    mode: Literal["resize", "pad", "sliding"] = "sliding" if options.sliding else "pad" if options.pad else "resize"
    overlap = 0.5 if options.overlap is None else options.overlap
    chosen = PredictOptions(
        view=View(mode, overlap, tuple(options.scales), options.flip),
        which=options.checkpoint,
        batch_size=options.batch_size,
        confidence=options.confidence,
        probabilities=options.probabilities,
        on_skipped=tell_skipped,
        **max_pixels(options),
    )
    return tell_outcome(predict_files(options.model, options.inputs, options.out, chosen), options.out)
