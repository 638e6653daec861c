"""The training loop: step, finite?, log, validate, save, told to stop?"""

import functools
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from hrs_keras.data.pipeline import suspects_of_steps, training_batches
from hrs_keras.data.reading import read
from hrs_keras.errors import HRSError, PreemptedError, reason
from hrs_keras.method.trainer import Trainer
from hrs_keras.system.files import writing
from hrs_keras.training.finite import refuse_non_finite
from hrs_keras.training.log import Log, Times
from hrs_keras.training.profile import Profile
from hrs_keras.training.saving import Saving
from hrs_keras.training.session import Session
from hrs_keras.training.validation import Validation

log = logging.getLogger(__name__)


def run_steps(session: Session, profile: range | None = None) -> None:
    """Take the steps that a run still has to take, with all that happens between them.

    Args:
        session: the run.
        profile: steps, counted from 1, to write a trace of.

    Raises:
        PreemptedError: a worker was told to stop; what was trained is saved.
        NonFiniteError: a loss, a gradient or a weight became NaN or infinite.
        HRSError: a sample cannot be read, something cannot be written, or the memory does not suffice.
    """
    lacking = session.lacks_validation()
    if session.first >= session.steps and not lacking:
        return
    if session.chief and session.first < session.steps:
        session.folder.note_environment()
    with _closing(session) as writer, session.stop.noting():
        validation, journal, saving = Validation(session, writer), Log(session, writer), Saving(session)
        tracing = Profile(session.folder.tensorboard, profile) if profile and session.chief else None
        if lacking and not validation.run(session.first):
            raise PreemptedError(f"while the weights of step {session.first}, which are saved, were validated")
        for step, (losses, told, times) in enumerate(_steps(session, tracing), session.first + 1):
            refuse_non_finite(step, losses, session)  # before anything is made of numbers that mean nothing
            if told:  # before the rest, which may fail: Ctrl-C may also have ended what reads this process's output
                saving.after_step(step, ending=True)
            journal.after_step(step, losses, times)
            if not told:
                # Before it is saved: what is saved is done with.
                told = session.validates(step) and not validation.run(step)
                saving.after_step(step, ending=told)
            if told:
                raise PreemptedError(f"after step {step}: {saving.where}")
        if session.stop():  # while the last step was being saved
            raise PreemptedError(f"after the last step: {saving.where}")


def _steps(session: Session, tracing: Profile | None) -> Iterator[tuple[dict[str, float], bool, Times]]:
    """Take the steps one after the other: what each gave, whether any worker was told to stop, how long it took."""
    take = StepFunction(session.trainer, session.distribution.strategy)
    for phase in session.recipe.phases:
        begin = max(session.first, phase.first)
        if begin >= phase.stop:
            continue
        suspects = suspects_of_steps(session.recipe, session.data.sets, begin)
        batches = read(_batches(session, begin), session.recipe, suspects)
        for step in range(begin + 1, phase.stop + 1):
            if tracing:
                tracing.before_step(step)
            # The first step of a phase includes tracing its graph.
            times = Times(counted=step > begin + 1)
            batch = next(batches)
            times.input_is_there()
            losses, told = take(batch, session.stop())
            times.step_is_taken()
            if tracing:
                tracing.after_step(step)
            # One worker need not agree with others, and spares the next step.
            yield losses, told or (session.distribution.workers == 1 and session.stop()), times


def _batches(session: Session, begin: int) -> Iterable[Any]:
    """The batches of the steps from ``begin`` on, each replica's own."""
    batches = functools.partial(training_batches, session.recipe, session.data.sets, begin)
    return session.distribution.strategy.distribute_datasets_from_function(batches)


class StepFunction:
    """Takes a step on all replicas of all workers.

    Args:
        trainer: whose ``train_step`` it is.
        strategy: that it was built under.
    """

    def __init__(self, trainer: Trainer, strategy: tf.distribute.Strategy):
        self._trainer, self._strategy = trainer, strategy
        self._traced = tf.function(self._of_all_replicas, autograph=False)

    def __call__(self, batch: Any, told: bool) -> tuple[dict[str, float], bool]:
        """Take a step.

        Args:
            batch: of all replicas of this worker.
            told: whether this worker was told to stop.

        Returns:
            What ``train_step`` gave, as the mean over all replicas; whether any worker was told to stop: all learn of
            it in the same step.
        """
        means = self._traced(batch, tf.constant(float(told)))
        logs = {name: float(value) for name, value in means.items()}
        return logs, logs.pop("told") > 0

    def _of_all_replicas(self, batch: Any, told: tf.Tensor) -> dict[str, tf.Tensor]:
        names: list[str] = []

        def step(batch: Any) -> tf.Tensor:
            logs = self._trainer.train_step(batch) | {"told": told}
            names[:] = logs
            return tf.stack(list(logs.values()))  # one reduction over the network, not one for each scalar

        means = self._strategy.reduce("MEAN", self._strategy.run(step, args=(batch,)), axis=None)
        return dict(zip(names, tf.unstack(means, len(names)), strict=True))


@contextmanager
def _closing(session: Session) -> Iterator[tf.summary.SummaryWriter]:
    """A writer of TensorBoard events. However the loop ends, writer and checkpoints are closed."""
    with writing(session.folder.tensorboard):
        writer = session.summary_writer()
    try:
        yield writer
    except tf.errors.ResourceExhaustedError:
        raise HRSError(
            "out of memory: lower train.batch_size or data.size, raise train.accumulate, or set precision:"
            " mixed_bfloat16; each makes it another run, which wants a name of its own, name=NAME; the last checkpoint"
            f" is {session.checkpoints.latest or '(none yet)'}"
        ) from None
    finally:
        session.checkpoints.close()
        try:
            writer.close()
        except tf.errors.OpError as error:  # which must not hide why the run ends
            log.warning("cannot write %s: %s", session.folder.tensorboard, reason(error))
