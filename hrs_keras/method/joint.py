"""The players and their joint update: Algorithm 1 as a ``keras.Model``."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from hrs_keras.method import losses
from hrs_keras.method.players import SOURCE, TARGET, Batch, Scalars, Trainer
from hrs_keras.method.selection import class_channel, confidence_mask, hierarchical_map
from hrs_keras.models import Networks
from hrs_keras.recipe.schema import Recipe


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


class JointTrainer(Trainer):
    """Trains a segmenter on source and target images at once (Algorithm 1).

    All systems that mix the domains in one loss are this class with other parts: ``source_weighting`` says how
    source pixels count, ``networks`` holds the weighting networks and the GAN that take part.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and label space are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.
    """

    def __init__(self, recipe: Recipe, networks: Networks):
        super().__init__(recipe, networks.segmenter, _players(networks), name="joint_trainer")
        self.weighting = networks.weighting
        self.generator = networks.generator
        self.discriminator = networks.discriminator
        self.selected = SelectedShare(len(recipe.data.label_space.classes))

    def reset_metrics(self):
        """Keras' hook before each phase: the log alone resets ``selected``, at the end of its intervals."""

    def measurements(self, batch: Batch) -> Scalars:
        """``selected``: the mean weight of the source pixels since the metrics' last reset."""
        return {"selected": self.selected.result()} if "source" in batch else {}

    def objectives(self, batch: Batch, first: bool) -> tuple[Scalars, Scalars]:
        """Lines 2 to 6 of Algorithm 1; lines 7 to 10 are the players' updates."""
        domains = [name for name in ("source", "target") if name in batch]  # lines 2 and 3
        x = tf.concat([batch[name][0] for name in domains], 0)
        sources = batch["source"][0].shape[0] if "source" in batch else 0
        # Line 5. Every network runs once, on both domains together; all updates of a turn use this one pass.
        prediction = self.segmenter(x, training=True)
        # Splitting, unlike slicing, has a gradient that is one copy and not two padded ones to be added.
        parts = tf.split(prediction["logits"], [batch[name][0].shape[0] for name in domains])
        logits = dict(zip(domains, parts, strict=True))
        probabilities = tf.stop_gradient(tf.nn.softmax(prediction["logits"]))  # Eq. 1 never reaches E
        scores = {level: network(probabilities, training=True) for level, network in self.weighting.items()}
        # Line 6.
        loss = {}
        if "target" in batch:
            loss["target"] = tf.reduce_mean(losses.segmentation_loss(batch["target"][1], logits["target"]))
        if "source" in batch:
            labels = batch["source"][1]
            weights = self._source_weights(labels, logits["source"], {k: m[:sources] for k, m in scores.items()})
            if first:
                self.selected.update_state(labels, weights)
            loss["source"] = tf.reduce_mean(losses.segmentation_loss(labels, logits["source"], weights))
        importance = {"target": 1.0, "source": self.method.lambda_source}
        objective = {"encoder": tf.add_n([importance[name] * value for name, value in loss.items()])}  # Eq. 6
        for level, m in scores.items():
            to_source = tf.reduce_mean(losses.weighting_loss(m[:sources], SOURCE))
            to_target = tf.reduce_mean(losses.weighting_loss(m[sources:], TARGET))
            objective[f"weighting/{level}"] = loss[f"weighting/{level}"] = to_source + to_target
        if self.generator is not None:
            loss |= self._gan_losses(x, batch["target"][0], prediction["features"])
            adversarial = self.method.lambda_adv * loss["adversarial"]
            objective["encoder"] += adversarial
            objective["generator"] = self.method.lambda_rec * loss["reconstruction"] + adversarial
            objective["discriminator"] = loss["discriminator"]
        return loss, self.per_replica(objective)

    def _source_weights(self, labels: tf.Tensor, logits: tf.Tensor, scores: dict[str, tf.Tensor]) -> tf.Tensor:
        """How much each source pixel counts: [B, H, W] float32, without gradient but for the focal loss."""
        weighting = self.method.source_weighting
        if weighting == "plain":
            return tf.ones(tf.shape(labels))
        if weighting == "mask":
            return confidence_mask(labels, logits)
        if weighting == "focal":
            return losses.focal_modulation(labels, logits, self.method.focal_gamma)
        return class_channel(hierarchical_map(scores, labels.shape[1:3], self.method.threshold), labels)

    def _gan_losses(self, x: tf.Tensor, x_t: tf.Tensor, features: tf.Tensor) -> Scalars:
        """Reconstruction loss (Eq. 7) and both sides of the adversarial loss (Eq. 8).

        Target images are real; reconstructions of both domains are not, so that source features are drawn towards
        what a target image looks like.
        """
        reconstruction = self.generator(features, training=True)
        verdict = self.discriminator(tf.concat([reconstruction, x_t], 0), training=True)
        fake, real = verdict[: x.shape[0]], verdict[x.shape[0] :]
        perturbation = self.label_noise(tf.shape(verdict))
        return {
            "reconstruction": tf.reduce_mean(losses.reconstruction_loss(reconstruction, x)),
            "adversarial": tf.reduce_mean(losses.adversarial_loss(fake, TARGET)),
            "discriminator": tf.reduce_mean(losses.adversarial_loss(real, TARGET - perturbation[x.shape[0] :]))
            + tf.reduce_mean(losses.adversarial_loss(fake, SOURCE + perturbation[: x.shape[0]])),
        }


def _players(networks: Networks) -> Iterator[tuple[str, keras.Model]]:
    yield "encoder", networks.segmenter
    for level, network in networks.weighting.items():
        yield f"weighting/{level}", network
    if networks.generator is not None:
        yield "generator", networks.generator
        yield "discriminator", networks.discriminator
