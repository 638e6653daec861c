"""What checkpoints need of a trainer, small enough for thousands of them."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.method.players import Player


class SmallTrainer:
    """A trainer of one small network, all of whose variables have one value."""

    def __init__(self) -> None:
        inputs = keras.Input((4, 4, 3))
        network = keras.Model(inputs, keras.layers.Conv2D(5, 3)(inputs))
        optimizer = keras.optimizers.Adam()
        optimizer.build(network.trainable_variables)
        self.players = [Player("encoder", network, optimizer)]
        self.network, self.steps = network, tf.Variable(0, dtype=tf.int64)
        self.variables = [*network.variables, *optimizer.variables]

    def assign(self, value: int) -> None:
        self.steps.assign(value)
        for variable in self.variables:
            variable.assign(np.full(variable.shape, value))

    def values(self) -> set[float]:
        """All values that the variables hold."""
        return values(self.variables) | {float(self.steps.numpy())}


def values(variables: Sequence[keras.Variable]) -> set[float]:
    return {float(value) for variable in variables for value in np.unique(keras.ops.convert_to_numpy(variable))}
