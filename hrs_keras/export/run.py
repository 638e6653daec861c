"""Exporting a run's weights."""

import logging
from pathlib import Path

import keras

from hrs_keras.export.format import load_format
from hrs_keras.export.options import SAVED_MODEL, ExportOptions
from hrs_keras.export.portable import export_portable
from hrs_keras.export.record import Origin
from hrs_keras.export.saved_model import export_saved_model
from hrs_keras.export.signatures import MAX_PIXELS
from hrs_keras.models.global_state import lacks_instructions
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.evaluation_record import EvaluationRecord
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import read_json

log = logging.getLogger(__name__)


def exports_folder(recipe: Recipe) -> Path:
    """The folder of a recipe's SavedModels, one subfolder a version."""
    return Path(recipe.saved_models) / recipe.name


def export_run(run_dir: str | Path, options: ExportOptions | None = None) -> Path:
    """Export a run's weights as a SavedModel, or to another runtime's format.

    Args:
        run_dir: the run folder.
        options: see :class:`hrs_keras.export.options.ExportOptions`.

    Returns:
        The SavedModel's folder, or the file of another format.

    Raises:
        HRSError: see :func:`hrs_keras.runs.loading.load_segmenter`,
            :func:`hrs_keras.export.saved_model.export_saved_model` and
            :func:`hrs_keras.export.portable.export_portable`.
    """
    run, options = RunFolder(Path(run_dir)), options or ExportOptions()
    portable = options.format != SAVED_MODEL
    if portable:
        load_format(options.format).require_writable()  # before the wait for the weights
    segmenter, origin = _load_origin(run, options)
    folder = exports_folder(origin.recipe)
    if portable:
        folder = Path(options.out or f"{folder}-{options.format}")
        return export_portable(segmenter, origin, folder, options.format, options.version)
    if lacks_instructions(dtype := segmenter.compute_dtype):
        log.info("this processor has no instructions for %s: the SavedModel will be slow on this machine", dtype)
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
