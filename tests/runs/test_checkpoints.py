"""Killed and resumed runs, damaged and foreign checkpoints."""

import contextlib
import json
import re
import resource
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from support import tiny
from support.checkpoints import logged, tensors
from support.processes import hrs
from support.tiny_run import write_recipe

from hrs_keras.errors import CheckpointError, HRSError, NonFiniteError
from hrs_keras.method.trainers.joint import JointTrainer
from hrs_keras.models import build_networks, build_segmenter
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.runs.checkpoints import Checkpoints, restore_segmenter
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.training.run import train


def kill_when(process, moment, limit: float = 120) -> None:
    """SIGKILL as soon as ``moment()`` holds."""
    end = time.monotonic() + limit
    while not moment() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    assert process.poll() is None, f"ended before the moment came: {process.communicate()[1][-2000:]}"
    process.kill()
    process.communicate()


def terminate_after_step_2(process, run) -> int:
    """SIGTERM as soon as the run tells of step 2; returns the step that it saved."""
    while not process.stdout.readline().startswith("step 2/8"):
        assert process.poll() is None, process.communicate()[1]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    (said,) = (line for line in err.splitlines() if line.startswith("hrs: "))
    told = r"hrs: told to end \(SIGTERM\) after step (\d): saved .*; the same command, .*, goes on"
    step = int(re.fullmatch(told, said)[1])
    assert (run / f"checkpoints/last/step-{step}.index").is_file() and "Traceback" not in err
    return step


@pytest.mark.fault(
    "SIGTERM while a run trains", "exit code 75 with all saved; it goes on to the same weights, bit for bit"
)
@pytest.mark.fault("a run that is killed again and again", "ends with the same weights, bit for bit")
@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(finished, city, tmp_path):
    """Told to end, killed while it writes a checkpoint, killed as it exports, and then left alone."""
    recipe, run = write_recipe(tmp_path, city), tmp_path / "runs/tiny"

    def begun():
        return hrs("train", recipe, "--no-report", cache=tmp_path / "cache")

    def writing_a_checkpoint():  # TensorFlow's shards are in step-6_temp until they are renamed
        return any((run / "checkpoints/last").glob("step-6*"))

    def exporting():
        return any((tmp_path / "saved_models/tiny").glob("*"))

    step = terminate_after_step_2(begun(), run)
    process = begun()
    assert any(f"resuming {run} at step {step} of 8" in line for line in iter(process.stdout.readline, ""))
    kill_when(process, writing_a_checkpoint)
    kill_when(begun(), exporting)
    process = begun()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    for which in ("last", "best"):
        ours, theirs = tensors(run / "checkpoints" / which), tensors(finished / "checkpoints" / which)
        assert ours.keys() == theirs.keys() and len(ours) > 100
        assert [name for name in ours if ours[name] != theirs[name]] == []
    for file in sorted(path.name for path in (finished / "evaluations").glob("step_*.json")):
        assert json.loads((run / "evaluations" / file).read_text()) == json.loads(
            (finished / "evaluations" / file).read_text()
        )
    assert [row["step"] for row in logged(run)] == [row["step"] for row in logged(finished)] == ["2", "4", "6", "8"]
    assert [row["loss/target"] for row in logged(run)][-1] == logged(finished)[-1]["loss/target"]
    assert [p.name for p in (tmp_path / "saved_models/tiny").iterdir() if p.name.isdigit()] == ["1"]


def trainer(*overrides: str) -> JointTrainer:
    recipe = tiny.recipe(*overrides, size=(32, 64))
    return JointTrainer(recipe, build_networks(recipe))


@pytest.fixture(scope="module")
def joint() -> JointTrainer:
    return trainer()


def test_best_is_the_one_with_the_best_miou(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=2)
    assert checkpoints.best() == {}
    bias = joint.segmenter.trainable_variables[-1]
    saved = []
    for step, miou in ((1, 0.2), (2, 0.1), (3, 0.2), (4, 0.3), (5, 0.25)):
        bias.assign(tf.fill(bias.shape, float(step)))
        saved.append(checkpoints.save_if_best(step, miou))
    assert saved == [True, False, False, True, False]
    assert checkpoints.best() == {"step": 4, "miou": 0.3} == json.loads((tmp_path / "best.json").read_text())
    other = build_segmenter(tiny.recipe(size=(32, 64)))
    assert restore_segmenter(other, tmp_path, "best") == 4
    assert np.all(other.trainable_variables[-1].numpy() == 4)
    # Killed before best.json was written, or the file lost: the checkpoint itself knows its mIoU.
    (tmp_path / "best.json").unlink()
    again = Checkpoints(joint, tmp_path, keep=2)
    assert not again.save_if_best(6, 0.29) and again.best()["step"] == 4


def test_only_the_newest_are_kept(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step)
    assert checkpoints.latest == str(tmp_path / "last/step-3")  # waits for it
    assert sorted(path.name for path in (tmp_path / "last").glob("*.index")) == ["step-2.index", "step-3.index"]


def test_a_checkpoint_holds_the_moment_it_was_asked_for(tmp_path):
    player = trainer()
    checkpoints = Checkpoints(player, tmp_path, keep=2)
    variables = [v for p in player.players for v in (*p.network.variables, *p.optimizer.variables)]
    for step in (1, 2):
        before = [variable.numpy() for variable in variables]
        checkpoints.save(step)
        for variable in variables:  # as training does while it is being written
            variable.assign(tf.zeros_like(variable))
        assert checkpoints.latest and checkpoints.restore()
        assert all(np.array_equal(a, v.numpy()) for a, v in zip(before, variables, strict=True))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.fault(
    "a run folder whose path, taken for a pattern, matches that of another run (`exp?` and `exp1`)",
    "each run finds, keeps and removes its own checkpoints only",
)
@pytest.mark.parametrize(
    "name", ["exp?", *(pytest.param(name, marks=pytest.mark.slow) for name in ("exp[1]", r"e\xp* [2]"))]
)
def test_no_path_is_taken_for_a_pattern(joint, tmp_path, name):
    neighbours = [tmp_path / other for other in ("exp1", "exp", "exp12", "run (copy) 1")]
    for neighbour in neighbours:
        (neighbour / "last").mkdir(parents=True)
        for step in (1, 2, 3):
            for suffix in (".index", ".data-00000-of-00001"):
                (neighbour / f"last/step-{step}{suffix}").write_bytes(b"another run's")
        shutil.copytree(neighbour / "last", neighbour / "best")
    before = {neighbour: contents(neighbour) for neighbour in neighbours}
    bias = joint.segmenter.trainable_variables[-1]
    folder = tmp_path / name
    checkpoints = Checkpoints(joint, folder, keep=1)
    for step in (1, 2):
        bias.assign(tf.fill(bias.shape, float(step)))
        checkpoints.save(step)
        assert checkpoints.save_if_best(step, step / 10)
    checkpoints.save_now(3)
    assert not checkpoints.save_if_best(3, 0.1)
    assert {path.stem for path in (folder / "last").iterdir()} == {"checkpoint", "step-3"}
    assert {path.stem for path in (folder / "best").iterdir()} == {"checkpoint", "step-2"}
    bias.assign(tf.zeros_like(bias))
    again = Checkpoints(joint, folder, keep=1)
    assert again.restore() and again.latest == str(folder / "last/step-3") and np.all(bias.numpy() == 2)
    again.sweep()
    assert again.best() == {"step": 2, "miou": 0.2}
    assert restore_segmenter(build_segmenter(tiny.recipe(size=(32, 64))), folder, "best") == 2
    assert {neighbour: contents(neighbour) for neighbour in neighbours} == before


def test_tensorflow_finds_the_newest_too(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=2)
    for step in (2, 10, 9):  # 9 is written last
        checkpoints.save_now(step)
        checkpoints.save_if_best(step, step / 100)
    assert tf.train.latest_checkpoint(str(tmp_path / "last")) == str(tmp_path / "last/step-9")
    assert tf.train.latest_checkpoint(str(tmp_path / "best")) == str(tmp_path / "best/step-10")
    state = tf.train.get_checkpoint_state(str(tmp_path / "last"))
    assert list(state.all_model_checkpoint_paths) == [str(tmp_path / "last" / name) for name in ("step-2", "step-9")]


def test_an_earlier_best_takes_the_place_of_a_later_one(joint, tmp_path):
    """The run went back to step 2, because the checkpoints after it were damaged, and then did better."""
    checkpoints = Checkpoints(joint, tmp_path, keep=1)
    assert checkpoints.save_if_best(6, 0.5) and checkpoints.save_if_best(4, 0.6)
    assert checkpoints.best() == {"step": 4, "miou": 0.6}
    assert restore_segmenter(joint.segmenter, tmp_path, "best") == 4


@contextlib.contextmanager
def small_files_only():
    """As on a disk that is full: what is longer than a page cannot be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault("a disk that is full when a checkpoint is written", "told; the last good checkpoint stays")
def test_a_full_disk_is_told_and_the_last_good_checkpoint_stays(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=2)
    checkpoints.save(1)
    assert checkpoints.latest == str(tmp_path / "last/step-1")
    with small_files_only():
        checkpoints.save(2)
        assert checkpoints.latest == str(tmp_path / "last/step-1")
        with pytest.raises(HRSError, match=r"cannot write .*last"):
            checkpoints.save(3)
        with pytest.raises(HRSError, match=r"cannot write .*last"):
            checkpoints.save_now(3)
    again = Checkpoints(joint, tmp_path, keep=2)
    assert again.restore() and again.latest == str(tmp_path / "last/step-1")
    checkpoints.save_now(4)
    assert again.restore() and again.latest == str(tmp_path / "last/step-4")


@pytest.mark.fault("half-written and surplus checkpoints of killed processes", "removed when the run goes on")
def test_what_killed_processes_left_is_swept(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=2)
    for step in range(1, 6):
        checkpoints.save_now(step)
        if step < 4:  # copies that the manager does not know of
            for part in (tmp_path / "last").glob(f"step-{step}.*"):
                shutil.copy(part, tmp_path)
    for part in tmp_path.glob("step-*"):
        shutil.move(part, tmp_path / "last" / part.name)
    (tmp_path / "last/step-9_temp").mkdir()
    (tmp_path / "last/step-9_temp/part").write_bytes(b"half")
    truncated = tmp_path / "last/step-5.index"
    truncated.write_bytes(truncated.read_bytes()[:100])
    again = Checkpoints(joint, tmp_path, keep=2)
    assert again.restore() and again.latest.endswith("step-4")
    again.sweep()
    # Two good ones, and the damaged one, which the run writes anew when it comes to that step.
    assert {path.stem for path in (tmp_path / "last").glob("step-*")} == {"step-3", "step-4", "step-5"}


@pytest.mark.fault("a damaged best checkpoint at the end of a run", "the newest is taken for it, with a warning")
def test_a_damaged_best_checkpoint_costs_no_run(copied, capsys):
    (copied / "result.json").unlink()
    (data,) = (copied / "checkpoints/best").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:1000])
    result = train(load_recipe(copied.parents[1] / "tiny.yaml"), export=False)
    said = capsys.readouterr().out
    assert "warning: the checkpoint" in said and "the newest checkpoint, of step 8, is taken for the best" in said
    assert result.step == 8


@pytest.mark.fault("a variable that is NaN or infinite", "no checkpoint is written; player and variable are named")
def test_nothing_that_is_not_finite_is_saved(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=2)
    checkpoints.save(1)
    slot = joint.players[1].optimizer.variables[-1]
    before = slot.numpy()
    slot.assign(np.full_like(before, np.inf))
    try:
        with pytest.raises(NonFiniteError, match=r"step 2: .* player 'weighting/pixel' .*step-1"):
            checkpoints.save(2)
        with pytest.raises(NonFiniteError):
            checkpoints.save_if_best(2, 0.5)
    finally:
        slot.assign(before)
    assert not list(tmp_path.glob("*/step-2*"))


@pytest.mark.fault("a checkpoint of other networks", "refused, and not called damaged alone")
def test_checkpoint_of_another_network(joint, tmp_path):
    Checkpoints(joint, tmp_path, keep=1).save(1)
    for override in ("encoder.fc=16", "method.levels=[pixel]", "method.gan=false", "method.weighting_width=8"):
        with pytest.raises(CheckpointError, match=r"step-1 cannot be restored: .* does not fit"):
            Checkpoints(trainer(override), tmp_path, keep=1).restore()
    with pytest.raises(CheckpointError, match="does not fit the networks"):
        restore_segmenter(build_segmenter(tiny.recipe("encoder.fc=16", size=(32, 64))), tmp_path, "last")


@pytest.mark.fault("a run whose only checkpoint is damaged, or that has none", "an error that says which")
def test_damaged_and_missing_checkpoints(joint, tmp_path):
    checkpoints = Checkpoints(joint, tmp_path, keep=1)
    assert checkpoints.restore() is False
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        restore_segmenter(joint.segmenter, tmp_path, "best")
    checkpoints.save_now(1)
    data = next((tmp_path / "last").glob("*.data*"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoints(joint, tmp_path, keep=1).restore()


def damage_state(folder):
    (folder / "checkpoint").write_bytes(b"\xff\x00 no list of checkpoints")


def damage_data(folder):
    path = next(folder.glob("step-3.data*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage_length(folder):
    path = next(folder.glob("step-3.data*"))
    path.write_bytes(path.read_bytes()[:100])


def damage_index(folder):
    (folder / "step-3.index").write_bytes(b"")


def remove_data(folder):
    next(folder.glob("step-3.data*")).unlink()


@pytest.mark.fault(
    "the newest checkpoint cut off, changed or half gone", "the one before is taken, with a warning that names both"
)
@pytest.mark.parametrize("damage", [damage_state, damage_data, damage_length, damage_index, remove_data])
def test_the_last_good_checkpoint_is_taken(tmp_path, capsys, damage):
    player = trainer()
    checkpoints = Checkpoints(player, tmp_path, keep=2)
    bias = player.segmenter.trainable_variables[-1]
    for step in (2, 3):
        bias.assign(tf.fill(bias.shape, float(step)))
        checkpoints.save_now(step)
    damage(tmp_path / "last")
    good = 3 if damage is damage_state else 2
    again = Checkpoints(player, tmp_path, keep=2)
    bias.assign(tf.zeros(bias.shape))
    assert again.restore() and np.all(bias.numpy() == good)
    assert again.latest == str(tmp_path / f"last/step-{good}")
    segmenter = build_segmenter(tiny.recipe(size=(32, 64)))
    step = restore_segmenter(segmenter, tmp_path, "last")
    assert step == good or damage is damage_data  # which may lie in another network, that it does not read
    assert np.all(segmenter.trainable_variables[-1].numpy() == step)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert len(said) == (good == 2) + (step == 2)  # for each of the two that read it
    assert all("last/step-3 is damaged" in line and "last/step-2 is taken instead" in line for line in said)
    # Training goes on: the damaged one is written anew, and nothing is left to fall back from.
    again.save_now(3)
    assert restore_segmenter(segmenter, tmp_path, "last") == 3


@pytest.mark.fault("a damaged best checkpoint while a run trains", "the next validation replaces it, with a warning")
def test_a_damaged_best_checkpoint_is_replaced(joint, tmp_path, capsys):
    checkpoints = Checkpoints(joint, tmp_path, keep=1)
    assert checkpoints.save_if_best(3, 0.5)
    damage_index(tmp_path / "best")
    assert Checkpoints(joint, tmp_path, keep=1).save_if_best(6, 0.1)
    assert "step-3 cannot be read" in capsys.readouterr().out
    assert checkpoints.best() == {"step": 6, "miou": 0.1}


@pytest.mark.slow
def test_checkpoints_by_the_clock(recipe_file):
    recipe = load_recipe(
        recipe_file,
        [
            "method.gan=false",
            "method.source_weighting=none",
            "train.steps=3",
            "train.checkpoint_every=100",
            "train.checkpoint_minutes=1e-9",
            "train.validate_every=9",
        ],
    )
    train(recipe, export=False)
    kept = {path.name for path in (recipe.run_dir / "checkpoints/last").glob("*.index")}
    assert kept == {"step-1.index", "step-2.index", "step-3.index"}


def test_best_and_last_of_a_run(finished):
    from hrs_keras.runs.folder import RunFolder

    best = json.loads((finished / "checkpoints/best.json").read_text())
    scores = {}
    for file in (finished / "evaluations").glob("step_*.json"):
        record = json.loads(file.read_text())
        scores[record["step"]] = record["mean_iou"]["19"]
    assert set(scores) == {0, 4, 8}
    del scores[0]  # the untrained network is no candidate
    assert best == {"step": max(scores, key=scores.get), "miou": max(scores.values())}
    assert load_segmenter(RunFolder(finished), "best")[1] == best["step"]
    assert load_segmenter(RunFolder(finished), "last")[1] == 8


def test_a_run_whose_recipe_was_edited(copied):
    text = (copied / "recipe.yaml").read_text()
    (copied / "recipe.yaml").write_text(text.replace("fc: 16", "fc: 8"))
    from hrs_keras.evaluation.run import evaluate_run

    with pytest.raises(CheckpointError, match="does not fit the networks of the recipe"):
        evaluate_run(copied)
    shutil.rmtree(copied / "checkpoints")
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        evaluate_run(copied)
    (copied / "recipe.yaml").unlink()
    with pytest.raises(CheckpointError, match="is no run folder"):
        evaluate_run(copied)
    assert load_recipe(copied.parents[1] / "tiny.yaml").name == "tiny"
