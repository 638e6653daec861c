"""How near `hrs predict` comes to the bare network on a folder of JPEG files; prints Markdown.

python benchmarks/predict.py --images 24 --rounds 3

The network is exported once. Both sides take turns within one process, which has TensorFlow told that weights stay, as
`hrs predict` has. Loading is not counted: a folder of any size wants it once.
"""

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

os.environ["TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"] = "1"  # read when TensorFlow is imported

import numpy as np
import tensorflow as tf
from exports import network
from measuring import add_network_options, spread, table
from PIL import Image

from hrs_keras.export.record import Origin
from hrs_keras.export.saved_model import export_saved_model
from hrs_keras.predict import files
from hrs_keras.predict.model import load_model

LIMIT = 0.9


def write_images(folder: Path, count: int, height: int, width: int) -> None:
    """JPEG files that compress about as photographs do: noise at several sizes, enlarged and added up."""
    numbers = np.random.default_rng(0)
    for number in range(count):
        layers = [numbers.integers(0, 256, (height // step, width // step, 3), np.uint8) for step in (4, 16, 64)]
        enlarged = [Image.fromarray(layer).resize((width, height), Image.Resampling.BICUBIC) for layer in layers]
        mean = np.mean([np.asarray(image, np.float32) for image in enlarged], axis=0)
        Image.fromarray(mean.astype(np.uint8)).save(folder / f"{number:04d}.jpg", quality=90)


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Parse the command line, export, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_network_options(parser)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", default=["256x512", "512x1024"], metavar="HEIGHTxWIDTH", help="of images")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="hrs-predict-") as folder:
        recipe, segmenter = network(options)
        model = load_model(export_saved_model(segmenter, Origin(recipe, step=0), Path(folder) / "network"))
        shown = tf.zeros((1, *model.size, 3))
        for size in options.sizes:
            images = Path(folder) / size
            images.mkdir()
            write_images(images, options.images, *map(int, size.split("x")))
            bare, whole = [], []
            with mock.patch.object(files, "load_model", lambda *_: model):
                predict = functools.partial(files.predict_files, "", [images], images / "out")
                predict()  # both sides are traced
                for _ in range(options.rounds):
                    bare.append(seconds(lambda: [model.logits(shown).numpy() for _ in range(options.images)]))
                    whole.append(seconds(predict))
            ratios = [one / other for one, other in zip(bare, whole, strict=True)]
            times = [f"{statistics.median(side) / options.images * 1e3:.0f}" for side in (bare, whole)]
            rows.append([size, *times, f"{statistics.median(ratios):.2f}", spread(ratios), LIMIT])
    columns = ["JPEG files of", "network, ms", "hrs predict, ms", "rate / network's", "least to most", "at least"]
    print("\n".join(table(columns, rows)))


if __name__ == "__main__":
    main()
