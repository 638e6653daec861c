"""Adam as one kernel a variable."""

import keras
import tensorflow as tf

from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.compat import SummedGradients, adam_moments


@keras.saving.register_keras_serializable("hrs_keras")
class FusedAdam(SummedGradients, keras.optimizers.Adam):
    """``keras.optimizers.Adam`` whose update of a variable is TensorFlow's fused kernel.

    The same numbers up to rounding, in one pass over the variable instead of ten: with fc6 and fc7 the element-wise
    updates are a visible share of a step. ``amsgrad`` is not supported.

    Its gradients must be the sum over all replicas (:class:`hrs_keras.system.compat.SummedGradients`).
    """

    def update_step(
        self, gradient: tf.Tensor, variable: "keras.Variable | tf.Variable", learning_rate: tf.Tensor
    ) -> None:
        """Apply ``gradient`` to ``variable``; Keras calls it once a variable and step."""
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        m, v = adam_moments(self, variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(m),
            v=_handle(v),
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def _handle(variable: "keras.Variable | tf.Variable") -> tf.Tensor:
    """The resource of a variable; inside a strategy's update that of this replica's copy."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def build_optimizer(recipe: Recipe, kind: str) -> keras.optimizers.Optimizer:
    """The paper's optimizer for one kind of player: Adam (0.9, 0.999) with polynomial decay to 0.

    With ``precision: mixed_float16`` its loss is scaled, so that small gradients are not lost, and a step whose
    gradients overflow is left out. ``train.clip_norm`` limits the norm of its gradients.

    Args:
        recipe: ``train`` and ``precision`` are read.
        kind: ``"encoder"``, ``"weighting"``, ``"generator"`` or ``"discriminator"``.
    """
    train = recipe.train
    schedule = keras.optimizers.schedules.PolynomialDecay(
        getattr(train.learning_rate, kind), train.steps, end_learning_rate=0.0, power=train.decay_power
    )
    clip = getattr(train.clip_norm, kind)
    adam = FusedAdam(schedule, beta_1=0.9, beta_2=0.999, global_clipnorm=clip, name=f"adam_{kind}")
    if recipe.precision != "mixed_float16":
        return adam
    return keras.optimizers.LossScaleOptimizer(adam, name=f"scaled_{kind}")
