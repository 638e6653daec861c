"""What every trainer shares: players that take turns, and the answers that a run asks for."""

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.errors import RecipeError
from hrs_keras.media.panels import Panel
from hrs_keras.method import losses, mixing
from hrs_keras.method.average import Average
from hrs_keras.method.class_weights import ClassWeights
from hrs_keras.method.optimizer import build_optimizer
from hrs_keras.method.players import Batch, Part, Player, Scalars, Turn, turns_of
from hrs_keras.models import Networks
from hrs_keras.recipe.plugins import TRAINERS
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.processor import refuse_frozen_weights


@dataclass(frozen=True)
class SourceFigure:
    """What is worth seeing of source images.

    Attributes:
        kind: names the folder that such figures go to.
        title: what it shows.
        panel: the images and what is beside them.
    """

    kind: str
    title: str
    panel: Panel


class Trainer(keras.Model):
    """A segmenter and the players that train it; a subclass says in ``train_step`` what each of them minimises.

    It is trained by ``hrs train``, or by plain ``fit`` on a dataset of batches
    (:func:`hrs_keras.data.pipeline.training_batches`): ``{"target": (images, labels), "source": (images, labels)}``
    with images [B, H, W, 3] float32 in [-1, 1] and labels [B, H, W] int32, 255 = ignore. A domain that a phase of the
    recipe does not read is absent. Where ``data.labelled: none`` hides all labels, those of the target are 255
    throughout. Build it inside the scope of the distribution strategy that it is to run under.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data.size`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.
        players: player -> network; one of them is the segmenter. What stands before a ``/`` is the player's kind: it
            names the learning rate, and who moves together with ``train.schedule: alternating``.
        averages: averages of the segmenter's weights that its optimizer is to keep, beside that of ``train.average``.
            They are saved and restored with it, each under its name.

    Raises:
        HRSError: TensorFlow was told that weights never change (``TF_ONEDNN_ASSUME_FROZEN_WEIGHTS``).

    Attributes:
        segmenter: E+S.
        players: who trains, in the order in which they move.
        steps: how many steps were taken, an int64 variable.
    """

    reads_unlabelled: ClassVar[bool] = False
    """Whether a step also reads real images without labels, ``"unlabelled"``, beside those with labels: as many as of
    ``"target"``, where the recipe has images of both kinds (:mod:`hrs_keras.data.streams`)."""

    PLAYER_OF_LOSS: ClassVar[dict[str, str]] = {"target": "encoder", "source": "encoder"}
    """Loss -> kind of the player that it can be lowered by; a loss that is not named is its player's own."""

    class_weights: ClassWeights | None = None
    """How much the pixels of each class count; None: all alike."""

    def __init__(
        self,
        recipe: Recipe,
        networks: Networks,
        players: Iterable[tuple[str, keras.Model]],
        averages: Mapping[str, Average] | None = None,
        **kwargs: Any,
    ):
        refuse_frozen_weights()
        super().__init__(**kwargs)
        self.method, self.seed, self.image_size = recipe.method, recipe.seed, recipe.data.size
        self.segmenter = networks.segmenter
        self.players = tuple(
            _segmenting(recipe, name, networks, averages or {})
            if network is networks.segmenter
            else Player(name, network, build_optimizer(recipe, name.split("/")[0]))
            for name, network in players
        )
        for player in self.players:  # inside the strategy's scope, which is over when fit would build them
            player.optimizer.build(player.variables)
        # Not an optimizer's count: one that scales its loss does not count the steps it has to leave out.
        self.steps = tf.Variable(
            0, trainable=False, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
        self._schedule, self._accumulate = recipe.train.schedule, recipe.train.accumulate
        self.built = True  # every network is
        self.compile(jit_compile=False)  # fit asks for it; optimizers and losses are the players' own

    @property
    def step(self) -> tf.Tensor:
        """Steps taken so far, a scalar int64: all players take each step."""
        return tf.convert_to_tensor(self.steps)

    @property
    def evaluated(self) -> Callable[..., dict[str, tf.Tensor]]:
        """What is validated and exported: the segmenter, with ``train.average`` as it answers with averaged weights."""
        averages = [player.average for player in self.players if player.average is not None]
        return averages[0] if averages else self.segmenter

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, C] float32, of :attr:`evaluated`."""
        return self.evaluated(images, training=training)["logits"]

    @abstractmethod
    def train_step(self, batch: Batch) -> Scalars:
        """Every player's update.

        Args:
            batch: of this replica; see the class.

        Returns:
            Scalars: ``loss/NAME`` for each loss, averaged over the images of the (replica's) batch;
            ``gradient_norm/PLAYER`` over those of all replicas; and what the trainer measures beside.
        """

    def segmentation_loss(
        self, domain: str, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Eq. 2 or 5, as :func:`hrs_keras.method.losses.segmentation_loss`, averaged over the images.

        With ``method.source_loss: conservative`` the source has that loss in place of the cross-entropy.

        Args:
            domain: whose labels these are; with ``method.class_weights`` pixels are also weighted by their class.
            labels: [B, H, W] int32 train ids, 255 = ignore.
            logits: [B, H, W, C] float32.
            weights: [B, H, W] float32, or None for 1 everywhere; a gradient that they carry is kept.

        Returns:
            A scalar float32.
        """
        if self.class_weights is None and self.method.class_weights != "none":
            raise RecipeError(
                f"method.class_weights: {self.method.class_weights} is made of the data, which this trainer was not"
                " given: build it with build_trainer(recipe, networks, audit(recipe).sets)"
            )
        if self.class_weights is not None:
            of_class = self.class_weights.of_pixels(domain, labels)
            weights = of_class if weights is None else weights * of_class
        of_pixel = None
        if domain == "source" and self.method.source_loss == "conservative":
            of_pixel = functools.partial(losses.conservative, **self.method.conservative.model_dump())
        return tf.reduce_mean(losses.segmentation_loss(labels, logits, weights, of_pixel))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """The turns of a step: one of all players, or with ``train.schedule: alternating`` one for each kind."""
        for number, players in enumerate(turns_of(self.players, self._schedule)):
            yield Turn(players, batch, self._accumulate, first=number == 0)

    def player_of(self, loss: str) -> str:
        """The kind of player whose learning rate a loss answers to, such as ``generator`` for ``reconstruction``."""
        return self.PLAYER_OF_LOSS.get(loss, loss.split("/")[0])

    def measurements(self) -> dict[str, float]:
        """What was measured since the last call and is logged beside the averages of what the steps gave.

        It takes the place of an average of the same name. All workers must call it: an answer may be a sum over all of
        them.
        """
        return {}

    def source_figure(self, images: np.ndarray, labels: np.ndarray, titles: Sequence[str]) -> SourceFigure | None:
        """What is worth seeing of source images, if anything is.

        Args:
            images: [N, H, W, 3] float32 in [-1, 1].
            labels: [N, H, W] int32 train ids, 255 = ignore.
            titles: a name for each image.
        """
        return None

    def random_seed(self, part: int) -> tf.Tensor:
        """[2] int32 for stateless random numbers: a function of seed, step, replica and part of the batch."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.cast(self.seed, tf.int32), 1000 * tf.cast(self.step, tf.int32) + replica])
        return tf.random.experimental.stateless_fold_in(seed, part) if part else seed

    def image_seeds(self, part: Part, images: int) -> list[tf.Tensor]:
        """[2] int32 for each of a domain's images in a part of the batch: a function of seed, step and image.

        An image's seed is the same however the batch is shared out over replicas and parts.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first = (replica * self._accumulate + part.number) * images
        step = tf.stack([tf.cast(self.seed, tf.int32), tf.cast(self.step, tf.int32)])
        return [tf.random.experimental.stateless_fold_in(step, first + number) for number in range(images)]

    def mixed(self, part: Part) -> Part:
        """A part with mixed images in place of the source images, where ``method.mix.replace_source`` asks for them."""
        if not self.method.mix.replace_source or "source" not in part.batch:
            return part
        mixed = self.mix(part, part.batch["target"])
        return part._replace(batch=part.batch | {"source": (mixed.images, mixed.labels)}, from_source=mixed.from_source)

    def mix(self, part: Part, target: tuple[tf.Tensor, tf.Tensor]) -> mixing.Mixed:
        """Each source image of a part mixed with one of its target images, as ``method.mix`` says.

        Args:
            part: its source images are mixed.
            target: images [T, H, W, 3] float32 in [-1, 1], and labels [T, H, W] int32, 255 = ignore.
        """
        source = part.batch["source"]
        x_t, y_t = (self.shared_out(part, tensor) for tensor in target)
        return mixing.mix(source, (x_t, y_t), self.image_seeds(part, source[0].shape[0]), self.method.mix)

    def shared_out(self, part: Part, tensor: tf.Tensor) -> tf.Tensor:
        """[T, ...], of target images -> [S, ...], of those that the part's S source images are mixed with.

        As many source images as possible have a target image of their own; with more of them the target images are
        shared out evenly.
        """
        count, targets = part.batch["source"][0].shape[0], tensor.shape[0]
        return tf.gather(tensor, [number * targets // count for number in range(count)])

    def label_noise(self, shape: tf.Tensor, part: int) -> tf.Tensor:
        """Uniform in [0, ``method.label_noise``]: by how much a discriminator's labels are perturbed."""
        return tf.random.stateless_uniform(shape, self.random_seed(part), 0.0, self.method.label_noise)


def _segmenting(recipe: Recipe, name: str, networks: Networks, averages: Mapping[str, Average]) -> Player:
    """The player that trains the segmenter: its optimizer alone keeps averages, and has a rate for fresh parts."""
    network, train = networks.segmenter, recipe.train
    if train.average is not None:
        averages = {"average": Average(network, train.average), **averages}
    fresh = networks.fresh if train.fresh_factor != 1 else ()
    ids = {id(variable) for variable in fresh}
    factors = [train.fresh_factor if id(variable) in ids else 1.0 for variable in network.trainable_variables]
    rates = factors if fresh else ()
    optimizer = build_optimizer(recipe, name.split("/")[0], rate_factors=rates, averages=averages.values())
    return Player(name, network, optimizer, averages, fresh, train.fresh_factor)


def build_trainer(recipe: Recipe, networks: Networks, sets: Mapping[str, Sequence[Pairs]] | None = None) -> Trainer:
    """The trainer that ``method.trainer`` names, for networks that were built for the same recipe.

    Args:
        recipe: the run's.
        networks: from :func:`hrs_keras.models.build_networks`.
        sets: role -> the samples of the run, from :func:`hrs_keras.audit`; only ``method.class_weights`` needs them.

    Raises:
        RecipeError: what stands behind the name is not a class derived from :class:`Trainer`.
        DataError: ``method.class_weights`` with samples that an earlier version prepared.
    """
    kind: Any = TRAINERS.load_class(recipe.method.trainer, Trainer)
    trainer: Trainer = kind(recipe, networks)
    if recipe.method.class_weights != "none" and sets is not None:
        trainer.class_weights = ClassWeights.of(recipe, sets)
    return trainer
