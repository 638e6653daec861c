"""Checkpoints: every network, every optimizer and the step, so that a killed run goes on as if it had not been.

Layout of a run's ``checkpoints`` folder: ``last/`` holds the newest few, ``best/`` the one with the best
validation mIoU, ``best.json`` tells people which that is. TensorFlow writes a checkpoint under another name first
and renames it, and names it the newest only then: a kill at any moment leaves a complete one behind. The best
checkpoint holds its mIoU itself: two files could disagree after a kill between them.

The newest are written by a thread of TensorFlow's, from a snapshot, while training goes on.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.errors import CheckpointError, NonFiniteError, reason
from hrs_keras.method.trainer import Trainer
from hrs_keras.runs.contents import Contents, contents, network_contents, segmenter_contents
from hrs_keras.runs.series import Series, newest_first, read_checkpoint, restore_newest, step_of
from hrs_keras.system.compat import take_checkpoint_error
from hrs_keras.system.files import write_json, writing
from hrs_keras.system.literal_paths import UnreadableError

log = logging.getLogger(__name__)


class Checkpoints:
    """Saves and restores a trainer.

    Args:
        trainer: what is saved.
        folder: where; made when missing.
        keep: how many of the newest to keep.
    """

    def __init__(self, trainer: Trainer, folder: Path, keep: int):
        self._state = {player.name: contents(player) for player in trainer.players}
        self._miou = tf.Variable(np.nan, trainable=False, dtype=tf.float64)
        state = {"players": self._state, "steps": trainer.steps}
        self._last = Series(tf.train.Checkpoint(**state), folder / "last")
        self._best = Series(tf.train.Checkpoint(**state, miou=self._miou), folder / "best")
        self._keep = keep
        self._record = folder / "best.json"
        self._latest: Path | None = None

    @property
    def latest(self) -> str | None:
        """Path of the newest checkpoint that is known to be good; one that is being written is waited for."""
        self._last.checkpoint.sync()
        return str(self._latest) if self._latest else None

    def restore(self) -> bool:
        """Go back to the newest checkpoint that can be read; False if there is none at all.

        A damaged one is passed over, with a warning that names it and the one taken instead.

        Raises:
            CheckpointError: none can be read, or they belong to other networks.
        """
        checkpoint = self._last.checkpoint
        self._latest = restore_newest(self._last.folder, lambda path: checkpoint.restore(path).assert_consumed())
        return self._latest is not None

    def sweep(self) -> None:
        """Remove what earlier processes left: half-written checkpoints, and more than are to be kept.

        For the one process that writes.

        Raises:
            HRSError: a file cannot be removed.
        """
        for series in (self._last, self._best):
            with writing(series.folder):
                series.sweep_halves()
        with writing(self._last.folder):
            self._last.remove_older(self._keep, until=step_of(self._latest) if self._latest else 0)

    def save(self, step: int) -> None:
        """Write the newest checkpoint, of the variables as they are now, while training goes on.

        Raises:
            NonFiniteError: a variable is NaN or infinite; nothing is written.
            HRSError: the checkpoint before this one could not be written.
        """
        self._refuse_non_finite(step)
        self._last.write(step, self._written, behind=True)

    def save_now(self, step: int) -> None:
        """Write the newest checkpoint, and return when it is there.

        Raises:
            NonFiniteError, HRSError: see :meth:`save`.
        """
        self._refuse_non_finite(step)
        self._last.checkpoint.sync()
        self._last.write(step, self._written)

    def _written(self, path: str) -> None:
        self._latest = Path(path)
        self._last.keep_newest(self._keep, until=step_of(self._latest))

    def close(self) -> None:
        """Wait for a checkpoint that is being written; warn if it failed and no later save has said so."""
        self._last.checkpoint.sync()
        if error := take_checkpoint_error(self._last.checkpoint):
            log.warning(
                "a checkpoint could not be written to %s (%s); the last good one is %s",
                self._last.folder,
                reason(error),
                self._latest or "(none yet)",
            )

    def save_if_best(self, step: int, miou: float) -> bool:
        """Write the best checkpoint if ``miou`` beats that of the one there is; True if so.

        Raises:
            NonFiniteError, HRSError: see :meth:`save`.
        """
        self._refuse_non_finite(step)
        if not miou > self.best().get("miou", -1.0):
            return False
        self._miou.assign(miou)
        self._best.write(step, lambda _: self._best.keep_only(step))
        with writing(self._record):
            write_json(self._record, {"step": step, "miou": miou})
        return True

    def best(self) -> dict:
        """``{"step": ..., "miou": ...}`` of the best checkpoint; empty before the first, or if it is damaged."""
        for path in newest_first(self._best.folder):
            try:
                miou = read_checkpoint(path, _read_miou)
            except UnreadableError as error:
                log.warning("the best checkpoint %s cannot be read (%s); the next validation replaces it", path, error)
            else:
                return {"step": step_of(path), "miou": miou}
        return {}

    def _refuse_non_finite(self, step: int) -> None:
        for player, parts in self._state.items():
            for path, variable in (item for part in parts.values() for item in part.items()):
                if variable.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(variable)):
                    raise NonFiniteError(
                        f"step {step}: the variable {path} of player {player!r} is not finite; no checkpoint was"
                        f" written. The last good one is {self.latest or '(none yet)'}. A lower"
                        " train.learning_rate for this player is the usual remedy"
                    )


def _read_miou(path: str) -> float:
    return float(tf.train.load_checkpoint(path).get_tensor("miou/.ATTRIBUTES/VARIABLE_VALUE"))


def restore_segmenter(segmenter: keras.Model, folder: Path, which: str, *, averaged: bool = False) -> int:
    """Load E+S from a run's checkpoints.

    Args:
        segmenter: built from the run's recipe.
        folder: the run's ``checkpoints`` folder.
        which: ``"best"`` or ``"last"``.
        averaged: take the averages of the trained weights (of a run with ``train.average``), not the weights.

    Returns:
        The step at which the weights were saved.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged or belongs to another network.
    """
    return _restore_players({"encoder": segmenter_contents(segmenter, averaged)}, folder, which)


def restore_networks(networks: Mapping[str, keras.Model], folder: Path, which: str) -> int:
    """Load the weights that are trained of several players' networks; see :func:`restore_segmenter`.

    Args:
        networks: player -> its network, built from the run's recipe.
        folder: the run's ``checkpoints`` folder.
        which: ``"best"`` or ``"last"``.
    """
    return _restore_players({player: network_contents(network) for player, network in networks.items()}, folder, which)


def _restore_players(state: Mapping[str, Contents], folder: Path, which: str) -> int:
    def restore(path: str) -> None:
        tf.train.Checkpoint(players=state).restore(path).expect_partial().assert_existing_objects_matched()

    if which not in ("best", "last"):
        raise CheckpointError(f"checkpoint {which!r}: must be 'best' or 'last'")
    path = restore_newest(folder / which, restore)
    if path is None:
        raise CheckpointError(
            f"{folder / which} holds no checkpoint: the run has not come to its first one, or its files are gone"
        )
    return step_of(path)
