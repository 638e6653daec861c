"""The measured pages say what the results beside them say."""

import shutil
from pathlib import Path

import pytest
from support.paths import REPOSITORY

from hrs_keras.experiments.grid import load_experiment
from hrs_keras.experiments.report.report import write_report
from hrs_keras.experiments.result_files import read_results, write_result

pytestmark = pytest.mark.slow

PAGES = sorted((REPOSITORY / "docs/results").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_what_their_results_give(page, tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    for picture in page.parent.glob(f"{page.stem}-*.png"):
        shutil.copy(picture, tmp_path)
    experiment = load_experiment(f"recipes/experiments/{page.name.replace('.md', '.yaml')}", ["data.root=DATA"])
    results = read_results("docs/results/runs")
    written = write_report(experiment, results, tmp_path, runs=tmp_path / "runs")
    assert written.read_text() == page.read_text()


def test_results_are_written_as_they_were(tmp_path):
    for result in read_results(REPOSITORY / "docs/results/runs").values():
        written = write_result(tmp_path, result)
        assert written.read_bytes() == (REPOSITORY / "docs/results/runs" / written.name).read_bytes()
    assert len([*tmp_path.iterdir()]) == len([*(REPOSITORY / "docs/results/runs").iterdir()]) >= 107


def test_results_name_no_folders_of_the_machine_that_made_them():
    for result in read_results(REPOSITORY / "docs/results/runs").values():
        places = [result.recipe["runs"], result.recipe["saved_models"], result.recipe["data"]["root"]]
        assert not any(Path(place).is_absolute() for place in places), (result.name, places)


def test_there_are_pages():
    assert {"camvid_choice", "camvid_table1"} <= {page.stem for page in PAGES}
