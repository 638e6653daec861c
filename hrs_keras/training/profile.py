"""Traces of single steps for TensorBoard's profiler."""

import logging
from pathlib import Path

import tensorflow as tf

from hrs_keras.system.files import writing

log = logging.getLogger(__name__)


class Profile:
    """Writes a trace of some steps.

    Args:
        folder: where TensorBoard looks for it.
        steps: which, counted from 1. Of a run that goes on those are traced that are still to come.
    """

    def __init__(self, folder: Path, steps: range):
        self._folder, self._steps = folder, steps
        self._begun: int | None = None

    def before_step(self, step: int) -> None:
        """Begin with the first of the steps."""
        if step in self._steps and self._begun is None:
            self._begun = step
            with writing(self._folder):
                tf.profiler.experimental.start(str(self._folder))

    def after_step(self, step: int) -> None:
        """Write the trace after the last of the steps."""
        if step == self._steps[-1] and self._begun is not None:
            with writing(self._folder):
                tf.profiler.experimental.stop()
            log.info("steps %d to %d traced: tensorboard --logdir %s", self._begun, step, self._folder)
