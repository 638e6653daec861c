"""Adam as one kernel a variable, with what pretrained networks want of it, and the optimizer of each kind of player."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from hrs_keras.method.average import Average, resource
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.compat import SummedGradients, adam_moments, variable_index


@keras.saving.register_keras_serializable("hrs_keras")
class FusedAdam(SummedGradients, keras.optimizers.Adam):
    """``keras.optimizers.Adam`` whose update of a variable is TensorFlow's fused kernel.

    The same numbers up to rounding, in one pass over the variable instead of ten: with fc6 and fc7 the element-wise
    updates are a visible share of a step. ``amsgrad`` is not supported.

    Its gradients must be the sum over all replicas (:class:`hrs_keras.system.compat.SummedGradients`).

    Args:
        learning_rate: a number or a schedule.
        decoupled_decay: weight decay as of AdamW (Loshchilov & Hutter 2019, Algorithm 2). A step also takes
            ``rate * decoupled_decay`` of a variable away from it, as in ``keras.optimizers.AdamW`` and
            ``torch.optim.AdamW``; the paper's lambda, which the schedule alone multiplies, is the base learning rate
            times this number. Variables of one axis do not decay: biases, and normalisation's scales and offsets.
        rate_factors: for each variable, in the order of ``build``, what its learning rate is multiplied by; empty: 1.
        averages: what is brought up to date after each update. They are no part of the config, nor of the optimizer's
            variables.
        options: see ``keras.optimizers.Adam``.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        *,
        decoupled_decay: float = 0.0,
        rate_factors: Sequence[float] = (),
        averages: Iterable[Average] = (),
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.decoupled_decay, self.rate_factors = decoupled_decay, tuple(rate_factors)
        self.averages = tuple(averages)

    def update_step(
        self, gradient: tf.Tensor, variable: "keras.Variable | tf.Variable", learning_rate: tf.Tensor
    ) -> None:
        """Apply ``gradient`` to ``variable``; Keras calls it once a variable and step."""
        dtype, own = variable.dtype, resource(variable)
        step = tf.cast(self.iterations + 1, dtype)
        rate = tf.cast(learning_rate, dtype)
        if self.rate_factors:
            rate *= self.rate_factors[variable_index(self, variable)]
        if self.decoupled_decay and len(variable.shape) > 1:
            decay = rate * self.decoupled_decay * tf.raw_ops.ReadVariableOp(resource=own, dtype=dtype)
            tf.raw_ops.AssignSubVariableOp(resource=own, value=decay)
        m, v = adam_moments(self, variable)
        tf.raw_ops.ResourceApplyAdam(
            var=own,
            m=resource(m),
            v=resource(v),
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=rate,
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )
        for average in self.averages:
            value = tf.raw_ops.ReadVariableOp(resource=own, dtype=dtype)
            average.follow(variable_index(self, variable), value, step)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, for saving."""
        return super().get_config() | {"decoupled_decay": self.decoupled_decay, "rate_factors": list(self.rate_factors)}


@keras.saving.register_keras_serializable("hrs_keras")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to another schedule's first learning rate, before that schedule.

    Of the first ``steps`` steps the t-th (t = 1, ..., ``steps``) has t / ``steps`` of that rate: none is lost to a rate
    of 0, and the last has all of it (the linear warmup of Ma & Yarats 2021). The steps after them have the rates that
    the other schedule gives from its first step on.

    Args:
        schedule: what follows.
        steps: how many rise; at least 1.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate of the step that ``step`` steps were taken before, a scalar."""
        later = self.schedule(tf.maximum(step - self.steps, 0))  # while it rises: the schedule's first
        return later * tf.minimum(tf.cast(step + 1, later.dtype) / self.steps, 1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, for saving."""
        return {"schedule": keras.optimizers.schedules.serialize(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        """The schedule of a :meth:`get_config`."""
        return cls(keras.optimizers.schedules.deserialize(config["schedule"]), config["steps"])


def build_optimizer(
    recipe: Recipe, kind: str, *, rate_factors: Sequence[float] = (), averages: Iterable[Average] = ()
) -> keras.optimizers.Optimizer:
    """The paper's optimizer for one kind of player: Adam (0.9, 0.999) with polynomial decay to 0.

    With ``precision: mixed_float16`` its loss is scaled, so that small gradients are not lost, and a step whose
    gradients overflow is left out. ``train.clip_norm`` limits the norm of its gradients, ``train.weight_decay`` shrinks
    its weights, and ``train.warmup`` steps, in which the learning rate rises, go before the decay.

    Args:
        recipe: ``train`` and ``precision`` are read.
        kind: ``"encoder"``, ``"weighting"``, ``"generator"`` or ``"discriminator"``.
        rate_factors: see :class:`FusedAdam`.
        averages: see :class:`FusedAdam`.
    """
    train = recipe.train
    schedule = keras.optimizers.schedules.PolynomialDecay(
        getattr(train.learning_rate, kind),
        train.steps - train.warmup,
        end_learning_rate=0.0,
        power=train.decay_power,
    )
    adam = FusedAdam(
        WarmUp(schedule, train.warmup) if train.warmup else schedule,
        beta_1=0.9,
        beta_2=0.999,
        global_clipnorm=getattr(train.clip_norm, kind),
        name=f"adam_{kind}",
        decoupled_decay=getattr(train.weight_decay, kind),
        rate_factors=rate_factors,
        averages=averages,
    )
    if recipe.precision != "mixed_float16":
        return adam
    return keras.optimizers.LossScaleOptimizer(adam, name=f"scaled_{kind}")
