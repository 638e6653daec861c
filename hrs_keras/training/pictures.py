"""The pictures a run draws of itself, always of the same few samples."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import resize_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import training_images, validation_images
from hrs_keras.data.records import reading
from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import adapted_panel, prediction_panel, selection_panel
from hrs_keras.method.players import Trainer
from hrs_keras.method.selection import level_maps
from hrs_keras.recipe.schema import Recipe


class Pictures:
    """Draws Fig. 4 of source samples (for PixelDA: what it makes of them) and Fig. 5 of validation samples.

    Args:
        recipe: for sizes, classes and method.
        source, validation: where ``count`` samples each are taken from, evenly spaced.
        folder: ``selection/`` or ``adapted/``, and ``predictions/``, are written below it.
    """

    def __init__(
        self, recipe: Recipe, source: Sequence[Pairs], validation: Sequence[Pairs], folder: Path, count: int = 4
    ):
        self._recipe, self._folder = recipe, folder
        self._validation = samples(recipe, validation, count)
        self._adapted = recipe.method.trainer == "pixelda"
        shown = self._adapted or recipe.method.source_weighting == "learned"
        self._source = samples(recipe, source, count, training_images) if shown else None

    def draw(self, trainer: Trainer, step: int) -> list[Path]:
        """Write the pictures of a step; returns their paths."""
        written = [self._file("predictions", step)]
        images, labels, titles = self._validation
        predicted = tf.argmax(trainer(images), axis=-1).numpy()
        space = self._recipe.data.label_space
        panel = prediction_panel(to_uint8(images), labels, {"prediction": predicted}, space, titles)
        panel.save(written[-1], f"{self._recipe.name}: validation, step {step}")
        if self._source is not None:
            written.append(self._draw_source(trainer, step))
        return written

    def _draw_source(self, trainer: Trainer, step: int) -> Path:
        images, labels, titles = self._source
        if self._adapted:
            path, heading = self._file("adapted", step), f"{self._recipe.name}: source images adapted, step {step}"
            panel = adapted_panel(to_uint8(images), to_uint8(trainer.adapt(images)), titles)
        else:
            path, heading = self._file("selection", step), f"{self._recipe.name}: source pixels selected, step {step}"
            panel = selection_panel(to_uint8(images), self._maps(trainer, images, labels), titles)
        panel.save(path, heading)
        return path

    def _file(self, kind: str, step: int) -> Path:
        return self._folder / kind / f"step_{step:07d}.png"

    def _maps(self, trainer: Trainer, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """H and its levels for each image: [N, H, W]."""
        probabilities = tf.nn.softmax(trainer(images))
        scores = {level: network(probabilities) for level, network in trainer.weighting.items()}
        maps = level_maps(scores, tf.constant(labels), self._recipe.data.size, self._recipe.method.threshold)
        return {name: chosen.numpy() for name, chosen in maps.items()}


def samples(
    recipe: Recipe, sets: Sequence[Pairs], count: int, read: Callable[..., tf.data.Dataset] = validation_images
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Evenly spaced samples at training resolution: images [N, H, W, 3], labels [N, H, W], titles.

    Args:
        read: :func:`training_images` where the sets are of samples to train on.
    """
    total = sum(map(len, sets))
    numbers = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    names = [path.stem for pairs in sets for path in pairs.images]
    with reading():
        found = [(image, resize_label(label, recipe.data.size)) for image, label in read(recipe, sets, numbers)]
    images, labels = zip(*found, strict=True)
    return np.stack(images), np.stack(labels), [names[n] for n in numbers]
