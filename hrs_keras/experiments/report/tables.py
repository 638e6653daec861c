"""The main tables of an experiment, as Markdown: mean IoU, differences to the baseline, published numbers.

Every function is pure: the same results give the same text.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tabulate import tabulate

from hrs_keras.experiments.grid import Experiment
from hrs_keras.experiments.statistics import Difference, Measurements, Row, Summary, summarise


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A Markdown table; the first ``texts`` columns are words and flush left, the others numbers and flush right."""
    cells = [[_plain(cell) for cell in row] for row in rows]
    align = ["left"] * texts + ["right"] * (len(header) - texts)
    head = [_plain(title) for title in header]
    return tabulate(cells, head, tablefmt="pipe", colalign=align[: len(head)], disable_numparse=True)


def _plain(text: str) -> str:
    """One line in which no character ends the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def spread(found: Summary | None, digits: int = 1) -> str:
    """``52.3 ± 0.4``; ``52.3`` for one run, nothing for none."""
    if found is None:
        return ""
    return f"{found.mean:.{digits}f}" + ("" if found.sd is None else f" ± {found.sd:.{digits}f}")


def signed(found: Difference | None, runs: int) -> str:
    """``+1.2 [-0.3, 2.7]``; without an interval for one pair; the number of pairs where it is not that of the runs."""
    if found is None:
        return ""
    interval = "" if found.low is None else f" [{_rounded(found.low):.1f}, {_rounded(found.high):.1f}]"
    pairs = "" if found.n == runs else f" ({found.n} {'pair' if found.n == 1 else 'pairs'})"
    return f"{_rounded(found.mean):+.1f}{interval}{pairs}"


def _rounded(value: float) -> float:
    return round(value, 1) + 0.0  # -0.04 is 0.0, not -0.0


def printed(number: float | None) -> str:
    """A published number as it was printed."""
    return "" if number is None else str(number)


# ---- the main table -------------------------------------------------------------------------------------------


def main_table(measured: Measurements) -> str:
    """One row a system, for an experiment without axes."""
    experiment = measured.experiment
    which, other = (experiment.checkpoint, "best" if experiment.checkpoint == "last" else "last")
    whole, *parts = measured.space.subsets
    rank = _ranks(measured, which, whole)
    columns: dict[str, Callable[[Row], str]] = {
        "system": lambda row: row.system.title,
        "runs": lambda row: row.count,
        "rank": lambda row: rank.get(row.system.name, ""),
        f"mIoU, {whole} classes": lambda row: spread(summarise(row.means(which, whole).values())),
    }
    for part in parts:
        columns[f"{part} classes"] = lambda row, part=part: spread(summarise(row.means(which, part).values()))
    for name in dict.fromkeys(filter(None, (experiment.baseline, experiment.mixing))):
        columns[f"difference to {_title(measured, name)}"] = lambda row, name=name: _difference(
            measured, row, whole, name
        )
    columns[f"{other} checkpoint"] = lambda row: spread(summarise(row.means(other, whole).values()))
    rows = [[column(row) for column in columns.values()] for row in measured.rows.values()]
    if has_published(experiment):
        numbers = [system.published for system in experiment.systems]
        rows = [[*row, printed(number)] for row, number in zip(rows, numbers, strict=True)]
        empty = [""] * (len(columns) - 1)
        rows += [[extra.title, *empty, printed(extra.published)] for extra in experiment.published_only]
        return markdown([*columns, "published"], rows)
    return markdown(list(columns), rows)


def _ranks(measured: Measurements, which: str, subset: str) -> dict[str, str]:
    """System name -> its place by mean mIoU, 1 the best; equal means share a place."""
    found = {row.system.name: summarise(row.means(which, subset).values()) for row in measured.rows.values()}
    means = {name: summary.mean for name, summary in found.items() if summary}
    return {name: str(1 + sum(other > mean for other in means.values())) for name, mean in means.items()}


def _difference(measured: Measurements, row: Row, subset: str, other: str) -> str:
    if row.system.name == other:
        return "baseline" if row.results and other == measured.experiment.baseline else ""
    return signed(measured.difference(row, measured.experiment.checkpoint, subset, other), len(row.results))


def _title(measured: Measurements, name: str) -> str:
    return next(system.title for system in measured.experiment.systems if system.name == name)


def has_published(experiment: Experiment) -> bool:
    """Whether there is any published number to stand beside the measured ones."""
    return bool(experiment.published_only) or any(system.published is not None for system in experiment.systems)


# ---- with axes ------------------------------------------------------------------------------------------------


def axis_tables(measured: Measurements) -> list[tuple[str, str]]:
    """For an experiment with axes: (heading, table) for each cell of the further axes and each kind of number.

    The first axis' cells are the columns. Published numbers stand below their system's, in the section of the further
    axes' last cells: that is where ``full`` stands.
    """
    experiment, sections = measured.experiment, measured.combinations(first=1)
    whole = next(iter(measured.space.subsets))
    tables = []
    for section in sections:
        further = [f"{axis.title}: {name}" for axis, name in zip(experiment.axes[1:], section, strict=True)]
        where = ", ".join([f"by {experiment.axes[0].title}", *further])
        published = section == sections[-1] and has_published(experiment)
        for subset in measured.space.subsets:
            table = _axis_table(measured, section, subset, published and subset == whole)
            tables.append((f"mIoU, {subset} classes, {where}", table))
        if experiment.baseline:
            title = f"Difference to {_title(measured, experiment.baseline)}, {where}"
            tables.append((title, _axis_differences(measured, section)))
    return tables


def _columns(measured: Measurements) -> list[str]:
    return [cell.name for cell in measured.experiment.axes[0].cells]


def _axis_table(measured: Measurements, section: tuple[str, ...], subset: str, published: bool) -> str:
    experiment, columns = measured.experiment, _columns(measured)

    def text(row: Row) -> str:
        found = summarise(row.means(experiment.checkpoint, subset).values())
        return f"{spread(found)} ({row.count})" if found else ""

    rows = []
    for system in experiment.systems:
        rows.append([system.title, *(text(measured.rows[system.name, (name, *section)]) for name in columns)])
        if published and system.published is not None:
            rows.append(_published_row(system.title, system.published, columns))
    if published:
        rows += [_published_row(extra.title, extra.published or {}, columns) for extra in experiment.published_only]
    return markdown(["system", *columns], rows)


def _published_row(title: str, published: Mapping[str, float], columns: list[str]) -> list[str]:
    return [f"{title}, published", *(printed(published.get(name)) for name in columns)]


def _axis_differences(measured: Measurements, section: tuple[str, ...]) -> str:
    columns, whole = _columns(measured), next(iter(measured.space.subsets))
    baseline = measured.experiment.baseline
    rows = [
        [
            system.title,
            *(_difference(measured, measured.rows[system.name, (name, *section)], whole, baseline) for name in columns),
        ]
        for system in measured.experiment.systems
        if system.name != baseline
    ]
    return markdown(["system", *columns], rows)
