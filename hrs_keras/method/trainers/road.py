"""ROAD (Chen et al., CVPR 2018): source labels, held near ImageNet's features and aligned region by region."""

import tensorflow as tf

from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.method.one_pass import OnePassTrainer
from hrs_keras.method.players import SOURCE, TARGET, Part, Scalars
from hrs_keras.models import Networks
from hrs_keras.recipe.schema import Recipe


class RoadTrainer(OnePassTrainer):
    """Trains a segmenter on source labels alone, so that it also does on target images.

    Two things are added to the segmentation loss. A network that has seen only photographs, the encoder as its
    pretrained weights make it, is held against the segmenter on *target* images: its features are to stay near. And the
    domains are aligned region by region: each cell of a grid over the image has a domain classifier of its own, which
    the segmenter is to confuse.

    - The segmenter minimises the source's segmentation loss + ``distance`` times the distance of the features -
      ``domains`` times the classifiers' loss (``method.road``): that is gradient reversal.
    - The classifiers, as one player ``discriminator``, minimise their loss.

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.

    Attributes:
        frozen: the encoder with its pretrained weights; no player, so neither trained nor saved.
    """

    PLAYER_OF_LOSS = OnePassTrainer.PLAYER_OF_LOSS | {"distance": "encoder"}

    def __init__(self, recipe: Recipe, networks: Networks):
        if networks.discriminator is None or networks.frozen is None:
            raise ValueError("it needs grid classifiers and a frozen encoder, as built for method.trainer: road")
        players = {"encoder": networks.segmenter, "discriminator": networks.discriminator}
        super().__init__(recipe, networks, players.items(), name="road_trainer")
        self.settings = recipe.method.road
        self.discriminator = networks.discriminator
        self.frozen = networks.frozen
        self._features = "features" if self.settings.features == "deepest" else "stride32"

    def losses_of(self, part: Part) -> Scalars:
        """All losses, averaged over the images, from one forward pass on both domains."""
        (x_s, y_s), (x_t, _) = part.batch["source"], part.batch["target"]
        counts = [x_s.shape[0], x_t.shape[0]]
        found = self.segmenter(tf.concat([x_s, x_t], 0), training=True)
        logits_s, _ = tf.split(found["logits"], counts)
        _, features_t = tf.split(found[self._features], counts)
        judged_s, judged_t = tf.split(self.discriminator(found[self._features], training=True), counts)
        of_source = adaptation.grid_domain_loss(judged_s, SOURCE, self.settings.cells)
        of_target = adaptation.grid_domain_loss(judged_t, TARGET, self.settings.cells)
        return {
            "source": self.segmentation_loss("source", y_s, logits_s),
            "distance": tf.reduce_mean(adaptation.feature_distance(features_t, self.frozen(x_t, training=False))),
            "discriminator": (tf.reduce_mean(of_source) + tf.reduce_mean(of_target)) / 2,
        }

    def objectives_of(self, loss: Scalars) -> Scalars:
        """What each player minimises, of the losses."""
        aligned = self.settings.distance * loss["distance"] - self.settings.domains * loss["discriminator"]
        return {"encoder": loss["source"] + aligned, "discriminator": loss["discriminator"]}


PLUGIN = RoadTrainer
