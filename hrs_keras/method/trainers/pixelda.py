"""PixelDA (Bousmalis et al. 2017), the rival that adapts pixels: its players and what each of them minimises."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import adapted_panel
from hrs_keras.method import losses
from hrs_keras.method.one_pass import OnePassTrainer
from hrs_keras.method.players import SOURCE, TARGET, Part, Scalars
from hrs_keras.method.trainer import SourceFigure
from hrs_keras.models import Networks
from hrs_keras.recipe.schema import Recipe

NOISE = 1
"""What the noise's seed is derived with, so that it has nothing in common with the label noise."""


class PixelDATrainer(OnePassTrainer):
    """Trains a segmenter on source, adapted source and target images, with the labels of both domains.

    The generator redraws a source image in the target's style, from the image and random noise; the discriminator
    tells redrawn images from target images. The original has no labels of the target; here it has them, as all
    compared systems do, unless ``data.labelled: none`` hides them:

    - the segmenter minimises the segmentation losses of target, source and adapted images. The last two, of the same
      labels, are averaged where the original adds them: the domains weigh alike then, as they do in joint training,
      and what differs from that is the adapted images alone;
    - the generator minimises the sum, weighted by ``method.pixelda``, of its side of the adversarial loss, of the
      segmentation loss of the adapted images and of the content loss;
    - the discriminator minimises its side of the adversarial loss, with the target images as real, and with those that
      have no labels.

    The original updates discriminator and task network together and then, on a new pass, the generator. Here all
    learn from one pass with ``train.schedule: shared``, and encoder, generator and discriminator in turn, each on a
    pass of its own (with the step's noise), with ``alternating``.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data.size`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.
    """

    reads_unlabelled = True
    PLAYER_OF_LOSS = OnePassTrainer.PLAYER_OF_LOSS | {
        "adapted": "encoder",
        "adversarial": "generator",
        "content": "generator",
    }

    def __init__(self, recipe: Recipe, networks: Networks):
        if networks.generator is None or networks.discriminator is None:
            raise ValueError("PixelDA needs a generator and a discriminator, as built for method.trainer: pixelda")
        players = {
            "encoder": networks.segmenter,
            "generator": networks.generator,
            "discriminator": networks.discriminator,
        }
        super().__init__(recipe, networks, players.items(), name="pixelda_trainer")
        self.settings = recipe.method.pixelda
        self.generator = networks.generator
        self.discriminator = networks.discriminator
        self.has_target_labels = recipe.data.has_target_labels

    def losses_of(self, part: Part) -> Scalars:
        """All losses, averaged over the images."""
        (x_s, y_s), (x_t, y_t) = part.batch["source"], part.batch["target"]
        adapted = self.generator({"image": x_s, "noise": self.noise(x_s.shape[0], part.number)}, training=True)
        # The adapted images have a pass of their own: the generator's gradient goes back through this one alone.
        labelled = [x_s, x_t] if self.has_target_labels else [x_s]
        real = self.segmenter(tf.concat(labelled, 0), training=True)["logits"]
        logits_s, *logits_t = tf.split(real, [images.shape[0] for images in labelled])
        logits_a = self.segmenter(adapted, training=True)["logits"]
        with_labels = {"target": self.segmentation_loss("target", y_t, *logits_t)} if logits_t else {}
        return {
            "source": self.segmentation_loss("source", y_s, logits_s),
            "adapted": self.segmentation_loss("source", y_s, logits_a),
            **with_labels,
            "content": tf.reduce_mean(losses.content_loss(adapted, x_s)),
            **self._adversarial_losses(adapted, part),
        }

    def objectives_of(self, loss: Scalars) -> Scalars:
        """What each player minimises, of the losses."""
        weights = self.settings
        of_source = (loss["source"] + loss["adapted"]) / 2
        return {
            "encoder": loss["target"] + of_source if "target" in loss else of_source,
            "generator": weights.adversarial * loss["adversarial"]
            + weights.task * loss["adapted"]
            + weights.content * loss["content"],
            "discriminator": loss["discriminator"],
        }

    def _adversarial_losses(self, adapted: tf.Tensor, part: Part) -> Scalars:
        """Both sides; the generator's asks for "real" and so does not saturate where the discriminator is sure."""
        photographs = [part.batch[name][0] for name in ("target", "unlabelled") if name in part.batch]
        fake = self.discriminator(adapted, training=True)
        real = self.discriminator(tf.concat(photographs, 0), training=True)
        perturbation = self.label_noise(tf.shape(tf.concat([real, fake], 0)), part.number)
        lowered, raised = tf.split(perturbation, [real.shape[0], fake.shape[0]])
        return {
            "adversarial": tf.reduce_mean(losses.adversarial_loss(fake, TARGET)),
            "discriminator": tf.reduce_mean(losses.adversarial_loss(real, TARGET - lowered))
            + tf.reduce_mean(losses.adversarial_loss(fake, SOURCE + raised)),
        }

    def noise(self, images: int, part: int) -> tf.Tensor:
        """[images, noise] float32, uniform in [-1, 1]: a function of seed, step, replica and part of the batch."""
        seed = tf.random.experimental.stateless_fold_in(self.random_seed(part), NOISE)
        return tf.random.stateless_uniform([images, self.settings.noise], seed, -1.0, 1.0)

    def source_figure(self, images: np.ndarray, labels: np.ndarray, titles: Sequence[str]) -> SourceFigure:
        """What the generator makes of source images."""
        panel = adapted_panel(to_uint8(images), to_uint8(self.adapt(images)), titles)
        return SourceFigure("adapted", "source images adapted", panel)

    def adapt(self, images: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Redraw source images in the target's style.

        Args:
            images: [B, H, W, 3] float32 in [-1, 1], of the recipe's ``data.size``.
            noise: [B, noise] float32 in [-1, 1]; None: random numbers that are the same at every call.

        Returns:
            [B, H, W, 3] float32 in (-1, 1).
        """
        if noise is None:
            shape = [len(images), self.settings.noise]
            noise = tf.random.stateless_uniform(shape, [self.seed, NOISE], -1.0, 1.0)
        return self.generator({"image": tf.convert_to_tensor(images), "noise": noise}, training=False)


PLUGIN = PixelDATrainer
