"""Time one training step in a process of its own, on random data; prints one line of JSON.

python benchmarks/step.py --system full --height 128 --width 256 --fc 1024 --steps 6 --threads 2

With ``--encoder efficientnet_lite`` the networks are those of recipes/blender_idd.yaml. With ``--devices cpu:2`` two
virtual devices take the step together, each with half of the batch.
"""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # read when TensorFlow is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import flops
import tensorflow as tf
from measuring import ENCODERS

from hrs_keras.method.trainers.joint import JointTrainer
from hrs_keras.models import build_networks
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.training.distribution import distribute

RECIPES = Path(__file__).parents[1] / "recipes"
SYSTEMS = {"full": [], "joint": ["method.source_weighting=plain", "method.gan=false"]}
WARM_UP = 1  # after the first, which is traced


def recipe_of(system: str, encoder: str, fc: int, *changes: str) -> Recipe:
    """The paper's networks with ``fc`` channels in fc6 and fc7, or those of ``blender_idd``; from scratch."""
    if encoder == "efficientnet_lite":
        return load_recipe(RECIPES / "blender_idd.yaml", ["encoder.weights=null", *SYSTEMS[system], *changes])
    unread = "[{images: a/*, labels: b/*, ids: {0: road}}]"
    data = [f"data.{role}={unread}" for role in ("source", "target", "validation")]
    vgg16 = [f"encoder.fc={fc}", "encoder.dropout=0", "encoder.weights=null", "encoder.preprocessing=unit"]
    return load_recipe(RECIPES / "base.yaml", [*data, *vgg16, *SYSTEMS[system], *changes])


def random_batch(height: int, width: int, batch: int, classes: int) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """``batch`` images of each domain and their labels, as the trainer takes them."""

    def domain():
        images = tf.random.uniform((batch, height, width, 3), -1, 1)
        return images, tf.random.uniform((batch, height, width), 0, classes, tf.int32)

    return {"target": domain(), "source": domain()}


def prepare(recipe: Recipe, height: int, width: int, devices: str = "cpu") -> tuple[Callable[[], Callable], list]:
    """What gives a step as a ``tf.function`` that was not called yet, and batches for it."""
    strategy = distribute(recipe, devices).strategy
    with strategy.scope():
        trainer = JointTrainer(recipe, build_networks(recipe))
    replicas, batch = strategy.num_replicas_in_sync, recipe.train.batch_size
    classes = len(recipe.data.label_space.classes)
    if replicas == 1:
        batches = [random_batch(height, width, batch, classes) for _ in range(3)]
        return lambda: tf.function(trainer.train_step), batches

    def step(shares):
        return strategy.reduce("MEAN", strategy.run(trainer.train_step, (shares,)), axis=None)

    def share(_):
        return random_batch(height, width, batch // replicas, classes)

    batches = [strategy.experimental_distribute_values_from_function(share) for _ in range(3)]
    return lambda: tf.function(step), batches


def measure(
    recipe: Recipe, height: int, width: int, steps: int, devices: str = "cpu", own_convolutions: bool = False
) -> dict[str, object]:
    """Median and least time of a step, its floating-point operations (one device, float32) and the peak memory."""
    make, batches = prepare(recipe, height, width, devices)
    # TensorFlow's optimized graph in bfloat16 holds operations that it cannot read again.
    counts = devices == "cpu" and recipe.precision == "float32"
    operations = flops.total(make(), batches[0]) if counts else 0
    step, seconds = make(), []
    with flops.own_convolutions() if own_convolutions else nullcontext():
        step(batches[0])
    for number in range(WARM_UP + steps):
        start = time.perf_counter()
        float(step(batches[number % len(batches)])["loss/target"])  # waits for the step's end
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[WARM_UP:])
    counted = {"gflop": round(operations / 1e9, 3), "gflops_per_s": round(operations / median / 1e9, 1)}
    return {
        "ms": round(median * 1e3, 1),
        "min_ms": round(min(seconds[WARM_UP:]) * 1e3, 1),
        **(counted if operations else {}),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def add_step_options(parser: argparse.ArgumentParser) -> None:
    """Which step; read by :func:`chosen_recipe`."""
    parser.add_argument("--system", choices=SYSTEMS, default="full")
    parser.add_argument("--encoder", choices=ENCODERS, default="vgg16")
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--fc", type=int, default=1024, help="channels of VGG16's fc6 and fc7")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="float32", help="as in recipes: float32 or mixed_bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--inter-op", type=int, default=0, help="0: as TensorFlow chooses")


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that the options name; TensorFlow's threads are set."""
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.inter_op)
    changes = f"train.batch_size={options.batch}", f"precision={options.precision}"
    return recipe_of(options.system, options.encoder, options.fc, *changes)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_step_options(parser)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--devices", default="cpu", help="as of hrs train")
    parser.add_argument(
        "--own-convolutions", action="store_true", help="convolutions by TensorFlow's own kernels alone"
    )
    parser.add_argument("--cores", type=int, help="of the machine, to be confined to")
    options = parser.parse_args()
    if options.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    recipe = chosen_recipe(options)
    measured = measure(recipe, options.height, options.width, options.steps, options.devices, options.own_convolutions)
    print(json.dumps({"system": options.system, **measured}))


if __name__ == "__main__":
    main()
