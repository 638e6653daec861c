"""Which source images the weighting networks take for real, recorded through training."""

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
        self._samples = training_images(recipe, source, self._numbers)
        self._traced = tf.function(self._means, autograph=False)

    def write(self, step: int) -> None:
        """Write ``{"step": ..., "images": {image, relative to data.root: {"H": mean over its valid pixels, ...}}}``.

        An image without a valid pixel is left out. Raises OSError.
        """
        images = {}
        source = self._session.data.sets["source"]
        recipe = self._session.recipe
        samples = read(self._samples, recipe, in_order(source, self._numbers))
        for name, (image, label) in zip(self._names, samples, strict=True):
            if tf.reduce_any(label != IGNORE_LABEL):
                means = self._traced(image[tf.newaxis], label[tf.newaxis])
                images[name] = {level: round(float(mean), 5) for level, mean in means.items()}
        write_json(self._session.folder.selection_file(step), {"step": step, "images": images})

    def _means(self, image: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        maps = self._session.trainer.selection_maps(image, label)
        valid = label != IGNORE_LABEL
        return {level: tf.reduce_mean(tf.boolean_mask(chosen, valid)) for level, chosen in maps.items()}
