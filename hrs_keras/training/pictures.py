"""The pictures that a run draws of itself, always of the same few samples."""

from pathlib import Path

import tensorflow as tf

from hrs_keras.data.pipeline import training_images
from hrs_keras.data.shown import samples
from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import prediction_panel
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
