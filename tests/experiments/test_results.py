"""Results: what is kept of a run, by hand-written run folders; and how results are found again."""

import itertools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny import recipe

from hrs_keras.errors import CheckpointError, DataError, RecipeError
from hrs_keras.experiments.collecting import collect
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.experiments.results import read_results, write_result
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.experiments.selection_check import read_marks
from hrs_keras.runs.folder import RunFolder

CHECK = SelectionCheck(marks="game/meta.jsonl", id="name", flag="odd")
SCORES = {"images": 3, "pixel_accuracy": 0.5, "rule": "...", "confusion_matrix": [[1, 2], [3, 4]]}
LOG = """\
step,loss/target,selected,selected/sky,learning_rate/encoder,seconds_per_step,cpu_seconds_per_step
2,1.5,0.5,nan,0.001,nan,nan
4,1.25,0.25,0.75,0.0005,0.4,0.5
6,nan,0.25,0.5,0.0002,0.1,0.6
8,1.0,0.25,0.5,0,0.2,1.5
"""
# Means of H and H_p by image; which of them are odd.
SELECTED = {"a": (0.5, 0.1), "b": (0.25, 0.2), "c": (0.75, 0.3), "d": (0.5, 0.4), "e": (0.0, 0.5)}
ODD = {"a": False, "b": True, "c": False, "d": True, "e": True, "unused": False}


@pytest.fixture
def run(tmp_path) -> RunFolder:
    """A run folder as a finished run of 8 steps leaves it, written by hand."""
    run = RunFolder(tmp_path / "runs/ours-s0")
    run.evaluations.mkdir(parents=True)
    run.recipe_file.write_text(recipe("name=ours-s0", "train.steps=8").to_yaml())
    for step, miou, pole in ((0, 0.125, None), (4, 0.5, 0.25), (8, 0.375, 0.5)):
        found = {"step": step, "mean_iou": {"11": miou}, "iou": {"sky": 0.25, "pole": pole}, **SCORES}
        run.evaluation_file(step).write_text(json.dumps(found))
    run.log_file.write_text(LOG)
    command, begun = {"command": ["/home/me/cli.py"]}, {"versions": {"keras": "2"}}
    environment = {"versions": {"keras": "3"}, "python": "3.11", "cpus": 2, "git": None, "earlier": [begun | command]}
    run.environment_file.write_text(json.dumps(environment | command))
    sets = [("source", 3, 1), ("source", 1, 3), ("target", 2, 0)]
    audited = [{"role": role, "pixels": {"sky": sky, "pole": pole}} for role, sky, pole in sets]
    run.audit_file.write_text(json.dumps({"datasets": audited}))
    done = {"step": 4, "miou": 0.5, "saved_model": None, "parameters": {"encoder": 12}, **SCORES}
    run.result_file.write_text(json.dumps(done))
    return run


@pytest.fixture
def selecting(run, tmp_path) -> Callable[..., tuple[RunFolder, SelectionCheck, Path]]:
    """``selecting(images, marks)``: the arguments of ``collect`` for a run that recorded its selection."""

    def make(images: dict = SELECTED, marks: Any = ODD):
        run.selection.mkdir()
        named = {
            f"game/train/{stem}.png": dict(zip(("H", "H_p"), means, strict=True)) for stem, means in images.items()
        }
        # The other way round by step 8.
        other = {image: {level: 1 - mean for level, mean in means.items()} for image, means in named.items()}
        for step, values in ((0, named), (8, other)):
            run.selection_file(step).write_text(json.dumps({"step": step, "images": values}))
        lines = (
            [json.dumps({"name": stem, "odd": odd}) for stem, odd in marks.items()]
            if isinstance(marks, dict)
            else marks
        )
        (tmp_path / "data/game").mkdir(parents=True)
        (tmp_path / "data/game/meta.jsonl").write_text("\n".join(lines))
        return run, CHECK, tmp_path / "data"

    return make


def test_what_is_kept(run):
    result = collect(run, None, "data").to_dict()
    kept = {"images": 3, "pixel_accuracy": 0.5}
    assert result == {
        "name": "ours-s0",
        "digest": settings_digest(recipe("train.steps=8")),
        "recipe": recipe("name=ours-s0", "train.steps=8").to_dict(),
        "environment": {
            "versions": {"keras": "3"},
            "python": "3.11",
            "cpus": 2,
            "git": None,
            "earlier": [{"versions": {"keras": "2"}}],
        },
        "class_shares": {"source": {"sky": 0.5, "pole": 0.5}, "target": {"sky": 1.0, "pole": 0.0}},
        "parameters": {"encoder": 12},
        "steps": 8,
        "seconds_per_step": 0.2,
        "cpu_seconds_per_step": 0.6,
        "evaluations": [
            {"step": 0, "mean_iou": {"11": 0.125}, "iou": {"sky": 0.25, "pole": None}, **kept},
            {"step": 4, "mean_iou": {"11": 0.5}, "iou": {"sky": 0.25, "pole": 0.25}, **kept},
            {"step": 8, "mean_iou": {"11": 0.375}, "iou": {"sky": 0.25, "pole": 0.5}, **kept},
        ],
        "best": {"step": 4, "miou": 0.5},
        "log": [
            {"step": 2, "loss/target": 1.5, "selected": 0.5, "selected/sky": None},
            {"step": 4, "loss/target": 1.25, "selected": 0.25, "selected/sky": 0.75},
            {"step": 6, "loss/target": None, "selected": 0.25, "selected/sky": 0.5},
            {"step": 8, "loss/target": 1.0, "selected": 0.25, "selected/sky": 0.5},
        ],
        "selection_check": None,
    }
    assert all(isinstance(row["step"], int) for row in result["log"])


def test_durations_may_be_missing(run):
    run.log_file.write_text("step,seconds_per_step\n8,nan\n")
    assert collect(run, None, "data").seconds_per_step is None
    run.log_file.write_text("step,seconds_per_step\n4,1.0\n8,2.0\n")
    assert collect(run, None, "data").seconds_per_step == 1.5
    environment = json.loads(run.environment_file.read_text())
    del environment["cpus"]
    run.environment_file.write_text(json.dumps(environment))
    assert collect(run, None, "data").environment.cpus is None


def damage_unfinished(run):
    run.result_file.unlink()


def damage_last_evaluation(run):
    run.evaluation_file(8).unlink()


def damage_evaluation(run):
    run.evaluation_file(4).write_text("{")


def damage_log(run):
    run.log_file.write_text("step,selected\n2,half\n")


def damage_log_row(run):
    run.log_file.write_text("step,selected\n2\n")


def damage_log_away(run):
    run.log_file.unlink()


def damage_result(run):
    run.result_file.write_text("{}")


def damage_evaluation_kind(run):
    run.evaluation_file(4).write_text("[]")


def damage_log_steps(run):
    run.log_file.write_text("selected\n1\n")


def damage_environment_away(run):
    run.environment_file.unlink()


def damage_audit_away(run):
    run.audit_file.unlink()


def damage_nesting(run):
    run.result_file.write_text("[" * 100_000)


@pytest.mark.parametrize(
    "damage, says",
    [
        (damage_result, "are damaged .*'parameters'.*; remove .* to make the run again"),
        (damage_evaluation_kind, "are damaged .*; remove .* to make the run again"),
        (damage_log_steps, "are damaged .*'step'.*; remove .* to make the run again"),
        (damage_environment_away, r"are damaged: environment\.versions: .*; remove .* to make the run again"),
        (damage_audit_away, "are damaged: class_shares: .*; remove .* to make the run again"),
        (damage_nesting, r"result\.json is damaged"),
        (damage_unfinished, "has no result.json: the run is not finished"),
        (damage_last_evaluation, "lacks the evaluation at the last step, 8"),
        (damage_evaluation, "step_0000004.json is damaged"),
        (damage_log, "log.csv is damaged"),
        (damage_log_row, "log.csv is damaged"),
        (damage_log_away, "log.csv is damaged"),
    ],
)
def test_damaged_runs(run, damage, says):
    damage(run)
    with pytest.raises(CheckpointError, match=says):
        collect(run, None, "data")


# ---- the selection check ---------------------------------------------------------------------------------------


def test_selection_check_by_hand(selecting):
    first, last = collect(*selecting()).to_dict()["selection_check"]
    # Odd: b, d, e. H of the others, 0.5 and 0.75, against 0.25, 0.5, 0: one tie (a, d), the other five pairs won.
    assert first == {
        "step": 0,
        "flagged": 3,
        "others": 2,
        "H": {"flagged": 0.25, "others": 0.625, "auc": pytest.approx(5.5 / 6)},
        # 0.1 and 0.3 against 0.2, 0.4, 0.5: one pair of six.
        "H_p": {"flagged": pytest.approx(1.1 / 3), "others": pytest.approx(0.2), "auc": pytest.approx(1 / 6)},
    }
    assert last["step"] == 8 and last["H"]["auc"] == pytest.approx(0.5 / 6)


def test_auc_is_the_area_under_the_curve(selecting):
    rng = np.random.default_rng(0)
    values = {f"i{n}": (round(float(rng.random()), 1), float(rng.random())) for n in range(60)}  # H has many ties
    odd = {stem: bool(rng.random() < 0.4) for stem in values}
    record = collect(*selecting(values, odd)).to_dict()["selection_check"][0]
    for column, level in enumerate(("H", "H_p")):
        scores = {stem: means[column] for stem, means in values.items()}
        points = [
            [np.mean([scores[s] >= t for s in scores if odd[s] == flag]) for flag in (True, False)]
            for t in [math.inf, *sorted(set(scores.values()), reverse=True)]
        ]
        area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points))
        assert record[level]["auc"] == pytest.approx(area)
        assert record[level]["flagged"] == pytest.approx(np.mean([scores[s] for s in scores if odd[s]]))
    assert record["flagged"] == sum(odd.values()) and record["flagged"] + record["others"] == 60


def test_all_alike_is_no_relation(selecting):
    record = collect(*selecting({stem: (0.5, 0.0) for stem in "abc"})).to_dict()["selection_check"][0]
    assert record["H"] == {"flagged": 0.5, "others": 0.5, "auc": 0.5}


def test_runs_that_select_nothing_are_not_checked(selecting):
    run, check, root = selecting()
    run.recipe_file.write_text(recipe("train.steps=8", "method.source_weighting=plain").to_yaml())
    assert collect(run, check, root).selection_check is None
    assert collect(run, check, root / "nowhere").selection_check is None


@pytest.mark.parametrize(
    "images, marks, says",
    [
        (SELECTED, {"a": True, "b": False, "c": False, "e": False}, "no line marks game/train/d.png; .* the id 'd'"),
        (SELECTED, dict.fromkeys(SELECTED, True), "of the 5 images that the run recorded none is without the flag"),
        (SELECTED, dict.fromkeys(SELECTED, False), "of the 5 images that the run recorded none has the flag"),
        (SELECTED | {"../more/a": (0, 0)}, ODD, "game/train/a.png and game/train/../more/a.png share the id 'a'"),
    ],
)
def test_marks_that_do_not_fit(selecting, images, marks, says):
    with pytest.raises(DataError, match=rf"selection_check: .*game/meta\.jsonl: {says}"):
        collect(*selecting(images, marks))


def test_a_selection_that_was_not_recorded(selecting):
    run, check, root = selecting()
    shutil.rmtree(run.selection)
    with pytest.raises(CheckpointError, match=r"selection holds nothing for selection_check; remove .*ours-s0"):
        collect(run, check, root)


@pytest.mark.parametrize(
    "line, says",
    [
        ('{"name": "b"', "is not valid JSON"),
        ('{"odd": true}', "'name' wants a text, found null"),
        ('{"name": 7, "odd": true}', "'name' wants a text, found 7"),
        ('{"name": "b"}', "'odd' wants true or false, found null"),
        ('{"name": "b", "odd": 1}', "'odd' wants true or false, found 1"),
        ('["b", true]', "'name' wants a text, found null"),
        ('{"name": "a", "odd": true}', "name 'a' again; an image has one mark"),
    ],
)
def test_marks_name_file_and_line(tmp_path, line, says):
    (tmp_path / "game").mkdir()
    (tmp_path / "game/meta.jsonl").write_text(f'{{"name": "a", "odd": false, "more": []}}\n\n{line}\n')
    with pytest.raises(DataError, match=rf"meta\.jsonl, line 3.*{says}"):
        read_marks(CHECK, tmp_path)


def test_marks_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"selection_check\.marks: cannot read .*meta\.jsonl: No such file"):
        read_marks(CHECK, tmp_path)


# ---- the folder of results -------------------------------------------------------------------------------------


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


def test_runs_of_an_older_recipe(run):
    run.recipe_file.write_text("name: x\n")
    with pytest.raises(RecipeError, match="missing"):
        collect(run, None, "data")
