"""Keras' global settings, changed for the length of a ``with`` block and then put back.

Keras has one dtype policy for the whole process, and draws the seeds of initial weights and of dropout from Python's
``random``. A library must not leave either changed behind a caller's back.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from hrs_keras.recipe.schema import Recipe


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


@contextmanager
def precision_policy(recipe: Recipe) -> Iterator[None]:
    """Make ``recipe.precision`` Keras' dtype policy; restore the former policy afterwards.

    A layer takes the policy that holds when it is made and keeps it, so networks may be used outside of the block.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
