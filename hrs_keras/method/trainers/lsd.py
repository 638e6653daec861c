"""LSD-seg (Sankaranarayanan et al., CVPR 2018): source labels, and images rebuilt from features that change domains."""

import tensorflow as tf

from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.method import losses
from hrs_keras.method.one_pass import OnePassTrainer
from hrs_keras.method.players import Part, Scalars
from hrs_keras.models import Networks
from hrs_keras.recipe.schema import Recipe

SOURCE, SOURCE_REBUILT, TARGET, TARGET_REBUILT = range(4)
"""The domains that the discriminator tells apart."""

SKIPS = ("stride32", "stride16", "stride8")


class LsdTrainer(OnePassTrainer):
    """Trains a segmenter on source labels alone, so that it also does on target images.

    A generator rebuilds images from the segmenter's features; a discriminator says of an image's patches from which of
    four domains they are, and which class they show.

    - The discriminator minimises its losses on the four domains, and on the classes of source images.
    - The generator wants what it rebuilds to pass for a real image of the *same* domain, to show the classes that the
      label has, and to be near the image.
    - The segmenter minimises its loss on source labels; beside that it wants what is rebuilt of its features to pass
      for a real image of the *other* domain, and to show the label's classes. That is all the target images teach it.

    All answer to one pass, as in the original, whose weights are ``method.lsd``.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.
    """

    PLAYER_OF_LOSS = OnePassTrainer.PLAYER_OF_LOSS | {"classes": "generator", "reconstruction": "generator"}

    def __init__(self, recipe: Recipe, networks: Networks):
        if networks.generator is None or networks.discriminator is None:
            raise ValueError("it needs a generator and a discriminator, as built for method.trainer: lsd")
        players = {
            "encoder": networks.segmenter,
            "generator": networks.generator,
            "discriminator": networks.discriminator,
        }
        super().__init__(recipe, networks, players.items(), name="lsd_trainer")
        self.settings = recipe.method.lsd
        self.generator = networks.generator
        self.discriminator = networks.discriminator

    def losses_of(self, part: Part) -> Scalars:
        """All losses, averaged over the images; ``encoder/domains`` and ``generator/domains`` are their own sides."""
        (x_s, y_s), (x_t, _) = part.batch["source"], part.batch["target"]
        images, counts = tf.concat([x_s, x_t], 0), [x_s.shape[0], x_t.shape[0]]
        found = self.segmenter(images, training=True)
        rebuilt = self.generator({name: found[name] for name in SKIPS}, training=True)
        judged = self.discriminator(tf.concat([images, rebuilt], 0), training=True)
        of_domain = dict(
            zip((SOURCE, TARGET, SOURCE_REBUILT, TARGET_REBUILT), tf.split(judged["domains"], counts * 2), strict=True)
        )
        classes, _, classes_rebuilt, _ = tf.split(judged["classes"], counts * 2)
        labels = adaptation.coarse_labels(y_s, tuple(classes.shape[1:3]))

        def taken_for(actual: int, domain: int) -> tf.Tensor:
            return tf.reduce_mean(adaptation.domain_cross_entropy(of_domain[actual], domain))

        apart = tf.split(losses.reconstruction_loss(rebuilt, images), counts)
        return {
            "source": self.segmentation_loss("source", y_s, tf.split(found["logits"], counts)[0]),
            "encoder/domains": taken_for(SOURCE_REBUILT, TARGET) + taken_for(TARGET_REBUILT, SOURCE),
            "generator/domains": taken_for(SOURCE_REBUILT, SOURCE) + taken_for(TARGET_REBUILT, TARGET),
            "classes": tf.reduce_mean(losses.segmentation_loss(labels, classes_rebuilt)),
            "reconstruction": tf.add_n([tf.reduce_mean(each) for each in apart]),
            "discriminator": tf.add_n([taken_for(domain, domain) for domain in of_domain])
            + tf.reduce_mean(losses.segmentation_loss(labels, classes)),
        }

    def objectives_of(self, loss: Scalars) -> Scalars:
        """What each player minimises, of the losses."""
        weights = self.settings
        return {
            "encoder": loss["source"]
            + weights.adversarial * loss["encoder/domains"]
            + weights.classes * loss["classes"],
            "generator": loss["classes"]
            + weights.generator_adversarial * loss["generator/domains"]
            + weights.reconstruction * loss["reconstruction"],
            "discriminator": loss["discriminator"],
        }


PLUGIN = LsdTrainer
