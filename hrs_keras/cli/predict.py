"""``hrs predict``."""

import argparse

from hrs_keras.cli.words import (
    INPUTS,
    add_checkpoint,
    add_view,
    check_view,
    max_pixels,
    read_view,
    tell_outcome,
    tell_skipped,
)
from hrs_keras.system.processor import assume_frozen_weights

HELP = "Segment images and videos with a run's weights or an export."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", help="a run folder, an export in any format, or a folder of numbered versions of one")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=INPUTS.format("images or videos"))
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for ids/, colour/ and overlay/")
    add_view(parser, after="INPUT")
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
    check_view(options)
    assume_frozen_weights()

    from hrs_keras import PredictOptions, predict_files

    chosen = PredictOptions(
        view=read_view(options),
        which=options.checkpoint,
        batch_size=options.batch_size,
        confidence=options.confidence,
        probabilities=options.probabilities,
        on_skipped=tell_skipped,
        **max_pixels(options),
    )
    return tell_outcome(predict_files(options.model, options.inputs, options.out, chosen), options.out)
