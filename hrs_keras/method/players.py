"""Players that take turns: networks with an optimizer each, and what they share in a step, whatever they minimise."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import keras
import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method.average import Average
from hrs_keras.method.filter_gradients import quick_filter_gradients

SOURCE, TARGET = 0.0, 1.0
"""Domain labels d_k of Eq. 1; also what a discriminator calls fake and real."""

Batch = dict[str, tuple[tf.Tensor, tf.Tensor]]
"""``"target"``, ``"source"``, ``"unlabelled"`` -> images [B, H, W, 3] float32 in [-1, 1], labels [B, H, W] int32, 255 =
ignore: of a hidden label all is."""

Scalars = dict[str, tf.Tensor]


@dataclass(frozen=True, eq=False)
class Player:
    """A network and the optimizer that alone changes it.

    Attributes:
        name: such as ``encoder`` or ``weighting/pixel``; what stands before the slash is its kind.
        network: what it trains.
        optimizer: built for the network's trainable variables.
        averages: averages of the network's weights that the optimizer keeps: ``average`` (``train.average``), and
            others by which the trainer needs them.
        fresh: those of its variables whose learning rate is ``fresh_factor`` times that of the others.
    """

    name: str
    network: keras.Model
    optimizer: keras.optimizers.Optimizer
    averages: Mapping[str, Average] = field(default_factory=dict)
    fresh: tuple[keras.Variable, ...] = ()
    fresh_factor: float = 1.0

    @property
    def kind(self) -> str:
        """What names its learning rate, and who moves with it where players alternate."""
        return self.name.split("/")[0]

    @property
    def average(self) -> Average | None:
        """The average that is validated and exported (``train.average``); None without one."""
        return self.averages.get("average")

    @property
    def variables(self) -> list[keras.Variable]:
        """What it trains."""
        return self.network.trainable_variables

    @property
    def parameters(self) -> int:
        """How many numbers it trains."""
        return count_numbers(self.variables)

    @property
    def learning_rates(self) -> dict[str, float]:
        """``NAME`` -> the learning rate of the next step, and ``NAME/fresh`` where it has fresh variables."""
        rate = float(self.optimizer.learning_rate)
        return {self.name: rate} | ({f"{self.name}/fresh": rate * self.fresh_factor} if self.fresh else {})

    @property
    def loss_scale(self) -> float:
        """What its loss is multiplied by for the sake of small gradients; 1 without such a scale."""
        return float(self.optimizer.scale_loss(1.0))

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


class Part(NamedTuple):
    """An equal part of a replica's batch: all of it, but for ``train.accumulate``.

    Attributes:
        number: 0 for the first.
        batch: its images and labels.
        from_source: [B, H, W] bool: the pixels of its source images that are the source's, where the others are a
            target image's (``method.mix``); None: all are.
    """

    number: int
    batch: Batch
    from_source: tf.Tensor | None = None

    @property
    def source_labels(self) -> tf.Tensor:
        """[B, H, W] int32 labels of the source images, 255 (ignore) where a pixel is not the source's."""
        labels = self.batch["source"][1]
        return labels if self.from_source is None else tf.where(self.from_source, labels, IGNORE_LABEL)


class Turn:
    """Players that move together: all answer to the same losses, and none moves before all gradients are taken.

    The parts of the batch come one after the other, so that the memory is that of one, and count as one batch: losses
    and gradients are their means. ``for part in turn.parts()`` take a tape, within it :meth:`scaled` objectives, and
    give both to :meth:`add`; then :meth:`update` the players.

    Args:
        players: who moves.
        batch: of this replica.
        count: in how many parts.
        first: whether this is the step's first turn.
    """

    def __init__(self, players: Sequence[Player], batch: Batch, count: int, first: bool):
        self.players, self.first = tuple(players), first
        self._batch, self._count = batch, count
        self._losses: list[Scalars] = []
        self._gradients: dict[str, list[tf.Tensor]] = {}

    def parts(self) -> Iterator[Part]:
        """The parts of the batch; none is read before the gradients of the one before it are there."""
        for number, part in enumerate(_split(self._batch, self._count)):
            with tf.control_dependencies(tf.nest.flatten(self._gradients)):
                part = tf.nest.map_structure(tf.identity, part)
            yield Part(number, part)

    def scaled(self, objectives: Scalars) -> Scalars:
        """The players' objectives as gradients are taken of them: shares of the mean over all parts and replicas.

        Optimizers add the replicas' gradients up; their sum is to be that of the mean over the global batch.
        """
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        shares = {p: objectives[p.name] / replicas / self._count for p in self.players}
        return {player.name: player.optimizer.scale_loss(share) for player, share in shares.items()}

    def add(self, tape: tf.GradientTape, losses: Scalars, objectives: Scalars) -> None:
        """Take a part's losses, and from its persistent tape the gradient of each player's scaled objective."""
        with quick_filter_gradients():
            gradients = {p.name: tape.gradient(objectives[p.name], p.variables) for p in self.players}
        self._gradients = tf.nest.map_structure(tf.add, self._gradients, gradients) if self._gradients else gradients
        self._losses.append(losses)

    def losses(self) -> Scalars:
        """``loss/NAME`` -> mean over the parts."""
        count = len(self._losses)
        return {f"loss/{name}": tf.add_n([loss[name] for loss in self._losses]) / count for name in self._losses[0]}

    def update(self) -> Scalars:
        """Move every player; returns ``gradient_norm/PLAYER``."""
        return {f"gradient_norm/{p.name}": p.update(self._gradients[p.name]) for p in self.players}


def count_numbers(variables: Iterable[keras.Variable]) -> int:
    """How many numbers variables hold together."""
    return sum(variable.value.shape.num_elements() for variable in variables)


def turns_of(players: Sequence[Player], schedule: str) -> list[tuple[Player, ...]]:
    """Who moves together: all, or with ``train.schedule: alternating`` one kind of player after the other."""
    if schedule == "shared":
        return [tuple(players)]
    return [tuple(turn) for _, turn in itertools.groupby(players, lambda player: player.kind)]


def _split(batch: Batch, count: int) -> list[Batch]:
    """A batch in ``count`` equal parts."""
    if count == 1:
        return [batch]
    parts = {domain: zip(*(tf.split(tensor, count) for tensor in pair), strict=True) for domain, pair in batch.items()}
    return [dict(zip(parts, pairs, strict=True)) for pairs in zip(*parts.values(), strict=True)]
