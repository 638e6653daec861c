"""The page that ``hrs train`` writes at its end; the run itself is made up."""

import os

import pytest
from support.made_up_runs import random_images, write_run
from support.own_process import tell_to_end
from support.tiny import BASE, CAMVID

import hrs_keras.report.run
import hrs_keras.training.run
from hrs_keras.cli.main import main
from hrs_keras.training.outcome import TrainResult


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """``trained(*words)``: the exit code of ``hrs train``, and the page of the run that it finished."""
    run = write_run(tmp_path / "run", random_images(9))
    (tmp_path / "recipe.yaml").write_text(f"extends: {BASE}\n{CAMVID}")
    result = TrainResult(run, 600, 0.5, None)
    monkeypatch.setattr(hrs_keras.training.run, "train", lambda *_, **__: result)
    return lambda *words: (main(["train", str(tmp_path / "recipe.yaml"), *words]), run / "report.html")


@pytest.mark.slow
def test_the_page_of_a_run_is_written_at_its_end(trained, capsys):
    code, page = trained()
    assert code == 0 and page.read_text().startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out.splitlines()[-1] == f"page {page}"


@pytest.mark.slow
def test_a_page_that_is_there_is_left_alone(trained):
    _, page = trained("--no-report")
    page.write_text("of this result")
    assert trained() == (0, page) and page.read_text() == "of this result"
    earlier = page.with_name("result.json").stat().st_mtime - 1
    os.utime(page, (earlier, earlier))  # of an earlier result: the run went on
    trained()
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_without_a_page(trained):
    code, page = trained("--no-report")
    assert code == 0 and not page.exists()


@pytest.mark.slow
@pytest.mark.fault("the page of a finished run cannot be written", "a warning; the run is whole, exit code 0")
def test_a_page_that_cannot_be_written(trained, capsys):
    _, page = trained("--no-report")
    page.mkdir()
    assert trained() == (0, page)
    told = capsys.readouterr().out
    assert "no page of this run" in told and "is a folder" in told and f"hrs report {page.parent}" in told


@pytest.mark.slow
@pytest.mark.fault("SIGTERM while the page of a finished run is written", "exit code 75; the same command writes it")
def test_told_to_end_while_the_page_is_written(trained, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr(hrs_keras.report.run, "report_run", lambda _: tell_to_end())
        code, page = trained()
    assert code == 75 and not page.exists()
    assert "told to end (SIGTERM) when all was done but its page" in capsys.readouterr().err
    assert trained() == (0, page) and page.is_file()
