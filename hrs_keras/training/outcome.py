"""What a run leaves when its steps are taken: the best weights, evaluated and exported."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from pydantic import BaseModel

from hrs_keras.errors import CheckpointError
from hrs_keras.evaluation.evaluator import evaluate
from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.export.record import Origin, check_same_model
from hrs_keras.export.run import exports_folder
from hrs_keras.export.saved_model import export_saved_model, find_export
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.evaluation_record import EvaluationRecord
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import read_json, refuse_unwritable, write_json, writing
from hrs_keras.training.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """What a finished run leaves.

    Attributes:
        run_dir: its folder.
        step: the step whose weights were best on the validation set.
        miou: their mean IoU on the validation set, over the whole label space, in [0, 1].
        saved_model: the exported version's folder; None where none was asked for.
        test_miou: the same weights' mean IoU on the test set; None where the recipe has none, or it has no label.
    """

    run_dir: Path
    step: int
    miou: float
    saved_model: Path | None
    test_miou: float | None = None


class _ExportRecord(BaseModel):
    """What ``result.json`` tells of the export."""

    saved_model: str | None


class _ResultRecord(_ExportRecord, EvaluationRecord):
    """``result.json``, as far as it is relied on."""

    step: int
    miou: float
    baselines: dict[str, float]
    test: EvaluationRecord | None = None


def check_export(recipe: Recipe, fresh: bool) -> None:
    """See, before the first step, that :func:`finish` will be able to export.

    Args:
        recipe: the run's.
        fresh: an earlier run will be removed first.

    Raises:
        HRSError: the folder for the export cannot be written or holds versions of another model, and the run has not
            come to its end and export yet.
    """
    folder = RunFolder(recipe.run_dir)
    ended = not fresh and folder.steps_taken >= recipe.train.steps
    if not (ended and _is_exported(recipe, read_json(folder.result_file, _ExportRecord))):
        refuse_unwritable(exports_folder(recipe), "export", "saved_models")
        check_same_model(exports_folder(recipe), recipe)


def _is_exported(recipe: Recipe, done: dict[str, Any] | None) -> bool:
    """Whether a run's result names an export that is there, and where the recipe wants it."""
    saved_model = Path(done["saved_model"]) if done and done["saved_model"] else None
    if saved_model is None or not saved_model.is_dir():
        return False
    return saved_model.resolve().parent == exports_folder(recipe).resolve()


def finish(session: Session, export: bool) -> TrainResult:
    """Evaluate and export the best weights, unless an earlier call got that far.

    The best are those with the highest mean IoU of all validations of the run; where their checkpoint cannot be read,
    the newest stand in for them, with a warning. These weights alone, and they once, meet the test images.

    Args:
        session: the run, all of whose steps are taken.
        export: also write a SavedModel.

    Raises:
        HRSError: no checkpoint can be read, or something cannot be written.
    """
    folder = session.folder
    done = read_json(folder.result_file, _ResultRecord)
    if done is None or (export and not _is_exported(session.recipe, done)):
        done = _evaluate_and_export(session, export)
        with writing(folder.result_file):
            write_json(folder.result_file, done)
    others = "".join(f", {name} {100 * miou:.2f} %" for name, miou in done["baselines"].items())
    log.info("mean IoU over %d classes: trained %.2f %%%s", len(done["iou"]), 100 * done["miou"], others)
    test_miou = next(iter(done["test"]["mean_iou"].values())) if done.get("test") else None
    if test_miou is not None:
        log.info("on the test images: %.2f %%", 100 * test_miou)
    saved_model = Path(done["saved_model"]) if done["saved_model"] else None
    log.info("run folder %s%s", folder.path, f"\nSavedModel {saved_model}" if saved_model else "")
    return TrainResult(folder.path, done["step"], done["miou"], saved_model, test_miou)


def _evaluate_and_export(session: Session, export: bool) -> dict[str, Any]:
    segmenter, step = _load_best(session.folder)
    result = evaluate(session.recipe, segmenter, session.data.sets["validation"])
    log.info("best checkpoint, step %d, on the validation images:\n%s", step, result.table())
    tested = _test_once(session, segmenter, step)
    saved_model = None
    if export:
        exports = exports_folder(session.recipe)
        # A call that was cut off may have exported these weights, but not have come to note it.
        saved_model = find_export(segmenter, exports) or export_saved_model(
            segmenter, Origin(session.recipe, step, result.to_dict(), tested), exports
        )
    done = {"step": step, "miou": result.miou, "saved_model": saved_model and str(saved_model), **result.to_dict()}
    done["baselines"] = _baselines(session, result)
    done["parameters"] = {player.name: player.parameters for player in session.trainer.players}
    return done | ({"test": tested} if tested else {})


def _test_once(session: Session, segmenter: keras.Model, step: int) -> dict[str, Any] | None:
    """The evaluation of the chosen weights on the test images as plain data; None of a recipe without any."""
    sets, file = session.data.sets.get("test"), session.folder.test_file(step)
    if not sets:
        return None
    if found := read_json(file, EvaluationRecord):
        return found
    result = evaluate(session.recipe, segmenter, sets)
    log.info("the same weights on the test images:\n%s", result.table())
    tested = {"step": step, **result.to_dict()}
    with writing(file):
        write_json(file, tested)
    return tested


def _known_pixels(session: Session) -> np.ndarray:
    """[C] how many pixels each class has in the target, or in the source where no label of the target is known."""
    data, classes = session.data, session.recipe.data.label_space.classes
    role = "target" if session.recipe.data.has_target_labels else "source"
    counted = [pairs.class_pixels for pairs in data.sets[role] if pairs.hidden and pairs.class_pixels]
    if counted:
        return np.sum([row[:-1] for rows in counted for row in rows], axis=0)
    reports = [report.pixels for report in data.datasets if report.role == role]
    return np.array([sum(pixels[name] for pixels in reports) for name in classes])


def _load_best(folder: RunFolder) -> tuple[keras.Model, int]:
    try:
        return load_segmenter(folder)
    except CheckpointError as error:
        segmenter, step = load_segmenter(folder, "last")
        log.warning("%s\nthe newest checkpoint, of step %d, is taken for the best", error, step)
        return segmenter, step


def _baselines(session: Session, result: Evaluation) -> dict[str, float]:
    """Mean IoU of the network before its first step, and of what knows nothing: the commonest target class everywhere.

    It is the commonest of the labels that are not hidden; of the source's where there are none. The network is
    untrained, unless the run began with another's weights.
    """
    space = result.space
    commonest = int(np.argmax(_known_pixels(session)))
    matrix = np.zeros_like(result.matrix)
    matrix[:, commonest] = result.matrix.sum(1)  # the labels that were evaluated on, one class predicted
    everywhere = {f"{space.classes[commonest]!r} everywhere": Evaluation(matrix, space, result.images).miou}
    first = read_json(session.folder.evaluation_file(0), EvaluationRecord)  # None if somebody removed it
    name = "at the first step" if session.recipe.train.init_from else "untrained"
    return ({name: next(iter(first["mean_iou"].values()))} if first else {}) | everywhere
