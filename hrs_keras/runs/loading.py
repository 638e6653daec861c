"""Loading a run's weights."""

from typing import NamedTuple

import keras

from hrs_keras.models import build_segmenter, build_weighting
from hrs_keras.runs.checkpoints import restore_networks, restore_segmenter
from hrs_keras.runs.folder import RunFolder


def load_segmenter(run: RunFolder, which: str = "best", dtype: str | None = None) -> tuple[keras.Model, int]:
    """E+S of a run, and the step its weights are of; with ``train.average`` these are the averaged weights.

    Args:
        which: ``"best"`` (by validation mIoU) or ``"last"``.
        dtype: what it computes in, ``"float32"``, ``"bfloat16"`` or ``"float16"``; None for what the run was trained
            in. Weights are float32 in any case.

    Raises:
        CheckpointError: no run folder, or no checkpoint in it yet.
    """
    recipe = run.recipe()
    segmenter = build_segmenter(recipe if dtype is None else recipe.computing_in(dtype))
    averaged = recipe.train.average is not None
    return segmenter, restore_segmenter(segmenter, run.checkpoints, which, averaged=averaged)


class Selecting(NamedTuple):
    """The networks of a run that decide which source pixels are selected, in float32.

    Attributes:
        segmenter: E+S.
        weighting: level -> W; empty where the run trained none.
        step: that their weights are of.
    """

    segmenter: keras.Model
    weighting: dict[str, keras.Model]
    step: int


def load_selecting(run: RunFolder, which: str = "best") -> Selecting:
    """A run's segmenter and weighting networks with the weights that are trained, not with averaged ones.

    The weighting networks have only ever seen what the trained weights predict (``train.average`` is for validation).

    Args:
        which: ``"best"`` (by validation mIoU) or ``"last"``.

    Raises:
        CheckpointError: no run folder, or no checkpoint in it yet.
    """
    recipe = run.recipe().computing_in("float32")
    segmenter, weighting = build_segmenter(recipe), build_weighting(recipe)
    players = {"encoder": segmenter, **{f"weighting/{level}": network for level, network in weighting.items()}}
    return Selecting(segmenter, weighting, restore_networks(players, run.checkpoints, which))
