"""The curves of an experiment: against the amount of data, and through training.

Legends stand outside of the axes, and colours are told apart also by colour-blind readers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hrs_keras.experiments.report.details import MAPS, check_steps, check_values, checked_rows
from hrs_keras.experiments.sections import Axis
from hrs_keras.experiments.statistics import POINTS, Measurements, Row, summarise
from hrs_keras.media.panels import save_figure
from hrs_keras.system.files import writing

# Okabe and Ito's palette less its yellow, which white paper swallows, and in an order that keeps likenesses apart.
COLOURS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
# What colours alone cannot say with more systems than colours. Dashes are for published numbers.
LINES = ("-", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 130


def _style(number: int) -> dict[str, Any]:
    """Colour, line and marker of the system numbered ``number``: all different up to 21 systems."""
    turn, place = divmod(number, len(COLOURS))
    return {
        "color": COLOURS[place],
        "linestyle": LINES[turn % len(LINES)],
        "marker": MARKERS[(place + turn) % len(MARKERS)],
    }


def _figure(rows: int, columns: int, cell: tuple[float, float], legend_rows: int, **sharing: Any) -> tuple[Figure, Any]:
    """A figure of rows x columns axes of ``cell`` inches (width, height), with space for a legend below them."""
    size = (cell[0] * columns, cell[1] * rows + 0.25 * legend_rows + 0.2)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **sharing)
    for axis in axes.flat:
        axis.grid(True, color="0.9", linewidth=0.7)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure, axes


def _legend(figure: Figure, axes: Any, columns: int) -> None:
    """One legend for all panels, below them."""
    named = {}
    for panel in axes.flat:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    # Measured systems, which alone have error bars, before published numbers.
    ordered = sorted(named, key=lambda label: not isinstance(named[label], ErrorbarContainer))
    if named:
        handles = [named[label] for label in ordered]
        place = {"loc": "outside lower center", "ncols": columns}
        figure.legend(handles, ordered, fontsize=8, frameon=False, handlelength=3, **place)


def _save(figure: Figure, path: Path) -> Path:
    with writing(path):
        save_figure(figure, path, DPI)
    return path


def _text(title: str) -> str:
    return title.replace("$", r"\$")  # else a pair of them would be taken for a formula


# ---- against the amount of data -----------------------------------------------------------------------------------


def draw_amounts(measured: Measurements, path: Path) -> Path | None:
    """mIoU against the value of the first axis: mean, sample standard deviation, single runs, published numbers.

    Further axes make panels; published numbers are in the last, as in the tables.

    Returns:
        The PNG's path; None, and nothing is drawn, where a cell of the axis has no value, or there is nothing to show.
    """
    experiment = measured.experiment
    axis = next(iter(experiment.axes), None)
    if axis is None or len(axis.cells) < 2 or any(cell.value is None for cell in axis.cells):
        return None
    published = [(row.published, row.title) for row in (*experiment.systems, *experiment.published_only)]
    if not measured.found and not any(numbers for numbers, _ in published):
        return None
    sections = measured.combinations(first=1)
    entries = len(experiment.systems) + sum(bool(numbers) for numbers, _ in published)
    figure, axes = _figure(1, len(sections), (max(4.2, 6.4 / len(sections)), 3.6), -(-entries // 3), sharey=True)
    for section, panel in zip(sections, axes[0], strict=True):
        for number, system in enumerate(experiment.systems):
            rows = [measured.rows[system.name, (cell.name, *section)] for cell in axis.cells]
            _amounts_of(panel, number, rows, axis, measured)
        panel.set_title(_text(", ".join(section)), fontsize=9)
    for number, (numbers, title) in enumerate(published):
        _published(axes[0, -1], number, numbers or {}, title, axis)
    for panel in axes[0]:
        _amount_scale(panel, axis)
    axes[0, 0].set_ylabel("mean IoU (%)", fontsize=9)
    _legend(figure, axes, 3)
    return _save(figure, path)


def _amounts_of(panel: Axes, number: int, rows: Sequence[Row], axis: Axis, measured: Measurements) -> None:
    experiment, whole = measured.experiment, next(iter(measured.space.subsets))
    values = [list(row.means(experiment.checkpoint, whole).values()) for row in rows]
    # Side by side, so that error bars do not hide one another.
    shift = 2 ** (0.045 * (number - (len(experiment.systems) - 1) / 2))
    style = _style(number)
    found = []
    for cell, runs in zip(axis.cells, values, strict=True):
        if runs:
            x = cell.value * shift
            found.append((x, summarise(runs)))
            beside = [x * 2**-0.02] * len(runs)  # of the error bar, which would hide them
            panel.plot(beside, runs, ".", color=style["color"], markersize=4, alpha=0.6)
    if found:
        panel.errorbar(
            [x for x, _ in found],
            [summary.mean for _, summary in found],
            [summary.sd or 0.0 for _, summary in found],
            label=_text(rows[0].system.title),
            capsize=2.5,
            markersize=5,
            linewidth=1.5,
            elinewidth=1,
            **style,
        )


def _published(panel: Axes, number: int, numbers: Mapping[str, float], title: str, axis: Axis) -> None:
    found = [(cell.value, numbers[cell.name]) for cell in axis.cells if numbers.get(cell.name) is not None]
    if found:
        style = _style(number) | {"linestyle": "--", "markerfacecolor": "white"}
        label = _text(f"{title}, published")
        panel.plot([x for x, _ in found], [y for _, y in found], label=label, linewidth=1.2, markersize=5, **style)


def _amount_scale(panel: Axes, axis: Axis) -> None:
    values = [cell.value for cell in axis.cells]
    if min(values) > 0:
        panel.set_xscale("log", base=2)
    else:  # a logarithm knows no 0, such as that of no synthetic images
        panel.set_xscale("symlog", base=2, linthresh=min((abs(value) for value in values if value), default=1))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticks(values, [_text(cell.name) for cell in axis.cells])
    panel.set_xlabel(_text(axis.title), fontsize=9)


# ---- through training ---------------------------------------------------------------------------------------------


def draw_training(measured: Measurements, path: Path) -> Path | None:
    """mIoU at each validation after step 0: the mean over the runs, and a band from the lowest to the highest.

    One panel a cell of the first axis (columns) and of the further ones (rows). None if nothing has been run.
    """
    if not measured.found:
        return None
    experiment = measured.experiment
    columns = [(cell.name,) for cell in experiment.axes[0].cells] if experiment.axes else [()]
    sections = measured.combinations(first=1) if experiment.axes else [()]
    width = 6.4 if len(columns) == 1 else 3.4
    across = min(3, max(1, round(width * len(columns) / 2.6)))
    legend_rows = -(-len(experiment.systems) // across)
    height = 3.6 if len(columns) == 1 else 2.8
    figure, axes = _figure(len(sections), len(columns), (width, height), legend_rows, sharey=True)
    for section, panels in zip(sections, axes, strict=True):
        for column, panel in zip(columns, panels, strict=True):
            for number, system in enumerate(experiment.systems):
                _training_of(panel, number, measured.rows[system.name, (*column, *section)], measured)
            panel.set_title(_text(", ".join((*column, *section))), fontsize=9)
        panels[0].set_ylabel("mean IoU (%)", fontsize=9)
    _step_axes(axes, {e["step"] for result in measured.found for e in result["evaluations"] if e["step"]})
    _legend(figure, axes, across)
    return _save(figure, path)


def _step_axes(axes: Any, steps: set[int]) -> None:
    """Name the lowest axes, and mark the validated steps if they are few."""
    for panel in axes[-1]:
        panel.set_xlabel("step", fontsize=9)
        if len(steps) <= 7:
            panel.set_xticks(sorted(steps))


def _training_of(panel: Axes, number: int, row: Row, measured: Measurements) -> None:
    whole = next(iter(measured.space.subsets))
    by_step: dict[int, list[float]] = {}
    for result in row.results.values():
        for evaluation in result["evaluations"]:
            if evaluation["step"]:
                by_step.setdefault(evaluation["step"], []).append(POINTS * evaluation["mean_iou"][whole])
    _band(panel, by_step, _text(row.system.title), _style(number))


def _band(panel: Axes, by_step: Mapping[int, Sequence[float]], label: str, style: Mapping[str, Any]) -> None:
    """A line through the means, and a band from the least to the greatest value, of each step."""
    steps = sorted(by_step)
    if steps:
        panel.plot(steps, [np.mean(by_step[s]) for s in steps], label=label, markersize=3.5, linewidth=1.4, **style)
        low, high = ([pick(by_step[s]) for s in steps] for pick in (min, max))
        panel.fill_between(steps, low, high, color=style["color"], alpha=0.1, linewidth=0)


def draw_check(measured: Measurements, path: Path) -> Path | None:
    """The selection check through training: for each system, mean H of flagged images and others, and each map's AUC.

    Lines are means over the runs, bands go from the lowest to the highest. None without a check.
    """
    rows = checked_rows(measured)
    if not rows:
        return None
    figure, axes = _figure(len(rows), 2, (4.0, 2.2), 1, sharex=True, sharey="col")
    for row, (means, areas) in zip(rows, axes, strict=True):
        steps = check_steps(row)
        for number, (part, label) in enumerate((("others", "H, others"), ("flagged", "H, flagged"))):
            _check_line(means, row, steps, "H", part, label, _style(4 * number))
        for number, name in enumerate(MAPS):
            _check_line(areas, row, steps, name, "auc", f"AUC of {name}", _style(number))
        areas.axhline(0.5, color="0.4", linewidth=0.8, linestyle=(0, (1, 2)))
        means.set_title(_text(", ".join((row.system.title, *row.cells))), fontsize=9, loc="left")
        means.set_ylabel("mean H of an image", fontsize=9)
        areas.set_ylabel("AUC (0.5: no relation)", fontsize=9)
    axes[0][0].set_ylim(bottom=0)  # of all rows; only now, as it ends the scaling to what is drawn
    for panel, columns in zip(axes[0], (1, 2), strict=True):
        panel.legend(fontsize=7.5, frameon=False, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1.1))
    _step_axes(axes, {step for row in rows for step in check_steps(row)})
    return _save(figure, path)


def _check_line(
    panel: Axes, row: Row, steps: Sequence[int], name: str, number: str, label: str, style: Mapping[str, Any]
) -> None:
    found = {step: check_values(row, step, name, number) for step in steps}
    _band(panel, {step: values for step, values in found.items() if values}, label, style)
