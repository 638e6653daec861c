"""A whole run: audit, train, evaluate, export. Running it again goes on where it ended."""

import contextlib
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from hrs_keras.data.audit import audit
from hrs_keras.data.drawing import describe_drawing
from hrs_keras.errors import CheckpointError, DataError, PreemptedError, RecipeError, RerunError
from hrs_keras.method.trainer import build_trainer
from hrs_keras.models import build_networks
from hrs_keras.models.global_state import lacks_instructions, precision_policy, settle_keras
from hrs_keras.recipe import Recipe
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.data import DataCheck
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.initial import InitialWeights
from hrs_keras.system.signals import StopRequest, breaking_off
from hrs_keras.training.announcement import announce
from hrs_keras.training.distribution import Distribution, distribute
from hrs_keras.training.loop import run_steps
from hrs_keras.training.outcome import TrainResult, check_export, finish
from hrs_keras.training.session import Session

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    *,
    fresh: bool = False,
    export: bool = True,
    profile: range | None = None,
    devices: str | None = None,
) -> TrainResult | None:
    """Run a recipe from its data to an evaluated, exported model; go on where an earlier call was cut off.

    With ``deterministic: true`` TensorFlow's operations stay deterministic afterwards, for the rest of the process.

    Args:
        recipe: from :func:`hrs_keras.load_recipe`.
        fresh: remove an earlier run of this name first.
        export: also write the best weights as a SavedModel.
        profile: steps, counted from 1, to write a trace of for TensorBoard's profiler.
        devices: what to train on; see :func:`hrs_keras.training.distribution.distribute`.

    Returns:
        What the run left; None on the workers of a cluster that are not its chief.

    Raises:
        PreemptedError: SIGTERM came; what was trained is saved.
        KeyboardInterrupt: after Ctrl-C. The first, while steps are taken, saves them; a second loses those since the
            last checkpoint.
        WorkerLostError: another worker of the cluster ended or cannot be reached.
        HRSError: something the user can fix; nothing already saved is lost.
    """
    if profile is not None and not (profile and profile.start >= 1 and profile[-1] <= recipe.train.steps):
        found = f"{profile.start}:{profile.stop - 1}"
        raise RecipeError(f"profile: wants steps from 1 to {recipe.train.steps} (train.steps), found {found}")
    settle_keras()  # before the audit, which may take long
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()
    distribution = distribute(recipe, devices)
    warn_of_slow_precision(recipe)
    # Not sooner: TensorFlow has a handler of its own for workers.
    with breaking_off(signal.SIGTERM, signal.SIGINT) as stop:
        try:
            with _session(recipe, distribution, stop, fresh, export) as session:
                run_steps(session, profile)
                result = finish(session, export) if session.chief else None
                distribution.leave()
                return result
        except BaseException as error:
            # Where the signal's KeyboardInterrupt passes through TensorFlow's C++ code another error comes out.
            if stop.by_user and (stop.raised or isinstance(error, PreemptedError | BrokenPipeError)):
                if isinstance(error, PreemptedError):
                    with contextlib.suppress(OSError):  # of a pipe, whose reader may have ended by the same Ctrl-C
                        log.info("stopped %s", error.when)
                raise KeyboardInterrupt from None
            if stop.raised and not isinstance(error, RerunError):
                raise PreemptedError("before the first step or after the last") from None
            raise


@contextmanager
def _session(
    recipe: Recipe, distribution: Distribution, stop: StopRequest, fresh: bool, export: bool
) -> Iterator[Session]:
    """Audit the data, build the networks, claim the run folder, and go back to the newest checkpoint."""
    folder = RunFolder(recipe.run_dir)
    with contextlib.ExitStack() as stack:
        again = "start all workers again, without --fresh; they go on from the newest checkpoint in"
        stack.enter_context(distribution.lost_workers(f"{again} {folder.checkpoints}"))
        if distribution.chief:
            folder.check(recipe, fresh=fresh)
            if export:
                check_export(recipe, fresh)
        else:
            log.info("worker %d of %d: progress is on the chief's terminal", distribution.worker, distribution.workers)
            stack.enter_context(_quiet())
        # A run that has begun needs the weights that it began with no more.
        initial = InitialWeights.of(recipe) if fresh or not folder.steps_taken else None
        data = audit(recipe)
        log.info("\n".join([data.table(), *describe_drawing(recipe, data.sets)]))
        same_data = DataCheck(folder, recipe, data, fresh)
        _refuse_different_data(distribution, same_data.number)
        with distribution.strategy.scope(), precision_policy(recipe):
            trainer = build_trainer(recipe, build_networks(recipe), data.sets)
            begun_with = initial.load(trainer) if initial else None
        # Only now, when data and weights are known to be fit: a first try with a wrong key leaves nothing behind that
        # would refuse the second, and --fresh removes nothing that could not be replaced.
        if distribution.chief:
            stack.enter_context(folder.locked())
            folder.claim(recipe, fresh=fresh)
        distribution.gather(0)  # until the chief has the folder, and has removed what --fresh removes
        checkpoints = Checkpoints(trainer, folder.checkpoints, recipe.train.keep_checkpoints)
        checkpoints.restore()
        session = Session(recipe, folder, data, trainer, checkpoints, distribution, stop, first=int(trainer.step))
        if session.chief:
            checkpoints.sweep()
            folder.take_up(recipe, session.first)
            same_data.note(session.first, ended=session.first >= session.steps)
            if begun_with:
                folder.note(session.first, {"init_from": begun_with})
        _refuse_different_steps(session)
        if session.first >= session.steps:
            log.info("%s is trained already", folder.path)
        elif session.first:
            log.info("resuming %s at step %d of %d", folder.path, session.first, session.steps)
        if session.first < session.steps:
            log.info("\n".join(announce(trainer, recipe)))
        yield session


def warn_of_slow_precision(recipe: Recipe) -> None:
    """Log a warning where the networks would compute, on a CPU, in what it has no instructions for."""
    dtype = recipe.precision.removeprefix("mixed_")
    if lacks_instructions(dtype):
        log.warning(
            "precision: %s: this processor has no instructions for %s, so expect steps to take longer than in float32"
            " (precision=float32)",
            recipe.precision,
            dtype,
        )


def _refuse_different_data(distribution: Distribution, number: int) -> None:
    """Raise a DataError if not all workers have the same samples: each would read another part of other batches."""
    if len(set(distribution.gather(number).tolist())) > 1:
        raise DataError(
            "the workers have different data: names, sizes, or the pixels of a class differ; give all of them the same"
            " files in data.root"
        )


def _refuse_different_steps(session: Session) -> None:
    """Raise a CheckpointError if not all workers found the same newest checkpoint."""
    found = set(session.distribution.gather(session.first).tolist())
    if len(found) > 1:
        raise CheckpointError(
            f"the workers' newest checkpoints in {session.folder.checkpoints} are of different steps ({sorted(found)}):"
            " the run folder must be one that all workers share; set runs=FOLDER"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Log warnings only: the chief logs the rest, which would be the same on every worker."""
    logger = logging.getLogger("hrs_keras")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
