"""The systems of an experiment in the order of their mean IoU, with their differences to the baseline."""

from dataclasses import dataclass

from markupsafe import Markup

from hrs_keras.experiments.report.tables import miou, signed, spread
from hrs_keras.experiments.statistics import Difference, Measurements, Row, Summary, summarise
from hrs_keras.report.charts import Estimate, estimate_chart


@dataclass(frozen=True)
class Place:
    """A row of a leaderboard.

    Attributes:
        title: of the system.
        labels: how many labels of real images it learns from; empty where all systems learn from as many.
        runs: how many, as text.
        mean: of mean IoU over the seeds, in points.
        text: the same with its spread, as tables have it.
        difference: to the baseline; None of the baseline itself, and where no seed is common.
        difference_text: likewise, as tables have it.
        baseline: whether it is the baseline.
    """

    title: str
    labels: str
    runs: str
    mean: Summary | None
    text: str
    difference: Difference | None
    difference_text: str
    baseline: bool

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        found = self.difference
        return found is not None and found.low is not None and found.high is not None and found.low * found.high > 0


@dataclass(frozen=True)
class Board:
    """The systems in one cell of each axis, the best first.

    Attributes:
        heading: the cells; empty without axes.
        places: the systems.
        means: a chart of mean IoU, each seed a dot.
        differences: a forest plot of the differences to the baseline; empty without one.
    """

    heading: str
    places: list[Place]
    means: Markup
    differences: Markup

    @property
    def leader(self) -> Place | None:
        """The best of those that were run."""
        return self.places[0] if self.places and self.places[0].mean else None


def boards(measured: Measurements) -> list[Board]:
    """A leaderboard for each choice of a cell of each axis."""
    return [_board(measured, cells) for cells in measured.combinations()]


def _board(measured: Measurements, cells: tuple[str, ...]) -> Board:
    experiment, whole = measured.experiment, next(iter(measured.space.subsets))
    rows = [row for (_, where), row in measured.rows.items() if where == cells]
    alike = len({row.target_labels for row in rows}) == 1
    found = {row.system.title: row.means(experiment.reported, whole) for row in rows}
    found_places = [_place(measured, row, "" if alike else row.target_labels) for row in rows]
    places = sorted(found_places, key=lambda one: one.mean.mean if one.mean else -1.0, reverse=True)
    means = [
        Estimate(
            one.title,
            one.mean.mean if one.mean else None,
            dots=list(found[one.title].values()),
            text=one.text,
            strong=one.baseline,
        )
        for one in places
    ]
    compared = [(one, one.difference) for one in places if one.difference and not one.baseline]
    differences = [
        Estimate(one.title, d.mean, d.low, d.high, d.values, one.difference_text, strong=one.beyond_chance)
        for one, d in compared
    ]
    heading = ", ".join(f"{axis.title}: {name}" for axis, name in zip(experiment.axes, cells, strict=True))
    return Board(
        heading,
        places,
        estimate_chart(means, f"{miou(experiment)} in per cent, each run a dot"),
        estimate_chart(differences, "differences to the baseline in points of mean IoU", include=(0,), line=0),
    )


def _place(measured: Measurements, row: Row, labels: str) -> Place:
    experiment, whole = measured.experiment, next(iter(measured.space.subsets))
    mean = summarise(row.means(experiment.reported, whole).values())
    is_baseline = row.system.name == experiment.baseline
    difference = None if is_baseline else measured.difference(row, experiment.reported, whole)
    text = signed(difference, len(row.results))
    return Place(row.system.title, labels, row.count, mean, spread(mean), difference, text, is_baseline)
