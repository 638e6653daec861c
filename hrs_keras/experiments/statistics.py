"""What the runs of an experiment say: means, spreads and differences over the seeds, in mIoU points.

An *mIoU point* is one per cent of mean IoU: a mean IoU of 0.523 is 52.3 points.
"""

import itertools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.grid import Cell, Experiment
from hrs_keras.experiments.results import Evaluation, RunResult
from hrs_keras.experiments.sections import System
from hrs_keras.experiments.target_labels import target_labels
from hrs_keras.labels import LabelSpace

POINTS = 100.0
"""mIoU points in a mean IoU of 1."""

CONFIDENCE = 0.95
"""How often the intervals hold the true mean."""


@dataclass(frozen=True)
class Summary:
    """Several runs in a few numbers.

    Attributes:
        n: how many values there are.
        mean: their arithmetic mean.
        sd: the sample standard deviation, with n - 1 in the denominator; None for a single value.
    """

    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True)
class Difference:
    """How far a system is from the baseline.

    Attributes:
        n: how many seeds both were run with.
        mean: over these seeds, of (system - baseline) at the same seed.
        low, high: the two-sided 95 % Student-t interval of that mean, with n - 1 degrees of freedom; None with one
            seed.
        values: the difference at each of these seeds.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...] = field(default=(), compare=False)


def summarise(values: Iterable[float]) -> Summary | None:
    """Number, mean and sample standard deviation of values; None if there are none."""
    found = np.array(list(values), np.float64)
    if not len(found):
        return None
    sd = float(found.std(ddof=1)) if len(found) > 1 else None
    return Summary(len(found), float(found.mean()), sd)


def paired_difference(system: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """The difference of two systems, paired by seed.

    Runs with the same seed start from the same segmenter and read each domain's images in the same order, so that the
    luck of a seed, which both have, cancels out. The interval is that of the paired t test. It assumes that the
    differences are normally distributed over the seeds. It says nothing about other data sets or settings, and it is
    not corrected for the number of systems compared.

    Args:
        system, baseline: seed -> value; seeds that only one of them has are left out.

    Returns:
        None without a common seed; with a single one, a difference without an interval.
    """
    common = sorted(system.keys() & baseline.keys())
    values = tuple(system[seed] - baseline[seed] for seed in common)
    found = summarise(values)
    if found is None:
        return None
    if found.n == 1:
        return Difference(1, found.mean, None, None, values)
    with warnings.catch_warnings():
        # Of differences that are all equal: their interval has no width, which is right.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = stats.ttest_rel([system[seed] for seed in common], [baseline[seed] for seed in common])
    interval = test.confidence_interval(CONFIDENCE)
    return Difference(found.n, found.mean, float(interval.low), float(interval.high), values)


@dataclass(frozen=True)
class Row:
    """One system in one cell of each axis: its runs over the seeds.

    Attributes:
        system: the experiment's system.
        cells: the axes' cell names, in the order of the axes; empty without axes.
        planned: seed -> the experiment's cell.
        results: seed -> result, of the runs that have one.
    """

    system: System
    cells: tuple[str, ...]
    planned: Mapping[int, Cell]
    results: Mapping[int, RunResult]

    @property
    def target_labels(self) -> str:
        """How many labels of real images its runs learn from, in words of :func:`target_labels`."""
        return ", ".join(dict.fromkeys(target_labels(cell.recipe) for cell in self.planned.values()))

    @property
    def learns_selection(self) -> bool:
        """Whether weighting networks select the source pixels of the row's runs."""
        return any(cell.recipe.method.selects for cell in self.planned.values())

    def evaluations(self, which: str) -> dict[int, Evaluation]:
        """Seed -> an evaluation: ``"last"``, ``"best"`` or ``"test"``, as :meth:`RunResult.evaluation` knows them.

        Raises:
            CheckpointError: a result does not hold it.
        """
        return {seed: result.evaluation(which) for seed, result in self.results.items()}

    def means(self, which: str, subset: str) -> dict[int, float]:
        """Seed -> mean IoU over a named subset of the classes, in points; without seeds where it is undefined."""
        found = {seed: evaluation.mean_iou.get(subset) for seed, evaluation in self.evaluations(which).items()}
        return {seed: POINTS * mean for seed, mean in found.items() if mean is not None}

    @property
    def count(self) -> str:
        """How many runs have a result, as text: ``3``, ``2 of 3``, or nothing for none."""
        there, planned = len(self.results), len(self.planned)
        return "" if not there else str(there) if there == planned else f"{there} of {planned}"


class Measurements:
    """The results of an experiment, ordered as its tables are.

    Args:
        experiment: from ``load_experiment``.
        results: digest -> result; those of other experiments are left aside.

    Attributes:
        experiment: as given.
        space: the label space of all cells.
        rows: (system name, axis cell names) -> row; axes outermost, systems in the experiment's order.
        all_labels: axis cell names -> the row of the baseline with all labels, which only the gate has.

    Raises:
        RecipeError: the cells differ in their label space, so that one table cannot hold them.
    """

    def __init__(self, experiment: Experiment, results: Mapping[str, RunResult]):
        self.experiment = experiment
        planned: dict[tuple[str, tuple[str, ...]], dict[int, Cell]] = {}
        for cell in experiment.cells():
            planned.setdefault((cell.system, cell.cells), {})[cell.seed] = cell
        self.space = self._label_space(planned)
        self.rows: dict[tuple[str, tuple[str, ...]], Row] = {}
        for cells in self.combinations():
            for system in experiment.systems:
                runs = planned.get((system.name, cells), {})
                self.rows[system.name, cells] = Row(system, cells, runs, _there(runs, results))
        with_all: dict[tuple[str, ...], dict[int, Cell]] = {}
        for cell in experiment.gate_cells():
            with_all.setdefault(cell.cells, {})[cell.seed] = cell
        baseline = next((system for system in experiment.systems if system.name == experiment.baseline), None)
        self.all_labels = {
            cells: Row(baseline, cells, runs, _there(runs, results)) for cells, runs in with_all.items() if baseline
        }

    def _label_space(self, planned: Mapping[Any, Mapping[int, Cell]]) -> LabelSpace:
        spaces = [cell.recipe.data.label_space for runs in planned.values() for cell in runs.values()]
        other = next((space for space in spaces if space != spaces[0]), None)
        if other:
            first = spaces[0]
            raise RecipeError(
                f"{self.experiment.path}: some cells predict the {len(first.classes)} classes of {first.name!r}, others"
                f" the {len(other.classes)} of {other.name!r}, which one table cannot hold; make data.classes the same"
                " for all systems and axes, or write two experiments"
            )
        return spaces[0]

    def combinations(self, first: int = 0) -> list[tuple[str, ...]]:
        """Every choice of one cell name for each axis, from the axis numbered ``first`` on; ``[()]`` without axes."""
        names = ([cell.name for cell in axis.cells] for axis in self.experiment.axes[first:])
        return list(itertools.product(*names))

    def of_system(self, name: str) -> list[Row]:
        """The rows of a system, in the order of the axes' cells."""
        return [row for (system, _), row in self.rows.items() if system == name]

    def difference(self, row: Row, which: str, subset: str, other: str | None = None) -> Difference | None:
        """To another system (None: the baseline) in the same cells of the axes, in mIoU points.

        None if there is no such system, or no seed that both have.
        """
        name = other or self.experiment.baseline
        baseline = self.rows.get((name, row.cells)) if name else None
        return paired_difference(row.means(which, subset), baseline.means(which, subset)) if baseline else None

    @property
    def found(self) -> list[RunResult]:
        """Every result of the tables once, in the order of the rows and seeds."""
        return list(_by_digest(self.rows.values()).values())

    @property
    def found_with_gate(self) -> list[RunResult]:
        """The same, and then the results that only the gate has."""
        return list(_by_digest([*self.rows.values(), *self.all_labels.values()]).values())


def _there(runs: Mapping[int, Cell], results: Mapping[str, RunResult]) -> dict[int, RunResult]:
    """Seed -> result, of the runs that have one."""
    return {seed: results[cell.digest] for seed, cell in runs.items() if cell.digest in results}


def _by_digest(rows: Iterable[Row]) -> dict[str, RunResult]:
    return {result.digest: result for row in rows for result in row.results.values()}
