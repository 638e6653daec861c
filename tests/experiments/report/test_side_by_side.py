"""Predictions side by side, of a real run."""

import copy
import errno
import os
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from support.made_up import (
    measurements,
    parsed,
    result,
    section,
)

from hrs_keras.experiments.grid import load_experiment
from hrs_keras.experiments.report import side_by_side
from hrs_keras.experiments.report.report import write_report
from hrs_keras.media import panels


@pytest.fixture
def pictured(finished, tmp_path):
    """An experiment of the finished tiny run, its result, and the folder of its run."""
    shutil.copy(finished.parents[1] / "tiny.yaml", tmp_path / "tiny.yaml")
    file = tmp_path / "table.yaml"
    text = "title: t\nrecipe: tiny.yaml\nseeds: [0, 1]\npictures: [ours]\nsystems: [{name: ours, title: Ours}]\n"
    file.write_text(text)
    experiment = load_experiment(file)
    cell = experiment.cells()[0]
    found = {cell.digest: copy.deepcopy(_result_of(cell)) | {"name": finished.name}}
    return experiment, found, finished.parent


def _result_of(cell) -> dict:
    means = dict.fromkeys(("19", "16", "13"), 0.5)
    last = {"step": 8, "images": 3, "mean_iou": means, "pixel_accuracy": 0.5}
    last["iou"] = dict.fromkeys(cell.recipe.data.label_space.classes, 0.5)
    return result(cell, 0.5, evaluations=[last], best={"step": 8, "miou": 0.5}, steps=8)


@pytest.mark.slow
def test_predictions_are_those_of_the_run(pictured, tmp_path):
    from hrs_keras.predict.model import load_model

    experiment, found, runs = pictured
    shown = side_by_side.predict_samples(measurements(experiment, found), runs)
    assert list(shown.predicted) == ["Ours"] and len(shown.titles) == 3
    # Through the pipeline that `hrs predict` uses.
    logits = load_model(runs / "tiny", "last").logits(shown.images.astype("float32")).numpy()
    agree = (logits.argmax(-1) == shown.predicted["Ours"]).mean()
    assert shown.predicted["Ours"].shape == shown.labels.shape == (3, 32, 64)
    assert agree > 0.98  # the images were rounded to whole numbers for the picture
    path, note = side_by_side.draw_side_by_side(measurements(experiment, found), tmp_path / "x.png", runs)
    assert path == tmp_path / "x.png" and path.is_file() and "the runs with seed 0, last checkpoint" in note


def test_a_report_does_without_a_picture_that_cannot_be_drawn(pictured, tmp_path):
    experiment, found, runs = pictured
    shutil.copytree(runs, tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs/tiny/checkpoints")
    report = write_report(experiment, parsed(found), tmp_path / "out", runs=tmp_path / "runs").read_text()
    assert "No predictions side by side: " in section(report, "Predictions")
    assert "holds no checkpoint" in section(report, "Predictions")
    assert not (tmp_path / "out/table-predictions.png").exists()


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    figure = Figure()
    panels.save_figure(figure, tmp_path / "x.png", dpi=20, metadata={"made-of": "a"})
    before = (tmp_path / "x.png").read_bytes()
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.info["made-of"] == "a"

    def full(file, **_):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(OSError, match="No space"):
        panels.save_figure(figure, tmp_path / "x.png", dpi=20)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"] and (tmp_path / "x.png").read_bytes() == before


def test_pictures_outlive_their_run_folders(pictured, tmp_path):
    experiment, found, runs = pictured
    first = write_report(experiment, parsed(found), tmp_path / "out", runs=runs).read_bytes()
    assert b"![predictions side by side](table-predictions.png)" in first
    with Image.open(tmp_path / "out/table-predictions.png") as picture:
        assert min(picture.size) > 200 and len(np.unique(np.asarray(picture.convert("L")))) > 50
    gone = tmp_path / "gone"
    again = write_report(experiment, parsed(found), tmp_path / "out", runs=gone).read_bytes()
    assert again == first
    # Of other runs the picture says nothing.
    path = tmp_path / "table.yaml"
    path.write_text(path.read_text().replace("seeds: [0, 1]", "seeds: [1, 0]"))
    other = load_experiment(path)
    name = other.cells()[0].name
    report = write_report(other, parsed(found), tmp_path / "out", runs=gone).read_text()
    assert section(report, "Predictions") == f"\nNo predictions side by side: no folder of a finished run `{name}`.\n"


def test_a_folder_of_other_settings_is_not_shown(pictured, tmp_path):
    experiment, found, runs = pictured
    shutil.copytree(runs / "tiny", tmp_path / "runs/tiny")
    recipe = tmp_path / "runs/tiny/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("steps: 8", "steps: 9"))
    report = write_report(experiment, parsed(found), tmp_path / "out", runs=tmp_path / "runs").read_text()
    assert "No predictions side by side: no folder of a finished run `tiny`." in report
    assert not (tmp_path / "out/table-predictions.png").exists()


def test_an_unfinished_run_is_not_shown(pictured, tmp_path):
    experiment, found, runs = pictured
    shutil.copytree(runs / "tiny", tmp_path / "runs/tiny", ignore=shutil.ignore_patterns("result.json", "checkpoints"))
    report = write_report(experiment, parsed(found), tmp_path / "out", runs=tmp_path / "runs").read_text()
    assert "No predictions side by side: no folder of a finished run `tiny`." in report


@pytest.mark.fault("a report where the data is not there", "written without the pictures")
def test_without_the_data_there_is_no_picture(pictured, tmp_path):
    experiment, found, runs = pictured
    moved = load_experiment(experiment.path, [f"data.root={tmp_path / 'elsewhere'}"])
    report = write_report(moved, parsed(found), tmp_path / "out", runs=runs).read_text()
    assert section(report, "Predictions") == "\nNo predictions side by side: the data is not there.\n"
    assert os.fspath(tmp_path) not in report.replace(os.fspath(experiment.path), "")
