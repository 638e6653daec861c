"""Predictions of several systems beside each other (the paper's Fig. 5), drawn from the run folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from hrs_keras.data.audit import usable_samples
from hrs_keras.errors import CheckpointError, DataError, HRSError
from hrs_keras.experiments.grid import Cell, settings_digest
from hrs_keras.experiments.statistics import Measurements
from hrs_keras.labels import LabelSpace
from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import prediction_panel
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import writing
from hrs_keras.training.pictures import samples

COUNT = 4
"""Validation images that are shown."""

_MADE_OF = "hrs-runs"  # the PNG's own record of the runs it shows


def chosen_cells(measured: Measurements) -> dict[str, Cell]:
    """System title -> the cell whose predictions are shown: of its first seed, in the last cell of each axis."""
    last = measured.combinations()[-1]
    rows = {name: measured.rows[name, last] for name in measured.experiment.pictures}
    return {row.system.title: next(iter(row.planned.values())) for row in rows.values()}


def check_pictures(measured: Measurements) -> None:
    """See that the systems of ``experiment.pictures`` predict the same images.

    Raises:
        HRSError: they do not.
    """
    data = [cell.recipe.data for cell in chosen_cells(measured).values()]
    if any((other.size, other.validation) != (data[0].size, data[0].validation) for other in data[1:]):
        raise HRSError(
            f"{measured.experiment.path}: pictures: the systems differ in data.size or data.validation; take those out"
            " of the list that do not see the same images"
        )


def draw_side_by_side(measured: Measurements, path: Path, runs: Path) -> tuple[Path | None, str]:
    """The same few validation images, their labels and what each system of ``experiment.pictures`` predicts.

    A picture that was drawn of the same runs is kept: results outlive their run folders.

    Args:
        measured: for the experiment and, for runs that another experiment made, their names.
        path: the PNG to write.
        runs: the folder with the run folders.

    Returns:
        The PNG's path, or None if there is none; a note that says what it shows or why there is none. Both are empty
        without ``experiment.pictures``.

    Raises:
        HRSError: the picture cannot be written.
    """
    if not measured.experiment.pictures:
        return None, ""
    cells = chosen_cells(measured)
    folders = {title: RunFolder(runs / _run_name(measured, cell)) for title, cell in cells.items()}
    made_of = " ".join(cell.digest for cell in cells.values()) + f" {measured.experiment.checkpoint}"
    if not _drawn_of(path, made_of):
        first = next(iter(cells.values())).recipe
        missing = [f"`{run.path.name}`" for title, run in folders.items() if not _there(run, cells[title])]
        if missing:
            return None, f"No predictions side by side: no folder of a finished run {', '.join(missing)}."
        if not first.data.prepared and not Path(first.data.root).is_dir():
            return None, "No predictions side by side: the data is not there."
        try:
            predicted = _predictions(measured, cells, folders)
        except (CheckpointError, DataError) as error:  # the tables are worth having without it
            return None, f"No predictions side by side: {str(error).splitlines()[0]}."
        with writing(path):
            heading = measured.experiment.title
            prediction_panel(*predicted).save(path, heading, {_MADE_OF: made_of})
    seeds = sorted({cell.seed for cell in cells.values()})
    where = "".join(f", {axis.title}: {axis.cells[-1].name}" for axis in measured.experiment.axes)
    shown = f"the runs with seed {' and '.join(map(str, seeds))}{where}, {measured.experiment.checkpoint} checkpoint"
    return path, f"Evenly spaced validation images at the size of training; {shown}."


def _run_name(measured: Measurements, cell: Cell) -> str:
    """Experiments share runs: the folder has the name that the first of them gave."""
    result = measured.rows[cell.system, cell.cells].results.get(cell.seed)
    return result["name"] if result else cell.name


def _there(run: RunFolder, cell: Cell) -> bool:
    """Whether this is the cell's run, and finished."""
    return run.result_file.is_file() and run.recipe_file.is_file() and settings_digest(run.recipe()) == cell.digest


def _predictions(
    measured: Measurements, cells: Mapping[str, Cell], folders: Mapping[str, RunFolder]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], LabelSpace, list[str]]:
    """Images, labels, what each system predicts, the classes, and the images' titles, as the panel wants them."""
    recipe = next(iter(cells.values())).recipe
    images, labels, titles = samples(recipe, usable_samples(recipe, "validation"), COUNT)
    predictions = {title: _predict(run, measured.experiment.checkpoint, images) for title, run in folders.items()}
    return to_uint8(images), labels, predictions, measured.space, titles


def _predict(run: RunFolder, which: str, images: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] float32 in [-1, 1] -> [N, H, W] train ids; one image at a time, as training's memory allows."""
    segmenter, _ = load_segmenter(run, which)
    logits: list[Any] = [segmenter(image[np.newaxis], training=False)["logits"] for image in images]
    return np.concatenate([np.argmax(keras.ops.convert_to_numpy(one), axis=-1) for one in logits])


def _drawn_of(path: Path, made_of: str) -> bool:
    try:
        with Image.open(path) as image:
            return image.info.get(_MADE_OF) == made_of
    except OSError:  # none yet, or no picture
        return False
