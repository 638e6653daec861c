"""Running what experiments still lack: one process a run, several at a time."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrs_keras.errors import CheckpointError, HRSError, did_you_mean
from hrs_keras.experiments.grid import Cell, Experiment, settings_digest
from hrs_keras.experiments.processes import POLL, Training, cpu_shares, end_all
from hrs_keras.experiments.results import collect, read_marks, read_results, write_result
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.recipe.reading import differences
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import read_json, write_json, writing
from hrs_keras.system.signals import told_to_stop


class FailedRunsError(HRSError):
    """Some runs of an experiment failed; all others have been made."""


@dataclass(frozen=True)
class Task:
    """A run to be made, and the marks that its selection is to be compared with."""

    cell: Cell
    check: SelectionCheck | None

    @property
    def run(self) -> RunFolder:
        """Where the run is."""
        return RunFolder(self.cell.recipe.run_dir)


def run_experiments(
    experiments: Sequence[Experiment], results: str | Path, *, jobs: int = 1, only: Sequence[str] = ()
) -> None:
    """Make the runs that have no result yet, and collect theirs. After an interruption the same call goes on.

    Runs that several experiments share are made once; all systems get their first seed before any its second.

    Args:
        experiments: from :func:`hrs_keras.experiments.grid.load_experiment`.
        results: folder of the results, ``NAME.json`` for each run.
        jobs: how many runs at a time; the CPUs are shared out evenly.
        only: names of the systems to run; none for all.

    Raises:
        FailedRunsError: after the last run, naming those that failed and why.
        HRSError: before the first, for a recipe, mark or earlier result that cannot be used.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; no process is left.
    """
    results = Path(results)
    shares, tasks = cpu_shares(jobs), plan(experiments, only)
    for check, root in {(task.check, task.cell.recipe.data.root) for task in tasks if task.check}:
        read_marks(check, root)  # a mistake in them is told before the hours of training, not after
    with writing(results):
        results.mkdir(parents=True, exist_ok=True)
    missing = _missing(tasks, read_results(results))
    there = len(tasks) - len(missing)
    print(f"{len(tasks)} runs: {there} have their result in {results}, {len(missing)} to go", flush=True)
    with told_to_stop(signal.SIGINT, signal.SIGTERM) as stop:
        failed = _Queue(missing, results, shares).run(stop)
    if failed:
        listed = "\n".join(f"  {name}: {why}" for name, why in failed.items())
        count = f"{len(failed)} of {len(missing)} runs failed"
        raise FailedRunsError(f"{count}:\n{listed}\nThe same command tries them again")


def plan(experiments: Sequence[Experiment], only: Sequence[str] = ()) -> list[Task]:
    """The runs of experiments, each once, in the order in which they are made.

    Raises:
        RecipeError: see :meth:`Experiment.cells`.
        HRSError: ``only`` names a system that no experiment has.
    """
    names = {system.name for experiment in experiments for system in experiment.systems}
    for name in only:
        if name not in names:
            raise HRSError(f"--only {name}: no such system." + did_you_mean(name, names))
    found: list[tuple[int, Task]] = []
    for experiment in experiments:
        seeds_before: dict[tuple, int] = {}
        for cell in experiment.cells():
            place = (cell.system, cell.cells)
            turn = seeds_before[place] = seeds_before.get(place, -1) + 1
            if not only or cell.system in only:
                selects = cell.recipe.method.source_weighting == "learned"
                found.append((turn, Task(cell, experiment.selection_check if selects else None)))
    tasks: dict[str, Task] = {}
    for _, task in sorted(found, key=lambda item: item[0]):
        known = tasks.setdefault(task.cell.digest, task)
        tasks[task.cell.digest] = Task(known.cell, known.check or task.check)
    return list(tasks.values())


def _missing(tasks: Sequence[Task], results: dict[str, dict[str, Any]]) -> list[Task]:
    missing = []
    for task in tasks:
        result = results.get(task.cell.digest)
        if result is None:
            missing.append(task)
        elif task.check and result["selection_check"] is None:
            # Collected for an experiment that checks nothing. The run is there under the name that one gave it.
            recipe = task.cell.recipe.model_copy(update={"name": result["name"]})
            missing.append(Task(dataclasses.replace(task.cell, recipe=recipe, name=result["name"]), task.check))
    return missing


class _Queue:
    """Makes runs in their order, as many at a time as there are shares of the CPUs."""

    def __init__(self, tasks: Sequence[Task], results: Path, shares: Sequence[set[int]]):
        self._waiting, self._results, self._free = list(tasks), results, list(shares)
        self._running: list[tuple[Task, Training]] = []
        self._failed: dict[str, str] = {}

    def run(self, stop: Callable[[], bool]) -> dict[str, str]:
        """Go on until all have ended; returns the names of those that failed, and why.

        Raises:
            KeyboardInterrupt: ``stop()`` came true.
        """
        try:
            while self._waiting or self._running:
                if stop():
                    raise KeyboardInterrupt
                for task, training in [pair for pair in self._running if pair[1].process.poll() is not None]:
                    self._end(task, training)
                if self._waiting and self._free:
                    self._begin(self._waiting.pop(0))
                else:
                    time.sleep(POLL)
        finally:
            end_all([training.process for _, training in self._running])
        return self._failed

    def _begin(self, task: Task) -> None:
        run, recipe = task.run, task.cell.recipe
        with self._telling_failure(task):
            earlier = run.recipe() if run.recipe_file.is_file() else recipe
            # A call that was cut off may have left the run finished, but not collected.
            if run.result_file.is_file() and settings_digest(earlier) == task.cell.digest:
                self._keep(task, "collected")
            elif changed := differences(earlier, recipe):
                raise CheckpointError(
                    f"{run.path} was begun with other settings ({'; '.join(changed)}); give those again, or remove the"
                    " folder to begin anew"
                )
            else:
                self._running.append((task, Training.start(recipe, self._free[-1])))
                self._free.pop()

    def _end(self, task: Task, training: Training) -> None:
        self._running.remove((task, training))
        self._free.append(training.cpus)
        with self._telling_failure(task):
            if training.process.returncode:
                raise HRSError(training.why())
            environment = task.run.environment_file
            with writing(environment):
                write_json(environment, (read_json(environment) or {}) | {"cpus": len(training.cpus)})
            self._keep(task, f"{training.minutes:.1f} min")

    def _keep(self, task: Task, how: str) -> None:
        result = collect(task.run, task.check, task.cell.recipe.data.root)
        write_result(self._results, result)
        miou = next(iter(result["evaluations"][-1]["mean_iou"].values()))
        self._tell(f"{task.cell.name}: mIoU {100 * miou:.2f} %, {how}")

    @contextlib.contextmanager
    def _telling_failure(self, task: Task) -> Iterator[None]:
        try:
            yield
        except HRSError as error:
            self._failed[task.cell.name] = str(error)
            self._tell(f"{task.cell.name}: failed: {str(error).splitlines()[0]}")  # all of it is told at the end

    def _tell(self, what: str) -> None:
        print(f"{what}; {len(self._waiting) + len(self._running)} left", flush=True)
