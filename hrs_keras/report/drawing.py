"""What is drawn for a page from a run's weights and data: predictions, and maps of what is selected."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrs_keras.data.audit import usable_samples
from hrs_keras.data.pipeline import training_images, whole_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.data.shown import name_in_records
from hrs_keras.errors import CheckpointError
from hrs_keras.media.painting import to_uint8
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks
from hrs_keras.models.global_state import precision_policy
from hrs_keras.predict.model import load_model
from hrs_keras.predict.views import Predictor, likeliest
from hrs_keras.recipe.schema import Recipe
from hrs_keras.report.pictures import Picture, prediction_pictures, selection_pictures
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.folder import RunFolder

_Maps = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
"""Images and labels -> name of a selection map -> [B, H, W], as the trainers' ``selection_maps``."""


def predicted(recipe: Recipe, run: Path, role: str, numbers: Sequence[int]) -> Iterator[list[Picture]]:
    """Show some images of a role to a run's best weights: each beside its label, what is predicted, and what is wrong.

    Args:
        recipe: whose data it is.
        run: the run folder.
        role: ``"validation"`` or ``"test"``.
        numbers: of the images, numbered through all data sets of the role.

    Raises:
        DataError: an image cannot be read.
        CheckpointError: there are no weights that can be read.
    """
    sets = usable_samples(recipe, role)  # first: it is the quicker of the two to fail
    predictor = Predictor(load_model(run))
    for image, label in read(whole_images(recipe, sets, numbers), recipe, in_order(sets, numbers)):
        (logits,) = predictor(image.numpy()[np.newaxis])
        yield prediction_pictures(image.numpy(), label.numpy(), likeliest(logits), recipe.data.label_space)


def _last_selection_maps(folder: RunFolder) -> _Maps:
    recipe = folder.recipe()
    with precision_policy(recipe):
        trainer = build_trainer(recipe, build_networks(recipe))
    if not Checkpoints(trainer, folder.checkpoints, recipe.train.keep_checkpoints).restore():
        raise CheckpointError(f"{folder.checkpoints} holds no checkpoint")
    maps: _Maps | None = getattr(trainer, "selection_maps", None)
    if maps is None:
        raise CheckpointError(f"the trainer {recipe.method.trainer!r} has no maps of what it selects")
    return maps


def selected(recipe: Recipe, run: Path, names: Sequence[str]) -> dict[str, list[Picture]]:
    """Source images beside the maps of what is selected of them after the last step of a run.

    Args:
        recipe: whose data it is.
        run: the run folder.
        names: of the images, as the run's records call them; those that are gone are left out.

    Returns:
        Name -> pictures.

    Raises:
        DataError: an image cannot be read.
        CheckpointError: there are no weights that can be read, or the run's trainer has no maps.
    """
    sets = usable_samples(recipe, "source")
    maps = tf.function(_last_selection_maps(RunFolder(run)), autograph=False)
    there = {name_in_records(path, recipe): n for n, path in enumerate(path for pairs in sets for path in pairs.images)}
    found = {name: there[name] for name in names if name in there}
    samples = read(training_images(recipe, sets, list(found.values())), recipe, in_order(sets, list(found.values())))
    drawn = {}
    for name, (image, label) in zip(found, samples, strict=True):
        chosen = maps(image[tf.newaxis], label[tf.newaxis])
        one = {level: np.asarray(tf.cast(values[0], tf.float32)) for level, values in chosen.items()}
        drawn[name] = selection_pictures(to_uint8(image), one)
    return drawn
