"""What a run's checkpoints hold, and its log."""

import csv
from pathlib import Path

import numpy as np
import tensorflow as tf


def tensors(folder: Path) -> dict[str, bytes]:
    """Bytes of all variables of the newest checkpoint in ``folder`` (``last`` or ``best``), by name."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names if "save_counter" not in name}


def logged(run: Path) -> list[dict[str, str]]:
    """The rows of a run's ``log.csv``."""
    with open(run / "log.csv") as file:
        return list(csv.DictReader(file))
