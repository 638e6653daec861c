"""A run's weights or an export, as one kind of model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrs_keras.errors import CheckpointError
from hrs_keras.export.finding import find_exported
from hrs_keras.export.record import read_record
from hrs_keras.export.runtimes import format_of, open_model
from hrs_keras.export.signatures import network_logits
from hrs_keras.labels import LabelSpace
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.literal_paths import UnreadableError, read_literally


@dataclass(frozen=True)
class TrainedModel:
    """A run or an export, in the form that predictions are made with.

    Attributes:
        name: the recipe's name.
        size: (H, W), the training size.
        space: the classes that it predicts.
        logits: images [B, H, W, 3] float32 in [0, 255], H and W multiples of 32 -> logits [B, H, W, C] float32.
        fixed_size: whether it is shown images of the training size only.
        step: after how many steps of training its weights were taken; None if it does not tell.
        exported: the SavedModel's folder or the file that was read; None of a run.
    """

    name: str
    size: tuple[int, int]
    space: LabelSpace
    logits: Callable[[tf.Tensor], tf.Tensor]
    fixed_size: bool = False
    step: int | None = None
    exported: Path | None = None


def load_model(path: str | Path, which: str = "best") -> TrainedModel:
    """Load a run, or an export in any format.

    Args:
        path: a run folder, or what :func:`hrs_keras.export.finding.find_exported` takes: a SavedModel, a file of
            another format with its record beside it, a version's folder, or a folder of versions.
        which: ``"best"`` or ``"last"`` checkpoint of a run.

    Raises:
        CheckpointError: the path is none of these, holds no checkpoint yet, is no export of this package, or cannot
            be opened.
        HRSError: the runtime of an exported file is not installed, or cannot load it.
    """
    path = Path(path)
    if (run := RunFolder(path)).exists:
        return _of_run(run, which)
    if which != "best":
        raise CheckpointError(f"{path} is no run folder, and only a run has a {which!r} checkpoint beside its best")
    found = find_exported(path)
    if found is None:
        raise CheckpointError(
            f"{path} {'is' if path.exists() else 'does not exist, so it is'} neither a run folder (with recipe.yaml)"
            " nor a SavedModel (with saved_model.pb), nor a file of another export format, nor a folder of numbered"
            " versions of one"
        )
    return _of_saved_model(found) if found.is_dir() else _of_file(found)


def _of_run(run: RunFolder, which: str) -> TrainedModel:
    segmenter, step = load_segmenter(run, which)
    recipe = run.recipe()
    logits = tf.function(lambda images: network_logits(segmenter, images), reduce_retracing=True, autograph=False)
    return TrainedModel(recipe.name, recipe.data.size, recipe.data.label_space, logits, step=step)


def _of_saved_model(folder: Path) -> TrainedModel:
    told = _told(folder)

    def read(plain: Path) -> TrainedModel:
        loaded = tf.saved_model.load(str(plain))
        network = loaded.signatures["logits"]

        def logits(images: tf.Tensor, _kept: object = loaded) -> tf.Tensor:  # its variables live as long as it does
            return network(images=images)["logits"]

        return TrainedModel(logits=logits, **told)

    try:
        return read_literally(folder, read)
    except UnreadableError as error:
        raise CheckpointError(f"{folder} is damaged ({error}); export the run again") from None


def _of_file(file: Path) -> TrainedModel:
    told = _told(file)
    answer = open_model(file)

    def logits(images: tf.Tensor) -> tf.Tensor:
        # A copy: what a runtime answers may lie in memory that its next answer is written to.
        return tf.constant(np.array(answer(np.asarray(images))))

    return TrainedModel(logits=logits, fixed_size=format_of(file).fixed_size, **told)


def _told(exported: Path) -> dict[str, Any]:
    """What the record of an export says of the model."""
    record = read_record(exported)
    height, width = map(int, record["size"])
    space = LabelSpace.from_dict(record["label_space"])
    return {
        "name": record["name"],
        "size": (height, width),
        "space": space,
        "step": record.get("step"),
        "exported": exported,
    }
