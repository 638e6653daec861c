"""Time this package's training batches in a process of its own; prints one line of JSON.

python benchmarks/batches.py --root ../shared/data/cityscapes --steps 40

The pipeline is the one that trains, ``training_batches``, over all pairs below ``--root``, drawn again and again.
``key=value`` arguments change the recipe.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from measuring import add_input_options, rate
from step import BASE

from hrs_keras.data.pairs import find_pairs
from hrs_keras.data.pipeline import sample_number, training_batches
from hrs_keras.recipe import Recipe, load_recipe

# One set of all splits: there are few genuine pairs to be had.
IMAGES, LABELS = "leftImg8bit/*/*/*_leftImg8bit.png", "gtFine/*/*/*_gtFine_labelIds.png"
PAIRS = f"{{format: cityscapes, root: ., images: {IMAGES}, labels: {LABELS}}}"
ENDLESS = 10**6


def recipe_of(options: argparse.Namespace, *changes: str) -> Recipe:
    """Real images alone, mirrored at random."""
    target_only = ["method.source_weighting=none", "method.gan=false"]
    data = [f"data.root={options.root}", f"data.size=[{options.height}, {options.width}]", "data.augment.flip=true"]
    sets = [f"data.target=[{PAIRS}]", f"data.validation=[{PAIRS}]"]
    train = [f"train.batch_size={options.batch}", f"train.steps={ENDLESS}"]
    return load_recipe(BASE, [*target_only, *data, *sets, *train, *options.changes, *changes])


def batches(recipe: Recipe) -> tf.data.Dataset:
    """(images, labels) of the real domain."""
    pairs = find_pairs(recipe.data.target[0], Path(recipe.data.root))
    return training_batches(recipe, (), (pairs,)).map(lambda batch: batch["target"])


def save_in_order(recipe: Recipe, file: Path) -> None:
    """Every pair once, in the order of their files: images [N, H, W, 3] float32 and labels [N, H, W] int32."""
    count = len(find_pairs(recipe.data.target[0], Path(recipe.data.root)))
    key = 2 * recipe.seed + 1  # as the pipeline numbers the domains
    drawn = [int(sample_number(tf.constant(i, tf.int64), count, key)) for i in range(count)]
    images, labels = zip(*batches(recipe).unbatch().take(count).as_numpy_iterator(), strict=True)
    order = np.argsort(drawn)
    np.savez(file, images=np.stack(images)[order], labels=np.stack(labels)[order])


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_input_options(parser)
    parser.add_argument("changes", nargs="*", metavar="key=value", help="changes to the recipe")
    options = parser.parse_args()
    if options.save:
        save_in_order(recipe_of(options, "data.augment.flip=false"), options.save)
    tf.config.experimental.enable_op_determinism()  # as training does by default
    found = iter(batches(recipe_of(options)))
    print(json.dumps(rate(lambda: next(found), options)))


if __name__ == "__main__":
    main()
