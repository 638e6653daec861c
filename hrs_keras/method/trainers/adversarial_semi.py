"""Adversarial semi-supervised segmentation (Hung et al., BMVC 2018): real images alone, some of them with labels."""

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.method.one_pass import OnePassTrainer
from hrs_keras.method.players import Part, Scalars
from hrs_keras.models import Networks
from hrs_keras.recipe.schema import Recipe

MAP, LABEL = 0.0, 1.0
"""What the discriminator is to say of a predicted map, and of labels."""


class AdversarialSemiTrainer(OnePassTrainer):
    """Trains a segmenter on target images with labels, and on those without by what a discriminator says of its maps.

    The discriminator tells labels from predicted probability maps, pixel by pixel. The segmenter is to make maps that
    pass for labels; and where its map of an image without labels does, its own prediction is taken for the label.

    - The segmenter minimises the segmentation loss of the images with labels and, weighted as in
      ``method.adversarial_semi``, its side of the adversarial loss and, after the first ``start`` of the steps, the
      self-taught loss.
    - The discriminator minimises the mean of its losses on maps and on labels.

    Both answer to one pass, as in the original. That shows the discriminator the labels of other images than those of
    the maps; as its losses are means over images, which label stands beside which map plays no part. Where all images
    have labels the adversarial loss alone is left.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.
    """

    reads_unlabelled = True
    PLAYER_OF_LOSS = OnePassTrainer.PLAYER_OF_LOSS | {"adversarial": "encoder", "self_taught": "encoder"}

    def __init__(self, recipe: Recipe, networks: Networks):
        if networks.discriminator is None:
            raise ValueError("it needs a discriminator, as built for method.trainer: adversarial_semi")
        players = {"encoder": networks.segmenter, "discriminator": networks.discriminator}
        super().__init__(recipe, networks, players.items(), name="adversarial_semi_trainer")
        self.settings = recipe.method.adversarial_semi
        self.discriminator = networks.discriminator
        self.num_classes = len(recipe.data.label_space.classes)
        self.first_self_taught = round(self.settings.start * recipe.train.steps)

    def losses_of(self, part: Part) -> Scalars:
        """All losses, averaged over the images."""
        domains = [name for name in ("target", "unlabelled") if name in part.batch]
        logits = self.segmenter(tf.concat([part.batch[name][0] for name in domains], 0), training=True)["logits"]
        verdict = self.discriminator(tf.nn.softmax(logits), training=True)
        counts = [part.batch[name][0].shape[0] for name in domains]
        logits = dict(zip(domains, tf.split(logits, counts), strict=True))
        verdict = dict(zip(domains, tf.split(verdict, counts), strict=True))
        labels = part.batch["target"][1]
        valid = {"target": labels != IGNORE_LABEL}
        of_labels = self.discriminator(adaptation.one_hot_labels(labels, self.num_classes), training=True)
        judged = domains if self.settings.judge_unlabelled else ["target"]
        fake = [tf.reduce_mean(adaptation.verdict_loss(verdict[name], MAP, valid.get(name))) for name in judged]
        real = tf.reduce_mean(adaptation.verdict_loss(of_labels, LABEL, valid["target"]))
        loss = {"target": self.segmentation_loss("target", labels, logits["target"])}
        for name in domains:
            loss[f"adversarial/{name}"] = tf.reduce_mean(adaptation.verdict_loss(verdict[name], LABEL, valid.get(name)))
        if "unlabelled" in domains:
            loss["self_taught"] = tf.reduce_mean(
                adaptation.self_taught_loss(logits["unlabelled"], verdict["unlabelled"], self.settings.threshold)
            )
        return loss | {"discriminator": (tf.add_n(fake) / len(fake) + real) / 2}

    def objectives_of(self, loss: Scalars) -> Scalars:
        """What each player minimises, of the losses."""
        weights = {
            "target": 1.0,
            "adversarial/target": self.settings.adversarial,
            "adversarial/unlabelled": self.settings.adversarial_unlabelled,
            "self_taught": self.settings.self_taught * tf.cast(self.step >= self.first_self_taught, tf.float32),
        }
        return {
            "encoder": tf.add_n([weight * loss[name] for name, weight in weights.items() if name in loss]),
            "discriminator": loss["discriminator"],
        }


PLUGIN = AdversarialSemiTrainer
