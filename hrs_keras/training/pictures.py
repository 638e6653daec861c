"""The pictures that a run draws of itself, always of the same few samples."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import resize_label
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import training_images, validation_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import prediction_panel
from hrs_keras.recipe import Recipe
from hrs_keras.training.session import Session


class Pictures:
    """Draws predictions of validation samples (the paper's Fig. 5), and what the trainer finds worth seeing of source
    samples: for region selection Fig. 4.

    Args:
        session: the run; ``train.pictures`` samples of each kind are taken, evenly spaced.
    """

    def __init__(self, session: Session):
        self._session = session
        recipe, sets = session.recipe, session.data.sets
        count = recipe.train.pictures
        self._validation = samples(recipe, sets["validation"], count)
        self._source = samples(recipe, sets["source"], count, training_images) if sets["source"] else None

    def draw(self, step: int) -> list[Path]:
        """Write the pictures of a step; returns their paths."""
        recipe, trainer = self._session.recipe, self._session.trainer
        written = [self._file("predictions", step)]
        images, labels, titles = self._validation
        predictions = {"prediction": tf.argmax(trainer(images), axis=-1).numpy()}
        panel = prediction_panel(to_uint8(images), labels, predictions, recipe.data.label_space, titles)
        panel.save(written[0], f"{recipe.name}: validation, step {step}")
        if self._source is not None and (figure := trainer.source_figure(*self._source)) is not None:
            written.append(self._file(figure.kind, step))
            figure.panel.save(written[1], f"{recipe.name}: {figure.title}, step {step}")
        return written

    def _file(self, kind: str, step: int) -> Path:
        return self._session.folder.figures / kind / f"step_{step:07d}.png"


def evenly_spaced(total: int, count: int) -> list[int]:
    """Numbers of ``count`` samples of ``total``, or of all if there are not so many, from the first to the last."""
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist()


def samples(
    recipe: Recipe, sets: Sequence[Pairs], count: int, pipeline: Callable[..., tf.data.Dataset] = validation_images
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Evenly spaced samples at training resolution: images [N, H, W, 3], labels [N, H, W], titles.

    Args:
        recipe: for their size.
        sets: to take them from.
        count: how many at most.
        pipeline: :func:`training_images` where the sets are of samples to train on.
    """
    names = [path.stem for pairs in sets for path in pairs.images]
    numbers = evenly_spaced(len(names), count)
    taken = read(pipeline(recipe, sets, numbers), recipe, in_order(sets, numbers))
    found = [(image, resize_label(label, recipe.data.size)) for image, label in taken]
    images, labels = zip(*found, strict=True)
    return np.stack(images), np.stack(labels), [names[n] for n in numbers]
