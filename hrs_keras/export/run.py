"""Exporting a run's weights."""

from pathlib import Path

import keras

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


def exports_folder(recipe: Recipe) -> Path:
    """The folder of a recipe's SavedModels, one subfolder a version."""
    return Path(recipe.saved_models) / recipe.name


def export_run(
    run_dir: str | Path,
    *,
    which: str = "best",
    version: int | None = None,
    out: str | Path | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Path:
    """Export a run's weights as a SavedModel; returns the version's folder.

    Args:
        run_dir: the run folder.
        which: ``"best"`` or ``"last"``, the checkpoint.
        version: None for one more than the highest there is.
        out: the folder of the versions; by default ``SAVED_MODELS/NAME``.
        max_pixels: larger images are refused when the model is served.

    Raises:
        HRSError: see :func:`load_segmenter` and :func:`hrs_keras.export.saved_model.export_saved_model`.
    """
    segmenter, origin = _load_origin(RunFolder(Path(run_dir)), which)
    folder = Path(out) if out else exports_folder(origin.recipe)
    return export_saved_model(segmenter, origin, folder, version, max_pixels=max_pixels)


def _load_origin(run: RunFolder, which: str) -> tuple[keras.Model, Origin]:
    """Load E+S of a run, and what an export of it tells about its making.

    Raises:
        CheckpointError: see :func:`hrs_keras.runs.loading.load_segmenter`.
    """
    segmenter, step = load_segmenter(run, which)
    # There may be no evaluation of the "last" step, and none on test images: then this gives None.
    measured = (read_json(file, EvaluationRecord) for file in (run.evaluation_file(step), run.test_file(step)))
    return segmenter, Origin(run.recipe(), step, *measured)


def export_run_portable(
    run_dir: str | Path, format: str, *, which: str = "best", version: int | None = None, out: str | Path | None = None
) -> Path:
    """Export a run's weights to another runtime's format; see :func:`export_portable`.

    Args:
        run_dir: the run folder.
        format: the name of an export format, such as ``"onnx"``.
        which: ``"best"`` or ``"last"``, the checkpoint.
        version: None for one more than the highest there is.
        out: the folder of the versions. By default ``SAVED_MODELS/NAME-FORMAT``, beside the SavedModels of
            ``SAVED_MODELS/NAME``: a model server that watches a folder must find one kind of model in it.

    Returns:
        The exported file.

    Raises:
        HRSError: see :func:`export_portable` and :func:`hrs_keras.runs.loading.load_segmenter`.
    """
    load_format(format).require_writable()  # before the wait for the weights
    segmenter, origin = _load_origin(RunFolder(Path(run_dir)), which)
    folder = Path(out) if out else Path(origin.recipe.saved_models) / f"{origin.recipe.name}-{format}"
    return export_portable(segmenter, origin, folder, format, version)
