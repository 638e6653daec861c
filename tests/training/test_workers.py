"""Two worker processes on loopback: one run together, through the loss of either."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import logged, tensors
from support.processes import Forked, free_port, hrs, outcome
from support.tiny_run import write_recipe

pytestmark = pytest.mark.slow

STEPS = ("train.steps=30", "train.validate_every=15", "train.checkpoint_every=5", "train.keep_checkpoints=2")
# More of them: HRS_TEST_KILLS=10 pytest tests/training/test_workers.py
KILLS = int(os.environ.get("HRS_TEST_KILLS", "1"))


def start_workers(*command: object, cache: Path, own: Sequence[str] = ("", "")) -> list[Forked]:
    """The same command on both workers of a cluster, but for a word of their own."""
    places = [f"localhost:{free_port()}" for _ in own]
    workers = []
    for index, word in enumerate(own):
        config = json.dumps({"cluster": {"worker": places}, "task": {"type": "worker", "index": index}})
        workers.append(hrs(*command, *filter(None, [word]), "--no-report", cache=cache, TF_CONFIG=config))
    return workers


@pytest.fixture(scope="module")
def together(city, tmp_path_factory) -> Path:
    """The run folder of an uninterrupted run of two workers."""
    folder = tmp_path_factory.mktemp("together")
    workers = start_workers("train", write_recipe(folder, city), *STEPS, cache=folder / "cache")
    codes, outs, errors = outcome(workers)
    assert codes == [0, 0], errors
    assert "step 30/30" in outs[0] and "SavedModel" in outs[0]
    told = ["waiting for all 2 workers, 10 minutes at most", "worker 1 of 2: progress is on the chief's terminal"]
    assert outs[1].splitlines() == told
    return folder / "runs/tiny"


def test_two_workers_do_what_one_process_does(city, tmp_path):
    """Weights after some steps: test_replicas.py."""
    # Each replica draws these for itself.
    same = ("encoder.dropout=0", "method.label_noise=0", "train.steps=2", "train.log_every=1", "--no-export")
    command = ("train", write_recipe(tmp_path, city, pictures=1), *same)
    codes, _, errors = outcome([hrs(*command, "name=alone", "--no-report", cache=tmp_path / "cache")])
    assert codes == [0], errors
    codes, _, errors = outcome(start_workers(*command, "name=together", cache=tmp_path / "cache"))
    assert codes == [0, 0], errors
    runs = [tmp_path / "runs" / name for name in ("together", "alone")]
    for ours, theirs in zip(*map(logged, runs), strict=True):
        values = [name for name in ours if name.startswith(("loss/", "gradient_norm/"))]
        assert len(values) == 8 + 6
        for name in values:
            assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-4), name
    # The untrained network is evaluated before any step: every image counts once, on whichever worker.
    files = [run / "evaluations/step_0000000.json" for run in runs]
    apart, alone = (json.loads(file.read_text()) for file in files)
    assert apart["images"] == alone["images"] == 3  # which two workers cannot share evenly
    assert apart["confusion_matrix"] == alone["confusion_matrix"] and np.sum(alone["confusion_matrix"]) > 0


@pytest.mark.fault(
    "the workers of a cluster have different data", "all end before the first step, with one message each"
)
def test_workers_with_different_data(city, tmp_path):
    shutil.copytree(city, tmp_path / "other")
    next((tmp_path / "other/gtav/images").iterdir()).unlink()
    words = ("train", write_recipe(tmp_path, city), "data.on_bad=skip")
    own = ("", f"data.root={tmp_path}/other")
    codes, _, errors = outcome(start_workers(*words, cache=tmp_path / "cache", own=own))
    assert codes == [2, 2], errors
    assert all("hrs: the workers have different data: names, sizes" in error for error in errors)
    assert not (tmp_path / "runs").exists()


@pytest.mark.fault(
    "a worker of several that is killed, at any moment",
    "the others end with exit code 75; started again they end with the same weights",
)
def test_a_killed_worker_ends_the_others_and_the_restarted_job_goes_on_exactly(together, city, tmp_path, monkeypatch):
    monkeypatch.setenv("HRS_WAIT_MINUTES", "0.5")
    command = ("train", write_recipe(tmp_path, city), *STEPS)
    log, killed, first = tmp_path / "runs/tiny/log.csv", 0, random.randrange(6)
    while killed < KILLS:
        workers = start_workers(*command, cache=tmp_path / "cache")
        kind = first + killed  # six kinds: either worker, at three moments
        victim = kind % 2
        # Some runs are killed before the workers have found one another, the others at most two log rows into training.
        before, rows = log.stat().st_mtime_ns if log.exists() else 0, kind % 3
        deadline = time.monotonic() + 60
        while rows and time.monotonic() < deadline and all(worker.poll() is None for worker in workers):
            time.sleep(0.01)
            now = log.stat().st_mtime_ns if log.exists() else 0
            rows, before = (rows - 1, now) if now != before else (rows, before)
        moment = random.uniform(0, 0.3)
        print(f"worker {victim} is killed {moment:.3f} seconds after {kind % 3} rows of the log")
        time.sleep(moment)
        if all(worker.poll() is not None for worker in workers):
            break  # done, before it could be killed
        workers[victim].kill()
        begun = time.monotonic()
        codes, outs, errors = outcome(workers)
        killed += 1
        assert codes[victim] == -signal.SIGKILL
        code, out, error = (of_both[1 - victim] for of_both in (codes, outs, errors))
        if code != -signal.SIGALRM or "waiting for all 2 workers, 0.5 minutes" not in out.splitlines()[-1]:
            assert code == 75 and "another worker has gone" in error.strip().splitlines()[-1], error
        assert time.monotonic() - begun < 60
    codes, _, errors = outcome(start_workers(*command, cache=tmp_path / "cache"))
    assert codes == [0, 0], errors
    assert killed == KILLS
    for which in ("last", "best"):
        ours, theirs = (tensors(run / "checkpoints" / which) for run in (tmp_path / "runs/tiny", together))
        assert ours.keys() == theirs.keys() and len(ours) > 100
        assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.fault("a worker whose partner never comes", "ends after `HRS_WAIT_MINUTES`")
def test_a_worker_that_is_alone_does_not_wait_for_ever(city, tmp_path, monkeypatch):
    monkeypatch.setenv("HRS_WAIT_MINUTES", "0.05")
    workers = start_workers("train", write_recipe(tmp_path, city), cache=tmp_path / "cache")
    workers[1].kill()
    codes, outs, _ = outcome(workers)
    assert codes == [-signal.SIGALRM, -signal.SIGKILL]
    assert "waiting for all 2 workers, 0.05 minutes at most" in outs[0] and not (tmp_path / "runs").exists()


@pytest.mark.fault("SIGTERM to one worker of several", "all save and end with exit code 75")
def test_sigterm_to_one_worker_saves_and_ends_all(city, tmp_path):
    run = tmp_path / "runs/tiny"
    workers = start_workers(
        "train", write_recipe(tmp_path, city), "train.steps=5000", "train.validate_every=5000", cache=tmp_path / "cache"
    )
    deadline = time.monotonic() + 120
    while not (run / "log.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    workers[1].send_signal(signal.SIGTERM)
    codes, _, errors = outcome(workers)
    assert codes == [75, 75], errors
    step = int(errors[0].split("after step ")[1].split(":")[0])
    assert f"after step {step}:" in errors[1]
    assert (run / f"checkpoints/last/step-{step}.index").is_file()


@pytest.mark.fault("workers that do not share the run folder", "refused; the steps that they found are named")
def test_workers_that_do_not_share_the_run_folder_are_told(together, city, tmp_path):
    # All but the run folder is as it was when the run was made.
    command = ("train", write_recipe(tmp_path, city), *STEPS, f"saved_models={together.parents[1] / 'saved_models'}")
    folders = together.parent, tmp_path / "elsewhere"
    workers = start_workers(*command, cache=tmp_path / "cache", own=[f"runs={folder}" for folder in folders])
    codes, _, errors = outcome(workers)
    assert codes[0] == 2 and codes[1] in (2, 75), errors  # the one may be gone before the other has heard all
    assert "are of different steps ([0, 30]): the run folder must be one that all workers share" in errors[0]
