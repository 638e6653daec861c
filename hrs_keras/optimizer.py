"""Adam as one kernel a variable."""

import keras
import tensorflow as tf

from hrs_keras.schema import Train


@keras.saving.register_keras_serializable("hrs_keras")
class FusedAdam(keras.optimizers.Adam):
    """``keras.optimizers.Adam`` whose update of a variable is TensorFlow's fused kernel.

    The same numbers up to rounding, in one pass over the variable instead of ten: with fc6 and fc7 the
    element-wise updates are a visible share of a step. ``amsgrad`` is not supported.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Apply ``gradient`` to ``variable``; Keras calls it once a variable and step."""
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _handle(variable) -> tf.Tensor:
    """The resource of a Keras or TensorFlow variable (in a strategy's update, of this replica's copy)."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def build_optimizer(train: Train, kind: str) -> FusedAdam:
    """The paper's optimizer for one kind of player: Adam (0.9, 0.999) with polynomial decay to 0.

    Args:
        kind: ``"encoder"``, ``"weighting"``, ``"generator"`` or ``"discriminator"``.
    """
    schedule = keras.optimizers.schedules.PolynomialDecay(
        getattr(train.learning_rate, kind), train.steps, end_learning_rate=0.0, power=train.decay_power
    )
    return FusedAdam(schedule, beta_1=0.9, beta_2=0.999, name=f"adam_{kind}")
