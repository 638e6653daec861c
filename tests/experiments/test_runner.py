"""Running experiments: what is run, in which order, side by side; interrupted, killed, failing; and once for real."""

import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.paths import REPOSITORY
from support.tiny_run import write_recipe

from hrs_keras.cli.main import main
from hrs_keras.errors import HRSError
from hrs_keras.experiments.grid import load_experiment, load_experiments
from hrs_keras.experiments.processes import Training, cpu_shares, end_all
from hrs_keras.experiments.result_files import read_results
from hrs_keras.experiments.runner import FailedRunsError, plan, run_experiments
from hrs_keras.recipe.reading import load_recipe

SYSTEMS = REPOSITORY / "recipes/systems"
PYTHON = sys.executable
JOBS = min(2, len(os.sched_getaffinity(0)))


def systems(*names: str) -> list[dict]:
    return [{"name": name, "recipe": str(SYSTEMS / f"{name}.yaml")} for name in names]


@pytest.fixture
def experiment(recipe_file) -> Callable[..., Path]:
    """``experiment(name, systems, seeds, **keys)``: a file; its runs are of the tiny recipe."""

    def write(name: str, listed: list[dict], seeds: list[int], **keys) -> Path:
        path = recipe_file.parent / f"{name}.yaml"
        tree = {"title": name, "recipe": "tiny.yaml", "seeds": seeds, "systems": listed}
        path.write_text(yaml.safe_dump(tree | keys))
        return path

    return write


# ---- the order of the runs -------------------------------------------------------------------------------------


def test_first_seeds_come_first(experiment):
    listed = systems("fcn", "joint")
    listed[1]["seeds"] = [7, 3, 5]
    cells = [{"name": "few", "set": {"data.target.0.subset": 2}}, {"name": "full"}]
    file = experiment("a", listed, [3, 5], axes=[{"title": "t", "cells": cells}])
    tasks = plan([load_experiment(file)])
    both = [(system, cell) for system in ("fcn", "joint") for cell in ("few", "full")]
    wanted = [(*place, {"fcn": 3, "joint": 7}[place[0]]) for place in both]
    wanted += [(*place, {"fcn": 5, "joint": 3}[place[0]]) for place in both]
    wanted += [("joint", "few", 5), ("joint", "full", 5)]
    assert [(task.cell.system, *task.cell.cells, task.cell.seed) for task in tasks] == wanted
    few = plan([load_experiment(file)], only=["joint"])
    assert [task.cell for task in few] == [task.cell for task in tasks if task.cell.system == "joint"]


def test_shared_runs_are_made_once(experiment):
    check = {"marks": "m.jsonl", "id": "id", "flag": "odd"}
    renamed = [system | {"name": f"my_{system['name']}"} for system in systems("fcn", "w1", "joint")]
    files = [experiment("a", systems("fcn", "w1"), [0, 1]), experiment("b", renamed, [0], selection_check=check)]
    tasks = plan(load_experiments(files))
    assert [task.cell.system for task in tasks] == ["fcn", "w1", "my_joint", "fcn", "w1"]
    assert [task.check and task.check.marks for task in tasks] == [None, "m.jsonl", None, None, None]


def test_systems_that_there_are_not(experiment):
    with pytest.raises(HRSError, match=r"--only fnc: no such system\. Did you mean 'fcn'\?"):
        plan([load_experiment(experiment("a", systems("fcn"), [0]))], only=["fnc"])


# ---- processes -------------------------------------------------------------------------------------------------


def test_cpus_are_shared_evenly(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {9, 2, 3, 4, 5, 6, 7})
    assert cpu_shares(1) == [{2, 3, 4, 5, 6, 7, 9}]
    assert cpu_shares(3) == [{2, 3}, {4, 5}, {6, 7}]
    for jobs in (0, -1, 8):
        with pytest.raises(HRSError, match=f"--jobs {jobs}: wants a number from 1 to that of the CPUs, here 7"):
            cpu_shares(jobs)
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert cpu_shares(2) == [{0, 1, 2, 3}] * 2


@pytest.fixture
def instead(tmp_path, monkeypatch) -> Callable[[str], None]:
    """``instead(code)``: what is run in place of ``python -m hrs_keras.cli train``."""

    def replace(code: str) -> None:
        script = tmp_path / "instead.py"
        script.write_text(f"#!{PYTHON} -I\n{code}")
        script.chmod(0o755)
        monkeypatch.setattr("sys.executable", str(script))

    return replace


NOTE_AND_FAIL = """
import json, os, sys, time
begin = time.monotonic()
time.sleep(0.3)
note = {"argv": sys.argv[1:], "cpus": sorted(os.sched_getaffinity(0)), "time": [begin, time.monotonic()]}
with open(sys.argv[4] + ".note", "w") as file:
    json.dump(note, file)
print("some lines\\nhrs: the reason:\\n  more of it\\nlast line", file=sys.stderr)
sys.exit(2)
"""


@pytest.mark.slow
def test_runs_side_by_side(experiment, tmp_path, instead, capsys):
    instead(NOTE_AND_FAIL)
    experiments = [load_experiment(experiment("a", systems("fcn", "joint"), [0, 1]))]
    before = os.sched_getaffinity(0)
    for _ in range(2):
        with pytest.raises(FailedRunsError) as caught:
            run_experiments(experiments, tmp_path / "results", jobs=JOBS)
    assert os.sched_getaffinity(0) == before
    cells, runs = experiments[0].cells(), tmp_path / "runs"
    notes = {cell.name: json.loads((runs / f"{cell.name}.yaml.note").read_text()) for cell in cells}
    for cell in cells:
        file, log = runs / f"{cell.name}.yaml", runs / f"{cell.name}.log"
        assert notes[cell.name]["argv"] == ["-m", "hrs_keras.cli", "train", str(file), "--no-export", "--no-report"]
        assert load_recipe(file) == cell.recipe
        assert f"  {cell.name}: the reason: ({log})\n" in str(caught.value)
        assert log.read_text().count("last line") == 2  # of both calls
    assert str(caught.value).startswith("4 of 4 runs failed:\n")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"4 runs: 0 have their result in {tmp_path}/results, 4 to go"
    assert [line.rpartition("; ")[2] for line in printed[1:5]] == ["3 left", "2 left", "1 left", "0 left"]
    # Never more than JOBS at a time; those that overlap have CPUs of their own.
    assert {len(note["cpus"]) for note in notes.values()} == {len(before) // JOBS}
    for one in notes.values():
        at = [other for other in notes.values() if other["time"][0] <= one["time"][1] <= other["time"][1]]
        assert len(at) <= JOBS and sum(len(note["cpus"]) for note in at) == len({c for n in at for c in n["cpus"]})


@pytest.mark.parametrize(
    "code, why",
    [
        ("import sys; sys.exit(2)", "it printed nothing"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL; it printed nothing"),
        ("print('begun\\n')\nraise ValueError('a bug')", "ValueError: a bug"),
        ("import sys; print('hrs: one\\nhrs: \\xff two'); print('and more'); sys.exit(1)", "\xff two"),
    ],
)
def test_why_a_process_failed(recipe_file, instead, code, why):
    instead(code)
    recipe = load_recipe(recipe_file)
    training = Training.start(recipe, os.sched_getaffinity(0))
    assert training.process.wait(60)
    assert training.why() == f"{why} ({recipe.run_dir}.log)"


def test_one_process_a_run(recipe_file, instead):
    instead("import time; print('up', flush=True); time.sleep(60)")
    recipe = load_recipe(recipe_file)
    first = Training.start(recipe, os.sched_getaffinity(0))
    try:
        with pytest.raises(HRSError, match=r"another process is at this run \(it holds .*tiny\.log\)"):
            Training.start(recipe, os.sched_getaffinity(0))
    finally:
        first.process.kill()
        first.process.wait()
    instead("print('later')")
    second = Training.start(recipe, os.sched_getaffinity(0))
    assert second.process.wait(60) == 0 and second.log.read_text().endswith("later\n")


def test_processes_are_ended():
    code = "import signal, time\nsignal.signal(signal.SIGTERM, {})\nprint('up', flush=True)\ntime.sleep({})"
    variants = [("signal.SIG_IGN", 60), ("lambda *_: exit(75)", 60), ("signal.SIG_IGN", 0)]
    started = [
        subprocess.Popen([sys.executable, "-c", code.format(*v)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for v in variants
    ]
    for process in started:
        with process.stdout as out:
            assert out.readline() == b"up\n"
    end_all(started, interrupted=0.2, terminated=1.0)
    assert [process.returncode for process in started] == [-signal.SIGKILL, 75, 0]


# ---- what no run is started for --------------------------------------------------------------------------------


@pytest.mark.fault("a run folder begun with other settings", "refused; what differs is named")
def test_runs_begun_with_other_settings(experiment, tmp_path, instead, capsys):
    instead("raise SystemExit('was started')")
    file = experiment("a", systems("fcn"), [0])
    (cell,) = load_experiment(file).cells()
    cell.recipe.run_dir.mkdir(parents=True)
    begun = load_recipe(file.parent / "tiny.yaml", [f"name={cell.name}", "seed=3", "train.log_every=1"])
    (cell.recipe.run_dir / "recipe.yaml").write_text(begun.to_yaml())
    with pytest.raises(FailedRunsError, match=r"begun with other settings \(.*seed: 3 -> 0.*\); give those") as caught:
        run_experiments([load_experiment(file)], tmp_path / "results")
    assert "log_every" not in str(caught.value)
    (cell.recipe.run_dir / "recipe.yaml").write_text("name: x\n")
    with pytest.raises(FailedRunsError, match="missing"):
        run_experiments([load_experiment(file)], tmp_path / "results")


def test_a_run_begun_with_settings_that_decide_no_number_goes_on(experiment, tmp_path, instead):
    instead("raise SystemExit('was started')")
    file = experiment("a", systems("fcn"), [0])
    (cell,) = load_experiment(file, ["train.log_every=1"]).cells()
    cell.recipe.run_dir.mkdir(parents=True)
    (cell.recipe.run_dir / "recipe.yaml").write_text(cell.recipe.to_yaml())
    with pytest.raises(FailedRunsError, match="was started"):
        run_experiments([load_experiment(file)], tmp_path / "results")


def test_marks_are_read_before_the_first_run(experiment, tmp_path, instead):
    instead("raise SystemExit('was started')")
    check = {"marks": str(tmp_path / "marks.jsonl"), "id": "id", "flag": "odd"}
    (tmp_path / "marks.jsonl").write_text('{"id": "a"}\n')
    file = experiment("a", systems("fcn", "w1"), [0], selection_check=check)
    with pytest.raises(HRSError, match=r"marks\.jsonl, line 1: 'odd' wants true or false"):
        run_experiments([load_experiment(file)], tmp_path / "results")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(FailedRunsError):  # a system that selects nothing needs no marks
        run_experiments([load_experiment(file)], tmp_path / "results", only=["fcn"])


@pytest.mark.parametrize(
    "words, says",
    [
        ([], "no experiment is named"),
        (["{file}", "seed=3"], "'seed=3' is not for experiments"),
        (["{file}", "--only", "fcn", "train.stepz=3"], "train.stepz: unknown key. Did you mean 'steps'?"),
        (["{file}", "--only", "fnc", "--jobs", "1"], "--only fnc: no such system. Did you mean 'fcn'?"),
        (["{file}", "--jobs", "1000"], "--jobs 1000: wants a number from 1"),
        (["{file}", "{file}"], "would be called a.md"),
        (["nowhere.yaml"], "cannot read the experiment nowhere.yaml"),
    ],
)
def test_commands_that_are_refused(experiment, tmp_path, capsys, words, says):
    file = experiment("a", systems("fcn"), [0])
    words = [word.format(file=file) for word in words] or ["train.steps=3"]
    assert main(["experiment", *words, "--results", str(tmp_path / "results")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.fault("a report that cannot be written", "told before the first run")
def test_a_report_that_cannot_be_written_is_told_before_the_first_run(experiment, tmp_path, capsys):
    file = str(experiment("a", systems("fcn"), [0]))
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    place = tmp_path / "file"
    place.write_text("")
    words = ("experiment", file, "--results", str(tmp_path / "results"))
    for more, says in (
        (("--into", str(page)), "<!-- begin: a -->' nowhere"),
        (("--out", str(place)), f"cannot write {place}"),
    ):
        assert main([*words, *more]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


QUICK = """
import sys
from hrs_keras.cli import main
assert main(["experiment", sys.argv[1], "train.stepz=3"]) == 2
assert not {"tensorflow", "keras", "matplotlib", "scipy"} & set(sys.modules)
"""


@pytest.mark.fault("a mistake in the settings of an experiment", "told at once, before TensorFlow is loaded")
def test_mistakes_are_told_before_the_wait(experiment):
    file = experiment("a", systems("fcn"), [0])
    process = subprocess.run([PYTHON, "-c", QUICK, file], capture_output=True, text=True, cwd=REPOSITORY)
    assert process.returncode == 0 and "train.stepz: unknown key" in process.stderr, process.stderr


# ---- for real --------------------------------------------------------------------------------------------------

CHANGES = {"train.pictures": 0, "train.selection_images": 4, "method.levels": ["pixel"]}
AXES = [{"title": "target", "cells": [{"name": "1/2", "set": {"data.target.0.subset": 0.5}}, {"name": "full"}]}]


def write_experiment(folder: Path, city: Path, name: str, listed: list[dict], **keys) -> Path:
    """An experiment over the toy city; every other of its source images is marked."""
    write_recipe(folder, city)
    images = sorted(path.stem for path in [*city.glob("gtav/images/*.png"), *city.glob("synthia/RGB/*.png")])
    marks = [json.dumps({"id": stem, "odd": bool(n % 2)}) for n, stem in enumerate(images)]
    (folder / "marks.jsonl").write_text("\n".join(marks))
    tree = {"title": "Toy", "recipe": "tiny.yaml", "set": CHANGES, "systems": listed} | keys
    tree["selection_check"] = {"marks": str(folder / "marks.jsonl"), "id": "id", "flag": "odd"}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def start(folder: Path, *words: object) -> subprocess.Popen:
    """``hrs experiment WORDS runs=runs`` in a folder, as a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "hrs_keras.cli", "experiment", *map(str, words), "runs=runs"],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen, code: int = 0) -> tuple[list[str], str]:
    """The lines it prints, and its messages."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, out + err
    return out.splitlines(), err


@pytest.fixture(scope="module")
def made(city, tmp_path_factory) -> tuple[Path, list[str]]:
    """The folder of a finished experiment, ``toy.yaml``, and what its command printed. Only to be read."""
    folder = tmp_path_factory.mktemp("experiment")
    listed = [*systems("fcn"), systems("w1")[0] | {"seeds": [0]}]
    file = write_experiment(folder, city, "toy", listed, seeds=[0, 1], axes=AXES)
    return folder, finish(start(folder, file.name, "--jobs", JOBS))[0]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_whole_experiment(made):
    folder, printed = made
    cells = load_experiment(folder / "toy.yaml").cells()
    assert len(cells) == 6
    assert printed[0] == "6 runs: 0 have their result in results, 6 to go"
    assert [line.rpartition("; ")[2] for line in printed[1:7]] == [f"{n} left" for n in range(5, -1, -1)]
    assert printed[7:] == ["results/toy.md"]
    assert (folder / "results/toy.md").read_text().startswith("# Toy\n")
    results = read_results(folder / "results")
    assert set(results) == {cell.digest for cell in cells}
    for cell in cells:
        result = results[cell.digest]
        assert (folder / f"results/{cell.name}.json").is_file() and result.name == cell.name
        assert result.environment.cpus == len(os.sched_getaffinity(0)) // JOBS
        assert set(result.parameters) == {"encoder", *(["weighting/pixel"] if cell.system == "w1" else [])}
        assert [e.step for e in result.evaluations] == [0, 4, 8]
        assert [row.step for row in result.log] == [2, 4, 6, 8]
        evaluation = json.loads((folder / f"runs/{cell.name}/evaluations/step_0000008.json").read_text())
        assert result.evaluations[-1].mean_iou == evaluation["mean_iou"]
        miou = evaluation["mean_iou"]["19"]
        assert sum(line.startswith(f"{cell.name}: mIoU {100 * miou:.2f} %, ") for line in printed) == 1
        check = result.selection_check
        assert check is None if cell.system == "fcn" else [record.step for record in check] == [4, 8]
        assert check is None or all((record.flagged, record.others) == (2, 2) for record in check)
    ious = {tuple(results[cell.digest].evaluations[-1].iou.items()) for cell in cells}
    assert len(ious) == 6  # systems, cells and seeds all make a difference
    assert not (folder / "saved_models").exists()


@pytest.mark.slow
def test_nothing_is_run_twice(made):
    folder, _ = made
    before = contents(folder / "runs") | contents(folder / "results")
    printed, _ = finish(start(folder, "toy.yaml"))
    assert printed == ["6 runs: 6 have their result in results, 0 to go", "results/toy.md"]
    assert contents(folder / "runs") | contents(folder / "results") == before


@pytest.mark.fault("results that were removed", "collected again from the run folders")
@pytest.mark.slow
def test_lost_results_are_collected_again(made, tmp_path, monkeypatch, instead, capsys):
    instead("raise SystemExit('was started')")
    folder, _ = made
    monkeypatch.chdir(folder)
    experiments = [load_experiment("toy.yaml", ["runs=runs"])]
    one, other = [cell for cell in experiments[0].cells() if cell.system == "w1"]
    before = contents(Path("results"))
    Path(f"results/{one.name}.json").unlink()
    # As collected for an experiment without a check, which called the system otherwise.
    result = json.loads(Path(f"results/{other.name}.json").read_text())
    Path(f"results/{other.name}.json").write_text(json.dumps(result | {"selection_check": None}))
    run_experiments(experiments, "results")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "6 runs: 4 have their result in results, 2 to go"
    assert {line.split(":")[0] for line in printed[1:]} == {one.name, other.name}
    assert all("collected; " in line for line in printed[1:])
    assert contents(Path("results")) == before


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    until = time.monotonic() + 300
    while not condition() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.02)


# What a run leaves, in this order: a random moment is to be one in which something happens, however fast the machine.
MILESTONES = (
    *("recipe.yaml", "evaluations/step_0000000.json", "checkpoints/last/checkpoint", "evaluations/step_0000004.json"),
    *("checkpoints/best/checkpoint", "evaluations/step_0000008.json", "result.json"),
)


def is_locked(log: Path) -> bool:
    with open(log, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.fault(
    "an experiment that is interrupted or killed, and runs that fail", "the others are run; the same command goes on"
)
@pytest.mark.slow
def test_interrupted_killed_and_failing(made, city, tmp_path):
    lost = systems("fcn")[0] | {"name": "lost", "set": {"data.root": str(tmp_path / "nowhere")}}
    file = write_experiment(tmp_path, city, "cut", [lost, *systems("w1")], seeds=[0])
    words = (file.name, "--jobs", JOBS)
    name = load_experiment(file).cells()[1].name
    log = tmp_path / f"runs/{name}.log"

    process = start(tmp_path, *words)
    wait_for(lambda: log.exists() and log.stat().st_size > 0, process)
    process.send_signal(signal.SIGTERM)  # to the command alone
    _, err = finish(process, code=130)
    assert "hrs: interrupted; the same command goes on" in err
    assert not is_locked(log)  # no process is left

    process = start(tmp_path, *words)
    reached, moment = random.choice(MILESTONES), random.uniform(0, 0.5)
    wait_for((tmp_path / f"runs/{name}" / reached).exists, process)
    print(f"killed {moment:.3f} seconds after {reached} was there")
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    printed, err = finish(start(tmp_path, *words), code=2)
    assert re.search(r"^hrs: 1 of [12] runs failed:\n  lost-s0-\w{6}: data\.root: .*nowhere does not exist", err, re.M)
    assert printed[-1] == "results/cut.md"  # of what there is
    whole, resumed = read_results(made[0] / "results"), read_results(tmp_path / "results")
    ((digest, result),) = resumed.items()
    for key in ("evaluations", "best", "selection_check", "parameters"):
        assert getattr(result, key) == getattr(whole[digest], key)
