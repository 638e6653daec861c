"""The main tables of an experiment, as Markdown: mean IoU, differences to the baseline, published numbers.

Every function is pure: the same results give the same text.
"""

from collections.abc import Mapping

from scipy.stats import rankdata

from hrs_keras.experiments.grid import Experiment
from hrs_keras.experiments.statistics import Difference, Measurements, Row, Summary, summarise
from hrs_keras.system.markdown import table as markdown


def spread(found: Summary | None, digits: int = 1) -> str:
    """``52.3 ± 0.4``; ``52.3`` for one run, nothing for none."""
    if found is None:
        return ""
    return f"{found.mean:.{digits}f}" + ("" if found.sd is None else f" ± {found.sd:.{digits}f}")


def signed(found: Difference | None, runs: int) -> str:
    """``+1.2 [-0.3, 2.7]``, or ``+1.2`` for a single pair; nothing without a pair.

    The number of pairs is added where it is not ``runs``, the number of the system's runs.
    """
    if found is None:
        return ""
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" [{_rounded(found.low):.1f}, {_rounded(found.high):.1f}]"
    pairs = "" if found.n == runs else f" ({found.n} {'pair' if found.n == 1 else 'pairs'})"
    return f"{_rounded(found.mean):+.1f}{interval}{pairs}"


def _rounded(value: float) -> float:
    return round(value, 1) + 0.0  # -0.04 is 0.0, not -0.0


def printed(number: float | None) -> str:
    """A published number with the digits it was published with; nothing for None."""
    return "" if number is None else str(number)


# ---- the main table -------------------------------------------------------------------------------------------


def main_table(measured: Measurements) -> str:
    """One row for each system, for an experiment without axes.

    Where systems learn from different amounts of labels of real images, a column says from how many.
    """
    experiment = measured.experiment
    which, (other, other_title) = experiment.reported, _beside(experiment)
    whole, *parts = measured.space.subsets
    compared = list(dict.fromkeys(name for name in (experiment.baseline, experiment.mixing) if name))
    header = ["system", "runs", "rank", f"{miou(experiment)}, {whole} classes", *(f"{part} classes" for part in parts)]
    header += [*(f"difference to {_title(measured, name)}" for name in compared), other_title]
    ranks = _ranks(measured, which, whole)
    rows = []
    for row in measured.rows.values():
        cells = [row.system.title, row.count, ranks.get(row.system.name, "")]
        cells += [_mean(row, which, subset) for subset in (whole, *parts)]
        cells += [_difference(measured, row, whole, name) for name in compared]
        rows.append([*cells, _mean(row, other, whole)])
    if len({row.target_labels for row in measured.rows.values()}) > 1:
        header.insert(1, "target labels")
        for line, row in zip(rows, measured.rows.values(), strict=True):
            line.insert(1, row.target_labels)
    if has_published(experiment):
        header.append("published")
        for cells, system in zip(rows, experiment.systems, strict=True):
            cells.append(printed(system.published))
        empty = [""] * (len(header) - 2)
        rows += [[extra.title, *empty, printed(extra.published)] for extra in experiment.published_only]
    return markdown(header, rows)


def miou(experiment: Experiment) -> str:
    """What the numbers of a table are called."""
    return "test mIoU" if experiment.evaluate_on == "test" else "mIoU"


def _beside(experiment: Experiment) -> tuple[str, str]:
    """Which other evaluation the main table has beside the one that is reported, and the title of its column."""
    if experiment.evaluate_on == "test":
        return "best", "validation mIoU"
    other = "best" if experiment.checkpoint == "last" else "last"
    return other, f"{other} checkpoint"


def _ranks(measured: Measurements, which: str, subset: str) -> dict[str, str]:
    """System name -> its rank by mean mIoU, 1 for the best; systems with equal means share a rank."""
    found = {row.system.name: summarise(row.means(which, subset).values()) for row in measured.rows.values()}
    means = {name: summary.mean for name, summary in found.items() if summary}
    ranks = rankdata([-mean for mean in means.values()], method="min")
    return {name: str(int(rank)) for name, rank in zip(means, ranks, strict=True)}


def _mean(row: Row, which: str, subset: str) -> str:
    return spread(summarise(row.means(which, subset).values()))


def _difference(measured: Measurements, row: Row, subset: str, other: str) -> str:
    if row.system.name == other:
        return "baseline" if row.results and other == measured.experiment.baseline else ""
    return signed(measured.difference(row, measured.experiment.reported, subset, other), len(row.results))


def _title(measured: Measurements, name: str) -> str:
    return next(system.title for system in measured.experiment.systems if system.name == name)


def has_published(experiment: Experiment) -> bool:
    """Whether the experiment's file gives any published number."""
    return bool(experiment.published_only) or any(system.published is not None for system in experiment.systems)


# ---- with axes ------------------------------------------------------------------------------------------------


def axis_tables(measured: Measurements) -> list[tuple[str, str]]:
    """For an experiment with axes: (heading, table) for each cell of the further axes and each kind of number.

    The first axis' cells are the columns. Published numbers are below those of their system, in the section of the
    further axes' last cells.
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
            tables.append((f"{miou(experiment)}, {subset} classes, {where}", table))
        if experiment.baseline and len(experiment.systems) > 1:
            title = f"Difference to {_title(measured, experiment.baseline)}, {where}"
            tables.append((title, _axis_differences(measured, section, experiment.baseline)))
    return tables


def _columns(measured: Measurements) -> list[str]:
    return [cell.name for cell in measured.experiment.axes[0].cells]


def _axis_table(measured: Measurements, section: tuple[str, ...], subset: str, published: bool) -> str:
    experiment, columns = measured.experiment, _columns(measured)

    def text(row: Row) -> str:
        found = summarise(row.means(experiment.reported, subset).values())
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


def _axis_differences(measured: Measurements, section: tuple[str, ...], baseline: str) -> str:
    columns, whole = _columns(measured), next(iter(measured.space.subsets))
    rows = []
    for system in measured.experiment.systems:
        if system.name != baseline:
            found = [measured.rows[system.name, (name, *section)] for name in columns]
            rows.append([system.title, *(_difference(measured, row, whole, baseline) for row in found)])
    return markdown(["system", *columns], rows)
