"""Which source images the weighting networks take for real, recorded through training."""

import numpy as np
import tensorflow as tf

from hrs_keras.data.pipeline import training_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.data.shown import evenly_spaced, name_in_records
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.system.files import write_json
from hrs_keras.training.session import Session


class SelectionRecord:
    """Mean H, H_p, H_r and H_i of single source images, always of the same ones and unaugmented.

    Args:
        session: the run; ``train.selection_images`` says how many images, which are evenly spaced in the source.
    """

    def __init__(self, session: Session):
        self._session = session
        recipe, source = session.recipe, session.data.sets["source"]
        paths = [path for pairs in source for path in pairs.images]
        self._numbers = evenly_spaced(len(paths), recipe.train.selection_images)
        self._names = [name_in_records(paths[number], recipe) for number in self._numbers]
        self._at_once = recipe.train.predicted_at_once(session.distribution.strategy.num_replicas_in_sync)
        filled = self._numbers + self._numbers[-1:] * (-len(self._numbers) % self._at_once)
        self._batches = training_images(recipe, source, filled).batch(self._at_once)
        self._traced = tf.function(self._means, autograph=False)

    def write(self, step: int) -> None:
        """Write ``{"step": ..., "images": {image, relative to data.root: {"H": mean over its valid pixels, ...}}}``.

        An image without a valid pixel is left out. Raises OSError.
        """
        recipe, source = self._session.recipe, self._session.data.sets["source"]
        suspects = in_order(source, self._numbers, at_a_time=self._at_once)
        batches = [self._traced(*batch) for batch in read(self._batches, recipe, suspects)]
        valid = np.concatenate([labelled for labelled, _ in batches])
        maps = {level: np.concatenate([means[level] for _, means in batches]) for level in batches[0][1]}
        images = {
            name: {level: round(float(means[number]), 5) for level, means in maps.items()}
            for number, name in enumerate(self._names)
            if valid[number]
        }
        write_json(self._session.folder.selection_file(step), {"step": step, "images": images})

    def _means(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Which images have valid pixels, [B] bool, and level -> [B] float32, the means of their maps over these."""
        maps = self._session.trainer.selection_maps(images, labels)
        valid = tf.cast(labels != IGNORE_LABEL, tf.float32)
        pixels = tf.reduce_sum(valid, [1, 2])
        means = {level: tf.reduce_sum(tf.cast(one, tf.float32) * valid, [1, 2]) / pixels for level, one in maps.items()}
        return pixels > 0, means
