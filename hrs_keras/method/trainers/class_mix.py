"""Class mix with an averaged teacher (DACS, Tranheden et al., WACV 2021; DAFormer, Hoyer et al., CVPR 2022)."""

import tensorflow as tf

from hrs_keras.method import adaptation_losses as adaptation
from hrs_keras.method import mixing
from hrs_keras.method.average import Teacher
from hrs_keras.method.players import Batch, Part, Scalars
from hrs_keras.method.trainer import Trainer
from hrs_keras.models import Networks
from hrs_keras.recipe.schema import Recipe


class ClassMixTrainer(Trainer):
    """Trains a segmenter on source images, on target images as far as they have labels, and on both mixed.

    A source image is mixed with a target image (:mod:`hrs_keras.method.mixing`). Where that one has no label, an
    average of the segmenter's own weights (:class:`hrs_keras.method.average.Teacher`) says what it shows, and its
    pixels count the less, the fewer of them the teacher is sure of: at first next to nothing.

    - No target labels: the target images are mixed, and have no loss of their own.
    - Some: those without labels are mixed, those with labels have a loss of their own.
    - All: the target images are mixed with their labels, and have a loss of their own; there is no teacher.

    With ``method.class_mix.distance`` the features of source images are held near those of the pretrained encoder, on
    positions of ``things``; with ``margins`` rows at an image's edges have no pseudo-labels (both DAFormer).

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.

    Attributes:
        teacher: the averaged segmenter; None where all images that are mixed have labels.
        frozen: the encoder with its pretrained weights, neither trained nor saved; None without ``distance``.
    """

    reads_unlabelled = True
    PLAYER_OF_LOSS = Trainer.PLAYER_OF_LOSS | {"mixed": "encoder", "distance": "encoder"}

    def __init__(self, recipe: Recipe, networks: Networks):
        labelled, domains = recipe.data.has_target_labels, recipe.phases[0].domains
        averages = {}
        if not labelled or "unlabelled" in domains:
            averages["teacher"] = Teacher(networks.segmenter, recipe.method.class_mix.teacher)
        super().__init__(recipe, networks, [("encoder", networks.segmenter)], averages, name="class_mix_trainer")
        self.teacher = averages.get("teacher")
        self.settings = recipe.method.class_mix
        self.frozen = networks.frozen
        self._things = [recipe.data.label_space.classes.index(name) for name in self.settings.things]
        self._shown = ("source", "target") if labelled else ("source",)
        self._mixed_with = "unlabelled" if "unlabelled" in domains else "target"

    def train_step(self, batch: Batch) -> Scalars:
        """The segmenter's update; see :meth:`Trainer.train_step` for arguments and result.

        ``trusted`` is the weight of the pixels with pseudo-labels, averaged over the images.
        """
        logs: Scalars = {}
        trusted = []
        for turn in self.turns(batch):
            for part in turn.parts():
                mixed, weights = self.mixture(part)
                trusted.append(tf.reduce_mean(weights))
                with tf.GradientTape(persistent=True) as tape:
                    loss = self.losses_of(part, mixed, weights)
                    objectives = turn.scaled({"encoder": self.objective_of(loss)})
                turn.add(tape, loss, objectives)
            logs |= turn.losses() | turn.update()
        self.steps.assign_add(1)
        return logs if self.teacher is None else logs | {"trusted": tf.add_n(trusted) / len(trusted)}

    def mixture(self, part: Part) -> tuple[mixing.Mixed, tf.Tensor]:
        """The source images mixed with target images, and [B] float32, the weight of the target images' pixels."""
        images, labels = part.batch[self._mixed_with]
        weights = tf.ones(images.shape[0])
        if self.teacher is not None:
            labels, weights = mixing.pseudo_labels(self.teacher(images)["logits"], self.method.class_mix.confidence)
        return self.mix(part, (images, labels)), self.shared_out(part, weights)

    def losses_of(self, part: Part, mixed: mixing.Mixed, weights: tf.Tensor) -> Scalars:
        """All losses, averaged over the images, from one forward pass."""
        shown = {name: part.batch[name] for name in self._shown} | {"mixed": (mixed.images, mixed.labels)}
        found = self.segmenter(tf.concat([images for images, _ in shown.values()], 0), training=True)
        counts = [images.shape[0] for images, _ in shown.values()]
        of_pixels = weights[:, tf.newaxis, tf.newaxis]
        if self.teacher is not None:
            of_pixels *= self._within_margins(mixed.labels.shape[1])
        pixels = {"mixed": tf.where(mixed.from_source, 1.0, of_pixels)}
        loss = {
            name: self.segmentation_loss(name, labels, logits, pixels.get(name))
            for (name, (_, labels)), logits in zip(shown.items(), tf.split(found["logits"], counts), strict=True)
        }
        if self.frozen is not None:
            (x_s, y_s), features = shown["source"], tf.split(found["features"], counts)[0]
            loss["distance"] = tf.reduce_mean(
                adaptation.feature_distance_of(self._things, y_s, features, self.frozen(x_s, training=False))
            )
        return loss

    def _within_margins(self, height: int) -> tf.Tensor:
        """[H, 1] float32: 0 for rows whose pseudo-labels do not count, else 1."""
        top, bottom = (round(share * height) for share in self.settings.margins)
        return tf.constant([float(top <= row < height - bottom) for row in range(height)])[:, tf.newaxis]

    def objective_of(self, loss: Scalars) -> tf.Tensor:
        """What the segmenter minimises: the sum of its losses."""
        weights = {"source": self.method.lambda_source, "distance": self.settings.distance}
        return tf.add_n([weights.get(name, 1.0) * value for name, value in loss.items()])


PLUGIN = ClassMixTrainer
