"""Exponential moving averages of a network's weights, and the network as it answers with them."""

import math

import keras
import tensorflow as tf


class Average:
    """Exponential moving average of the trainable variables of a network, and that network with the average in place.

    After n updates, with w_i the weights after update i and d the decay, it is sum_i d^(n-i) w_i / sum_i d^(n-i), i = 1
    to n. The division corrects the bias of the beginning (as in Adam; Kingma & Ba 2015, Section 3): the initial weights
    do not count, and the average of n << 1 / (1 - d) updates is nearly their mean. Before the first update it is the
    initial weights. The statistics of batch normalisation are moving averages already: they are the network's own.

    Not ``use_ema`` of Keras' optimizers: theirs begins with the first weights at full weight, which after n updates
    still have d^n of it, and validating with it means to overwrite the weights that are trained.

    Args:
        network: built. Inside the scope of its strategy.
        decay: d, in (0, 1).

    Attributes:
        variables: the averages, in the order of the network's trainable variables.
    """

    def __init__(self, network: keras.Model, decay: float):
        self._network, self.decay = network, decay
        self.variables = tuple(
            keras.Variable(variable.numpy(), trainable=False, dtype=variable.dtype, name=f"{variable.name}_average")
            for variable in network.trainable_variables
        )

    def __call__(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """What the network answers with the averaged weights."""
        others = self._network.non_trainable_variables
        answer, _ = self._network.stateless_call(self.variables, others, images, training=training)
        return answer

    def follow(self, number: int, value: tf.Tensor, updates: tf.Tensor) -> None:
        """Take a variable's new value in.

        Args:
            number: which of the variables.
            value: after the update.
            updates: n, of the type of ``value``: how many there have been, with this one.
        """
        average = resource(self.variables[number])
        difference = tf.raw_ops.ReadVariableOp(resource=average, dtype=value.dtype) - value
        # average -= share * difference, in one pass.
        tf.raw_ops.ResourceApplyGradientDescent(var=average, alpha=self.share(updates), delta=difference)

    def share(self, updates: tf.Tensor) -> tf.Tensor:
        """How much of the average the weights after update n = 1, 2, ... are, as soon as they are part of it."""
        # 1 - d over 1 - d^n, which expm1 gives to the last digit where d^n is nearly 1.
        return (self.decay - 1) / tf.math.expm1(updates * math.log(self.decay))


class Teacher(Average):
    """The average that a mean teacher answers with (Tarvainen & Valpola 2017, as in DACS and DAFormer).

    After update n it is ``a * teacher + (1 - a) * student`` with a = min(1 - 1 / n, d): a copy of the network after the
    first update, the plain mean of the weights until n = 1 / (1 - d), and from then on an exponential average.
    """

    def share(self, updates: tf.Tensor) -> tf.Tensor:
        """See :meth:`Average.share`."""
        return tf.maximum(1 / updates, tf.cast(1 - self.decay, updates.dtype))


def resource(variable: "keras.Variable | tf.Variable") -> tf.Tensor:
    """The handle of a variable; inside a strategy's update that of this replica's copy."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
