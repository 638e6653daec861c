"""Keras' global settings: those that must hold, and those that are changed for a ``with`` block and then put back.

Keras has one dtype policy for the whole process, and draws the seeds of initial weights and of dropout from Python's
``random``. A library must not leave either changed behind a caller's back. Layers and optimizers read the other
settings whenever they are called, so these have to hold for good.
"""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.errors import HRSError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.processor import computes_in

log = logging.getLogger(__name__)


def settle_keras() -> None:
    """Have Keras compute as this package needs it to: on TensorFlow, with channels last, by default in float32.

    A user's ``keras.json`` may say something else, and so may a program that uses Keras itself. What differs is set for
    the whole process, with a warning; :mod:`hrs_keras` has chosen the backend, unless Keras was imported before it.

    Raises:
        HRSError: Keras was imported with another backend, which cannot be changed any more.
    """
    if (backend := keras.config.backend()) != "tensorflow":
        raise HRSError(
            f"Keras was imported with the backend {backend}; hrs_keras needs tensorflow. Import hrs_keras before keras,"
            " or set the environment variable KERAS_BACKEND=tensorflow"
        )
    found = {"image_data_format": keras.config.image_data_format(), "floatx": keras.config.floatx()}
    needed = {"image_data_format": "channels_last", "floatx": "float32"}
    if found != needed:
        keras.config.set_image_data_format(needed["image_data_format"])
        keras.config.set_floatx(needed["floatx"])
        changed = [f"{name} from {found[name]} to {needed[name]}" for name in needed if found[name] != needed[name]]
        log.warning("Keras' settings were not what hrs_keras needs; changed %s", " and ".join(changed))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's ``random`` and NumPy's global generator; restore the state of both afterwards.

    TensorFlow's global seed is left alone: no public function reads it back, and nothing that is built here depends on
    it. Keras' initializers are stateless functions of a seed from Python's ``random``.

    Args:
        seed: from 0 to 2**31 - 1.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def lacks_instructions(dtype: str) -> bool:
    """Whether networks would compute here, on a CPU, in a type of numbers that it has no instructions for.

    Args:
        dtype: as for :func:`hrs_keras.system.processor.computes_in`.
    """
    return computes_in(dtype) is False and not tf.config.list_logical_devices("GPU")


@contextmanager
def precision_policy(recipe: Recipe) -> Iterator[None]:
    """Make ``recipe.precision`` Keras' dtype policy; restore the former policy afterwards.

    A layer takes the policy that holds when it is made and keeps it, so networks may be used outside of the block.

    Raises:
        HRSError: see :func:`settle_keras`, which comes first: all networks are built in such a block.
    """
    settle_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
