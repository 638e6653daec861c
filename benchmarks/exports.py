"""Export a network of random weights in every format, and say what the exports hold; prints one line of JSON.

python benchmarks/exports.py --folder /tmp/exports --height 256 --width 512 --fc 1024
"""

import argparse
import json
from collections.abc import Callable
from math import prod
from pathlib import Path

import flops
import keras
import tensorflow as tf
from measuring import CLASSES, add_network_options
from step import recipe_of

from hrs_keras.export.format import load_format
from hrs_keras.export.portable import export_portable
from hrs_keras.export.record import Origin
from hrs_keras.export.saved_model import export_saved_model
from hrs_keras.models import build_segmenter
from hrs_keras.recipe.schema import Recipe


def network(options: argparse.Namespace) -> tuple[Recipe, keras.Model]:
    """The paper's E+S, with ``fc`` channels in fc6 and fc7 and ``channels`` of 64 in VGG16's first block, or another.

    Args:
        options: as :func:`measuring.add_network_options` reads them.
    """
    # Heads that start at zero would answer zero to everything.
    changes = [f"data.size=[{options.height}, {options.width}]", "encoder.heads=random", "name=network"]
    changes += [f"encoder.width={options.channels / 64}"] if options.encoder == "vgg16" else []
    recipe = recipe_of("full", options.encoder, options.fc, *changes)
    keras.utils.set_random_seed(0)
    return recipe, build_segmenter(recipe)


def plain_fcn8s(fc: int, channels: int) -> keras.Model:
    """FCN8s on VGG16 and nothing else, written down once more without this package."""
    x = image = keras.Input((None, None, 3))
    pools = []
    for convolutions, multiple in ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8)):
        for _ in range(convolutions):
            x = keras.layers.Conv2D(channels * multiple, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
        pools.append(x)
    x = keras.layers.Conv2D(fc, 7, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(fc, 1, activation="relu")(x)
    x = keras.layers.Conv2D(CLASSES, 1)(x)
    for pool in (pools[3], pools[2]):
        x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x) + keras.layers.Conv2D(CLASSES, 1)(pool)
    return keras.Model(image, keras.layers.UpSampling2D(8, interpolation="bilinear")(x))


def size_on_disk(folder: Path) -> float:
    """MiB of all files below a folder."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20, 1)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Write ``folder/FORMAT/1`` for every format; name of an export -> what it holds."""
    recipe, segmenter = network(options)
    origin = Origin(recipe, step=0)
    saved = export_saved_model(segmenter, origin, folder / "saved_model")
    half = build_segmenter(recipe.computing_in("bfloat16"))
    half.set_weights(segmenter.get_weights())
    export_saved_model(half, origin, folder / "saved_model_bfloat16")
    loaded = tf.saved_model.load(str(saved))  # kept, for the variables that its signatures read
    stored = tf.train.load_checkpoint(str(saved / "variables/variables")).get_variable_to_shape_map()
    images, held = tf.zeros((1, options.height, options.width, 3)), {}
    if options.encoder == "vgg16":
        plain = plain_fcn8s(options.fc, options.channels)
        held["plain FCN8s in Keras"] = {
            "gflop": _gflop(lambda x: plain(x, training=False), images),
            "elements": plain.count_params(),
        }
    held["SavedModel, logits"] = {
        "gflop": _gflop(lambda x: loaded.signatures["logits"](images=x)["logits"], images),
        "elements": sum(prod(shape) for name, shape in stored.items() if name.endswith("VARIABLE_VALUE")),
        "mib": size_on_disk(saved),
    }
    for name in ("onnx", "openvino", "litert"):
        file = export_portable(segmenter, origin, folder / name, name)
        agreement = json.loads(file.with_suffix(".json").read_text())["agreement"]
        difference = f"{agreement['largest_difference']:.1e} of {agreement['largest_logit']:.1f}"
        held[load_format(name).runtime] = {"mib": size_on_disk(file.parent), "difference": difference}
    return held


def _gflop(call: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> float:
    return round(flops.total(tf.function(call), images) / 1e9, 3)


def main() -> None:
    """Parse the command line, export, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    add_network_options(parser)
    options = parser.parse_args()
    print(json.dumps(measure(options.folder, options)))


if __name__ == "__main__":
    main()
