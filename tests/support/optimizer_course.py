"""Two variables, gradients for them, and the values that an optimizer takes them through."""

import keras
import numpy as np
import tensorflow as tf

STEPS = 10
SHAPES = ((3, 5), (5,))  # kernel and bias of a dense layer


def gradients() -> list[list[np.ndarray]]:
    """Ten steps' gradients for two variables, over six orders of magnitude."""
    rng = np.random.default_rng(1)
    return [
        [(rng.normal(size=shape) * 10.0 ** rng.integers(-5, 2)).astype("float32") for shape in SHAPES]
        for _ in range(STEPS)
    ]


def start() -> list[np.ndarray]:
    """Initial values of the two variables."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("float32") for shape in SHAPES]


def train(optimizer: keras.optimizers.Optimizer, steps: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """The two variables' values after each step."""
    variables = [keras.Variable(value) for value in start()]
    optimizer.build(variables)
    trace = []
    for gradient in steps:
        optimizer.apply([tf.constant(g) for g in gradient], variables)
        trace.append([variable.numpy() for variable in variables])
    return trace


def dense() -> keras.Model:
    """A network whose two variables begin at :func:`start`."""
    model = keras.Sequential([keras.Input((SHAPES[0][0],)), keras.layers.Dense(SHAPES[0][1])])
    model.set_weights(start())
    return model
