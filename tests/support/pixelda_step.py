"""A small PixelDA trainer whose losses have weights large enough to be missed."""

from hrs_keras.method.trainers.pixelda import PixelDATrainer
from hrs_keras.models import build_networks
from support import tiny

PIXELDA = ("method.trainer=pixelda", "method.source_weighting=plain", "method.gan=false")
SMALL = ("method.pixelda.channels=4", "method.pixelda.blocks=2")
ADVERSARIAL, TASK, CONTENT = 0.3, 0.7, 2.5  # all large enough to be missed
WEIGHTS = tuple(f"method.pixelda.{key}={value}" for key, value in zip(
    ("adversarial", "task", "content"), (ADVERSARIAL, TASK, CONTENT), strict=True
))  # fmt: skip
PLAYERS = ["encoder", "generator", "discriminator"]


def build(*overrides: str) -> PixelDATrainer:
    """A trainer with few channels whose losses have the weights above."""
    # Heads that start at zero would let no gradient through to the encoder in the first step.
    recipe = tiny.recipe(*PIXELDA, *SMALL, *WEIGHTS, "encoder.heads=random", *overrides)
    return PixelDATrainer(recipe, build_networks(recipe))
