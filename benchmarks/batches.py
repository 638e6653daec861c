"""Time this package's training batches in a process of its own; prints one line of JSON.

python benchmarks/batches.py --root ../shared/data/cityscapes --steps 25 [key=value ...]

The pipeline is the one that trains, with the recipe of input.yaml: all pairs below ``--root``, drawn again and again.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from measuring import add_input_options, rate

from hrs_keras.data.audit import usable_samples
from hrs_keras.data.drawing import sample_number
from hrs_keras.data.pipeline import training_batches
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.recipe.schema import Recipe

RECIPE = Path(__file__).with_name("input.yaml")


def recipe_of(options: argparse.Namespace, *changes: str) -> Recipe:
    """input.yaml with what the command line says."""
    size = f"data.size=[{options.height}, {options.width}]"
    batch = f"train.batch_size={options.batch}"
    return load_recipe(RECIPE, [f"data.root={options.root}", size, batch, *options.changes, *changes])


def batches(recipe: Recipe) -> tuple[tf.data.Dataset, int]:
    """``{"target": (images, labels)}`` batch by batch without end, and of how many pairs."""
    target = usable_samples(recipe, "target")
    return training_batches(recipe, {"target": target}), sum(map(len, target))


def save_in_order(recipe: Recipe, file: Path) -> dict[str, int]:
    """Every pair once, in the order of their files: images [N, H, W, 3] float32 and labels [N, H, W] int32."""
    found, count = batches(recipe)
    samples = (sample["target"] for sample in found.unbatch().take(count).as_numpy_iterator())
    images, labels = zip(*samples, strict=True)
    key = 2 * recipe.seed + 1  # by which the pipeline shuffles the real domain
    order = np.argsort([int(sample_number(tf.constant(i, tf.int64), count, key)) for i in range(count)])
    np.savez(file, images=np.stack(images)[order], labels=np.stack(labels)[order])
    return {"pairs": count}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_input_options(parser)
    parser.add_argument("--prepare", type=Path, metavar="FOLDER", help="convert the pairs to records, and stop")
    parser.add_argument("--save", type=Path, metavar="FILE.npz", help="write every pair once, not mirrored, and stop")
    parser.add_argument("changes", nargs="*", metavar="key=value", help="changes to the recipe")
    options = parser.parse_intermixed_args()
    tf.config.experimental.enable_op_determinism()  # as training does by default
    if options.prepare:
        prepare_data(recipe_of(options), options.prepare)
        result = {"pairs": batches(recipe_of(options, f"data.prepared={options.prepare}"))[1]}
    elif options.save:
        result = save_in_order(recipe_of(options, "data.augment.flip=false"), options.save)
    else:
        iterator = iter(batches(recipe_of(options))[0])
        result = rate(lambda: next(iterator), options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
