"""Trainers beside the joint one, small: what recipe each has, and what its batches hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.method.trainer import Trainer, build_trainer
from hrs_keras.models import build_networks
from hrs_keras.models.layers import image_input
from hrs_keras.recipe import ENCODERS, Encoder
from hrs_keras.recipe.types import Share
from support import tiny
from support.one_step import Observed, batch_of


class Photographs(Encoder):
    """Three strided convolutions with pretrained weights, and without batch normalisation.

    Attributes:
        weights: ``"all"``, or ``"top"`` for those of the last alone.
        dropout: after the second, whose features are the deepest.
    """

    dropout: Share = 0.0

    @property
    def deepest_stride(self) -> int:
        return 16

    def build(self) -> keras.Model:
        image, x = image_input("unit")
        stride8 = keras.layers.Conv2D(4, 8, strides=8, name="stem")(x)
        stride16 = keras.layers.Conv2D(5, 2, strides=2, activation="relu", name="middle")(stride8)
        stride16 = keras.layers.Dropout(self.dropout)(stride16)
        stride32 = keras.layers.Conv2D(6, 2, strides=2, activation="relu", name="top")(stride16)
        features = {"stride8": stride8, "stride16": stride16, "stride32": stride32, "deepest": stride16}
        return keras.Model(image, features, name="photographs")

    def load_weights(self, model: keras.Model) -> list[keras.layers.Layer]:
        """Random numbers that are always the same."""
        layers = [model.get_layer(name) for name in (("stem", "middle", "top") if self.weights == "all" else ("top",))]
        rng = np.random.default_rng(0)
        for layer in layers:
            layer.set_weights([rng.normal(0, 0.2, value.shape) for value in layer.get_weights()])
        return layers


@contextmanager
def photographs() -> Iterator[None]:
    """Meanwhile recipes may have ``encoder.family: photographs``."""
    ENCODERS.register("photographs", Photographs)
    try:
        yield
    finally:
        ENCODERS.unregister("photographs")


class Case(NamedTuple):
    """A system: its overrides of a recipe, and the domains that its batches hold."""

    overrides: tuple[str, ...]
    domains: tuple[str, ...]


CLASS_MIX = (
    *("method.trainer=class_mix", "method.source_weighting=plain", "method.gan=false"),
    *("method.mix.colour=0", "method.mix.blur=0"),
    "method.class_mix.confidence=0.35",  # which a network that has learned nothing has in half of the pixels
)
HELD = (  # what DAFormer adds; a distance that is large enough to be missed
    *("encoder.family=photographs", "encoder.weights=all", "data.labelled=none"),
    *("method.class_mix.distance=0.4", "method.class_mix.things=[road, car, sky]"),
    "method.class_mix.margins=[0.25, 0.5]",
)
SEMI = (
    *("method.trainer=adversarial_semi", "method.source_weighting=none", "method.gan=false"),
    *("method.adversarial_semi.start=0", "method.adversarial_semi.threshold=0.54"),  # half of the pixels have it
)
ROAD = (
    *("method.trainer=road", "method.source_weighting=plain", "method.gan=false", "data.labelled=none"),
    *("encoder.family=photographs", "encoder.weights=all"),
    *("method.road.distance=0.3", "method.road.domains=0.5", "method.road.width=6"),  # large enough to be missed
)
LSD = (
    *("method.trainer=lsd", "method.source_weighting=plain", "method.gan=false", "data.labelled=none"),
    *("method.lsd.adversarial=0.3", "method.lsd.classes=0.2", "method.lsd.dropout=0"),  # large enough to be missed
    *("method.lsd.generator_channels=[4, 5, 6, 4, 4]", "method.lsd.discriminator_channels=6"),
)
CASES = {
    "class_mix, no labels": Case((*CLASS_MIX, "data.labelled=none"), ("source", "target")),
    "class_mix, some labels": Case((*CLASS_MIX, "data.labelled=0.5"), ("source", "target", "unlabelled")),
    "class_mix, no labels, held": Case((*CLASS_MIX, *HELD), ("source", "target")),
    "class_mix, all labels": Case(CLASS_MIX, ("source", "target")),
    "adversarial_semi, some labels": Case((*SEMI, "data.labelled=0.5"), ("target", "unlabelled")),
    "adversarial_semi, all labels": Case(SEMI, ("target",)),
    "road": Case(ROAD, ("source", "target")),
    "lsd": Case(LSD, ("source", "target")),
}

ONE_OF_EACH = ("class_mix, some labels", "adversarial_semi, some labels", "road", "lsd")
"""A case of each trainer: that in which it does most."""


def build(case: str, *overrides: str, apart: bool = True) -> Trainer:
    """The trainer of a case, with few channels and neither dropout nor label noise.

    Args:
        case: of :data:`CASES`.
        overrides: of its recipe.
        apart: move weights that are frozen away from the segmenter's, as training moves those. Of a distance that is
            rounding error the gradient is nothing to compare.
    """
    with photographs():
        # Heads that start at zero would let no gradient through to the encoder in the first step.
        recipe = tiny.recipe(*CASES[case].overrides, "encoder.heads=random", *overrides)
        trainer = build_trainer(recipe, build_networks(recipe))
    if apart and (frozen := getattr(trainer, "frozen", None)) is not None:
        for variable in frozen.weights:
            variable.assign(variable * 1.1)
    return trainer


def batch_for(case: str, images: int = 2) -> dict:
    """Random images, half of whose pixels are ignored or nearly all; those whose labels are hidden have 255 alone."""
    batch = batch_of(images=images)
    x, y = (tf.reverse(tensor, [1]) for tensor in batch["target"])
    batch["unlabelled"] = (x, tf.fill(y.shape, tiny.IGNORE))
    if "data.labelled=none" in CASES[case].overrides:
        batch["target"] = batch["unlabelled"]
    if "held" in case:  # single pixels are never three quarters of a position
        x, y = batch["source"]
        batch["source"] = (x, tf.repeat(tf.repeat(y[:, ::16, ::16], 16, axis=1), 16, axis=2))
    return {domain: batch[domain] for domain in CASES[case].domains}


def assert_follows(seen: Observed, objective_of: Callable[[str], tf.Tensor]) -> None:
    """Every player went down the gradient of its own objective, computed once more.

    Args:
        seen: from :func:`support.one_step.observe`.
        objective_of: what a player minimises, by its name.
    """
    for player in seen.trainer.players:
        with tf.GradientTape() as tape:
            objective = objective_of(player.name)
        gradients = tape.gradient(objective, [v.value for v in player.variables])
        for variable, moved, gradient in zip(player.variables, seen.moved[player.name], gradients, strict=True):
            gradient = gradient.numpy()
            assert np.abs(gradient).max() > 0, f"{player.name}: {variable.path} would not learn"
            tolerance = 2e-4 * np.abs(gradient).max() + 2e-8
            np.testing.assert_allclose(moved, gradient, 0, tolerance, err_msg=f"{player.name}: {variable.path}")
