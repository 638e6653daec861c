"""Exporting a run's weights."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras

from hrs_keras.errors import HRSError
from hrs_keras.export.format import load_format
from hrs_keras.export.portable import export_portable
from hrs_keras.export.record import Origin
from hrs_keras.export.saved_model import export_saved_model
from hrs_keras.export.signatures import MAX_PIXELS
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.evaluation_record import EvaluationRecord
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import read_json
from hrs_keras.system.processor import computes_in

log = logging.getLogger(__name__)

SAVED_MODEL = "saved_model"
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ExportOptions:
    """What :func:`export_run` writes, and where.

    Attributes:
        format: ``"saved_model"``, or the name of another export format, such as ``"onnx"``.
        which: ``"best"`` or ``"last"``, the run's checkpoint.
        version: None for one more than the highest there is.
        out: the folder of the versions. By default ``SAVED_MODELS/NAME``, and ``SAVED_MODELS/NAME-FORMAT`` for other
            formats: a model server that watches a folder must find one kind of model in it.
        max_pixels: of SavedModels alone: larger images are refused when the model is served; None for 2**24.
        precision: of SavedModels alone: what they compute in, ``"float32"``, ``"bfloat16"`` (with VGG16 several times
            as quick on processors that have instructions for it; other answers at some pixels; see docs/formats.md), or
            None for what the run was trained in. Weights are stored as float32 in any case.

    Raises:
        HRSError: other formats are told what is for SavedModels alone, or there is no such precision.
    """

    format: str = SAVED_MODEL
    which: Literal["best", "last"] = "best"
    version: int | None = None
    out: str | Path | None = None
    max_pixels: int | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.format != SAVED_MODEL:
            told = {"max_pixels": self.max_pixels, "precision": self.precision}
            for name in (name for name, value in told.items() if value is not None):
                raise HRSError(f"{name} is for SavedModels; {self.format} files hold the network alone, in float32")
        if self.precision not in (None, *PRECISIONS):
            raise HRSError(f"precision {self.precision}: a SavedModel computes in {' or '.join(PRECISIONS)}")


def exports_folder(recipe: Recipe) -> Path:
    """The folder of a recipe's SavedModels, one subfolder a version."""
    return Path(recipe.saved_models) / recipe.name


def export_run(run_dir: str | Path, options: ExportOptions | None = None) -> Path:
    """Export a run's weights as a SavedModel, or to another runtime's format.

    Args:
        run_dir: the run folder.
        options: see :class:`ExportOptions`.

    Returns:
        The SavedModel's folder, or the file of another format.

    Raises:
        HRSError: see :func:`hrs_keras.runs.loading.load_segmenter`,
            :func:`hrs_keras.export.saved_model.export_saved_model` and
            :func:`hrs_keras.export.portable.export_portable`.
    """
    run, options = RunFolder(Path(run_dir)), options or ExportOptions()
    if options.format != SAVED_MODEL:
        load_format(options.format).require_writable()  # before the wait for the weights
    segmenter, origin = _load_origin(run, options)
    folder = exports_folder(origin.recipe)
    if options.format != SAVED_MODEL:
        folder = Path(options.out or f"{folder}-{options.format}")
        return export_portable(segmenter, origin, folder, options.format, options.version)
    if computes_in(dtype := segmenter.compute_dtype) is False:
        log.info("this processor has no instructions for %s: expect the export to be slow here", dtype)
    max_pixels = MAX_PIXELS if options.max_pixels is None else options.max_pixels
    folder = Path(options.out or folder)
    return export_saved_model(segmenter, origin, folder, options.version, max_pixels=max_pixels)


def _load_origin(run: RunFolder, options: ExportOptions) -> tuple[keras.Model, Origin]:
    """Load E+S of a run, and what an export of it tells about its making.

    Raises:
        CheckpointError: see :func:`hrs_keras.runs.loading.load_segmenter`.
    """
    segmenter, step = load_segmenter(run, options.which, options.precision)
    # There may be no evaluation of the "last" step, and none on test images: then this gives None.
    measured = (read_json(file, EvaluationRecord) for file in (run.evaluation_file(step), run.test_file(step)))
    return segmenter, Origin(run.recipe(), step, *measured)
