"""Trainers beside the joint one, small: what recipe each has, and what its batches hold."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hrs_keras.method.trainer import Trainer, build_trainer
from hrs_keras.models import build_networks
from support import tiny
from support.one_step import Observed, batch_of


class Case(NamedTuple):
    """A system: its overrides of a recipe, and the domains that its batches hold."""

    overrides: tuple[str, ...]
    domains: tuple[str, ...]


CLASS_MIX = (
    *("method.trainer=class_mix", "method.source_weighting=plain", "method.gan=false"),
    *("method.mix.colour=0", "method.mix.blur=0"),
    "method.class_mix.confidence=0.35",  # which a network that has learned nothing has in half of the pixels
)
SEMI = (
    *("method.trainer=adversarial_semi", "method.source_weighting=none", "method.gan=false"),
    *("method.adversarial_semi.start=0", "method.adversarial_semi.threshold=0.54"),  # half of the pixels have it
)
CASES = {
    "class_mix, no labels": Case((*CLASS_MIX, "data.labelled=none"), ("source", "target")),
    "class_mix, some labels": Case((*CLASS_MIX, "data.labelled=0.5"), ("source", "target", "unlabelled")),
    "class_mix, all labels": Case(CLASS_MIX, ("source", "target")),
    "adversarial_semi, some labels": Case((*SEMI, "data.labelled=0.5"), ("target", "unlabelled")),
    "adversarial_semi, all labels": Case(SEMI, ("target",)),
}

ONE_OF_EACH = ("class_mix, some labels", "adversarial_semi, some labels")
"""A case of each trainer: that in which it does most."""


def build(case: str, *overrides: str) -> Trainer:
    """The trainer of a case, with few channels and neither dropout nor label noise."""
    # Heads that start at zero would let no gradient through to the encoder in the first step.
    recipe = tiny.recipe(*CASES[case].overrides, "encoder.heads=random", *overrides)
    return build_trainer(recipe, build_networks(recipe))


def batch_for(case: str, images: int = 2) -> dict:
    """Random images, half of whose pixels are ignored or nearly all; those whose labels are hidden have 255 alone."""
    batch = batch_of(images=images)
    x, y = (tf.reverse(tensor, [1]) for tensor in batch["target"])
    batch["unlabelled"] = (x, tf.fill(y.shape, tiny.IGNORE))
    if "data.labelled=none" in CASES[case].overrides:
        batch["target"] = batch["unlabelled"]
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
