"""Whole runs: repeatability, run folders, what stops a run and what it leaves then."""

import collections
import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml
from support import reference
from support.paths import REPOSITORY
from support.processes import hrs, start
from support.tiny_run import SETTINGS

from hrs_keras.errors import CheckpointError, HRSError, NonFiniteError, RecipeError
from hrs_keras.evaluation.evaluator import Evaluator
from hrs_keras.evaluation.run import EvaluateOptions, evaluate_run
from hrs_keras.method.trainers.joint import JointTrainer
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.runs import folder as run_folder
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.environment import environment
from hrs_keras.system.files import write_json, writing
from hrs_keras.training.log import Log
from hrs_keras.training.log_file import LogFile
from hrs_keras.training.loop import StepFunction
from hrs_keras.training.run import train
from hrs_keras.training.saving import Saving

MACHINE = {"seconds_per_step", "cpu_seconds_per_step", "images_per_second", "input_wait", "memory/host"}
PLAIN = ["method.source_weighting=none", "method.gan=false"]  # the encoder alone: quickly begun
SHORT = ["train.steps=2", "train.validate_every=2", "train.checkpoint_every=1", "train.log_every=1"]


def weights(run: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints/last")))
    names = [name for name in reader.get_variable_to_shape_map() if "/network/" in name]
    return {name: reader.get_tensor(name) for name in names}


def test_what_a_run_leaves(finished):
    folders = {"checkpoints", "evaluations", "figures", "selection", "tensorboard"}
    files = {"audit.json", "data.json", "environment.json", "lock", "log.csv", "recipe.yaml", "report.html"}
    files |= {"result.json"}
    assert {path.name for path in finished.iterdir()} == folders | files
    result = json.loads((finished / "result.json").read_text())
    assert set(result["baselines"]) == {"untrained", "'road' everywhere"}
    with open(finished / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "6", "8"]
    for row in rows:
        assert all(math.isfinite(float(v)) for k, v in row.items() if k.startswith("loss/"))
        assert 0 <= float(row["selected"]) <= 1 and float(row["seconds_per_step"]) > 0
        assert float(row["cpu_seconds_per_step"]) > 0 and 0 <= float(row["input_wait"]) < 1
        # Two images of each domain.
        assert float(row["images_per_second"]) == pytest.approx(4 / float(row["seconds_per_step"]))
        assert 0.1 < float(row["memory/host"]) < 8
    assert float(rows[-1]["learning_rate/encoder"]) == 0  # polynomial decay has come to its end


def test_the_terminal_tells_the_run_and_nothing_else(finished):
    out = (finished.parents[1] / "out.txt").read_text()
    assert [line.split()[1] for line in out.splitlines() if line.startswith("step ")] == ["2/8", "4/8", "6/8", "8/8"]
    *_, exported, scores, counts, page = out.splitlines()
    assert exported.startswith("SavedModel ") and page == f"page {finished}/report.html"
    assert scores.startswith("scores ") and counts.startswith("counts of each image ")
    # TensorFlow's own start-up lines cannot be switched off; warnings of Python can be avoided.
    err = (finished.parents[1] / "err.txt").read_text()
    assert "Warning" not in err and "retracing" not in err


@pytest.mark.slow
def test_a_finished_run_is_left_alone(copied, capsys):
    before = {path: path.stat().st_mtime_ns for path in copied.parents[1].rglob("*") if path.is_file()}
    result = train(load_recipe(copied.parents[1] / "tiny.yaml"))
    after = {path: path.stat().st_mtime_ns for path in copied.parents[1].rglob("*") if path.is_file()}
    rewritten = {path.name for path in after if before.get(path) != after[path]}
    assert rewritten <= {"lock"}
    assert result.saved_model == copied.parents[1] / "saved_models/tiny/1"
    # Killed after the export and before the result was noted: the same weights are not exported twice.
    (copied / "result.json").unlink()
    assert train(load_recipe(copied.parents[1] / "tiny.yaml")) == result
    assert [path.name for path in (copied.parents[1] / "saved_models/tiny").iterdir()] == ["1"]


@pytest.mark.slow
def test_the_chosen_weights_meet_the_test_images_once(copied, capsys):
    """A run whose steps are taken, with test images that are not the validation images: those of the training split."""
    for file in (copied / "recipe.yaml", copied.parents[1] / "tiny.yaml"):
        recipe = yaml.safe_load(file.read_text())
        recipe["data"]["test"] = [{"format": "cityscapes", "split": "train"}]
        file.write_text(yaml.safe_dump(recipe))
    before = json.loads((copied / "result.json").read_text())
    (copied / "result.json").unlink()
    result = train(load_recipe(copied.parents[1] / "tiny.yaml"), export=False)
    done = json.loads((copied / "result.json").read_text())
    expected = evaluate_run(copied, EvaluateOptions(on="test"))
    plain = {key: expected.to_dict()[key] for key in done["test"] if key != "step"}
    assert done["test"] == {"step": before["step"], **plain} and expected.images == 4
    assert (result.miou, result.test_miou) == (before["miou"], expected.miou)
    assert {key: done[key] for key in before} == before | {"saved_model": None}
    assert f"on the test images: {100 * expected.miou:.2f} %" in capsys.readouterr().out
    # Once: a call that only has to export, or to note what is there, does not look at them again.
    record = copied / f"evaluations/test_step_{before['step']:07d}.json"
    assert json.loads(record.read_text()) == done["test"]
    record.write_text(json.dumps(done["test"] | {"images": 44}))
    (copied / "result.json").unlink()
    train(load_recipe(copied.parents[1] / "tiny.yaml"), export=False)
    assert json.loads((copied / "result.json").read_text())["test"]["images"] == 44


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "steps"),
    [([], 1), (["method.pretrain=0.5", "method.source_weighting=plain", "method.gan=false"], 2)],
    ids=["one phase", "two phases"],
)
def test_nothing_is_traced_again(recipe_file, monkeypatch, changes, steps):
    """A step is traced once for each kind of batch, whatever is logged, validated and saved between the steps."""
    traced = collections.Counter()

    def count(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counting(*args, **kwargs):
            traced[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(JointTrainer, "train_step")
    count(Evaluator, "_of_all_replicas")
    often = ["train.steps=8", "train.validate_every=2", "train.checkpoint_every=2", "train.log_every=2"]
    often += ["train.pictures=1"]
    train(load_recipe(recipe_file, [*often, *changes]), export=False)
    # One evaluation goes through the run, the other is that of the best weights.
    assert traced == {"train_step": steps, "_of_all_replicas": 2}


SMALL_DISK = """
mkdir runs && mount -t tmpfs -o size=5632k tmpfs runs && echo mounted
"$@" > first.txt 2>&1; echo $?
mount -o remount,size=64m runs
"$@" > second.txt 2>&1; echo $?
cp -r runs kept
"""
"""Room for the first checkpoint (2 MiB) and the best, but not for the next: then there is."""


@pytest.mark.fault(
    "a disk that fills while a run trains", "one message; with room again the same command ends with the same weights"
)
@pytest.mark.slow
def test_a_disk_that_is_full(finished, recipe_file):
    command = [sys.executable, "-m", "hrs_keras.cli", "train", str(recipe_file)]
    folder = recipe_file.parent
    script = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh", *command]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True)
    if "mounted" not in result.stdout:
        pytest.skip(f"no file system can be mounted here: {result.stderr.strip()}")
    assert result.stdout.split() == ["mounted", "2", "0"]
    first, second = ((folder / name).read_text() for name in ("first.txt", "second.txt"))
    assert re.search(r"^hrs: cannot write .*No space left on device$", first, re.MULTILINE) and "Traceback" not in first
    assert "warning: a checkpoint could not be written" in first and "last/step-3" in first
    assert "at step 3 of 8" in second
    ours, other = weights(folder / "kept/tiny"), weights(finished)
    assert all(np.array_equal(ours[name], other[name]) for name in other)


def test_fresh_removes_a_run_of_another_recipe(copied):
    recipe = load_recipe(copied.parents[1] / "tiny.yaml", ["encoder.fc=8"])
    with pytest.raises(CheckpointError, match=r"\(--fresh would remove the old run\)"):
        RunFolder(recipe.run_dir).claim(recipe)
    RunFolder(recipe.run_dir).claim(recipe, fresh=True)
    assert {path.name for path in copied.iterdir()} == {"recipe.yaml", "lock"}
    assert RunFolder(copied).recipe() == recipe


def test_what_a_run_was_continued_with(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    made_with = {"versions": {"keras": "3.12"}, "gpus": [], "command": ["train.py"], "git": None}
    monkeypatch.setattr(run_folder, "environment", lambda: made_with)
    run.note_environment()
    made_with = made_with | {"command": ["hrs", "train"]}
    run.note_environment()
    assert json.loads(run.environment_file.read_text()) == made_with
    first, made_with = made_with, made_with | {"versions": {"keras": "3.13"}}
    run.note_environment()
    second, made_with = made_with, made_with | {"git": {"commit": "f" * 40, "modified": False}}
    run.note_environment()
    assert json.loads(run.environment_file.read_text()) == made_with | {"earlier": [first, second]}


def test_a_run_begun_before_gpus_were_noted_goes_on_in_the_same_environment(tmp_path, monkeypatch):
    run, made_with = RunFolder(tmp_path), {"versions": {"keras": "3.12"}, "git": None}
    run.environment_file.write_text(json.dumps(made_with))
    monkeypatch.setattr(run_folder, "environment", lambda: made_with | {"gpus": []})
    run.note_environment()
    assert json.loads(run.environment_file.read_text()) == made_with | {"gpus": []}
    monkeypatch.setattr(run_folder, "environment", lambda: made_with | {"gpus": ["NVIDIA H200"]})
    run.note_environment()
    noted = json.loads(run.environment_file.read_text())
    assert noted == made_with | {"gpus": ["NVIDIA H200"], "earlier": [made_with | {"gpus": []}]}


def test_the_gpus_in_use_are_noted(monkeypatch):
    gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(2)]
    names = [{"device_name": "NVIDIA H200"}, {}]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: names[gpus.index(gpu)])
    assert environment()["gpus"] == ["NVIDIA H200", "/physical_device:GPU:1"]


@pytest.mark.fault("`--fresh` in a folder with other files, or behind a link", "refused; nothing is removed")
def test_folders_that_are_no_run_are_kept(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file)
    run = RunFolder(recipe.run_dir)
    run.path.mkdir(parents=True)
    run.check(recipe)  # an empty folder is as good as none
    (run.path / "thesis.tex").write_text("precious")
    for fresh in (False, True):
        with pytest.raises(CheckpointError, match="is no run folder"):
            run.claim(recipe, fresh=fresh)
    run.recipe_file.write_text("name: something else\n")
    with pytest.raises(CheckpointError, match=r"holds 'thesis\.tex', which no run writes"):
        run.claim(recipe, fresh=True)
    (run.path / "thesis.tex").rename(tmp_path / "thesis.tex")
    run.path.rename(tmp_path / "elsewhere")
    run.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="symbolic link"):
        run.claim(recipe, fresh=True)
    assert (tmp_path / "elsewhere/recipe.yaml").is_file()


@pytest.mark.fault("a process killed while it made the run folder", "the same command takes it up")
def test_killed_while_the_folder_was_made(recipe_file):
    recipe = load_recipe(recipe_file)
    run = RunFolder(recipe.run_dir)
    run.path.mkdir(parents=True)
    (run.path / "recipe.yaml.partial").write_text("na")
    run.claim(recipe)
    assert run.recipe() == recipe


@pytest.mark.slow
@pytest.mark.fault("two processes in one run folder", "the second is refused; a killed one frees it")
def test_two_processes_at_one_run(recipe_file, tmp_path):
    """The second is refused and changes nothing; when the first is gone, however it went, the run is free."""
    recipe = load_recipe(recipe_file)
    holder = (
        "import sys, time; from hrs_keras.recipe import load_recipe; from hrs_keras.runs.folder import RunFolder\n"
        f"recipe = load_recipe({str(recipe_file)!r}); run = RunFolder(recipe.run_dir)\n"
        "with run.locked():\n    run.claim(recipe); print('held', flush=True); time.sleep(600)"
    )
    process = start("-c", holder, cache=tmp_path / "cache")
    try:
        assert process.stdout.readline() == "held\n", process.communicate()[1]
        before = {path.name: path.read_bytes() for path in recipe.run_dir.iterdir()}
        for fresh in (False, True):
            with pytest.raises(CheckpointError, match=rf"another process is at .*tiny \(process {process.pid} on "):
                train(recipe, fresh=fresh)
        assert {path.name: path.read_bytes() for path in recipe.run_dir.iterdir()} == before
    finally:
        process.kill()
        process.communicate()
    with RunFolder(recipe.run_dir).locked():
        RunFolder(recipe.run_dir).claim(recipe, fresh=True)


@pytest.mark.fault("a run that cannot start", "leaves no folder")
def test_a_run_that_cannot_start_leaves_no_folder(recipe_file):
    recipe = load_recipe(recipe_file, ["data.root=/nowhere"])
    with pytest.raises(HRSError, match="/nowhere does not exist"):
        train(recipe)
    assert not recipe.run_dir.exists()


@pytest.mark.fault("`--fresh` of a run that cannot start", "the old run stays")
def test_fresh_keeps_the_old_run_if_the_new_one_cannot_start(copied):
    with pytest.raises(HRSError, match="/nowhere does not exist"):
        train(load_recipe(copied.parents[1] / "tiny.yaml", ["data.root=/nowhere"]), fresh=True)
    assert (copied / "result.json").is_file()


@pytest.mark.fault(
    "a loss or weight that becomes NaN or infinite",
    "the run ends; step and player are named, and the last good checkpoint stays",
)
@pytest.mark.slow
def test_not_finite(recipe_file):
    rates = ["train.steps=6", "train.log_every=1", "train.validate_every=6", "train.checkpoint_every=1"]
    recipe = load_recipe(recipe_file, [*PLAIN, *rates, "train.learning_rate.encoder=1e30"])
    with pytest.raises(NonFiniteError, match=r"^step \d+: .*encoder") as error:
        train(recipe)
    latest = tf.train.latest_checkpoint(str(recipe.run_dir / "checkpoints/last"))
    if latest:
        assert latest in str(error.value)
        assert all(np.all(np.isfinite(value)) for value in weights(recipe.run_dir).values())
    assert not (recipe.run_dir / "result.json").exists()


@pytest.mark.slow
def test_not_finite_loss_of_one_player(recipe_file, monkeypatch):
    from hrs_keras.method import losses

    usual = losses.weighting_loss
    monkeypatch.setattr(losses, "weighting_loss", lambda *args: usual(*args) / 0.0)
    recipe = load_recipe(recipe_file, SHORT)
    with pytest.raises(NonFiniteError, match=r"^step 1: .*weighting/pixel.*\(none yet\).*for weighting"):
        train(recipe)
    assert not list((recipe.run_dir / "checkpoints").glob("*/step*"))


@pytest.mark.fault("a log that cannot be written", "one message that says where")
@pytest.mark.slow
def test_a_full_disk_is_one_message(recipe_file, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogFile, "append", full)
    with pytest.raises(HRSError, match=r"cannot write .*tiny: No space left on device"):
        train(load_recipe(recipe_file, [*PLAIN, *SHORT]))


@pytest.mark.fault("validation images without a labelled pixel", "refused")
def test_validation_without_a_label(make_recipe, write_set, tmp_path):
    write_set(tmp_path / "train", [np.full((32, 64), 3)])
    write_set(tmp_path / "val", [np.full((32, 64), 11)])
    recipe = make_recipe(
        tmp_path, [{"root": "train"}], validation=[{"root": "val"}], name="x", runs=str(tmp_path / "runs"),
        encoder__width=0.0625, encoder__fc=4, encoder__weights=None, encoder__preprocessing="unit",
    )  # fmt: skip
    with pytest.raises(HRSError, match="not one labelled pixel"):
        train(recipe)


@pytest.mark.fault("Ctrl-C while a run trains", "saved, exit code 130; the same command goes on")
@pytest.mark.slow
def test_interrupted(recipe_file, tmp_path):
    process = hrs("train", recipe_file, "train.steps=100000", "train.checkpoint_every=5", cache=tmp_path / "cache")
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "runs/tiny/checkpoints/last/step-5.index").exists() and time.monotonic() < end:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if line.startswith("hrs: ")] == [
        "hrs: interrupted; the same command, without --fresh, goes on from the last checkpoint"
    ]
    assert "Ctrl-C once more does not wait" in err
    step, file = re.search(r"^stopped after step (\d+): saved (.*)$", out, re.MULTILINE).groups()
    assert file.endswith(f"last/step-{step}") and Path(f"{file}.index").exists()
    assert RunFolder(tmp_path / "runs/tiny").steps_taken == int(step)


@pytest.mark.fault("Ctrl-C once more while a run is saved, or as standard output closes", "the run ends, and can go on")
@pytest.mark.slow
@pytest.mark.parametrize("then", ["nothing", "second", "closed pipe"])
def test_interrupted_within_a_step(recipe_file, monkeypatch, then):
    """The step that was under way is the last one, and is saved but for a second Ctrl-C."""
    step, save = StepFunction.__call__, Saving.after_step
    taken = []

    def interrupted(*arguments):
        result = step(*arguments)
        taken.append(result)
        if len(taken) == 2:
            signal.raise_signal(signal.SIGINT)
        return result

    def saving(*arguments, ending):
        if ending and then == "second":
            signal.raise_signal(signal.SIGINT)
        save(*arguments, ending=ending)

    def closed(*_):
        raise BrokenPipeError

    monkeypatch.setattr(StepFunction, "__call__", interrupted)
    monkeypatch.setattr(Saving, "after_step", saving)
    if then == "closed pipe":
        monkeypatch.setattr("os.write", closed)
        monkeypatch.setattr(Log, "after_step", lambda *_: closed() if len(taken) == 2 else None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore the interrupt
    try:
        with pytest.raises(KeyboardInterrupt):
            train(load_recipe(recipe_file, ["train.checkpoint_every=100"]))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(taken) == 2
    assert RunFolder(load_recipe(recipe_file).run_dir).steps_taken == (0 if then == "second" else 2)


@pytest.mark.fault("no memory for a step", "one message with the remedies and the last checkpoint")
@pytest.mark.slow
def test_memory_that_does_not_suffice(recipe_file, monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr("hrs_keras.training.loop.StepFunction.__call__", full)
    with pytest.raises(HRSError, match=r"out of memory: lower train\.batch_size .* last checkpoint is \(none yet\)"):
        train(load_recipe(recipe_file))


@pytest.mark.fault("a log cut off or damaged by a crash of the machine", "its whole rows up to the checkpoint stay")
def test_rows_of_the_log(tmp_path):
    log = tmp_path / "log.csv"
    LogFile(log).keep_until(3)
    for text in ("", "step,lo", "step,loss\n", "step,loss\n4,1.0\n", "step,loss\n2"):
        log.write_text(text)
        LogFile(log).keep_until(3)
        assert not log.exists()
    # As a crash of the machine may leave it.
    log.write_bytes(b"step,loss\n2,0.5\n\0\0\0\n3,0.4\n3\n\xff\xfe,1\n4,0.3\n5,0.")
    LogFile(log).keep_until(3)
    assert log.read_text() == "step,loss\n2,0.5\n3,0.4\n"
    # Neither numbers nor rows of their own, though they have two fields: a quotation mark would take in what follows.
    log.write_bytes(b'step,loss\r\n2,0.5\r\n3,\0\r\n4,"0.5\r\n5,\r0.5\r\n6,"1"\r\n-7,1\r\n8,0.4\r\n')
    LogFile(log).keep_until(9)
    assert log.read_bytes() == b'step,loss\r\n2,0.5\r\n6,"1"\r\n8,0.4\r\n'
    for head in (b'step,"loss\n', b"step,\x0bloss", b"stop,loss\n"):
        log.write_bytes(head + b"2,0.5\n")
        LogFile(log).keep_until(9)
        assert not log.exists(), head


@pytest.mark.fault("a record that cannot be written", "an error; nothing half is left")
def test_json_is_whole_or_not_there(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": math.nan})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(HRSError, match="cannot write x: full"), writing("x"):
        raise tf.errors.ResourceExhaustedError(None, None, "full")


def test_the_settings_are_those_of_a_recipe(recipe_file):
    assert load_recipe(recipe_file).train.steps == SETTINGS["train"]["steps"]


@pytest.mark.slow
def test_fine_tuning_changes_domains_in_one_run_and_resumes_across_the_switch(recipe_file, monkeypatch):
    """Steps 1 to 3 read the source alone, 4 to 6 the target alone; an end before or at the switch changes nothing."""
    phases = ["method.source_weighting=plain", "method.gan=false", "method.pretrain=0.5", "train.steps=6"]
    times = ["train.validate_every=6", "train.checkpoint_every=1", "train.log_every=1", "train.keep_checkpoints=9"]
    whole = load_recipe(recipe_file, [*phases, *times, "name=whole"])
    train(whole, export=False)
    with open(whole.run_dir / "log.csv") as file:
        rows = list(csv.DictReader(file))
    losses = [(math.isfinite(float(row["loss/source"])), math.isfinite(float(row["loss/target"]))) for row in rows]
    assert losses == 3 * [(True, False)] + 3 * [(False, True)]
    assert json.loads((whole.run_dir / "result.json").read_text())["saved_model"] is None
    assert not Path(whole.saved_models).exists()

    coarse = load_recipe(recipe_file, [*phases, *times, "train.log_every=6", "name=coarse"])
    train(coarse, export=False)
    with open(coarse.run_dir / "log.csv") as file:
        (row,) = csv.DictReader(file)
    for loss, part in (("loss/source", rows[:3]), ("loss/target", rows[3:])):
        assert float(row[loss]) == pytest.approx(np.mean([float(r[loss]) for r in part]))
    assert float(row["selected"]) == 1  # of the source pixels of the first phase, which no later one resets

    for stop in (2, 3):  # before the switch, and at it
        cut = load_recipe(recipe_file, [*phases, *times, f"name=cut{stop}"])
        monkeypatch.setattr(Saving, "after_step", interrupt_after(stop, Saving.after_step))
        with pytest.raises(KeyboardInterrupt):
            train(cut, export=False)
        monkeypatch.undo()
        train(cut, export=False)
        one, other = weights(whole.run_dir), weights(cut.run_dir)
        assert all(np.array_equal(one[name], other[name]) for name in one), stop
        assert untimed(whole.run_dir / "log.csv") == untimed(cut.run_dir / "log.csv")


def interrupt_after(stop, usual):
    def after_step(self, step, ending):
        usual(self, step, ending)
        if step == stop:
            raise KeyboardInterrupt

    return after_step


def untimed(log: Path) -> list[dict]:
    with open(log) as file:
        return [{k: v for k, v in row.items() if k not in MACHINE} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_profile(recipe_file, capsys):
    recipe = load_recipe(recipe_file, [*SHORT, "train.steps=3"])
    train(recipe, export=False, profile=range(2, 4))
    (trace,) = (recipe.run_dir / "tensorboard/plugins/profile").glob("*/*.xplane.pb")
    assert b"Conv2D" in trace.read_bytes()
    assert "steps 2 to 3 traced" in capsys.readouterr().out
    for steps in (range(0, 2), range(3, 5), range(3, 3)):
        with pytest.raises(RecipeError, match=r"from 1 to 3"):
            train(recipe, profile=steps)


@pytest.mark.slow
def test_record_of_single_source_images(finished):
    """What the run recorded at its end equals what its last weights say, computed in NumPy."""
    from hrs_keras.data.audit import audit
    from hrs_keras.data.pipeline import training_images
    from hrs_keras.method.trainers.joint import JointTrainer
    from hrs_keras.models import build_networks
    from hrs_keras.runs.checkpoints import Checkpoints

    records = [json.loads(path.read_text()) for path in sorted((finished / "selection").iterdir())]
    assert [record["step"] for record in records] == [4, 8]
    recipe = RunFolder(finished).recipe()
    source = audit(recipe, roles=["source"]).sets["source"]
    names = [str(path.relative_to(recipe.data.root)) for pairs in source for path in pairs.images]
    assert [list(record["images"]) for record in records] == 2 * [names]
    trainer = JointTrainer(recipe, build_networks(recipe))
    assert Checkpoints(trainer, finished / "checkpoints", 3).restore()
    for name, (image, label) in zip(names, training_images(recipe, source, range(len(names))), strict=True):
        probabilities = tf.nn.softmax(trainer(image[None]))
        scores = {level: network(probabilities).numpy() for level, network in trainer.weighting.items()}
        valid = label.numpy()[None, ..., None] != 255
        expected = {}
        for level in scores:
            chosen = reference.hierarchical_map({level: scores[level]}, recipe.data.size)
            expected[f"H_{level[0]}"] = chosen[valid].mean()
        expected["H"] = np.mean(list(expected.values()))
        assert records[-1]["images"][name] == pytest.approx(expected, abs=1e-3)
