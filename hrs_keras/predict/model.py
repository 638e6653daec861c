"""A run's weights or an export, as one kind of model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from hrs_keras.errors import CheckpointError
from hrs_keras.export.record import read_record
from hrs_keras.export.saved_model import newest_version
from hrs_keras.export.signatures import network_logits
from hrs_keras.labels import LabelSpace
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import opening
from hrs_keras.system.literal_paths import UnreadableError, read_literally


@dataclass(frozen=True)
class TrainedModel:
    """A run or an export, in the form that predictions are made with.

    Attributes:
        name: the recipe's name.
        size: (H, W), the training size.
        space: the classes that it predicts.
        logits: images [B, H, W, 3] float32 in [0, 255], H and W multiples of 32 -> logits [B, H, W, C] float32.
    """

    name: str
    size: tuple[int, int]
    space: LabelSpace
    logits: Callable[[tf.Tensor], tf.Tensor]


def load_model(path: str | Path, which: str = "best") -> TrainedModel:
    """Load a run folder, a SavedModel, or the newest version of a folder of SavedModels.

    Args:
        path: the folder.
        which: ``"best"`` or ``"last"`` checkpoint of a run.

    Raises:
        CheckpointError: the folder is none of these, holds no checkpoint yet, is no export of this package, or cannot
            be opened.
    """
    path = Path(path)
    if (run := RunFolder(path)).exists:
        return _of_run(run, which)
    if which != "best":
        raise CheckpointError(f"{path} is no run folder, and only a run has a {which!r} checkpoint beside its best")
    with opening(path):
        folder = path if (path / "saved_model.pb").is_file() else newest_version(path)
    if folder is None:
        raise CheckpointError(
            f"{path} {'is' if path.exists() else 'does not exist, so it is'} neither a run folder (with recipe.yaml)"
            " nor a SavedModel (with saved_model.pb), nor a folder of numbered versions of one"
        )
    return _of_export(folder)


def _of_run(run: RunFolder, which: str) -> TrainedModel:
    segmenter, _ = load_segmenter(run, which)
    recipe = run.recipe()
    logits = tf.function(lambda images: network_logits(segmenter, images), reduce_retracing=True, autograph=False)
    return TrainedModel(recipe.name, recipe.data.size, recipe.data.label_space, logits)


def _of_export(folder: Path) -> TrainedModel:
    record = read_record(folder)

    def read(plain: Path) -> TrainedModel:
        height, width = map(int, record["size"])
        name, space = record["name"], LabelSpace.from_dict(record["label_space"])
        loaded = tf.saved_model.load(str(plain))
        network = loaded.signatures["logits"]

        def logits(images: tf.Tensor, _kept: object = loaded) -> tf.Tensor:  # its variables live as long as it does
            return network(images=images)["logits"]

        return TrainedModel(name, (height, width), space, logits)

    try:
        return read_literally(folder, read)
    except UnreadableError as error:
        raise CheckpointError(f"{folder} is damaged ({error}); export the run again") from None
