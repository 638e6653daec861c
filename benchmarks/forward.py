"""Time one runtime's answer to one image in a process of its own; prints one line of JSON.

python benchmarks/forward.py --system onnx --folder /tmp/exports --height 256 --width 512 --threads 2

``--folder`` is what exports.py wrote. Only what is measured is imported, for the memory it takes is measured too.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
from measuring import add_network_options, timed

Call = Callable[[], object]


def keras_predict(images: np.ndarray, options: argparse.Namespace) -> Call:
    """``predict`` of the Keras model that was exported."""
    tensorflow(options.threads)
    from exports import network

    from hrs_keras.export.portable import pixel_model

    recipe, segmenter = network(options)
    model = pixel_model(segmenter, recipe.data.size)
    return lambda: model.predict(images, verbose=0)["logits"]


def saved_model(images: np.ndarray, options: argparse.Namespace) -> Call:
    """A signature of the SavedModel, all its outputs; ``-frozen``: TensorFlow is told that weights do not change."""
    signature, *kinds = options.system.split("-")
    os.environ["TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"] = str(int("frozen" in kinds))
    tf = tensorflow(options.threads)
    folder = "saved_model_bfloat16" if "bfloat16" in kinds else "saved_model"
    loaded = tf.saved_model.load(str(options.folder / folder / "1"))
    images = images.astype(np.uint8) if signature == "arrays" else images

    def answer() -> dict[str, np.ndarray]:
        answers = loaded.signatures[signature](images=tf.constant(images))
        return {name: value.numpy() for name, value in answers.items()}

    return answer


def portable(images: np.ndarray, options: argparse.Namespace) -> Call:
    """An exported file in its runtime."""
    from hrs_keras.export.format import load_format
    from hrs_keras.export.runtimes import open_model

    kind = load_format(options.system.removesuffix("-fast"))
    file = options.folder / kind.name / "1" / f"network{kind.suffix}"
    run = open_model(file, threads=options.threads, exact=not options.system.endswith("-fast"))
    return lambda: run(images)


def tensorflow(threads: int) -> ModuleType:
    """TensorFlow, with so many threads for an operation, and one operation at a time."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


SYSTEMS = {
    "keras": keras_predict,
    **dict.fromkeys(("logits", "logits-frozen", "arrays-frozen", "logits-bfloat16-frozen"), saved_model),
    **dict.fromkeys(("onnx", "openvino", "openvino-fast", "litert"), portable),
}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=SYSTEMS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    add_network_options(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (1, options.height, options.width, 3)).astype(np.float32)
    print(json.dumps(timed(SYSTEMS[options.system](images, options), options.repeats)))


if __name__ == "__main__":
    main()
