"""The tables of an experiment after its main one, as Markdown: classes, cost, and what was selected.

There is one row for each system and cell of the axes. Every function is pure: the same results give the same text.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from hrs_keras.experiments.report.tables import spread
from hrs_keras.experiments.results import RunResult
from hrs_keras.experiments.selection_check import MAPS
from hrs_keras.experiments.statistics import POINTS, Measurements, Row, summarise
from hrs_keras.system.markdown import literal
from hrs_keras.system.markdown import table as markdown

ABSENT = "-"
CheckNumber = Literal["flagged", "others", "auc"]
"""A number of a selection check: see :class:`~hrs_keras.experiments.selection_check.MapCheck`."""


def by_system(measured: Measurements) -> Iterable[Row]:
    """The rows of an experiment, those of one system side by side."""
    return (row for system in measured.experiment.systems for row in measured.of_system(system.name))


def _head(measured: Measurements) -> list[str]:
    return ["system", *(axis.title for axis in measured.experiment.axes)]


def label(row: Row) -> list[str]:
    """The title of a row's system, and its cells of the axes."""
    return [row.system.title, *row.cells]


def class_table(measured: Measurements) -> str:
    """IoU of each class in per cent, mean over the seeds in which it is defined."""
    rows = [[*label(row), *_class_cells(measured, row)] for row in by_system(measured)]
    head = _head(measured)
    return markdown([*head, *map(literal, measured.space.classes)], rows, texts=len(head))


def class_means(measured: Measurements, row: Row) -> list[float | None]:
    """IoU of each class in per cent, mean over the seeds in which it is defined; None where it is in none."""
    found = [evaluation.iou for evaluation in row.evaluations(measured.experiment.reported).values()]
    defined = [[value for iou in found if (value := iou[name]) is not None] for name in measured.space.classes]
    return [POINTS * float(np.mean(values)) if values else None for values in defined]


def _class_cells(measured: Measurements, row: Row) -> list[str]:
    if not row.results:
        return [""] * len(measured.space.classes)
    return [ABSENT if mean is None else f"{mean:.1f}" for mean in class_means(measured, row)]


TIMES = {"seconds_per_step": "seconds a step", "cpu_seconds_per_step": "CPU seconds a step"}
"""Attribute of a result -> title of its column."""


def cost_table(measured: Measurements) -> str:
    """Seconds a step, also in multiples of the baseline's, and trainable parameters by player."""
    # The systems with most players first: the order of their players is that of the method.
    found = sorted((result.parameters for result in measured.found), key=len, reverse=True)
    players = list(dict.fromkeys(player for parameters in found for player in parameters))
    times = [key for key in TIMES if any(getattr(result, key) is not None for result in measured.found)]
    rows = []
    for row in by_system(measured):
        cells = [cell for key in times for cell in _time_cells(measured, row, key)]
        rows.append([*label(row), *cells, *_parameters(row, players)])
    ratio = ["times the baseline"] if measured.experiment.baseline else []
    titles = [title for key in times for title in (TIMES[key], *ratio)]
    head = _head(measured)
    return markdown([*head, *titles, *players, "all players"], rows, texts=len(head))


def _time_cells(measured: Measurements, row: Row, key: str) -> list[str]:
    own, baseline = time_of(row, key), measured.experiment.baseline
    if not baseline:
        return [_seconds(own)]
    reference = time_of(measured.rows[baseline, row.cells], key)
    return [_seconds(own), f"{own / reference:.2f}" if own is not None and reference else ""]


def time_of(row: Row, key: str) -> float | None:
    """Median over the runs; None if no run was timed."""
    timed = [seconds for result in row.results.values() if (seconds := getattr(result, key)) is not None]
    return float(np.median(timed)) if timed else None


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.{3 if round(value, 3) < 1 else 2}f}"


def _parameters(row: Row, players: list[str]) -> list[str]:
    if not row.results:
        return [""] * (len(players) + 1)
    found = next(iter(row.results.values())).parameters
    return [*(f"{found[player]:,}" if player in found else ABSENT for player in players), f"{sum(found.values()):,}"]


# ---- what was selected -----------------------------------------------------------------------------------------


def checked_rows(measured: Measurements) -> list[Row]:
    """The rows that have a selection check."""
    return [row for row in by_system(measured) if any(result.checks for result in row.results.values())]


def check_values(row: Row, step: int, name: str, number: CheckNumber) -> list[float]:
    """A number of a map's check after a step, of each run that has it."""
    maps = [check.map(name) for result in row.results.values() for check in result.checks if check.step == step]
    numbers: list[float | None] = [getattr(found, number) for found in maps if found]
    return [value for value in numbers if value is not None]


def check_steps(row: Row) -> list[int]:
    """The steps at which any of the row's runs was checked."""
    return sorted({check.step for result in row.results.values() for check in result.checks})


def check_table(measured: Measurements) -> str:
    """Step by step: each map's mean in flagged and in other images, and its AUC; empty without a check."""
    rows = []
    for row in checked_rows(measured):
        for step in check_steps(row):
            runs = sum(any(check.step == step for check in result.checks) for result in row.results.values())
            cells = [cell for name in MAPS for cell in _check_cells(row, step, name)]
            rows.append([*label(row), str(step), str(runs), *cells])
    head = _head(measured)
    maps = [title for name in MAPS for title in (f"{name}, flagged / others", f"AUC of {name}")]
    return markdown([*head, "step", "runs", *maps], rows, texts=len(head)) if rows else ""


def _check_cells(row: Row, step: int, name: str) -> list[str]:
    flagged = summarise(check_values(row, step, name, "flagged"))
    others = summarise(check_values(row, step, name, "others"))
    auc = summarise(check_values(row, step, name, "auc"))
    if flagged is None and others is None:
        return [ABSENT, ABSENT]
    means = " / ".join(f"{found.mean:.2f}" if found else ABSENT for found in (flagged, others))
    return [means, spread(auc, digits=2) or ABSENT]


def share_table(measured: Measurements) -> str:
    """Selected share of the source pixels in the first and in the last interval logged; empty if it is always 1."""
    rows = []
    for row in by_system(measured):
        logs = [log for log in map(_selected, row.results.values()) if log]
        if any(share < 1 for log in logs for _, share in log):
            cells = [cell for position in (0, -1) for cell in _share_cells([log[position] for log in logs])]
            rows.append([*label(row), str(len(logs)), *cells])
    head = _head(measured)
    titles = ["runs", "first steps", "selected %", "last steps", "selected %"]
    return markdown([*head, *titles], rows, texts=len(head)) if rows else ""


def _selected(result: RunResult) -> list[tuple[str, float]]:
    """(``"51 to 100"``, share) for each logged interval of steps in which source images were read."""
    rows = sorted(result.log, key=lambda row: row.step)
    starts = [1, *(row.step + 1 for row in rows)]
    return [
        (f"{start} to {row.step}", share)
        for start, row in zip(starts, rows, strict=False)
        if (share := row.values.get("selected")) is not None
    ]


def _share_cells(found: Sequence[tuple[str, float]]) -> list[str]:
    # The runs of a cell may have been logged at different intervals: log_every does not count for the digest.
    intervals = list(dict.fromkeys(interval for interval, _ in found))
    return [", ".join(intervals), spread(summarise(POINTS * share for _, share in found))]
