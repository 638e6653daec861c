"""Running what experiments still lack: one process a run, several at a time."""

import contextlib
import dataclasses
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrs_keras.errors import CheckpointError, HRSError, did_you_mean
from hrs_keras.experiments.collecting import collect
from hrs_keras.experiments.grid import Cell, Experiment, settings_digest
from hrs_keras.experiments.processes import POLL, Training, cpu_shares, end_all
from hrs_keras.experiments.result_files import read_results, write_result
from hrs_keras.experiments.results import Evaluation, RunResult
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.experiments.selection_check import read_marks
from hrs_keras.recipe.comparing import compare
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import read_json, write_json, writing
from hrs_keras.system.signals import told_to_stop

log = logging.getLogger(__name__)


class FailedRunsError(HRSError):
    """Some runs of an experiment failed; all others were made."""


@dataclass(frozen=True)
class Task:
    """A run to make, and the marks to compare its selection with."""

    cell: Cell
    check: SelectionCheck | None

    @property
    def run(self) -> RunFolder:
        """The folder of the run."""
        return RunFolder(self.cell.recipe.run_dir)


def run_experiments(
    experiments: Sequence[Experiment], results: str | Path, *, jobs: int = 1, only: Sequence[str] = ()
) -> None:
    """Make the runs that have no result yet, and collect their results. After an interruption the same call goes on.

    Runs that several experiments share are made once. Every system is run with its first seed before any is run with
    its second.

    Args:
        experiments: from :func:`hrs_keras.experiments.grid.load_experiment`.
        results: folder of the results, ``NAME.json`` for each run.
        jobs: how many runs at a time; each has an equal share of the CPUs.
        only: names of the systems to run, the baseline's with its gate; none for all.

    Raises:
        FailedRunsError: after the last run, if any failed; says which, and why.
        HRSError: before the first run, for a recipe, mark or earlier result that cannot be used.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; no process is left running.
    """
    results = Path(results)
    shares, tasks = cpu_shares(jobs), plan(experiments, only)
    for check, root in {(task.check, task.cell.recipe.data.root) for task in tasks if task.check}:
        read_marks(check, root)  # a mistake in the marks is reported before the hours of training, not after
    with writing(results):
        results.mkdir(parents=True, exist_ok=True)
    missing = _missing(tasks, read_results(results))
    there = len(tasks) - len(missing)
    log.info("%d runs: %d have their result in %s, %d to go", len(tasks), there, results, len(missing))
    with told_to_stop(signal.SIGINT, signal.SIGTERM) as stop:
        failed = _Queue(missing, results, shares).run(stop)
    if failed:
        listed = "\n".join(f"  {name}: {why}" for name, why in failed.items())
        count = f"{len(failed)} of {len(missing)} runs failed"
        raise FailedRunsError(f"{count}:\n{listed}\nThe same command tries them again")


def plan(experiments: Sequence[Experiment], only: Sequence[str] = ()) -> list[Task]:
    """The runs of experiments and their gates, each once, in the order in which they are made.

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
        seeds_before: dict[tuple[str, tuple[str, ...], bool], int] = {}
        for cell in (*experiment.cells(), *experiment.gate_cells()):
            row = (cell.system, cell.cells, cell.all_labels)
            turn = seeds_before[row] = seeds_before.get(row, -1) + 1
            if not only or cell.system in only:
                selects = cell.recipe.method.selects
                found.append((turn, Task(cell, experiment.selection_check if selects else None)))
    tasks: dict[str, Task] = {}
    for _, task in sorted(found, key=lambda item: item[0]):
        known = tasks.setdefault(task.cell.digest, task)
        tasks[task.cell.digest] = Task(known.cell, known.check or task.check)
    return list(tasks.values())


def _missing(tasks: Sequence[Task], results: Mapping[str, RunResult]) -> list[Task]:
    missing = []
    for task in tasks:
        result = results.get(task.cell.digest)
        if result is None:
            missing.append(task)
        elif task.check and result.selection_check is None:
            # It was collected for an experiment without a check; the run folder has the name that one gave it.
            recipe = task.cell.recipe.model_copy(update={"name": result.name})
            missing.append(Task(dataclasses.replace(task.cell, recipe=recipe, name=result.name), task.check))
    return missing


class _Queue:
    """Makes runs in the given order, as many at a time as there are shares of the CPUs."""

    def __init__(self, tasks: Sequence[Task], results: Path, shares: Sequence[set[int]]):
        self._waiting, self._results, self._free = list(tasks), results, list(shares)
        self._running: list[tuple[Task, Training]] = []
        self._failed: dict[str, str] = {}

    def run(self, stop: Callable[[], bool]) -> dict[str, str]:
        """Go on until all runs have ended; returns name -> reason of those that failed.

        Raises:
            KeyboardInterrupt: ``stop()`` became true.
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
        with self._noting_failure(task):
            earlier = run.recipe() if run.recipe_file.is_file() else recipe
            # An earlier call may have been interrupted between the run's end and the collecting of its result.
            if run.result_file.is_file() and settings_digest(earlier) == task.cell.digest:
                self._keep(task, "collected")
                return
            changes = compare(earlier, recipe)
            if changed := [*changes.numbers, *changes.steps]:  # more steps than planned are another run here
                raise CheckpointError(
                    f"{run.path} was begun with other settings ({'; '.join(changed)}); give those again, or move the"
                    " folder away to begin anew"
                )
            self._running.append((task, Training.start(recipe, self._free[-1])))
            self._free.pop()

    def _end(self, task: Task, training: Training) -> None:
        self._running.remove((task, training))
        self._free.append(training.cpus)
        with self._noting_failure(task):
            if training.process.returncode:
                raise HRSError(training.why())
            environment = task.run.environment_file
            with writing(environment):
                write_json(environment, (read_json(environment) or {}) | {"cpus": len(training.cpus)})
            self._keep(task, f"{training.minutes:.1f} min")

    def _keep(self, task: Task, how: str) -> None:
        result = collect(task.run, task.check, task.cell.recipe.data.root)
        write_result(self._results, result)
        tested = f" ({_miou(result.test)} on the test images)" if result.test else ""
        self._report(f"{task.cell.name}: mIoU {_miou(result.evaluations[-1])}{tested}, {how}")

    @contextlib.contextmanager
    def _noting_failure(self, task: Task) -> Iterator[None]:
        try:
            yield
        except HRSError as error:
            self._failed[task.cell.name] = str(error)
            # The whole message is part of the FailedRunsError at the end.
            self._report(f"{task.cell.name}: failed: {str(error).splitlines()[0]}")

    def _report(self, what: str) -> None:
        log.info("%s; %d left", what, len(self._waiting) + len(self._running))


def _miou(evaluation: Evaluation) -> str:
    mean = next(iter(evaluation.mean_iou.values()))
    return "undefined" if mean is None else f"{100 * mean:.2f} %"
