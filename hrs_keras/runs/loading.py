"""Loading a run's weights."""

import keras

from hrs_keras.models import build_segmenter
from hrs_keras.runs.checkpoints import restore_segmenter
from hrs_keras.runs.folder import RunFolder


def load_segmenter(run: RunFolder, which: str = "best") -> tuple[keras.Model, int]:
    """E+S of a run, and the step its weights are of; with ``train.average`` these are the averaged weights.

    Args:
        which: ``"best"`` (by validation mIoU) or ``"last"``.

    Raises:
        CheckpointError: no run folder, or no checkpoint in it yet.
    """
    recipe = run.recipe()
    segmenter = build_segmenter(recipe)
    averaged = recipe.train.average is not None
    return segmenter, restore_segmenter(segmenter, run.checkpoints, which, averaged=averaged)
