"""A run in progress: everything that its parts share, in one object."""

from dataclasses import dataclass

import tensorflow as tf

from hrs_keras.data.audit import Audit
from hrs_keras.method.trainer import Trainer
from hrs_keras.recipe import Recipe
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.signals import StopRequest
from hrs_keras.training.distribution import Distribution
from hrs_keras.training.events import event_writer


@dataclass(frozen=True)
class Session:
    """A run in progress, as one process sees it.

    Attributes:
        recipe: what is run.
        folder: where the run keeps what it writes; the chief alone writes there.
        data: the audit of its data, and the samples that it uses.
        trainer: what is trained, restored to the step that the run goes on from.
        checkpoints: of the trainer.
        distribution: the devices, and this process's place among the workers.
        stop: whether this process was told to end.
        first: how many steps of the run were taken before this session.
    """

    recipe: Recipe
    folder: RunFolder
    data: Audit
    trainer: Trainer
    checkpoints: Checkpoints
    distribution: Distribution
    stop: StopRequest
    first: int

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.distribution.chief

    @property
    def steps(self) -> int:
        """How many steps the run has in all."""
        return self.recipe.train.steps

    def validates(self, step: int) -> bool:
        """Whether a validation is due after ``step`` steps."""
        return step % self.recipe.train.validate_every == 0 or step == self.steps

    def lacks_validation(self) -> bool:
        """Whether the step that the run goes on from still wants its validation: on all workers as the chief finds."""
        lacking = self.validates(self.first) and not self.folder.evaluation_file(self.first).is_file()
        return bool(self.distribution.gather(int(lacking))[0])

    def summary_writer(self) -> tf.summary.SummaryWriter:
        """Writer of the run's TensorBoard events; on workers other than the chief it writes nothing."""
        if not self.chief:
            return tf.summary.create_noop_writer()
        untouched = not self.first and not self.folder.evaluation_file(0).is_file()
        return event_writer(self.folder.tensorboard, begin=0 if untouched else self.first + 1)
