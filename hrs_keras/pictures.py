"""The pictures a run draws of itself, always of the same few samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import resize_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import validation_images
from hrs_keras.schema import Recipe
from hrs_keras.selection import binary_map, class_channel, enlarge
from hrs_keras.trainer import JointTrainer
from hrs_keras.visualise import prediction_panel, selection_panel, to_uint8

_SYMBOLS = {"pixel": "H_p", "region": "H_r", "image": "H_i"}


class Pictures:
    """Draws Fig. 4 of source samples and Fig. 5 of validation samples.

    Args:
        recipe: for sizes, classes and method.
        source, validation: where ``count`` samples each are taken from, evenly spaced.
        folder: ``selection/`` and ``predictions/`` are written below it.
    """

    def __init__(
        self, recipe: Recipe, source: Sequence[Pairs], validation: Sequence[Pairs], folder: Path, count: int = 4
    ):
        self._recipe, self._folder = recipe, folder
        self._validation = _samples(recipe, validation, count)
        learned = recipe.method.source_weighting == "learned"
        self._source = _samples(recipe, source, count) if learned else None

    def draw(self, trainer: JointTrainer, step: int) -> list[Path]:
        """Write the pictures of a step; returns their paths."""
        written = []
        images, labels, titles = self._validation
        predicted = tf.argmax(trainer(images), axis=-1).numpy()
        written.append(self._folder / "predictions" / f"step_{step:07d}.png")
        prediction_panel(
            written[-1],
            to_uint8(images),
            labels,
            {"prediction": predicted},
            self._recipe.data.label_space,
            titles,
            f"{self._recipe.name}: validation, step {step}",
        )
        if self._source is not None:
            images, labels, titles = self._source
            written.append(self._folder / "selection" / f"step_{step:07d}.png")
            heading = f"{self._recipe.name}: source pixels selected, step {step}"
            selection_panel(written[-1], to_uint8(images), self._maps(trainer, images, labels), titles, heading)
        return written

    def _maps(self, trainer: JointTrainer, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """H and its levels for each image, in each pixel the channel that weighs it: [N, H, W]."""
        method, size = self._recipe.method, self._recipe.data.size
        probabilities = tf.nn.softmax(trainer(images))
        levels = {}
        for level, network in trainer.weighting.items():
            chosen = enlarge(binary_map(network(probabilities), level, method.threshold), size)
            levels[_SYMBOLS[level]] = class_channel(chosen, labels).numpy()
        return {"H": np.mean(list(levels.values()), axis=0)} | levels


def _samples(recipe: Recipe, sets: Sequence[Pairs], count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Evenly spaced samples at training resolution: images [N, H, W, 3], labels [N, H, W], titles."""
    total = sum(map(len, sets))
    numbers = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    names = [path.stem for pairs in sets for path in pairs.images]
    samples = validation_images(recipe, sets, numbers)
    images, labels = zip(*((image, resize_label(label, recipe.data.size)) for image, label in samples), strict=True)
    return np.stack(images), np.stack(labels), [names[n] for n in numbers]
