"""What the runs of an experiment say: means, spreads and differences over the seeds, in mIoU points.

An *mIoU point* is one per cent of mean IoU: a mean IoU of 0.523 is 52.3 points.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from hrs_keras.errors import CheckpointError, RecipeError
from hrs_keras.experiments.grid import Cell, Experiment
from hrs_keras.experiments.sections import System
from hrs_keras.labels import LabelSpace

POINTS = 100.0
"""mIoU points in a mean IoU of 1."""

CONFIDENCE = 0.95


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
        n: seeds that both were run with.
        mean: mean over these seeds of (system - baseline) at the same seed.
        low, high: the two-sided 95 % Student-t interval of that mean, n - 1 degrees of freedom; None with one seed.
    """

    n: int
    mean: float
    low: float | None
    high: float | None


def summarise(values: Iterable[float]) -> Summary | None:
    """Number, mean and sample standard deviation of values; None if there are none."""
    values = np.array(list(values), np.float64)
    if not len(values):
        return None
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Summary(len(values), float(values.mean()), sd)


def paired_difference(system: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """The difference of two systems, paired by seed.

    Runs with one seed start from the same segmenter and read each domain's images in the same order: what a lucky seed
    gives to both cancels out. With d_i the difference at seed i, m their mean, s their sample standard deviation and n
    their number, the interval is ``m ± t s / sqrt(n)``, t the 97.5 % quantile of Student's t with n - 1 degrees of
    freedom. It holds for differences that are normally distributed over the seeds; it says nothing of other data
    sets or settings, and nothing of how many systems were compared.

    Args:
        system, baseline: seed -> value; seeds that only one of them has are left out.

    Returns:
        None without a common seed; without an interval (``low`` and ``high`` None) with one.
    """
    common = sorted(system.keys() & baseline.keys())
    found = summarise(system[seed] - baseline[seed] for seed in common)
    if found is None or found.sd is None:
        return found and Difference(1, found.mean, None, None)
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, found.n - 1)) * found.sd / math.sqrt(found.n)
    return Difference(found.n, found.mean, found.mean - margin, found.mean + margin)


@dataclass(frozen=True)
class Row:
    """One system in one cell of each axis: its runs over the seeds.

    Attributes:
        system: the experiment's system.
        cells: the axes' cell names, in the order of the axes; empty without axes.
        planned: seed -> the experiment's cell.
        results: seed -> result JSON of the runs that there are.
    """

    system: System
    cells: tuple[str, ...]
    planned: Mapping[int, Cell]
    results: Mapping[int, dict[str, Any]]

    def evaluations(self, which: str) -> dict[int, dict[str, Any]]:
        """Seed -> the evaluation of the ``"last"`` step or of the ``"best"`` checkpoint."""
        return {seed: evaluation_of(result, which) for seed, result in self.results.items()}

    def means(self, which: str, subset: str) -> dict[int, float]:
        """Seed -> mean IoU over a named subset of the classes, in points; without seeds where it is undefined."""
        found = {seed: evaluation["mean_iou"].get(subset) for seed, evaluation in self.evaluations(which).items()}
        return {seed: POINTS * mean for seed, mean in found.items() if mean is not None}

    @property
    def count(self) -> str:
        """How many runs there are: ``3``, ``2 of 3``, or nothing if there are none."""
        there, planned = len(self.results), len(self.planned)
        return "" if not there else str(there) if there == planned else f"{there} of {planned}"


def evaluation_of(result: Mapping[str, Any], which: str) -> dict[str, Any]:
    """The evaluation of a result's ``"last"`` step or ``"best"`` checkpoint.

    Raises:
        CheckpointError: the result does not hold it.
    """
    step = result["best"]["step"] if which == "best" else max(found["step"] for found in result["evaluations"])
    for evaluation in result["evaluations"]:
        if evaluation["step"] == step:
            return evaluation
    raise CheckpointError(
        f"the result {result['name']} holds no evaluation of step {step}, its {which} checkpoint; remove its file and"
        " collect it again from its run folder"
    )


class Measurements:
    """The results of an experiment, ordered as its tables are.

    Args:
        experiment: from ``load_experiment``.
        results: digest -> result JSON; results that belong to no cell are not looked at.

    Attributes:
        experiment: as given.
        space: the label space of all cells.
        rows: (system name, axis cell names) -> row; axes outermost, systems in the experiment's order.

    Raises:
        RecipeError: the cells differ in their label space, so that one table cannot hold them.
    """

    def __init__(self, experiment: Experiment, results: Mapping[str, dict[str, Any]]):
        self.experiment = experiment
        planned: dict[tuple[str, tuple[str, ...]], dict[int, Cell]] = {}
        for cell in experiment.cells():
            planned.setdefault((cell.system, cell.cells), {})[cell.seed] = cell
        self.space = self._label_space(planned)
        self.rows: dict[tuple[str, tuple[str, ...]], Row] = {}
        for cells in self.combinations():
            for system in experiment.systems:
                runs = planned.get((system.name, cells), {})
                there = {seed: results[cell.digest] for seed, cell in runs.items() if cell.digest in results}
                self.rows[system.name, cells] = Row(system, cells, runs, there)

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
        """Every choice of one cell name an axis, from the axis numbered ``first`` on; ``[()]`` without axes."""
        names = ([cell.name for cell in axis.cells] for axis in self.experiment.axes[first:])
        return list(itertools.product(*names))

    def of_system(self, name: str) -> list[Row]:
        """The rows of a system, in the order of the axes' cells."""
        return [row for (system, _), row in self.rows.items() if system == name]

    def difference(self, row: Row, which: str, subset: str, other: str | None = None) -> Difference | None:
        """To another system (None: the baseline) in the same cells of the axes, in mIoU points.

        None if there is no such system, or no seed that both have.
        """
        baseline = self.rows.get((other or self.experiment.baseline, row.cells))
        return baseline and paired_difference(row.means(which, subset), baseline.means(which, subset))

    @property
    def found(self) -> list[dict[str, Any]]:
        """Every result of the experiment once, in the order of the rows and seeds."""
        results = {result["digest"]: result for row in self.rows.values() for result in row.results.values()}
        return list(results.values())
