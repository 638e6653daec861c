"""Players that take turns: what every trainer shares, whatever its players minimise."""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from hrs_keras.method.optimizer import build_optimizer
from hrs_keras.recipe.schema import Recipe

SOURCE, TARGET = 0.0, 1.0
"""Domain labels d_k of Eq. 1; also what a discriminator calls fake and real."""

Batch = dict[str, tuple[tf.Tensor, tf.Tensor]]
Scalars = dict[str, tf.Tensor]
Gradients = dict[str, list[tf.Tensor]]


@dataclass(frozen=True)
class Player:
    """A network and the optimizer that alone changes it."""

    name: str
    network: keras.Model
    optimizer: keras.optimizers.Optimizer

    @property
    def variables(self) -> list[keras.Variable]:
        """What it trains."""
        return self.network.trainable_variables

    @property
    def parameters(self) -> int:
        """How many numbers it trains."""
        return sum(variable.value.shape.num_elements() for variable in self.variables)

    def update(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Step down the sum of the replicas' gradients, which are those of the scaled loss.

        Returns:
            Their norm, unscaled and before any clipping; with a loss scale that is too large infinite or NaN, and
            then nothing else changes but the scale.
        """
        gradients = tf.distribute.get_replica_context().all_reduce("sum", gradients)
        norm = tf.linalg.global_norm(gradients) / self.optimizer.scale_loss(1.0)
        self.optimizer.apply(gradients, self.variables)
        return norm


class Trainer(keras.Model):
    """A segmenter and the players that train it; a subclass says what each of them minimises.

    Args:
        recipe: its ``method``, ``train`` and ``seed`` are read.
        segmenter: E+S, the model that is evaluated and exported.
        networks: player -> network. What stands before a ``/`` names the player's learning rate, and who moves
            together with ``train.schedule: alternating``.

    Batches are ``{"target": (images, labels), "source": (images, labels)}`` with images [B, H, W, 3] float32 in
    [-1, 1] and labels [B, H, W] int32, 255 = ignore; a domain that a phase of the recipe does not read is absent.
    Build it inside the scope of the distribution strategy it is to run under.
    """

    def __init__(self, recipe: Recipe, segmenter: keras.Model, networks: Iterable[tuple[str, keras.Model]], **kwargs):
        super().__init__(**kwargs)
        self.method, self.schedule, self.seed = recipe.method, recipe.train.schedule, recipe.seed
        self.segmenter = segmenter
        self.players = tuple(
            Player(name, network, build_optimizer(recipe, name.split("/")[0])) for name, network in networks
        )
        for player in self.players:  # inside the strategy's scope, which is over when fit would build them
            player.optimizer.build(player.variables)
        # Not an optimizer's count: one that scales its loss does not count the steps it has to leave out.
        self.steps = tf.Variable(
            0, trainable=False, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
        self._accumulate, self._part = recipe.train.accumulate, 0
        self.waited = 0.0
        """Seconds that steps have waited for their input, in all."""
        self.told: Callable[[], bool] = lambda: False
        """Whether this worker is to end early."""
        self.ending = False
        """Whether, in the step taken last, any worker was: all learn of it in the same step."""
        self.built = True  # every network is, and fit's symbolic build cannot handle these batches
        self.compile()

    @property
    def step(self) -> tf.Tensor:
        """Steps taken so far, a scalar integer: all players take each step."""
        return tf.convert_to_tensor(self.steps)

    def call(self, images, training=False):
        """[B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, C] float32."""
        return self.segmenter(images, training=training)["logits"]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Keras' hook: every network is built; Keras' own reads a batch for it, and fails on one of several workers."""

    def make_train_function(self, force=False):
        """Keras' hook: what takes a step with an iterator's next batch; unlike Keras' own it times the wait for it."""
        if self.train_function is None or force:
            step = tf.function(self._step_of_all_replicas, autograph=False)

            def train_function(iterator):
                begun = time.perf_counter()
                batch = next(iterator)
                self.waited += time.perf_counter() - begun
                logs = step(batch, tf.constant(float(self.told())))
                self.ending = logs.pop("told") > 0
                return logs

            self.train_function = train_function
        return self.train_function

    def _step_of_all_replicas(self, batch, told: tf.Tensor) -> Scalars:
        strategy, names = self.distribute_strategy, []

        def step(batch) -> tf.Tensor:
            logs = self.train_step(batch) | {"told": told}
            names[:] = logs
            return tf.stack(list(logs.values()))  # one reduction over the network, not one a scalar

        means = strategy.reduce("MEAN", strategy.run(step, args=(batch,)), axis=None)
        return dict(zip(names, tf.unstack(means, len(names)), strict=True))

    def train_step(self, batch):
        """Every player's update.

        Returns:
            Scalars: ``loss/NAME`` for each loss, averaged over the images of the (replica's) batch;
            ``gradient_norm/PLAYER`` over those of all replicas; and what :meth:`measurements` adds.
        """
        logs = {}
        for players in self._turns():
            # All gradients of a turn are taken before any update: with the shared schedule every player answers to
            # the same predictions.
            loss, gradients = self._gradients(batch, players, first=not logs)
            logs = logs or {f"loss/{name}": value for name, value in loss.items()}
            logs |= {f"gradient_norm/{player.name}": player.update(gradients[player.name]) for player in players}
        self.steps.assign_add(1)
        return logs | self.measurements(batch)

    def _gradients(self, batch: Batch, players: Sequence[Player], first: bool) -> tuple[Scalars, Gradients]:
        """Losses and, for each player, the gradients of its scaled objective: means over the parts of a batch.

        With ``train.accumulate`` the parts take turns, so that the memory is that of one.
        """
        means, total = [], {}
        for number, part in enumerate(_split(batch, self._accumulate)):
            self._part = number
            with tf.control_dependencies(tf.nest.flatten(total)):
                part = tf.nest.map_structure(tf.identity, part)
            with tf.GradientTape(persistent=True) as tape:
                loss, objective = self.objectives(part, first)
                scaled = {p.name: p.optimizer.scale_loss(objective[p.name] / self._accumulate) for p in players}
            gradients = {player.name: tape.gradient(scaled[player.name], player.variables) for player in players}
            total = tf.nest.map_structure(tf.add, total, gradients) if total else gradients
            means.append(loss)
        return {name: tf.add_n([loss[name] for loss in means]) / len(means) for name in means[0]}, total

    def _turns(self) -> list[tuple[Player, ...]]:
        """Who moves together: all, or with ``train.schedule: alternating`` one kind of player after the other."""
        if self.schedule == "shared":
            return [self.players]
        return [tuple(turn) for _, turn in itertools.groupby(self.players, lambda player: player.name.split("/")[0])]

    def objectives(self, batch: Batch, first: bool) -> tuple[Scalars, Scalars]:
        """All losses, averaged over the replica's images, and what each player minimises: scalars by name.

        Args:
            batch: see the class.
            first: whether this is the step's first turn.
        """
        raise NotImplementedError

    def measurements(self, batch: Batch) -> Scalars:
        """What a step logs beside its losses."""
        return {}

    def per_replica(self, objective: Scalars) -> Scalars:
        """Optimizers add the replicas' gradients up; their sum is to be that of the mean over the global batch."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        return {name: value / replicas for name, value in objective.items()}

    def random_seed(self) -> tf.Tensor:
        """[2] int32 for stateless random numbers: a function of seed, step, replica and part of the batch."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.cast(self.seed, tf.int32), 1000 * tf.cast(self.step, tf.int32) + replica])
        return tf.random.experimental.stateless_fold_in(seed, self._part) if self._part else seed

    def label_noise(self, shape: tf.Tensor) -> tf.Tensor:
        """Uniform in [0, ``method.label_noise``]: by how much a discriminator's labels are perturbed."""
        return tf.random.stateless_uniform(shape, self.random_seed(), 0.0, self.method.label_noise)


def _split(batch: Batch, count: int) -> list[Batch]:
    """A batch in ``count`` equal parts."""
    if count == 1:
        return [batch]
    parts = {domain: zip(*(tf.split(tensor, count) for tensor in pair), strict=True) for domain, pair in batch.items()}
    return [dict(zip(parts, pairs, strict=True)) for pairs in zip(*parts.values(), strict=True)]
