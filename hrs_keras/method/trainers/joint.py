"""Algorithm 1 as a ``keras.Model``: the segmenter, the weighting networks and the GAN, trained together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import selection_panel
from hrs_keras.method import losses, mixing
from hrs_keras.method.measured import SelectedShare, SourceEntropy
from hrs_keras.method.players import SOURCE, TARGET, Batch, Part, Scalars
from hrs_keras.method.selection import level_maps
from hrs_keras.method.trainer import SourceFigure, Trainer
from hrs_keras.models import Networks
from hrs_keras.recipe.plugins import SOURCE_WEIGHTINGS
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.source_weighting import SourcePixels, SourceWeighting

DOMAINS = ("source", "target", "unlabelled")
"""What a batch may hold, in the order in which the networks are shown it."""


@dataclass(frozen=True)
class Prediction:
    """All that one forward pass says of the images of a batch.

    Attributes:
        images: [S + T, H, W, 3] float32, the source images first, then the real ones, those without labels last.
        sources: S, how many of them are source images.
        logits: ``"source"``, ``"target"``, ``"unlabelled"``, as far as they are read -> [B, H, W, C] float32.
        features: [S + T, h, w, F], the encoder's deepest.
        scores: level -> [S + T, h, w, K] float32, the output M_k of each weighting network.
    """

    images: tf.Tensor
    sources: int
    logits: dict[str, tf.Tensor]
    features: tf.Tensor
    scores: dict[str, tf.Tensor]


class JointTrainer(Trainer):
    """Trains a segmenter on source and target images at once (Algorithm 1).

    All systems that mix the domains in one loss are this class with other parts: ``method.source_weighting`` says how
    source pixels count, ``networks`` holds the weighting networks and the GAN that take part.

    To the weighting networks and the GAN all real images are alike, with labels or without: their labels are not read.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and label space are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.
    """

    reads_unlabelled = True
    PLAYER_OF_LOSS = Trainer.PLAYER_OF_LOSS | {"reconstruction": "generator", "adversarial": "generator"}

    def __init__(self, recipe: Recipe, networks: Networks):
        super().__init__(recipe, networks, _players(networks), name="joint_trainer")
        self.source_weighting = SOURCE_WEIGHTINGS.load_instance(recipe.method.source_weighting, SourceWeighting)
        self.weighting = networks.weighting
        self.generator = networks.generator
        self.discriminator = networks.discriminator
        self.classes = recipe.data.label_space.classes
        self.has_target_labels = recipe.data.has_target_labels
        self.selected = SelectedShare(len(self.classes))
        self.entropy: SourceEntropy | None = None
        if recipe.method.source_loss == "conservative":
            self.entropy = SourceEntropy(math.log(recipe.method.conservative.base))

    def train_step(self, batch: Batch) -> Scalars:
        """One iteration of Algorithm 1.

        Every network runs once, on both domains together, and all players of a turn answer to that one pass: the
        literal reading of line 4. See :meth:`Trainer.train_step` for arguments and result; ``selected`` is the mean
        weight of the source pixels.
        """
        logs: Scalars = {}
        for turn in self.turns(batch):
            for part in turn.parts():  # lines 2 and 3: random pairs (x_s, y_s) and (x_t, y_t)
                part = self.mixed(part)
                with tf.GradientTape(persistent=True) as tape:
                    prediction = self.predictions(part)  # line 4
                    weights = self.source_weights(part, prediction)  # line 5: H(x_s), Eq. 3 and 4
                    loss = self.losses_of(part, prediction, weights)  # line 6: L_Seg, and what the others minimise
                    objectives = turn.scaled(self.objectives_of(loss))
                turn.add(tape, loss, objectives)
                if turn.first and weights is not None:
                    self.selected.update_state(part.source_labels, weights)
                    if self.entropy is not None:
                        self.entropy.update_state(part.source_labels, prediction.logits["source"])
            logs = (logs or turn.losses()) | turn.update()  # lines 7 to 10: E, W_k, G and D
        self.steps.assign_add(1)
        return logs | ({"selected": self.selected.result()} if "source" in batch else {})

    def predictions(self, part: Part) -> Prediction:
        """Line 4, and the scores that H is made of: every network but the GAN's, once, on both domains together."""
        batch = part.batch
        domains = [name for name in DOMAINS if name in batch]
        images = tf.concat([batch[name][0] for name in domains], 0)
        found = self.segmenter(images, training=True)
        # Splitting, unlike slicing, has a gradient that is one copy and not two padded ones to be added.
        logits = tf.split(found["logits"], [batch[name][0].shape[0] for name in domains])
        probabilities = tf.stop_gradient(tf.nn.softmax(found["logits"]))  # Eq. 1 never reaches E
        return Prediction(
            images=images,
            sources=batch["source"][0].shape[0] if "source" in batch else 0,
            logits=dict(zip(domains, logits, strict=True)),
            features=found["features"],
            scores={level: network(probabilities, training=True) for level, network in self.weighting.items()},
        )

    def source_weights(self, part: Part, prediction: Prediction) -> tf.Tensor | None:
        """Line 5: how much each source pixel counts, [B, H, W] float32; None where no source image is read.

        Pixels of a target image that was mixed with the source image count 1, as those of Eq. 2 do.
        """
        if "source" not in part.batch:
            return None
        scores = {level: m[: prediction.sources] for level, m in prediction.scores.items()}
        source = SourcePixels(part.source_labels, prediction.logits["source"], scores, part.from_source)
        weights = self.source_weighting.weights(source, self.method)
        return weights if part.from_source is None else tf.where(part.from_source, weights, 1.0)

    def losses_of(self, part: Part, prediction: Prediction, weights: tf.Tensor | None) -> Scalars:
        """Line 6 and Eq. 1, 2, 5, 7 and 8: all losses, averaged over the images."""
        loss = {}
        if "target" in part.batch and self.has_target_labels:
            labels = part.batch["target"][1]
            loss["target"] = self.segmentation_loss("target", labels, prediction.logits["target"])
        if weights is not None:
            labels = part.batch["source"][1]
            loss["source"] = self.segmentation_loss("source", labels, prediction.logits["source"], weights)
        for level, m in prediction.scores.items():
            domain = self.domain_of_source_images(part, tuple(m.shape[1:3]))
            to_source = tf.reduce_mean(losses.weighting_loss(m[: prediction.sources], domain))
            to_target = tf.reduce_mean(losses.weighting_loss(m[prediction.sources :], TARGET))
            loss[f"weighting/{level}"] = to_source + to_target
        if self.generator is not None:
            loss |= self._gan_losses(part, prediction)
        return loss

    def domain_of_source_images(self, part: Part, size: tuple[int, int]) -> tf.Tensor | float:
        """d_k of Eq. 1: 0, and where source and target images are mixed the share of the target behind each score."""
        if part.from_source is None:
            return SOURCE
        return SOURCE + (TARGET - SOURCE) * (1 - mixing.source_share(part.from_source, size))

    def _gan_losses(self, part: Part, prediction: Prediction) -> Scalars:
        """Reconstruction loss (Eq. 7) and both sides of the adversarial loss (Eq. 8).

        Target images are real, with labels or without; reconstructions of both domains are not, so that source features
        are drawn towards what a target image looks like.
        """
        assert self.generator is not None and self.discriminator is not None
        images = prediction.images
        reconstruction = self.generator(prediction.features, training=True)
        real_images = [part.batch[name][0] for name in DOMAINS if name != "source" and name in part.batch]
        verdict = self.discriminator(tf.concat([reconstruction, *real_images], 0), training=True)
        fake, real = verdict[: images.shape[0]], verdict[images.shape[0] :]
        perturbation = self.label_noise(tf.shape(verdict), part.number)
        return {
            "reconstruction": tf.reduce_mean(losses.reconstruction_loss(reconstruction, images)),
            "adversarial": tf.reduce_mean(losses.adversarial_loss(fake, TARGET)),
            "discriminator": tf.reduce_mean(losses.adversarial_loss(real, TARGET - perturbation[images.shape[0] :]))
            + tf.reduce_mean(losses.adversarial_loss(fake, SOURCE + perturbation[: images.shape[0]])),
        }

    def objectives_of(self, loss: Scalars) -> Scalars:
        """What each player minimises (lines 7 to 10), of the losses."""
        importance = {"target": 1.0, "source": self.method.lambda_source}
        objective = {"encoder": tf.add_n([weight * loss[name] for name, weight in importance.items() if name in loss])}
        objective |= {name: value for name, value in loss.items() if name.startswith("weighting/")}
        if self.generator is not None:
            adversarial = self.method.lambda_adv * loss["adversarial"]
            objective["encoder"] += adversarial  # L_Seg of Eq. 6, and L_Adv
            objective["generator"] = self.method.lambda_rec * loss["reconstruction"] + adversarial
            objective["discriminator"] = loss["discriminator"]
        return objective

    def measurements(self) -> dict[str, float]:
        """``selected`` and ``selected/CLASS``: the mean weight of the source pixels since the last call.

        With ``source_loss: conservative`` also ``source/cross_entropy``, their mean cross-entropy, and
        ``source/above_turning_point``, the share that is predicted too well.

        Without such pixels there is nothing to tell; a class without any has NaN.
        """
        shares = self.selected.per_class().numpy()
        if np.isnan(shares).all():
            return {}
        found = {"selected": float(self.selected.result())}
        self.selected.reset_state()
        if self.entropy is not None:
            entropy = self.entropy.result()
            found["source/cross_entropy"] = float(entropy["mean"])
            found["source/above_turning_point"] = float(entropy["below"])
            self.entropy.reset_state()
        return found | {f"selected/{name}": float(share) for name, share in zip(self.classes, shares, strict=True)}

    def selection_maps(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """``H`` and the map of each level of source images, in each pixel the channel that weighs it.

        They come from the weights that are trained, as the selection in training does, not from averaged ones
        (``train.average``).

        Args:
            images: [B, H, W, 3] float32 in [-1, 1].
            labels: [B, H, W] int32, 255 = ignore.

        Returns:
            ``H``, and ``H_p``, ``H_r``, ``H_i`` as far as there are such levels: [B, H, W] float32 in [0, 1].
        """
        probabilities = tf.nn.softmax(self.segmenter(images)["logits"])
        scores = {level: network(probabilities) for level, network in self.weighting.items()}
        return level_maps(scores, labels, self.image_size, self.method.threshold)

    def source_figure(self, images: np.ndarray, labels: np.ndarray, titles: Sequence[str]) -> SourceFigure | None:
        """The maps of :meth:`selection_maps`, where pixels are selected (the paper's Fig. 4)."""
        if not self.source_weighting.selects:
            return None
        maps = self.selection_maps(tf.constant(images), tf.constant(labels))
        panel = selection_panel(to_uint8(images), {name: chosen.numpy() for name, chosen in maps.items()}, titles)
        return SourceFigure("selection", "source pixels selected", panel)


def _players(networks: Networks) -> Iterator[tuple[str, keras.Model]]:
    yield "encoder", networks.segmenter
    for level, network in networks.weighting.items():
        yield f"weighting/{level}", network
    if networks.generator is not None:
        yield "generator", networks.generator
        yield "discriminator", networks.discriminator


PLUGIN = JointTrainer
