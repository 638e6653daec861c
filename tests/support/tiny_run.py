"""The recipe of a tiny run over the toy city, and a way to start commands."""

import csv
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import yaml

REPOSITORY = Path(__file__).parents[2]

# Everything random is on: dropout, label noise, augmentation. 8 steps, checkpoints at 3, 6 and 8.
SETTINGS = {
    "extends": str(REPOSITORY / "recipes/base.yaml"),
    "name": "tiny",
    "data": {
        "size": [32, 64],
        "source": [{"format": "gtav"}, {"format": "synthia"}],
        "target": [{"format": "cityscapes"}],
        "validation": [{"format": "cityscapes", "split": "val"}],
        "augment": {"flip": True, "scale": [1.0, 1.3], "colour": 0.2},
    },
    "encoder": {"width": 0.0625, "fc": 16, "dropout": 0.2, "weights": None, "preprocessing": "unit"},
    "method": {
        "label_noise": 0.1,
        "weighting_width": 4,
        "generator_channels": [8, 8, 4, 4, 4, 4],
        "discriminator_channels": [4, 4, 4, 4, 4, 4],
    },
    "train": {
        "steps": 8,
        "batch_size": 2,
        "learning_rate": {"encoder": 1e-3, "weighting": 1e-3, "generator": 1e-3, "discriminator": 1e-3},
        "log_every": 2,
        "validate_every": 4,
        "checkpoint_every": 3,
    },
}


def write_recipe(folder: Path, city: Path) -> Path:
    """A recipe whose runs and exports go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"runs": str(folder / "runs"), "saved_models": str(folder / "saved_models")}
    data = SETTINGS["data"] | {"root": str(city)}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | places | {"data": data}))
    return path


def start(*command: object, cache: Path, **environment: str) -> subprocess.Popen:
    """Start a Python command; the audit's cache is kept apart from the user's."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **environment},
        # A shell's background jobs ignore the interrupt, and so would all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def tensors(folder: Path) -> dict[str, bytes]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names if "save_counter" not in name}


def logged(run: Path) -> list[dict]:
    with open(run / "log.csv") as file:
        return list(csv.DictReader(file))


def outcome(workers: list[subprocess.Popen], limit: float = 600) -> tuple[list[int], list[str], list[str]]:
    """Exit codes, standard outputs and standard errors."""
    try:
        texts = [worker.communicate(timeout=limit) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], [out for out, _ in texts], [err for _, err in texts]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
