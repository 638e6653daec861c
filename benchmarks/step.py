"""Time one training step in a process of its own, on random data; prints one line of JSON.

python benchmarks/step.py --system full --height 128 --width 256 --fc 1024 --steps 6 --threads 2

With ``--devices cpu:2`` two virtual devices take the step together, each with half of the batch.
"""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # read when TensorFlow is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import flops
import tensorflow as tf

from hrs_keras.method.trainers.joint import JointTrainer
from hrs_keras.models import build_networks
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.training.distribution import distribute

BASE = Path(__file__).parents[1] / "recipes" / "base.yaml"
SYSTEMS = {"full": [], "joint": ["method.source_weighting=plain", "method.gan=false"]}
WARM_UP = 2


def recipe_of(system: str, fc: int, *changes: str) -> Recipe:
    """The paper's networks with ``fc`` channels in fc6 and fc7, from scratch and without dropout."""
    unread = "[{images: a/*, labels: b/*, ids: {0: road}}]"
    data = [f"data.{role}={unread}" for role in ("source", "target", "validation")]
    encoder = [f"encoder.fc={fc}", "encoder.dropout=0", "encoder.weights=null", "encoder.preprocessing=unit"]
    return load_recipe(BASE, [*data, *encoder, *SYSTEMS[system], *changes])


def random_batch(height: int, width: int, batch: int) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """``batch`` images of each domain and their labels, as the trainer takes them."""

    def domain():
        images = tf.random.uniform((batch, height, width, 3), -1, 1)
        return images, tf.random.uniform((batch, height, width), 0, 19, tf.int32)

    return {"target": domain(), "source": domain()}


def prepare(system: str, height: int, width: int, fc: int, batch: int, devices: str) -> tuple[Callable, list]:
    """A step as a ``tf.function`` that was not called yet, and batches for it."""
    recipe = recipe_of(system, fc, f"train.batch_size={batch}")
    strategy = distribute(recipe, devices).strategy
    with strategy.scope():
        trainer = JointTrainer(recipe, build_networks(recipe))
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return tf.function(trainer.train_step), [random_batch(height, width, batch) for _ in range(3)]

    @tf.function
    def step(shares):
        return strategy.reduce("MEAN", strategy.run(trainer.train_step, (shares,)), axis=None)

    def share(_):
        return random_batch(height, width, batch // replicas)

    return step, [strategy.experimental_distribute_values_from_function(share) for _ in range(3)]


def measure(system: str, height: int, width: int, fc: int, batch: int, steps: int, devices: str) -> dict[str, object]:
    """Median and least time of a step, its floating-point operations (on one device) and the peak memory."""
    step, batches = prepare(system, height, width, fc, batch, devices)
    operations = flops.total(step, batches[0]) if devices == "cpu" else 0
    seconds = []
    for number in range(WARM_UP + steps):
        start = time.perf_counter()
        float(step(batches[number % len(batches)])["loss/target"])  # waits for the step's end
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[WARM_UP:])
    counted = {"gflop": round(operations / 1e9, 3), "gflops_per_s": round(operations / median / 1e9, 1)}
    return {
        "system": system,
        "ms": round(median * 1e3, 1),
        "min_ms": round(min(seconds[WARM_UP:]) * 1e3, 1),
        **(counted if operations else {}),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", choices=SYSTEMS, default="full")
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--fc", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--inter-op", type=int, default=0, help="0: as TensorFlow chooses")
    parser.add_argument("--devices", default="cpu", help="as of hrs train")
    parser.add_argument("--cores", type=int, help="of the machine, to be confined to")
    options = vars(parser.parse_args())
    if cores := options.pop("cores"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    tf.config.threading.set_intra_op_parallelism_threads(options.pop("threads"))
    tf.config.threading.set_inter_op_parallelism_threads(options.pop("inter_op"))
    print(json.dumps(measure(**options)))


if __name__ == "__main__":
    main()
