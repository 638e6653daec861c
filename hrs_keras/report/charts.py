"""Static charts as SVG: they scale with the page, follow its colours, and need neither a library nor a script."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT = 440, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 40
_STYLES = 7
"""How many colours the style sheet has for series: ``s0`` to ``s6``."""


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: stands in the legend.
        points: (x, y) in the order of x.
        colour: of CSS; empty for the one of its place among the series.
        faint: a line in the background, of which there may be many.
        band: (x, lowest, highest) in the order of x, filled.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = ""
    faint: bool = False
    band: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class Axes:
    """What a chart's axes are, and from where to where.

    Attributes:
        x, y: their titles.
        y_range: lowest and highest value that is shown at least; None for those of the points.
        x_range: likewise; None for that of the points.
    """

    x: str
    y: str
    y_range: tuple[float, float] | None = None
    x_range: tuple[float, float] | None = None


def line_chart(series: Sequence[Series], axes: Axes, title: str) -> Markup:
    """Lines over a common axis, with a legend below; empty without a point.

    Args:
        series: the lines.
        axes: what is on the axes.
        title: for those who cannot see it.
    """
    xs = [x for one in series for x, _ in one.points]
    if not xs:
        return Markup("")
    ys = [y for one in series for _, y in one.points] + [y for one in series for _, *both in one.band for y in both]
    x_ticks = ticks(*(axes.x_range or (min(xs), max(xs))))
    ys += axes.y_range or ()
    y_ticks = ticks(min(ys), max(ys))
    scale = _Scale((x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    drawn = [_grid(scale, x_ticks, y_ticks, axes)]
    for number, one in enumerate(series):
        drawn.append(_series(scale, one, number))
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, title, Markup("").join(drawn)
    )
    return Markup('<figure class="chart">{}{}</figure>').format(svg, _legend(series))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers that reach from ``low`` or less to ``high`` or more; at least two."""
    span = high - low or abs(high) or 1.0
    raw = span / count
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class _Scale:
    """Where values are in the drawing."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(_LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(_HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _grid(scale: _Scale, x_ticks: Sequence[float], y_ticks: Sequence[float], axes: Axes) -> Markup:
    lines = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>')
        .format(_LEFT, _WIDTH - _RIGHT, scale.y(y), scale.y(y), _LEFT - 6, scale.y(y) + 4, number(y))
        for y in y_ticks
    ]  # fmt: skip
    lines += [
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
            scale.x(x), _HEIGHT - _BOTTOM + 16, "end" if x == x_ticks[-1] else "middle", number(x)
        )
        for x in x_ticks
    ]
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    lines.append(
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, axes.x
        )
    )
    lines.append(
        Markup('<text transform="translate(11 {}) rotate(-90)" text-anchor="middle">{}</text>').format(middle, axes.y)
    )
    return Markup("").join(lines)


def _look(one: Series, number: int) -> str:
    """The classes that the style sheet draws a series by: without a colour of its own that of its place."""
    names = [f"s{number % _STYLES}", *(["dashed"] if number >= _STYLES and not one.colour else [])]
    return " ".join([*names, *(["faint"] if one.faint else [])])


def _series(scale: _Scale, one: Series, number: int) -> Markup:
    style = Markup(' style="--c:{}"').format(one.colour) if one.colour else Markup("")
    drawn = []
    if len(one.band) > 1:
        there = [f"{scale.x(x)},{scale.y(low)}" for x, low, _ in one.band]
        back = [f"{scale.x(x)},{scale.y(high)}" for x, _, high in reversed(one.band)]
        drawn.append(Markup('<polygon points="{}"/>').format(" ".join([*there, *back])))
    points = [(scale.x(x), scale.y(y)) for x, y in one.points]
    if len(points) > 1:
        drawn.append(Markup('<polyline points="{}"/>').format(" ".join(f"{x},{y}" for x, y in points)))
    if not one.faint and len(points) <= 60:
        drawn += [Markup('<circle cx="{}" cy="{}" r="2.6"/>').format(x, y) for x, y in points]
    return Markup('<g class="series {}"{}><title>{}</title>{}</g>').format(
        _look(one, number), style, one.name, Markup("").join(drawn)
    )


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) < 2:
        return Markup("")
    entries = [
        Markup('<li class="{}"{}>{}</li>').format(
            _look(one, number), Markup(' style="--c:{}"').format(one.colour) if one.colour else Markup(""), one.name
        )
        for number, one in enumerate(series)
    ]
    return Markup('<figcaption><ul class="legend">{}</ul></figcaption>').format(Markup("").join(entries))


@dataclass(frozen=True)
class Estimate:
    """A row of a chart of estimates.

    Attributes:
        name: stands above it.
        value: what is estimated; None leaves the row empty.
        low, high: of its interval; None if there is none.
        dots: single values that it is made of.
        text: the value in words, at the right.
        strong: the row that the others are compared with.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    dots: Sequence[float] = ()
    text: str = ""
    strong: bool = False


_ROW = 36
_FOOT = 24


def estimate_chart(
    rows: Sequence[Estimate], title: str, include: Sequence[float] = (), line: float | None = None
) -> Markup:
    """Values with their intervals, one below the other: a forest plot. Empty without a value.

    Args:
        rows: from top to bottom.
        title: for those who cannot see it.
        include: values that the axis has to reach.
        line: a value that is marked through all rows, such as 0 for no difference.
    """
    known = [x for row in rows for x in (row.value, row.low, row.high, *row.dots) if x is not None]
    if not known:
        return Markup("")
    marks = ticks(min([*known, *include]), max([*known, *include]))
    height = _ROW * len(rows) + _FOOT

    def at(value: float) -> float:
        return round(8 + (value - marks[0]) / (marks[-1] - marks[0]) * (_WIDTH - 16), 1)

    bottom = height - _FOOT + 4
    drawn = [
        Markup(
            '<line class="grid" x1="{0}" x2="{0}" y1="4" y2="{1}"/><text x="{0}" y="{2}" text-anchor="{3}">{4}</text>'
        ).format(at(x), bottom, bottom + 15, _anchor(n, len(marks)), number(x))
        for n, x in enumerate(marks)
    ]  # fmt: skip
    if line is not None:
        drawn.append(Markup('<line class="line" x1="{0}" x2="{0}" y1="4" y2="{1}"/>').format(at(line), bottom))
    for place, row in enumerate(rows):
        drawn.append(_estimate(row, place * _ROW + 26, at))
    return Markup('<figure class="chart"><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg></figure>').format(
        _WIDTH, height, title, Markup("").join(drawn)
    )


def _anchor(place: int, count: int) -> str:
    return "start" if place == 0 else "end" if place == count - 1 else "middle"


def _estimate(row: Estimate, y: int, at: Callable[[float], float]) -> Markup:
    parts = [
        Markup('<text class="name" x="8" y="{}">{}</text>').format(y - 9, shortened(row.name, 46)),
        Markup('<text class="name" x="{}" y="{}" text-anchor="end">{}</text>').format(_WIDTH - 8, y - 9, row.text),
    ]
    if row.low is not None and row.high is not None:
        parts.append(
            Markup('<line class="whisker" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(at(row.low), at(row.high), y=y)
        )
    parts += [Markup('<circle class="dot" cx="{}" cy="{}" r="2.4"/>').format(at(value), y) for value in row.dots]
    if row.value is not None:
        parts.append(Markup('<circle class="value" cx="{}" cy="{}" r="4.5"/>').format(at(row.value), y))
    return Markup('<g class="estimate{}">{}</g>').format(" strong" if row.strong else "", Markup("").join(parts))


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, without its middle if need be."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"


def number(value: float) -> str:
    """A number as an axis has it: as few digits as say what it is."""
    return f"{value:.10g}" if abs(value) < 1e-9 or abs(value) >= 1e-4 else f"{value:.1e}"
