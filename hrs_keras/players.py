"""Players that take turns: what every trainer shares, whatever its players minimise."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import keras
import tensorflow as tf

from hrs_keras.optimizer import build_optimizer
from hrs_keras.schema import Recipe

SOURCE, TARGET = 0.0, 1.0
"""Domain labels d_k of Eq. 1; also what a discriminator calls fake and real."""

Batch = dict[str, tuple[tf.Tensor, tf.Tensor]]
Scalars = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Player:
    """A network and the optimizer that alone changes it."""

    name: str
    network: keras.Model
    optimizer: keras.optimizers.Optimizer

    @property
    def parameters(self) -> int:
        """How many numbers it trains."""
        return sum(variable.value.shape.num_elements() for variable in self.network.trainable_variables)


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
            Player(name, network, build_optimizer(recipe.train, name.split("/")[0])) for name, network in networks
        )
        for player in self.players:  # inside the strategy's scope, which is over when fit would build them
            player.optimizer.build(player.network.trainable_variables)
        self.built = True  # every network is, and fit's symbolic build cannot handle these batches
        self.compile()

    @property
    def step(self) -> tf.Tensor:
        """Steps taken so far, a scalar integer: all players take each step."""
        return tf.convert_to_tensor(self.players[0].optimizer.iterations)

    def call(self, images, training=False):
        """[B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, C] float32."""
        return self.segmenter(images, training=training)["logits"]

    def train_step(self, batch):
        """Every player's update.

        Returns:
            Scalars, averaged over the images of the (replica's) batch: ``loss/NAME`` for each loss, and what
            :meth:`measurements` adds.
        """
        logs = {}
        for players in self._turns():
            with tf.GradientTape(persistent=True) as tape:
                loss, objective = self.objectives(batch, first=not logs)
            # All gradients of a turn are taken before any update: with the shared schedule every player answers to
            # the same predictions.
            gradients = [tape.gradient(objective[p.name], p.network.trainable_variables) for p in players]
            for player, gradient in zip(players, gradients, strict=True):
                player.optimizer.apply(gradient, player.network.trainable_variables)
            logs = logs or {f"loss/{name}": value for name, value in loss.items()}
        return logs | self.measurements(batch)

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
        """[2] int32 for stateless random numbers: a function of seed, step and replica."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.stack([tf.cast(self.seed, tf.int32), 1000 * tf.cast(self.step, tf.int32) + replica])

    def label_noise(self, shape: tf.Tensor) -> tf.Tensor:
        """Uniform in [0, ``method.label_noise``]: by how much a discriminator's labels are perturbed."""
        return tf.random.stateless_uniform(shape, self.random_seed(), 0.0, self.method.label_noise)
