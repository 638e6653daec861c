"""What the gate of an experiment says: whether its table is a test of the method's claim, and where not, why.

Every function is pure: the same results give the same text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hrs_keras.experiments.gate import Gate, three_quarters
from hrs_keras.experiments.report.tables import miou, spread
from hrs_keras.experiments.statistics import POINTS, Measurements, Row, summarise
from hrs_keras.system.markdown import literal
from hrs_keras.system.markdown import table as markdown

_NO_TEST = "This table does not test the claim"


@dataclass(frozen=True)
class _Setting:
    """One choice of a cell for each axis: the numbers of the gate there. What is not known yet is None.

    Attributes:
        cells: the names of the axes' cells.
        baseline: the baseline's runs, with the labels of the table.
        all_labels: its runs with all labels.
        gain: mIoU points that all labels gain it.
        last_quarter: mIoU points on the validation images that the last quarter of the steps gains it.
        classes: class -> IoU in per cent with all labels, of the classes that are in labels or predictions.
    """

    cells: tuple[str, ...]
    baseline: Row
    all_labels: Row
    gain: float | None
    last_quarter: float | None
    classes: dict[str, float] | None

    @property
    def worst(self) -> tuple[str, float] | None:
        """The class with the lowest IoU, and that."""
        return min(self.classes.items(), key=lambda item: item[1]) if self.classes else None


def verdict(measured: Measurements) -> str:
    """Whether the table tests the claim: in each setting it does only if all three conditions are known to hold there.

    Where it does not, which of them fail and by how much, or cannot be computed yet. Empty without a gate.
    """
    gate = measured.experiment.gate
    if gate is None:
        return ""
    found = {setting.cells: [*_failed(gate, setting), *_unknown(setting)] for setting in _settings(measured)}
    failing = {cells: "; ".join(reasons) for cells, reasons in found.items() if reasons}
    if not failing:
        return "This table tests the claim: the three conditions of its gate hold."
    first, *others = [f"{_where(cells)}: {why}." for cells, why in failing.items()]
    holding = "".join(_where(cells) for cells, reasons in found.items() if not reasons)
    sentences = [_NO_TEST + first, *(f"Nor{other}" for other in others), *([f"It does{holding}."] if holding else [])]
    return " ".join(sentences)


def _where(cells: tuple[str, ...]) -> str:
    return f" at ({', '.join(cells)})" if cells else ""


def gate_lines(measured: Measurements) -> list[str]:
    """The blocks that stand above the tables: the verdict, the numbers, and what they are; none without a gate."""
    gate = measured.experiment.gate
    if gate is None:
        return []
    said = literal(verdict(measured)).replace(_NO_TEST, f"**{_NO_TEST}**")
    return [said, _table(measured, gate), _note(measured, gate)]


def _settings(measured: Measurements) -> list[_Setting]:
    baseline = measured.experiment.baseline or ""
    return [_setting(measured, measured.rows[baseline, cells], row) for cells, row in measured.all_labels.items()]


def _setting(measured: Measurements, few: Row, every: Row) -> _Setting:
    experiment, whole = measured.experiment, next(iter(measured.space.subsets))
    with_few, with_all = (_mean(row, row.means(experiment.reported, whole)) for row in (few, every))
    return _Setting(
        few.cells,
        few,
        every,
        gain=None if with_few is None or with_all is None else _exact(with_all - with_few),
        last_quarter=_mean(few, _gained_last(few)),
        classes=_classes(measured, every),
    )


def _mean(row: Row, values: dict[int, float]) -> float | None:
    """Mean over the seeds; None as long as one of the row's runs is missing, or its value is undefined."""
    return _exact(float(np.mean([*values.values()]))) if values and values.keys() == row.planned.keys() else None


def _exact(points: float) -> float:
    """Points that are compared with a threshold: without the digits that float64 adds to sums and differences."""
    return round(points, 9)


def _gained_last(row: Row) -> dict[int, float]:
    """Seed -> points of mIoU on the validation images that the last quarter of the steps gained."""
    gained = {}
    for seed, result in row.results.items():
        recipe = row.planned[seed].recipe
        before, after = (result.mean_iou(step) for step in (three_quarters(recipe), recipe.train.steps))
        if before is not None and after is not None:
            gained[seed] = POINTS * (after - before)
    return gained


def _classes(measured: Measurements, row: Row) -> dict[str, float] | None:
    if not row.results or row.results.keys() != row.planned.keys():
        return None
    found = [evaluation.iou for evaluation in row.evaluations(measured.experiment.reported).values()]
    defined = {name: [value for iou in found if (value := iou[name]) is not None] for name in measured.space.classes}
    return {name: _exact(POINTS * float(np.mean(values))) for name, values in defined.items() if values}


# ---- the three conditions ----------------------------------------------------------------------------------------


def _failed(gate: Gate, setting: _Setting) -> list[str]:
    """In words, each condition that is known not to hold, and by how much."""
    return [*_short_labels(gate, setting), *_trained_out(gate, setting), *_learned_classes(gate, setting)]


def _short_labels(gate: Gate, setting: _Setting) -> Iterator[str]:
    if setting.gain is not None and setting.gain < gate.labels:
        yield (
            f"labels are not short, all of them gain the baseline {setting.gain:+.2f} points where {gate.labels:g} are"
            f" wanted ({gate.labels - setting.gain:.2f} too few)"
        )


def _trained_out(gate: Gate, setting: _Setting) -> Iterator[str]:
    gained = setting.last_quarter
    if gained is not None and gained >= gate.last_quarter:
        yield (
            f"the baseline is not trained out, the last quarter of the steps gains it {gained:+.2f} points where less"
            f" than {gate.last_quarter:g} is wanted ({gained - gate.last_quarter:.2f} too many)"
        )


def _learned_classes(gate: Gate, setting: _Setting) -> Iterator[str]:
    low = {name: iou for name, iou in (setting.classes or {}).items() if iou <= gate.every_class}
    if low:
        listed = ", ".join(f"{name} {iou:.2f} ({gate.every_class - iou:.2f} too low)" for name, iou in low.items())
        yield f"not every class has more than {gate.every_class:g} IoU with all labels, {listed}"


def _unknown(setting: _Setting) -> list[str]:
    """In words, which conditions cannot be computed yet, and why."""
    subjects = {
        "what all labels gain the baseline": setting.gain,
        "what the last quarter of the steps gains it": setting.last_quarter,
        "the IoU of each class with all labels": setting.classes,
    }
    unknown = [f"{subject} is not known yet" for subject, value in subjects.items() if value is None]
    rows = {"the baseline": setting.baseline, "the baseline with all labels": setting.all_labels}
    counts = {name: (len(row.results), len(row.planned)) for name, row in rows.items()}
    missing = [f"{there} of {planned} runs of {name}" for name, (there, planned) in counts.items() if there < planned]
    if unknown and missing:
        unknown.append(f"there are {' and '.join(missing)}")
    return unknown


# ---- as Markdown -------------------------------------------------------------------------------------------------


def _table(measured: Measurements, gate: Gate) -> str:
    whole = next(iter(measured.space.subsets))
    axes = [axis.title for axis in measured.experiment.axes]
    header = [
        *(axes or ["system"]),
        f"baseline, {miou(measured.experiment)}",
        "with all labels",
        f"gained (at least {gate.labels:g})",
        f"gained by the last quarter of the steps (less than {gate.last_quarter:g})",
        f"lowest IoU with all labels (more than {gate.every_class:g})",
        "tests the claim",
    ]
    rows = []
    for setting in _settings(measured):
        means = [
            spread(summarise(row.means(measured.experiment.reported, whole).values()))
            for row in (setting.baseline, setting.all_labels)
        ]
        worst = f"{literal(setting.worst[0])} {setting.worst[1]:.2f}" if setting.worst else ""
        numbers = [_signed(setting.gain), _signed(setting.last_quarter), worst]
        rows.append(
            [
                *(setting.cells or [setting.baseline.system.title]),
                *means,
                *numbers,
                _tests(gate, setting),
            ]
        )
    return markdown(header, rows, texts=len(axes) or 1)


def _tests(gate: Gate, setting: _Setting) -> str:
    return "no" if _failed(gate, setting) else "not known yet" if _unknown(setting) else "yes"


def _signed(points: float | None) -> str:
    return "" if points is None else f"{points:+.2f}"


def _note(measured: Measurements, gate: Gate) -> str:
    changed = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in gate.all_labels.items())
    return (
        "The claim: selected synthetic images make up for labels that are missing. A table tests it only where labels"
        " are short, the baseline is trained out, and its network learns every class. All numbers are means over the"
        " seeds, in points of mIoU or per cent of IoU; what the last quarter of the steps gains is measured on the"
        f" validation images. With all labels: {changed}."
    )
