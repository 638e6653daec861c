"""Class mix with an averaged teacher (DACS, Tranheden et al., WACV 2021; DAFormer, Hoyer et al., CVPR 2022)."""

import tensorflow as tf

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

    Args:
        recipe: its ``method``, ``train``, ``seed`` and ``data`` are read.
        networks: from :func:`hrs_keras.models.build_networks`, for the same recipe.

    Attributes:
        teacher: the averaged segmenter; None where all images that are mixed have labels.
    """

    reads_unlabelled = True
    PLAYER_OF_LOSS = Trainer.PLAYER_OF_LOSS | {"mixed": "encoder"}

    def __init__(self, recipe: Recipe, networks: Networks):
        labelled, domains = recipe.data.has_target_labels, recipe.phases[0].domains
        averages = {}
        if not labelled or "unlabelled" in domains:
            averages["teacher"] = Teacher(networks.segmenter, recipe.method.class_mix.teacher)
        super().__init__(recipe, networks, [("encoder", networks.segmenter)], averages, name="class_mix_trainer")
        self.teacher = averages.get("teacher")
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
        logits = self.segmenter(tf.concat([images for images, _ in shown.values()], 0), training=True)["logits"]
        parts = tf.split(logits, [images.shape[0] for images, _ in shown.values()])
        counts = {"mixed": tf.where(mixed.from_source, 1.0, weights[:, tf.newaxis, tf.newaxis])}
        return {
            name: self.segmentation_loss(name, labels, found, counts.get(name))
            for (name, (_, labels)), found in zip(shown.items(), parts, strict=True)
        }

    def objective_of(self, loss: Scalars) -> tf.Tensor:
        """What the segmenter minimises: the sum of its losses."""
        weights = {"source": self.method.lambda_source}
        return tf.add_n([weights.get(name, 1.0) * value for name, value in loss.items()])


PLUGIN = ClassMixTrainer
