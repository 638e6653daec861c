"""Predictions of several systems beside each other (the paper's Fig. 5), drawn from the run folders."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from hrs_keras.data.audit import usable_samples
from hrs_keras.data.shown import samples
from hrs_keras.errors import CheckpointError, DataError, HRSError
from hrs_keras.experiments.grid import Cell, settings_digest
from hrs_keras.experiments.statistics import Measurements
from hrs_keras.media.painting import to_uint8
from hrs_keras.media.panels import prediction_panel
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import writing

COUNT = 4
"""How many validation images are shown."""

_MADE_OF = "hrs-runs"  # the key of the PNG's metadata that says which runs it shows


def _chosen_cells(measured: Measurements) -> dict[str, Cell]:
    """System title -> the cell whose predictions are shown: the system's first seed, in the last cell of each axis."""
    last = measured.combinations()[-1]
    rows = {name: measured.rows[name, last] for name in measured.experiment.pictures}
    return {row.system.title: next(iter(row.planned.values())) for row in rows.values()}


def check_pictures(measured: Measurements) -> None:
    """Refuse systems in ``experiment.pictures`` that do not predict the same images.

    Raises:
        HRSError: two of them differ in their size or validation data.
    """
    data = [cell.recipe.data for cell in _chosen_cells(measured).values()]
    if any((other.size, other.validation) != (data[0].size, data[0].validation) for other in data[1:]):
        raise HRSError(
            f"{measured.experiment.path}: pictures: the systems differ in data.size or data.validation; list only"
            " systems that see the same images"
        )


@dataclass(frozen=True)
class Predictions:
    """What several systems predict for the same images.

    Attributes:
        images: [N, H, W, 3] uint8.
        labels: [N, H, W] train ids, 255 = ignore.
        predicted: system title -> [N, H, W] train ids.
        titles: a name for each image.
    """

    images: np.ndarray
    labels: np.ndarray
    predicted: dict[str, np.ndarray]
    titles: list[str]


def draw_side_by_side(measured: Measurements, path: Path, runs: Path) -> tuple[Path | None, str]:
    """Draw the same few validation images, their labels and what each system of ``experiment.pictures`` predicts.

    An earlier picture of the same runs is kept: results outlive their run folders.

    Args:
        measured: the experiment and its results, which give the folders' names of runs that another experiment made.
        path: the PNG to write.
        runs: the folder with the run folders.

    Returns:
        The PNG's path, or None if there is none; and a note that says what it shows or why there is none, which is
        empty without ``experiment.pictures``.

    Raises:
        HRSError: the picture cannot be written.
    """
    experiment = measured.experiment
    if not experiment.pictures:
        return None, ""
    cells = _chosen_cells(measured)
    made_of = " ".join(cell.digest for cell in cells.values()) + f" {experiment.checkpoint}"
    if not _drawn_of(path, made_of):
        if why := missing(measured, runs):
            return None, f"No predictions side by side: {why}."
        try:
            shown = predict_samples(measured, runs)
        except (CheckpointError, DataError) as error:  # the tables are of use without the picture
            return None, f"No predictions side by side: {str(error).splitlines()[0]}."
        panel = prediction_panel(shown.images, shown.labels, shown.predicted, measured.space, shown.titles)
        with writing(path):
            panel.save(path, experiment.title, {_MADE_OF: made_of})
    seeds = " and ".join(map(str, sorted({cell.seed for cell in cells.values()})))
    where = "".join(f", {axis.title}: {axis.cells[-1].name}" for axis in experiment.axes)
    made_by = f"the runs with seed {seeds}{where}, {experiment.checkpoint} checkpoint"
    return path, f"Evenly spaced validation images at the size of training; {made_by}."


def predict_samples(measured: Measurements, runs: Path) -> Predictions:
    """Have the systems of ``experiment.pictures`` predict a few evenly spaced validation images.

    Args:
        measured: the experiment and its results.
        runs: the folder with the run folders.

    Raises:
        CheckpointError: a run folder holds no checkpoint, or a damaged one.
        DataError: the validation images cannot be read.
    """
    recipe = next(iter(_chosen_cells(measured).values())).recipe
    images, labels, titles = samples(recipe, usable_samples(recipe, "validation"), COUNT)
    predicted = {
        title: _predict(run, measured.experiment.checkpoint, images) for title, run in _folders(measured, runs).items()
    }
    return Predictions(to_uint8(images), labels, predicted, titles)


def _folders(measured: Measurements, runs: Path) -> dict[str, RunFolder]:
    """System title -> the folder of the run whose predictions are shown.

    Experiments share runs: a folder has the name that the first of them gave it, and its result tells that name.
    """
    folders = {}
    for title, cell in _chosen_cells(measured).items():
        result = measured.rows[cell.system, cell.cells].results.get(cell.seed)
        folders[title] = RunFolder(runs / (result.name if result else cell.name))
    return folders


def missing(measured: Measurements, runs: Path) -> str:
    """Which runs or data the picture lacks; empty if none."""
    cells = _chosen_cells(measured)
    names = [
        f"`{run.path.name}`" for title, run in _folders(measured, runs).items() if not _is_finished(run, cells[title])
    ]
    if names:
        return f"no folder of a finished run {', '.join(names)}"
    data = next(iter(cells.values())).recipe.data
    return "" if data.prepared or Path(data.root).is_dir() else "the data is not there"


def _is_finished(run: RunFolder, cell: Cell) -> bool:
    """Whether this is the folder of the cell's run, and that has finished."""
    return run.result_file.is_file() and run.recipe_file.is_file() and settings_digest(run.recipe()) == cell.digest


def _predict(run: RunFolder, which: str, images: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] float32 in [-1, 1] -> [N, H, W] train ids; one image at a time, to fit where training did."""
    segmenter, _ = load_segmenter(run, which)
    logits = [segmenter(image[np.newaxis], training=False)["logits"] for image in images]
    return np.concatenate([np.argmax(keras.ops.convert_to_numpy(one), axis=-1) for one in logits])


def _drawn_of(path: Path, made_of: str) -> bool:
    try:
        with Image.open(path) as image:
            return image.info.get(_MADE_OF) == made_of
    except OSError:  # none yet, or no picture
        return False
