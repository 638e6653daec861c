"""The curves of an experiment through training: mIoU, and the selection check."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hrs_keras.experiments.report.details import CheckNumber, check_steps, check_values, checked_rows
from hrs_keras.experiments.report.figures import common_legend, label_panel, panels, style
from hrs_keras.experiments.selection_check import MAPS
from hrs_keras.experiments.statistics import POINTS, Measurements, Row


def training_figure(measured: Measurements) -> Figure | None:
    """mIoU at each validation after step 0: the mean over the runs, and a band from the lowest to the highest.

    There is a panel for each cell of the first axis (columns) and of the further ones (rows).

    Returns:
        None if nothing has been run.
    """
    if not measured.found:
        return None
    experiment = measured.experiment
    columns = [(cell.name,) for cell in experiment.axes[0].cells] if experiment.axes else [()]
    sections = measured.combinations(first=1) if experiment.axes else [()]
    size = (6.4, 3.6) if len(columns) == 1 else (3.4, 2.8)
    across = min(3, max(1, round(size[0] * len(columns) / 2.6)))
    legend_rows = -(-len(experiment.systems) // across)
    figure, axes = panels((len(sections), len(columns)), size, legend_rows, sharey=True)
    named: dict[str, Any] = {}
    for section, row_of_panels in zip(sections, axes, strict=True):
        for column, panel in zip(columns, row_of_panels, strict=True):
            cells = (*column, *section)
            for number, system in enumerate(experiment.systems):
                row = measured.rows[system.name, cells]
                if line := _draw_band(panel, means_by_step(row, measured), system.title, style(number)):
                    named.setdefault(system.title, line)
            label_panel(panel, title=", ".join(cells))
        label_panel(row_of_panels[0], y="mean IoU (%)")
    _mark_steps(axes[-1], {e.step for result in measured.found for e in result.evaluations if e.step})
    common_legend(figure, named, across)
    return figure


def means_by_step(row: Row, measured: Measurements) -> dict[int, list[float]]:
    """Step -> mIoU in points, of each run of a row."""
    whole = next(iter(measured.space.subsets))
    by_step: dict[int, list[float]] = {}
    for evaluation in (evaluation for result in row.results.values() for evaluation in result.evaluations):
        mean = evaluation.mean_iou[whole]
        if evaluation.step and mean is not None:
            by_step.setdefault(evaluation.step, []).append(POINTS * mean)
    return by_step


def check_figure(measured: Measurements) -> Figure | None:
    """The selection check through training: for each system, mean H of flagged images and others, and each map's AUC.

    Lines are means over the runs, bands go from the lowest to the highest.

    Returns:
        None without a check.
    """
    rows = checked_rows(measured)
    if not rows:
        return None
    figure, axes = panels((len(rows), 2), (4.0, 2.2), 1, sharex=True, sharey="col")
    for row, (means, areas) in zip(rows, axes, strict=True):
        _draw_check(row, means, areas)
    axes[0][0].set_ylim(bottom=0)  # of all rows; only now, as it ends the scaling to what is drawn
    for panel, columns in zip(axes[0], (1, 2), strict=True):
        panel.legend(fontsize=7.5, frameon=False, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1.1))
    _mark_steps(axes[-1], {step for row in rows for step in check_steps(row)})
    return figure


def _draw_check(row: Row, means: Axes, areas: Axes) -> None:
    """One system: mean H of other and of flagged images, and beside it the area under each map's ROC curve."""
    _draw_band(means, _check_by_step(row, "H", "others"), "H, others", style(0))
    _draw_band(means, _check_by_step(row, "H", "flagged"), "H, flagged", style(4))
    for number, name in enumerate(MAPS):
        _draw_band(areas, _check_by_step(row, name, "auc"), f"AUC of {name}", style(number))
    areas.axhline(0.5, color="0.4", linewidth=0.8, linestyle=(0, (1, 2)))
    means.set_title(", ".join((row.system.title, *row.cells)), fontsize=9, loc="left")
    label_panel(means, y="mean H of an image")
    label_panel(areas, y="AUC (0.5: no relation)")


def _check_by_step(row: Row, name: str, number: CheckNumber) -> dict[int, list[float]]:
    return {step: values for step in check_steps(row) if (values := check_values(row, step, name, number))}


def _draw_band(
    panel: Axes, by_step: Mapping[int, Sequence[float]], label: str, look: Mapping[str, Any]
) -> Line2D | None:
    """A line through the means, and a band from the lowest to the highest value, of each step.

    Returns:
        The line; None without values.
    """
    steps = sorted(by_step)
    if not steps:
        return None
    means = [float(np.mean(by_step[step])) for step in steps]
    (line,) = panel.plot(steps, means, label=label, markersize=3.5, linewidth=1.4, **look)
    low, high = [min(by_step[step]) for step in steps], [max(by_step[step]) for step in steps]
    panel.fill_between(steps, low, high, color=look["color"], alpha=0.1, linewidth=0)
    return line


def _mark_steps(lowest: Iterable[Axes], steps: set[int]) -> None:
    """Name the lowest panels' axes, and mark the validated steps if they are few."""
    for panel in lowest:
        label_panel(panel, x="step")
        if len(steps) <= 7:
            panel.set_xticks(sorted(steps))
