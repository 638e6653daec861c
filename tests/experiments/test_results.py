"""The folder of results: how results are written and found again, and which are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hrs_keras.errors import CheckpointError
from hrs_keras.experiments.collecting import collect
from hrs_keras.experiments.result_files import read_results, write_result


def test_results_are_found_by_their_settings(run, tmp_path):
    folder = tmp_path / "results"
    assert read_results(folder) == {}
    result = collect(run, None, "data")
    path = write_result(folder, result)
    assert path == folder / "ours-s0.json" and [*folder.iterdir()] == [path]
    path.rename(folder / "another name.json")
    (folder / "table.md").write_text("not a result")
    assert read_results(folder) == {result.digest: result}


def rewritten(path: Path, change: Callable[[dict], Any]) -> None:
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))


@pytest.mark.fault("results that are damaged, edited, or twice there", "refused; each is named")
def test_results_that_cannot_be_used(run, tmp_path):
    folder = tmp_path / "results"
    path = write_result(folder, collect(run, None, "data"))
    shutil.copy(path, folder / "copy.json")
    with pytest.raises(CheckpointError, match=r"copy\.json and .*ours-s0\.json are results of the same settings"):
        read_results(folder)
    (folder / "copy.json").write_text("[1, 2]")
    with pytest.raises(CheckpointError, match=r"copy\.json is no result of a run"):
        read_results(folder)
    (folder / "copy.json").write_text('{"digest": ')
    with pytest.raises(CheckpointError, match=r"copy\.json is damaged"):
        read_results(folder)
    (folder / "copy.json").unlink()
    # Where things lie may be changed, the settings may not.
    rewritten(path, lambda result: result["recipe"]["data"].update(root="elsewhere"))
    assert len(read_results(folder)) == 1
    whole = path.read_text()
    for key in ("name", "environment", "class_shares", "parameters", "evaluations", "best", "log", "selection_check"):
        rewritten(path, lambda result, key=key: result.pop(key))
        with pytest.raises(CheckpointError, match=rf"ours-s0\.json is damaged: {key}: .*; move it away"):
            read_results(folder)
        path.write_text(whole)
    rewritten(path, lambda result: result.update(evaluations=[]))
    with pytest.raises(CheckpointError, match=r"ours-s0\.json is damaged: evaluations: "):
        read_results(folder)
    path.write_text(whole)
    rewritten(path, lambda result: result["recipe"]["train"].update(steps=9))
    with pytest.raises(CheckpointError, match=r"ours-s0\.json .*its recipe gives .*move the file away"):
        read_results(folder)
    rewritten(path, lambda result: result["recipe"]["train"].pop("steps"))
    with pytest.raises(CheckpointError, match=r"(?s)the recipe in .*ours-s0\.json.*train\.steps: missing.*move the"):
        read_results(folder)


def test_results_of_a_folder_that_is_none(tmp_path, run):
    (tmp_path / "file").touch()
    with pytest.raises(Exception, match=r"cannot write .*file") as caught:
        write_result(tmp_path / "file", collect(run, None, "data"))
    assert not isinstance(caught.value, OSError)
