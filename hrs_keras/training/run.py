"""A whole run: audit, train, evaluate, export. Running it again resumes it."""

import contextlib
import functools
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.data.audit import Audit, audit
from hrs_keras.data.pipeline import training_batches
from hrs_keras.data.records import reading
from hrs_keras.errors import CheckpointError, HRSError, PreemptedError, RecipeError, RerunError, reason
from hrs_keras.evaluation.evaluator import evaluate
from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.export.record import Origin
from hrs_keras.export.run import exports_folder
from hrs_keras.export.saved_model import export_saved_model, find_export
from hrs_keras.method.joint import JointTrainer
from hrs_keras.method.pixelda import PixelDATrainer
from hrs_keras.method.players import Trainer
from hrs_keras.models import build_networks
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import read_json, write_json, writing
from hrs_keras.system.signals import Told, breaking_off
from hrs_keras.training.callbacks import Log, Profile, Save, StopOnNonFinite, Validate, lacks_validation
from hrs_keras.training.distribution import Distribution, distribute


@dataclass(frozen=True)
class TrainResult:
    """What a finished run leaves.

    Attributes:
        run_dir: its folder.
        step: the step whose weights were best on the validation set.
        miou: their mean IoU over the whole label space, in [0, 1].
        saved_model: the exported version's folder; None where none was asked for.
    """

    run_dir: Path
    step: int
    miou: float
    saved_model: Path | None


TRAINERS = {"joint": JointTrainer, "pixelda": PixelDATrainer}


def train(
    recipe: Recipe,
    *,
    fresh: bool = False,
    export: bool = True,
    profile: range | None = None,
    devices: str | None = None,
) -> TrainResult | None:
    """Run a recipe from its data to an evaluated, exported model; take up where an earlier call was cut off.

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
        WorkerLostError: another worker of the cluster ended or cannot be reached.
        HRSError: something the user can mend; nothing already saved is lost.
    """
    if profile is not None and not (profile and profile.start >= 1 and profile[-1] <= recipe.train.steps):
        found = f"{profile.start}:{profile.stop - 1}"
        raise RecipeError(f"profile: wants steps from 1 to {recipe.train.steps} (train.steps), found {found}")
    configure(recipe)
    distribution = distribute(recipe, devices)
    # Not sooner: TensorFlow has a handler of its own for workers.
    with breaking_off(signal.SIGTERM) as told:
        try:
            return _train(recipe, fresh, export, profile, distribution, told)
        except BaseException as error:
            # Where the signal's KeyboardInterrupt passes through TensorFlow's C++ another error comes out.
            if told.raised and not isinstance(error, RerunError):
                raise PreemptedError("before the first step or after the last") from None
            raise


def _train(
    recipe: Recipe, fresh: bool, export: bool, profile: range | None, distribution: Distribution, told: Told
) -> TrainResult | None:
    run = RunFolder(recipe.run_dir)
    mend = f"start all workers again, without --fresh; they go on from the newest checkpoint in {run.checkpoints}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(distribution.lost_workers(mend))
        if not distribution.chief:
            print(f"worker {distribution.worker} of {distribution.workers}: progress is on the chief's terminal")
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        else:
            run.check(recipe, fresh=fresh)
        checked = audit(recipe)
        print(checked.table(), flush=True)
        with distribution.strategy.scope():
            trainer = TRAINERS[recipe.method.trainer](recipe, build_networks(recipe))
        # Only now, when data and weights are known to be fit: a first try with a wrong key leaves nothing behind that
        # would refuse the second, and --fresh removes nothing that could not be replaced.
        if distribution.chief:
            stack.enter_context(run.locked())
            run.claim(recipe, fresh=fresh)
            with writing(run.audit_file):
                write_json(run.audit_file, checked.to_dict())
        checkpoints = _restore(recipe, run, trainer, distribution)
        _fit(recipe, run, trainer, checkpoints, checked, profile, distribution, told)
        result = _finish(recipe, run, trainer, checked, export) if distribution.chief else None
        distribution.leave()
        return result


def _restore(recipe: Recipe, run: RunFolder, trainer: Trainer, distribution: Distribution) -> Checkpoints:
    """Go back to the newest checkpoint, if there is one: on all workers to the same."""
    distribution.gather(0)  # until the chief has the folder, and has removed what --fresh removes
    checkpoints = Checkpoints(trainer, run.checkpoints, recipe.train.keep_checkpoints)
    restored = checkpoints.restore()
    if distribution.chief:
        checkpoints.sweep()
    step, steps = int(trainer.step), recipe.train.steps
    if len(found := set(distribution.gather(step).tolist())) > 1:
        raise CheckpointError(
            f"the workers' newest checkpoints in {run.checkpoints} are of different steps ({sorted(found)}): the run"
            " folder must be one that all workers share; set runs=FOLDER"
        )
    if restored:
        print(
            f"resuming {run.path} at step {step} of {steps}" if step < steps else f"{run.path} is trained already",
            flush=True,
        )
    return checkpoints


def configure(recipe: Recipe) -> None:
    """Set what is global in Keras and TensorFlow: precision and determinism."""
    keras.config.set_dtype_policy(recipe.precision)
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()


def _fit(
    recipe: Recipe,
    run: RunFolder,
    trainer: Trainer,
    checkpoints: Checkpoints,
    checked: Audit,
    profile: range | None,
    distribution: Distribution,
    told: Told,
) -> None:
    first = int(trainer.step)
    # As the chief finds it, on all workers.
    lacking = bool(distribution.gather(int(lacks_validation(recipe, run, first)))[0])
    if first >= recipe.train.steps and not lacking:
        return
    writer = tf.summary.create_noop_writer()
    if distribution.chief:
        if first < recipe.train.steps:
            run.note_environment()
        with writing(run.tensorboard):
            writer = tf.summary.create_file_writer(str(run.tensorboard))
    # In this order: nothing is saved or validated after a step that broke; the best checkpoint exists before the
    # newest one says that its step is done.
    validate = Validate(recipe, run, checked.sets, checkpoints, writer, first, lacking, chief=distribution.chief)
    callbacks = [
        StopOnNonFinite(first, checkpoints),
        *([Profile(first, profile, run)] if profile and distribution.chief else []),
        Log(first, recipe, run, writer, chief=distribution.chief),
        validate,
        Save(first, recipe, checkpoints, chief=distribution.chief),
    ]
    try:
        trainer.told = told
        with told.noting(), reading():
            for phase in recipe.phases:
                if (begin := max(first, phase.first)) < phase.stop:
                    steps = phase.stop - begin
                    batches = distribution.strategy.distribute_datasets_from_function(
                        functools.partial(training_batches, recipe, checked.sets, begin)
                    )
                    trainer.fit(batches, epochs=1, steps_per_epoch=steps, callbacks=callbacks, shuffle=False, verbose=0)
            if first >= recipe.train.steps:
                validate.set_model(trainer)
                validate.on_train_begin()
            if told():  # while the last step was being saved
                raise PreemptedError(f"after the last step: saved {checkpoints.latest}")
    except tf.errors.ResourceExhaustedError:
        raise HRSError(
            "out of memory: lower train.batch_size or data.size, or set precision: mixed_bfloat16; the last"
            f" checkpoint is {checkpoints.latest or '(none yet)'}"
        ) from None
    finally:
        checkpoints.close()
        try:
            writer.close()
        except tf.errors.OpError as error:  # which must not hide why the run ends
            print(f"warning: cannot write {run.tensorboard}: {reason(error)}", flush=True)


def _finish(recipe: Recipe, run: RunFolder, trainer: Trainer, checked: Audit, export: bool) -> TrainResult:
    """Evaluate and export the best weights, unless an earlier call got that far."""
    done = read_json(run.result_file)
    if done is None or (export and not (done["saved_model"] and Path(done["saved_model"]).is_dir())):
        segmenter, step = _load_best(run)
        result = evaluate(recipe, segmenter, checked.sets["validation"])
        print(f"best checkpoint, step {step}:\n{result.table()}", flush=True)
        folder = _export_once(recipe, segmenter, step, result) if export else None
        done = {"step": step, "miou": result.miou, "saved_model": folder and str(folder), **result.to_dict()}
        done["baselines"] = _baselines(run, checked, result)
        done["parameters"] = {player.name: player.parameters for player in trainer.players}
        with writing(run.result_file):
            write_json(run.result_file, done)
    others = "".join(f", {name} {100 * miou:.2f} %" for name, miou in done["baselines"].items())
    print(f"mean IoU over {len(done['iou'])} classes: trained {100 * done['miou']:.2f} %{others}")
    exported = f"\nSavedModel {done['saved_model']}" if done["saved_model"] else ""
    print(f"run folder {run.path}{exported}", flush=True)
    return TrainResult(run.path, done["step"], done["miou"], Path(done["saved_model"]) if exported else None)


def _export_once(recipe: Recipe, segmenter: keras.Model, step: int, result: Evaluation) -> Path:
    """The call that was cut off may have exported, but not have come to note it."""
    folder = find_export(segmenter, exports_folder(recipe))
    return folder or export_saved_model(segmenter, Origin(recipe, step, result.to_dict()), exports_folder(recipe))


def _baselines(run: RunFolder, checked: Audit, result: Evaluation) -> dict[str, float]:
    """Mean IoU of what knows nothing of the images: an untrained network, and the commonest target class everywhere."""
    space = result.space
    targets = [dataset.pixels for dataset in checked.datasets if dataset.role == "target"]
    commonest = int(np.argmax([sum(pixels[name] for pixels in targets) for name in space.classes]))
    matrix = np.zeros_like(result.matrix)
    matrix[:, commonest] = result.matrix.sum(1)  # the labels that were evaluated on, one class predicted
    everywhere = {f"{space.classes[commonest]!r} everywhere": Evaluation(matrix, space, result.images).miou}
    untrained = read_json(run.evaluation_file(0))  # None if somebody removed it
    return ({"untrained": next(iter(untrained["mean_iou"].values()))} if untrained else {}) | everywhere


def _load_best(run: RunFolder) -> tuple[keras.Model, int]:
    try:
        return load_segmenter(run)
    except CheckpointError as error:
        segmenter, step = load_segmenter(run, "last")
        print(f"warning: {error}\nthe newest checkpoint, of step {step}, is taken for the best", flush=True)
        return segmenter, step
