"""The players and their joint update: Algorithm 1 as a ``keras.Model``."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import tensorflow as tf

from hrs_keras import losses
from hrs_keras.models import Networks
from hrs_keras.optimizer import build_optimizer
from hrs_keras.schema import Recipe
from hrs_keras.selection import class_channel, hierarchical_map

SOURCE, TARGET = 0.0, 1.0
"""Domain labels d_k of Eq. 1; also what the discriminator calls reconstructed and real."""


@dataclass(frozen=True)
class Player:
    """A network and the optimizer that alone changes it."""

    name: str
    network: keras.Model
    optimizer: keras.optimizers.Optimizer


class SelectedShare(keras.metrics.Metric):
    """Mean of H over the valid source pixels, overall and for each class, since the last reset."""

    def __init__(self, num_classes: int):
        super().__init__(name="selected_share")
        self.weight = self.add_variable((num_classes,), initializer="zeros", name="weight")
        self.pixels = self.add_variable((num_classes,), initializer="zeros", name="pixels")

    def update_state(self, labels, weights):
        """Add labels [B, H, W] int32 (255 = ignore) and their weights [B, H, W] float32."""
        num_classes = self.pixels.shape[0]
        # Ignored pixels are counted in one class more, which is then cut off.
        ids = tf.reshape(tf.minimum(labels, num_classes), [-1])
        flat = tf.reshape(weights, [-1])
        self.weight.assign_add(tf.math.unsorted_segment_sum(flat, ids, num_classes + 1)[:-1])
        self.pixels.assign_add(tf.math.unsorted_segment_sum(tf.ones_like(flat), ids, num_classes + 1)[:-1])

    def result(self):
        """Overall share, a scalar float32."""
        return tf.math.divide_no_nan(tf.reduce_sum(self.weight), tf.reduce_sum(self.pixels))

    def per_class(self):
        """[C] float32; NaN for a class that had no pixel."""
        return tf.convert_to_tensor(self.weight) / tf.convert_to_tensor(self.pixels)


class JointTrainer(keras.Model):
    """Trains a segmenter on source and target images at once (Algorithm 1).

    FCN, joint training with and without the GAN, and region selection are this class with other parts:
    ``source_weighting`` says how source pixels count, ``networks`` holds the weighting networks and the GAN that
    take part.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and label space are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.

    Batches are ``{"target": (images, labels), "source": (images, labels)}`` with images [B, H, W, 3] float32 in
    [-1, 1] and labels [B, H, W] int32, 255 = ignore; ``source`` is absent with ``source_weighting: none``.
    Build it inside the scope of the distribution strategy it is to run under.
    """

    def __init__(self, recipe: Recipe, networks: Networks):
        super().__init__(name="joint_trainer")
        self.method, self.schedule, self.seed = recipe.method, recipe.train.schedule, recipe.seed
        self.segmenter = networks.segmenter
        self.weighting = networks.weighting
        self.generator = networks.generator
        self.discriminator = networks.discriminator
        self.selected = SelectedShare(len(recipe.data.label_space.classes))
        self.players = tuple(
            Player(name, network, build_optimizer(recipe.train, name.split("/")[0]))
            for name, network in self._networks_by_player()
        )
        for player in self.players:  # inside the strategy's scope, which is over when fit would build them
            player.optimizer.build(player.network.trainable_variables)
        self.built = True  # every network is, and fit's symbolic build cannot handle these batches
        self.compile()

    def _networks_by_player(self) -> Iterator[tuple[str, keras.Model]]:
        yield "encoder", self.segmenter
        for level, network in self.weighting.items():
            yield f"weighting/{level}", network
        if self.generator is not None:
            yield "generator", self.generator
            yield "discriminator", self.discriminator

    @property
    def step(self) -> tf.Tensor:
        """Steps taken so far, a scalar integer: all players take each step."""
        return tf.convert_to_tensor(self.players[0].optimizer.iterations)

    def call(self, images, training=False):
        """[B, H, W, 3] float32 in [-1, 1] -> logits [B, H, W, C] float32."""
        return self.segmenter(images, training=training)["logits"]

    def train_step(self, batch):
        """One iteration of Algorithm 1.

        Returns:
            Scalars, averaged over the images of the (replica's) batch: ``loss/NAME`` for each loss and
            ``selected``, the share of source pixels selected since the metrics' last reset.
        """
        logs = {}
        for players in self._turns():
            with tf.GradientTape(persistent=True) as tape:
                loss, objective = self._objectives(batch, count=not logs)  # lines 2 to 6
            # Lines 7 to 10. All gradients of a turn are taken before any update: with the default schedule every
            # player answers to the same predictions.
            gradients = [tape.gradient(objective[p.name], p.network.trainable_variables) for p in players]
            for player, gradient in zip(players, gradients, strict=True):
                player.optimizer.apply(gradient, player.network.trainable_variables)
            logs = logs or {f"loss/{name}": value for name, value in loss.items()}
        return logs | ({"selected": self.selected.result()} if "source" in batch else {})

    def _turns(self) -> list[tuple[Player, ...]]:
        """Who moves together: all, or with ``train.schedule: alternating`` E, then W, then G, then D."""
        if self.schedule == "shared":
            return [self.players]
        return [tuple(turn) for _, turn in itertools.groupby(self.players, lambda player: player.name.split("/")[0])]

    def _objectives(self, batch, count: bool) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """All losses, averaged over the replica's images, and what each player minimises: scalars by name.

        Args:
            batch: see the class.
            count: whether the selected pixels are to be counted.
        """
        x_t, y_t = batch["target"]  # line 3
        x_s, y_s = batch.get("source", (x_t[:0], y_t[:0]))  # line 2
        sources = x_s.shape[0]
        x = tf.concat([x_s, x_t], 0) if sources else x_t
        # Line 5. Every network runs once, on both domains together; all updates of a turn use this one pass.
        prediction = self.segmenter(x, training=True)
        logits = prediction["logits"]
        # Splitting, unlike slicing, has a gradient that is one copy and not two padded ones to be added.
        logits_s, logits_t = tf.split(logits, [sources, x_t.shape[0]])
        probabilities = tf.stop_gradient(tf.nn.softmax(logits))  # Eq. 1 never reaches E
        scores = {level: network(probabilities, training=True) for level, network in self.weighting.items()}
        # Line 6.
        loss = {"target": _mean(losses.segmentation_loss(y_t, logits_t))}
        if sources:
            weights = self._source_weights(y_s, {level: m[:sources] for level, m in scores.items()})
            if count:
                self.selected.update_state(y_s, weights)
            loss["source"] = _mean(losses.segmentation_loss(y_s, logits_s, weights))
        objective = {"encoder": tf.add_n(list(loss.values()))}  # Eq. 6
        for level, m in scores.items():
            to_source = losses.weighting_loss(m[:sources], SOURCE)
            to_target = losses.weighting_loss(m[sources:], TARGET)
            objective[f"weighting/{level}"] = loss[f"weighting/{level}"] = _mean(to_source) + _mean(to_target)
        if self.generator is not None:
            loss |= self._gan_losses(x, x_t, prediction["features"])
            adversarial = self.method.lambda_adv * loss["adversarial"]
            objective["encoder"] += adversarial
            objective["generator"] = self.method.lambda_rec * loss["reconstruction"] + adversarial
            objective["discriminator"] = loss["discriminator"]
        # Optimizers add the replicas' gradients up; their sum is to be that of the mean over the global batch.
        replicas = self.distribute_strategy.num_replicas_in_sync
        return loss, {name: value / replicas for name, value in objective.items()}

    def _source_weights(self, labels: tf.Tensor, scores: dict[str, tf.Tensor]) -> tf.Tensor:
        """How much each source pixel counts: [B, H, W] float32, without gradient."""
        if self.method.source_weighting == "plain":
            return tf.ones(tf.shape(labels))
        selection = hierarchical_map(scores, labels.shape[1:3], self.method.threshold)
        return class_channel(selection, labels)

    def _gan_losses(self, x: tf.Tensor, x_t: tf.Tensor, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Reconstruction loss (Eq. 7) and both sides of the adversarial loss (Eq. 8).

        Target images are real; reconstructions of both domains are not, so that source features are drawn towards
        what a target image looks like.
        """
        reconstruction = self.generator(features, training=True)
        verdict = self.discriminator(tf.concat([reconstruction, x_t], 0), training=True)
        fake, real = verdict[: x.shape[0]], verdict[x.shape[0] :]
        perturbation = self._label_noise(tf.shape(verdict))
        return {
            "reconstruction": _mean(losses.reconstruction_loss(reconstruction, x)),
            "adversarial": _mean(losses.adversarial_loss(fake, TARGET)),
            "discriminator": _mean(losses.adversarial_loss(real, TARGET - perturbation[x.shape[0] :]))
            + _mean(losses.adversarial_loss(fake, SOURCE + perturbation[: x.shape[0]])),
        }

    def _label_noise(self, shape: tf.Tensor) -> tf.Tensor:
        """Uniform in [0, label_noise], a function of seed, step and replica ("slightly perturb the labels")."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([tf.cast(self.seed, tf.int32), 1000 * tf.cast(self.step, tf.int32) + replica])
        return tf.random.stateless_uniform(shape, seed, 0.0, self.method.label_noise)


def _mean(per_image: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(per_image)
