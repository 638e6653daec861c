"""What was selected by class, from made-up results: every number by hand."""

import pytest
from support import made_up

from hrs_keras.experiments.report.by_class import certainty_table, correlations, learned_rows, selection_by_class
from hrs_keras.experiments.report.tables import main_table

IOU = {
    "fcn": {"road": 0.9, "sky": 0.5, "car": 0.1},
    "joint": {"road": 0.8, "sky": 0.6, "car": None},
    "ours": {"road": 0.9, "sky": 0.4, "car": 0.5},
}


def log(first, last):
    """Two intervals: L_W of two levels, and the shares selected of road, sky and car."""
    rows = []
    for step, (losses, shares) in zip((300, 600), (first, last), strict=True):
        named = zip(("pixel", "image"), losses, strict=True)
        rows.append({"step": step, "selected": 0.5, **{f"loss/weighting/{level}": loss for level, loss in named}})
        rows[-1] |= {f"selected/{name}": share for name, share in zip(made_up.CLASSES, shares, strict=True)}
    return rows


@pytest.fixture
def measured(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn\nmixing: joint")
    found = made_up.results(experiment, fcn={0: 0.5, 1: 0.5}, joint={0: 0.5}, ours={0: 0.5, 1: 0.5})
    for cell in experiment.cells():
        if value := found.get(cell.digest):
            # At seed 1 the baseline's car is 10 points better.
            more = {"car": 0.2} if (cell.system, cell.seed) == ("fcn", 1) else {}
            value["evaluations"][-1]["iou"] = IOU[cell.system] | more
        if value and cell.system == "ours":
            later = (0.5, 0.2) if cell.seed else (0.7, 0.4)
            value["log"] = log(((1.0, 0.9), (0.5, 0.6, None)), (later, (0.4, 0.1 + 0.2 * cell.seed, 0.8)))
    return made_up.measurements(experiment, found)


def test_only_systems_that_learned_to_select(measured):
    assert [row.system.name for row in learned_rows(measured)] == ["ours"]


def test_the_main_table_has_the_difference_to_mixing_too(measured):
    table = made_up.rows(main_table(measured))
    column = table[0].index("difference to JOINT")
    # Paired by seed: of the one that joint training was run with.
    assert {row[0]: row[column] for row in table[1:]} == {"FCN": "+0.0 (1 pair)", "JOINT": "", "OURS": "+0.0 (1 pair)"}


def test_how_certain_the_weighting_networks_are(measured):
    assert made_up.rows(certainty_table(measured)) == [
        ["system", "pixel level", "image level"],
        ["OURS", "1.00 to 0.60", "0.90 to 0.30"],
    ]


def test_classes(measured):
    (row,) = learned_rows(measured)
    selected = ("selected %, first", "selected %, last")
    assert made_up.rows(selection_by_class(measured, row)) == [
        ["class", "source %", "target %", *selected, "IoU less FCN's", "IoU less JOINT's"],
        ["road", "50.00", "50.00", "50", "40", "+0.0", "+10.0"],
        ["sky", "30.00", "15.00", "60", "20", "-10.0", "-20.0"],
        ["car", "20.00", "35.00", "-", "80", "+35.0", "-"],  # (40 + 30) / 2; joint training never saw a car
    ]


def test_rank_correlations(measured):
    """Selected last: sky < road < car, as log(target / source) and the gain over FCN; frequency: car < sky < road."""
    (row,) = learned_rows(measured)
    found = correlations(measured, row)
    assert [line.rsplit(": ", 1)[1].split(" (")[0] for line in found] == ["+1.00", "-0.50", "+1.00"]
    assert "more frequent" in found[0] and "frequency in the source" in found[1] and "gain in IoU over FCN" in found[2]
    assert not any("JOINT" in line for line in found)  # two classes have no correlation


def test_experiments_with_axes_have_no_such_tables(tmp_path):
    axes = "axes: [{title: labels, cells: [{name: half, value: 0.5}, {name: full, value: 1}]}]"
    experiment = made_up.experiment(tmp_path, axes)
    found = {
        cell.digest: made_up.result(cell, 0.5, log=[{"step": 600, "selected": 0.5}]) for cell in experiment.cells()
    }
    assert learned_rows(made_up.measurements(experiment, found)) == []
