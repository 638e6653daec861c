"""The curves of an experiment against the amount of data."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from hrs_keras.experiments.report.figures import common_legend, label_panel, panels, style
from hrs_keras.experiments.sections import PublishedRow, System
from hrs_keras.experiments.statistics import Measurements, Row, Summary, summarise


def amounts_figure(measured: Measurements) -> Figure | None:
    """mIoU against the value of the first axis: mean, sample standard deviation, single runs, published numbers.

    Further axes make panels; published numbers are in the last of them, as in the tables.

    Returns:
        None where a cell of the first axis has no value, or where there is nothing to show.
    """
    experiment = measured.experiment
    titled: list[System | PublishedRow] = [*experiment.systems, *experiment.published_only]
    published = {number: row for number, row in enumerate(titled) if row.published}
    amounts = _amounts(measured)
    if amounts is None or not (measured.found or published):
        return None
    sections = measured.combinations(first=1)
    entries = len(experiment.systems) + len(published)
    size = (max(4.2, 6.4 / len(sections)), 3.6)
    figure, axes = panels((1, len(sections)), size, legend_rows=-(-entries // 3), sharey=True)
    named: dict[str, Any] = {}
    for section, panel in zip(sections, axes[0], strict=True):
        for number, system in enumerate(experiment.systems):
            rows = [measured.rows[system.name, (name, *section)] for name in amounts]
            if drawn := _draw_system(panel, number, rows, list(amounts.values()), measured):
                named.setdefault(system.title, drawn)
        label_panel(panel, title=", ".join(section), x=experiment.axes[0].title)
    for number, row in published.items():
        line = _draw_published(axes[0, -1], number, row, amounts)
        named[str(line.get_label())] = line
    for panel in axes[0]:
        _scale(panel, amounts)
    label_panel(axes[0, 0], y="mean IoU (%)" if experiment.evaluate_on == "validation" else "test mean IoU (%)")
    common_legend(figure, named, 3)
    return figure


def _amounts(measured: Measurements) -> dict[str, float] | None:
    """The first axis' cells: name -> value; None where that is no axis of amounts."""
    if not measured.experiment.axes:
        return None
    cells = measured.experiment.axes[0].cells
    amounts = {cell.name: cell.value for cell in cells if cell.value is not None}
    return amounts if len(amounts) == len(cells) > 1 else None


def _draw_system(
    panel: Axes, number: int, rows: Sequence[Row], amounts: Sequence[float], measured: Measurements
) -> ErrorbarContainer | None:
    """The system numbered ``number``: a row of the results for each amount. Returns the line, None without results."""
    experiment, whole = measured.experiment, next(iter(measured.space.subsets))
    # Systems are side by side, so that error bars do not hide one another.
    shift = 2 ** (0.045 * (number - (len(experiment.systems) - 1) / 2))
    found: list[tuple[float, Summary]] = []
    for amount, row in zip(amounts, rows, strict=True):
        runs = list(row.means(experiment.reported, whole).values())
        if summary := summarise(runs):
            found.append((amount * shift, summary))
            beside = [amount * shift * 2**-0.02] * len(runs)  # of the error bar, which would hide them
            panel.plot(beside, runs, ".", color=style(number)["color"], markersize=4, alpha=0.6)
    if not found:
        return None
    return panel.errorbar(
        [x for x, _ in found],
        [summary.mean for _, summary in found],
        [summary.sd or 0.0 for _, summary in found],
        label=rows[0].system.title,
        capsize=2.5,
        markersize=5,
        linewidth=1.5,
        elinewidth=1,
        **style(number),
    )


def _draw_published(panel: Axes, number: int, row: System | PublishedRow, amounts: Mapping[str, float]) -> Line2D:
    found = [(amount, row.published[name]) for name, amount in amounts.items() if name in row.published]
    look = style(number) | {"linestyle": "--", "markerfacecolor": "white"}
    label = f"{row.title}, published"
    (line,) = panel.plot([x for x, _ in found], [y for _, y in found], label=label, linewidth=1.2, markersize=5, **look)
    return line


def _scale(panel: Axes, amounts: Mapping[str, float]) -> None:
    values = list(amounts.values())
    if min(values) > 0:
        panel.set_xscale("log", base=2)
    else:  # 0 has no logarithm; it is the amount of no synthetic images
        panel.set_xscale("symlog", base=2, linthresh=min((abs(value) for value in values if value), default=1))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticks(values, list(amounts))
