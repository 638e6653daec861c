"""What the weighting networks learn and select, class by class, and what that gains: tables as Markdown."""

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np
from scipy import stats

from hrs_keras.experiments.report.details import ABSENT
from hrs_keras.experiments.statistics import POINTS, Measurements, Row
from hrs_keras.recipe.method import Level
from hrs_keras.system.markdown import literal
from hrs_keras.system.markdown import table as markdown

_LOSS = "loss/weighting/"
CERTAINTY = (
    "L_W of Eq. 1 (mean over the seeds) in the first and in the last interval logged: 1 is guessing, 0 is certainty"
    " which domain a prediction is of."
)


def learned_rows(measured: Measurements) -> list[Row]:
    """The rows whose selection is learned and was logged; none of an experiment with axes, which has too many."""
    rows = [] if measured.experiment.axes else list(measured.rows.values())
    return [row for row in rows if row.learns_selection and any(result.log for result in row.results.values())]


def certainty_table(measured: Measurements) -> str:
    """L_W (Eq. 1) of each level in the first and last interval logged, mean over the seeds; empty without any."""
    rows = learned_rows(measured)
    levels = list(dict.fromkeys(level for row in rows for level in _levels(row)))
    cells = [[row.system.title, *(_first_and_last(row, _LOSS + level) for level in levels)] for row in rows]
    return markdown(["system", *(f"{level} level" for level in levels)], cells) if levels else ""


def _levels(row: Row) -> list[str]:
    first = next(result.log[0] for result in row.results.values() if result.log)
    return [level for level in get_args(Level) if _LOSS + level in first.values]


def _logged(row: Row, key: str, position: int) -> float | None:
    """Mean over the runs of a value in the first (0) or last (-1) interval logged; None if no run has it."""
    logged = [result.log[position].values.get(key) for result in row.results.values() if result.log]
    found = [value for value in logged if value is not None]
    return float(np.mean(found)) if found else None


def _first_and_last(row: Row, key: str) -> str:
    first, last = (_logged(row, key, position) for position in (0, -1))
    return ABSENT if first is None or last is None else f"{first:.2f} to {last:.2f}"


def selection_by_class(measured: Measurements, row: Row) -> str:
    """One system: each class's share of the data, how much of its source pixels is selected, and its gains in IoU."""
    references = _references(measured, row)
    shares = next(iter(row.results.values())).class_shares
    rows = []
    for name in measured.space.classes:
        selected = [_logged(row, f"selected/{name}", position) for position in (0, -1)]
        gains = [_gain(measured, row, other, name) for other in references.values()]
        cells = [*(_percent(shares[role][name], 2) for role in ("source", "target")), *map(_percent, selected)]
        rows.append([literal(name), *cells, *map(_signed, gains)])
    titles = ["source %", "target %", "selected %, first", "selected %, last"]
    return markdown(["class", *titles, *(f"IoU less {title}'s" for title in references)], rows)


def correlations(measured: Measurements, row: Row) -> list[str]:
    """Spearman's rank correlations, over the classes, of the share selected last with what it may follow."""
    shares = next(iter(row.results.values())).class_shares
    classes = [name for name in measured.space.classes if shares["source"][name] and shares["target"][name]]
    last = [_logged(row, f"selected/{name}", -1) for name in classes]
    candidates: dict[str, Sequence[float | None]] = {
        "how much more frequent the class is in the target than in the source": [
            math.log(shares["target"][name] / shares["source"][name]) for name in classes
        ],
        "the class's frequency in the source": [shares["source"][name] for name in classes],
    }
    for title, other in _references(measured, row).items():
        candidates[f"the gain in IoU over {title}"] = [_gain(measured, row, other, name) for name in classes]
    return [
        f"with {what}: {rho:+.2f} (p = {p:.2f}, {n} classes)"
        for what, values in candidates.items()
        for rho, p, n in [_spearman(last, values)]
        if n > 2
    ]


def class_note(measured: Measurements, row: Row) -> str:
    """What the numbers of :func:`selection_by_class` are, and the rank correlations of a system if there are any."""
    note = (
        "Shares of the labelled pixels of all files; of the source pixels of a class the mean of H in the first and"
        " last interval logged; differences in IoU points at the same seeds. All are means over the seeds."
    )
    found = "; ".join(correlations(measured, row))
    return (
        f"{note} Spearman's rank correlation, over the classes, of the share selected last {found}." if found else note
    )


def _references(measured: Measurements, row: Row) -> dict[str, Row]:
    """The systems that gains are over, title -> row: the baseline, and the one that counts all source pixels alike."""
    names = dict.fromkeys((measured.experiment.baseline, measured.experiment.mixing))
    rows = [measured.rows.get((name, row.cells)) for name in names if name is not None]
    return {other.system.title: other for other in rows if other is not None and other.results}


def _gain(measured: Measurements, row: Row, other: Row, name: str) -> float | None:
    """Mean, over the seeds that both have, of the difference in a class's IoU, in points."""
    which = measured.experiment.reported
    own, theirs = row.evaluations(which), other.evaluations(which)
    pairs = [(own[seed].iou[name], theirs[seed].iou[name]) for seed in own.keys() & theirs.keys()]
    found = [a - b for a, b in pairs if a is not None and b is not None]
    return POINTS * float(np.mean(found)) if found else None


def _spearman(one: Sequence[float | None], other: Sequence[float | None]) -> tuple[float, float, int]:
    """Rank correlation, its p value, and the number of pairs in which both are known; 0 pairs where it is undefined."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if len(pairs) < 3 or any(len({pair[i] for pair in pairs}) == 1 for i in (0, 1)):
        return math.nan, math.nan, 0  # a constant has no ranks
    outcome = stats.spearmanr(*zip(*pairs, strict=True))
    return float(outcome.statistic), float(outcome.pvalue), len(pairs)


def _percent(share: float | None, digits: int = 0) -> str:
    return ABSENT if share is None else f"{POINTS * share:.{digits}f}"


def _signed(points: float | None) -> str:
    return ABSENT if points is None else f"{points:+.1f}"
