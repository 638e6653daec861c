"""Which source images the weighting networks take for real, recorded through training."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import training_images
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method.joint import JointTrainer
from hrs_keras.method.selection import level_maps
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.files import write_json


class SelectionRecord:
    """Mean H, H_p, H_r and H_i of single source images, always of the same ones and unaugmented.

    Args:
        recipe: ``train.selection_images`` says how many; they are evenly spaced in the source.
        source: from the audit.
    """

    def __init__(self, recipe: Recipe, source: Sequence[Pairs]):
        self._recipe, self._source = recipe, source
        paths = [path for pairs in source for path in pairs.images]
        count = min(recipe.train.selection_images, len(paths))
        self._numbers = np.unique(np.linspace(0, len(paths) - 1, count).round().astype(int))
        self._names = [Path(os.path.relpath(paths[n], recipe.data.root)).as_posix() for n in self._numbers]
        self._traced = tf.function(self._means)
        self._trainer: JointTrainer | None = None

    def write(self, trainer: JointTrainer, step: int, path: Path) -> None:
        """Write ``{"step": ..., "images": {image, relative to data.root: {"H": mean over its valid pixels, ...}}}``.

        An image without a valid pixel is left out.
        """
        self._trainer = trainer
        images = {}
        samples = training_images(self._recipe, self._source, self._numbers)
        for name, (image, label) in zip(self._names, samples, strict=True):
            if tf.reduce_any(label != IGNORE_LABEL):
                means = self._traced(image[tf.newaxis], label[tf.newaxis])
                images[name] = {level: round(float(mean), 5) for level, mean in means.items()}
        write_json(path, {"step": step, "images": images})

    def _means(self, image: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(self._trainer(image))
        scores = {level: network(probabilities) for level, network in self._trainer.weighting.items()}
        maps = level_maps(scores, label, self._recipe.data.size, self._recipe.method.threshold)
        valid = label != IGNORE_LABEL
        return {level: tf.reduce_mean(tf.boolean_mask(chosen, valid)) for level, chosen in maps.items()}
