"""How all curves of a report look: colours, lines, axes and legends.

Legends are outside of the axes, and colours can be told apart by colour-blind readers too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from hrs_keras.media.panels import save_figure
from hrs_keras.system.files import writing

# Okabe and Ito's palette without its yellow, which is lost on white paper, ordered so that similar colours are apart.
COLOURS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
# Lines and markers tell apart more systems than there are colours. Dashes are for published numbers.
LINES = ("-", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 130


def style(number: int) -> dict[str, Any]:
    """Colour, line and marker of the system numbered ``number``, as Matplotlib takes them: all differ up to 21."""
    turn, position = divmod(number, len(COLOURS))
    return {
        "color": COLOURS[position],
        "linestyle": LINES[turn % len(LINES)],
        "marker": MARKERS[(position + turn) % len(MARKERS)],
    }


def panels(
    shape: tuple[int, int], size: tuple[float, float], legend_rows: int, **sharing: Any
) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes, and space for a legend below them.

    Args:
        shape: rows and columns.
        size: width and height of one panel in inches.
        legend_rows: how many rows the legend has.
        sharing: ``sharex`` and ``sharey`` as ``Figure.subplots`` takes them.

    Returns:
        The figure, and its axes as an array of that shape.
    """
    (rows, columns), (width, height) = shape, size
    figure = Figure(figsize=(width * columns, height * rows + 0.25 * legend_rows + 0.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **sharing)
    for panel in axes.flat:
        panel.grid(True, color="0.9", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    return figure, axes


def common_legend(figure: Figure, named: Mapping[str, Any], columns: int) -> None:
    """One legend for all panels of a figure, below them.

    Args:
        figure: it gets the legend.
        named: title -> what is drawn for it. (Matplotlib's own list of them lacks titles that begin with ``_``.)
        columns: how many entries are beside each other.
    """
    if not named:
        return
    # Measured systems, which alone have error bars, before published numbers.
    ordered = sorted(named, key=lambda title: not isinstance(named[title], ErrorbarContainer))
    figure.legend(
        [named[title] for title in ordered],
        ordered,
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
        handlelength=3,
    )


def label_panel(panel: Axes, *, title: str | None = None, x: str | None = None, y: str | None = None) -> None:
    """Set a panel's title and the names of its axes, where they are given."""
    if title is not None:
        panel.set_title(title, fontsize=9)
    if x is not None:
        panel.set_xlabel(x, fontsize=9)
    if y is not None:
        panel.set_ylabel(y, fontsize=9)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as a PNG, whole or not at all; returns the path.

    Raises:
        HRSError: it cannot be written.
    """
    with writing(path):
        save_figure(figure, path, DPI)
    return path
