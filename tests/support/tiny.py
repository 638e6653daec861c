"""Networks small enough for a test, and random batches for them."""

import numpy as np

from hrs_keras.recipe.reading import load_recipe
from hrs_keras.recipe.schema import Recipe
from support.paths import REPOSITORY

BASE = REPOSITORY / "recipes" / "base.yaml"
HEIGHT, WIDTH = 64, 128
CLASSES = 11  # of CamVid
IGNORE = 255
CAMVID = """
data:
  classes: camvid
  source: [{format: camvid, root: game}]
  target: [{format: camvid}]
  validation: [{format: camvid, split: val}]
"""
"""The part of a recipe that base.yaml leaves open."""


def recipe(*overrides: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Recipe:
    """The paper's system with few channels, without dropout or label noise, for labels of CamVid's classes."""
    unread = "[{images: a/*, labels: b/*, ids: {0: road}}]"
    return load_recipe(
        BASE,
        [
            *(f"data.{role}={unread}" for role in ("source", "target", "validation")),
            "data.classes=camvid",
            f"data.size=[{size[0]}, {size[1]}]",
            *("encoder.width=0.0625", "encoder.fc=32", "encoder.dropout=0"),
            *("encoder.weights=null", "encoder.preprocessing=unit", "encoder.heads=random"),
            *("method.weighting_width=4", "method.label_noise=0"),
            *("method.generator_channels=[8, 8, 6, 6, 4, 4]", "method.discriminator_channels=[4, 4, 6, 6, 8, 8]"),
            *overrides,
        ],
    )


def domain(seed: int, images: int = 1, size: tuple[int, int] = (HEIGHT, WIDTH), ignored: float = 0.2):
    """Images [B, H, W, 3] float32 in [-1, 1] and labels [B, H, W] int32, of which about ``ignored`` are 255."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (images, *size))
    labels[rng.random(labels.shape) < ignored] = IGNORE
    return rng.uniform(-1, 1, (images, *size, 3)).astype("float32"), labels.astype("int32")
