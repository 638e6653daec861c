"""The run folder: moved, renamed, respelt, taken up with more steps; and what is refused before the first step."""

import json
import os
import re
import tempfile
from pathlib import Path

import pytest
from support.tiny import recipe as tiny_recipe

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.labels import own_label_space
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.folder import RunFolder
from hrs_keras.training.outcome import check_export
from hrs_keras.training.run import train


def recipe(*overrides: str) -> Recipe:
    return tiny_recipe("name=one", "runs=runs", "train.steps=100", *overrides)


def begun(*overrides: str, step: int = 60) -> RunFolder:
    """A run folder with checkpoints up to a step."""
    made = recipe(*overrides)
    run = RunFolder(made.run_dir)
    run.claim(made)
    (run.checkpoints / "last").mkdir(parents=True)
    for number in (step - 20, step):
        (run.checkpoints / f"last/step-{number}.index").touch()
    return run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_how_far_a_run_has_come():
    run = begun()
    assert run.steps_taken == 60
    (run.checkpoints / "last/step-90_temp").mkdir()
    (run.checkpoints / "last/step-x.index").touch()
    assert run.steps_taken == 60 and RunFolder(Path("nowhere")).steps_taken == 0


# ---- goes on ---------------------------------------------------------------------------------------------------


def test_settings_that_decide_no_number_may_change(capsys):
    run = begun()
    run.result_file.write_text("{}")
    changed = recipe("saved_models=models2", "train.log_every=2")
    run.check(changed)
    run.take_up(changed, 60)
    assert run.recipe() == changed and run.result_file.is_file()
    line = "runs/one goes on at step 60 with other settings: saved_models: saved_models -> models2; train.log_every:"
    assert capsys.readouterr().out == f"{line} 50 -> 2\n"
    run.take_up(changed, 60)
    assert capsys.readouterr().out == ""
    lines = ["saved_models: saved_models -> models2", "train.log_every: 50 -> 2"]
    assert run.history() == [{"step": 60, "settings": lines}]


@pytest.mark.fault("a run folder is moved, renamed, or given by another spelling of its path", "the run goes on")
def test_a_run_that_was_moved_renamed_or_respelt(here):
    begun()
    absolute = recipe(f"runs={here}/runs")
    RunFolder(absolute.run_dir).check(absolute)
    Path("elsewhere").mkdir()
    Path("runs/one").rename("elsewhere/two")
    moved = recipe("runs=elsewhere", "name=two")
    run = RunFolder(moved.run_dir)
    run.check(moved)
    run.take_up(moved, 60)
    assert run.recipe() == moved
    os.chdir("elsewhere")
    RunFolder(Path("two")).check(recipe("runs=.", "name=two"))


def test_an_equal_recipe_stays_in_its_old_form():
    run = begun()
    text = run.recipe_file.read_text() + "# as an earlier version wrote it\n"
    run.recipe_file.write_text(text)
    run.take_up(recipe(), 60)
    assert run.recipe_file.read_text() == text and not run.history_file.exists()


def test_more_steps(capsys):
    run = begun(step=100)
    run.result_file.write_text("{}")
    more = recipe("train.steps=200")
    run.check(more)
    run.take_up(more, 100)
    assert "runs/one goes on at step 100 with other settings: train.steps: 100 -> 200" in capsys.readouterr().out
    assert run.recipe().train.steps == 200 and not run.result_file.exists()  # which was of 100 steps
    assert run.history() == [{"step": 100, "settings": ["train.steps: 100 -> 200"]}]
    # Killed after it was noted and before the recipe was written: it is noted once.
    run.recipe_file.write_text(recipe().to_yaml())
    run.take_up(more, 100)
    assert len(run.history()) == 1


def test_fewer_steps_than_planned_but_not_than_taken():
    run = begun(step=60)
    run.check(recipe("train.steps=60"))
    with pytest.raises(CheckpointError, match=r"has taken 60 steps, train\.steps: 59 is less; leave it 100, or give"):
        run.check(recipe("train.steps=59"))


# ---- is refused ------------------------------------------------------------------------------------------------


@pytest.mark.fault("train.steps is less than the run has taken", "one message, before anything is read")
def test_train_refuses_fewer_steps_than_were_taken():
    begun(step=100)
    with pytest.raises(CheckpointError, match=r"runs/one has taken 100 steps, train\.steps: 50 is less"):
        train(recipe("train.steps=50"))


@pytest.mark.fault("more steps would have read the source for longer (method.pretrain)", "one message")
def test_phases_of_the_past_cannot_change():
    phases = ["method.pretrain=0.5", "method.source_weighting=plain", "method.gan=false"]
    run = begun(*phases, step=40)
    run.check(recipe(*phases, "train.steps=200"))  # the switch is still to come
    (run.checkpoints / "last/step-60.index").touch()
    with pytest.raises(
        CheckpointError, match=r"has read the target alone since step 50; .* from step 100 on; leave it"
    ):
        run.check(recipe(*phases, "train.steps=200"))


@pytest.mark.fault("the run folder holds a run of another recipe", "the keys are named, and the old run stays")
def test_another_recipe_is_told_by_its_decisive_keys():
    run = begun()
    with pytest.raises(CheckpointError) as caught:
        run.check(recipe("seed=1", "train.log_every=2", "train.steps=200"))
    message = str(caught.value)
    assert re.findall(r"^  (\S+):", message, re.MULTILINE) == ["seed", "train.steps"]
    assert "Give this run a name of its own, name=NAME" in message and "start over" not in message
    assert run.recipe() == recipe()


@pytest.mark.parametrize("key", ["runs", "saved_models"])
@pytest.mark.fault("runs or saved_models cannot be written", "refused before the first step")
def test_both_folders_are_tried_before_the_first_step(here, key):
    Path("file").touch()
    says = rf"cannot write the (run folder|export) file/one: file is not a folder; set {key}=FOLDER"
    with pytest.raises(HRSError, match=says):
        train(recipe(f"{key}=file"))
    assert [path.name for path in here.iterdir()] == ["file"]


@pytest.mark.fault("the export's folder holds a model with other classes", "refused before the first step")
def test_an_export_that_would_be_refused_is_refused_before_the_first_step(here):
    record = Path("saved_models/one/7/assets.extra/hrs.json")
    record.parent.mkdir(parents=True)
    Path("saved_models/one/7/saved_model.pb").touch()
    space = own_label_space(("sky", "road")).to_dict()
    record.write_text(json.dumps({"name": "one", "size": [32, 64], "label_space": space}))
    with pytest.raises(HRSError, match="saved_models/one holds versions of another model: class 1 is road in"):
        train(recipe())
    assert [path.name for path in here.iterdir()] == ["saved_models"]


@pytest.mark.fault("a name so long that no folder can have it", "refused before the first step")
def test_a_name_that_is_too_long(here):
    with pytest.raises(HRSError, match=r"cannot write the run folder runs/x{300}: File name too long"):
        train(recipe(f"name={'x' * 300}"))
    assert not list(here.iterdir())


@pytest.mark.fault(
    "a run folder with `[`, `?` or `*` in its path, where no link to it can be made", "refused before the first step"
)
def test_a_run_folder_that_could_not_be_read_again(here, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(here / "missing"))
    with pytest.raises(HRSError, match=r"exp\[1\]/one/checkpoints: TensorFlow takes \[ .* Set TMPDIR"):
        train(recipe("runs=exp[1]"))
    assert not list(here.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_without_permission(here):
    for name in ("a", "b"):
        Path(name).mkdir(mode=0o500)
    with pytest.raises(HRSError, match="a may not be written to"):
        RunFolder(Path("a/one")).check(recipe("runs=a"))
    with pytest.raises(HRSError, match="b may not be written to"):
        check_export(recipe("saved_models=b"), fresh=False)


def test_a_run_that_is_exported_needs_no_place_for_an_export():
    run = begun(step=100)
    Path("models/one/1").mkdir(parents=True)
    run.result_file.write_text(json.dumps({"saved_model": "models/one/1"}))
    changed = recipe("saved_models=models")
    check_export(changed, fresh=False)
    Path("models/one/1").rename("1")
    Path("models/one").rmdir()
    Path("models/one").touch()
    for fresh, steps in ((False, 100), (True, 100), (False, 200)):
        with pytest.raises(HRSError, match="cannot write the export models/one"):
            check_export(recipe("saved_models=models", f"train.steps={steps}"), fresh)


@pytest.mark.fault("the run's history is damaged", "one message that names the file")
def test_a_damaged_history():
    run = begun()
    run.history_file.write_text("[")
    with pytest.raises(CheckpointError, match=r"history\.json is damaged"):
        run.history()
