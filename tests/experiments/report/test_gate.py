"""Whether a table tests the claim: the three conditions from made-up results, computed by hand."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.made_up import AMOUNTS, evaluation, gated, measurements, parsed, result, rows, section

from hrs_keras.cli.main import main
from hrs_keras.experiments.grid import Cell, Experiment
from hrs_keras.experiments.report.gate import gate_lines, verdict
from hrs_keras.experiments.report.report import write_report
from hrs_keras.experiments.result_files import write_result

FEW, LATE, EVERY = (0.40, 0.42, 0.44), (0.395, 0.415, 0.435), (0.45, 0.46, 0.47)
"""mIoU of seeds 0 to 2 on an eighth of the labels, after 600 and 450 steps, and on all of them: the gate holds."""


def run(cell: Cell, last: float, late: float, **iou: float | None) -> dict:
    """A result whose classes have the mean's IoU but for ``iou``, and that had ``late`` at three quarters."""
    return result(cell, last, evaluations=[evaluation(0, 0.01), evaluation(450, late), evaluation(600, last, iou)])


def runs(
    experiment: Experiment,
    few: Sequence[float] = FEW,
    late: Sequence[float] = LATE,
    every: Sequence[float] = EVERY,
    **iou: float | None,
) -> dict[str, dict]:
    """Results of the baseline, by seed: with few labels, and with all (``late`` does not count there)."""
    found = {}
    for cell in experiment.cells():
        if cell.system == "fcn":
            found[cell.digest] = run(cell, few[cell.seed], late[cell.seed], road=0.01)
    for cell in experiment.gate_cells():
        found[cell.digest] = run(cell, every[cell.seed], 0.2, **iou)
    return found


def said(experiment: Experiment, found: dict[str, dict]) -> str:
    return verdict(measurements(experiment, found))


def test_all_conditions_hold(tmp_path):
    experiment = gated(tmp_path)
    measured = measurements(experiment, runs(experiment, car=0.1234, sky=None))
    line, table, note = gate_lines(measured)
    assert line == verdict(measured) == "This table tests the claim: the three conditions of its gate hold."
    assert rows(table) == [
        [
            *("system", "baseline, mIoU", "with all labels", "gained (at least 3)"),
            "gained by the last quarter of the steps (less than 1)",
            *("lowest IoU with all labels (more than 10)", "tests the claim"),
        ],
        # 42 and 46; 42 less 41.5
        ["FCN", "42.0 ± 2.0", "46.0 ± 1.0", "+4.00", "+0.50", "car 12.34", "yes"],
    ]
    assert note.endswith("With all labels: `data.target.0.subset: null`.")


@pytest.mark.parametrize(
    "change, says, row",
    [
        (  # 42 and 43.5
            {"every": (0.43, 0.435, 0.44)},
            "labels are not short, all of them gain the baseline +1.50 points where 3 are wanted (1.50 too few)",
            ["+1.50", "+0.50", "road 43.50"],
        ),
        (  # 42 and 39.5
            {"late": (0.35, 0.42, 0.415)},
            "the baseline is not trained out, the last quarter of the steps gains it +2.50 points where less than 1 is"
            " wanted (1.50 too many)",
            ["+4.00", "+2.50", "road 46.00"],
        ),
        (
            {"sky": 0.0, "car": 0.0725},
            "not every class has more than 10 IoU with all labels, sky 0.00 (10.00 too low), car 7.25 (2.75 too low)",
            ["+4.00", "+0.50", "sky 0.00"],
        ),
        (
            {"every": (0.40, 0.41, 0.42)},
            "labels are not short, all of them gain the baseline -1.00 points where 3 are wanted (4.00 too few)",
            ["-1.00", "+0.50", "road 41.00"],
        ),
    ],
)
def test_each_condition_may_fail(tmp_path, change, says, row):
    experiment = gated(tmp_path)
    measured = measurements(experiment, runs(experiment, **change))
    assert verdict(measured) == f"This table does not test the claim: {says}."
    line, table, _ = gate_lines(measured)
    assert line == f"**This table does not test the claim**: {says}."
    assert rows(table)[1][3:] == [*row, "no"]


def test_all_that_fail_are_named(tmp_path):
    experiment = gated(tmp_path)
    text = said(experiment, runs(experiment, every=FEW, late=(0.1, 0.1, 0.1), road=0.05))
    assert [text.count(word) for word in ("not short", "not trained out", "not every class", "; ")] == [1, 1, 1, 2]


def test_the_limits_are_those_that_are_written(tmp_path):
    """At least 3 points; less than 1; more than 10."""
    experiment = gated(tmp_path)
    three = {"every": (0.43, 0.45, 0.47)}
    assert "tests the claim" in said(experiment, runs(experiment, **three))
    assert "(1.00 too" not in said(experiment, runs(experiment, late=(0.391, 0.411, 0.431)))
    assert "(0.00 too many)" in said(experiment, runs(experiment, late=(0.39, 0.41, 0.43)))
    assert "car 10.00 (0.00 too low)" in said(experiment, runs(experiment, car=0.1))


def test_the_limits_may_be_others(tmp_path):
    limits = "labels: 4.5, last_quarter: 0.25, every_class: 50"
    experiment = gated(tmp_path, gate=f"gate: {{all_labels: {{data.target.0.subset: null}}, {limits}}}")
    text = said(experiment, runs(experiment))
    assert "where 4.5 are wanted (0.50 too few)" in text and "less than 0.25 is wanted (0.25 too many)" in text
    assert "not every class has more than 50 IoU with all labels, road 46.00 (4.00 too low)" in text


@pytest.mark.fault(
    "an experiment whose gate cannot be computed yet",
    "its page says first that its table does not test the claim, and why",
)
def test_what_is_not_known_yet_is_no_test(tmp_path):
    experiment = gated(tmp_path)
    few, last, classes = (
        "what all labels gain the baseline is not known yet",
        "what the last quarter of the steps gains it is not known yet",
        "the IoU of each class with all labels is not known yet",
    )
    start = "This table does not test the claim: "
    both = "there are 0 of 3 runs of the baseline and 0 of 3 runs of the baseline with all labels"
    assert said(experiment, {}) == f"{start}{few}; {last}; {classes}; {both}."
    found = runs(experiment)
    # Two of three seeds with all labels: no mean is taken of less than was planned.
    (*_, third) = (cell.digest for cell in experiment.gate_cells())
    partial = {digest: value for digest, value in found.items() if digest != third}
    counts = "there are 2 of 3 runs of the baseline with all labels"
    assert said(experiment, partial) == f"{start}{few}; {classes}; {counts}."
    assert rows(gate_lines(measurements(experiment, partial))[1])[1][3:] == ["", "+0.50", "", "not known yet"]
    # What is known to fail is told beside it.
    partial = {digest: value for digest, value in runs(experiment, late=(0.1,) * 3).items() if digest != third}
    assert "not trained out" in said(experiment, partial) and counts in said(experiment, partial)


@pytest.mark.fault(
    "a run whose mean IoU is undefined, or that was not evaluated at three quarters", "no test of the claim"
)
def test_what_is_undefined_is_no_test(tmp_path):
    experiment = gated(tmp_path)
    for position, key in ((-1, "what all labels gain"), (1, "what the last quarter of the steps gains")):
        found = runs(experiment)
        next(iter(found.values()))["evaluations"][position]["mean_iou"]["3"] = None
        assert f"{key} " in said(experiment, found) and "does not test the claim" in said(experiment, found)
    found = runs(experiment)
    del next(iter(found.values()))["evaluations"][1]
    assert said(experiment, found).endswith("claim: what the last quarter of the steps gains it is not known yet.")


def test_each_setting_is_judged_by_itself(tmp_path):
    experiment = gated(tmp_path, axes=AMOUNTS)
    means = {"1/8": 0.40, "1/2": 0.44, "full": 0.45}
    found = {}
    for cell in experiment.cells():
        late = means[cell.cells[0]] - (0.02 if cell.cells == ("1/2",) else 0.005)
        found[cell.digest] = run(cell, means[cell.cells[0]], late)
    text = said(experiment, found)
    assert text.startswith("This table does not test the claim at (1/2): labels are not short, all of them gain the ba")
    assert "+1.00 points where 3 are wanted (2.00 too few); the baseline is not trained out" in text
    assert "Nor at (full): labels are not short, all of them gain the baseline +0.00 points" in text
    assert text.endswith(". It does at (1/8).")
    table = rows(gate_lines(measurements(experiment, found))[1])
    assert table[0][:2] == ["labels", "baseline, mIoU"] and [row[-1] for row in table[1:]] == ["yes", "no", "no"]


def test_the_page_says_it_first(tmp_path):
    experiment = gated(tmp_path)
    found = parsed(runs(experiment, every=FEW))
    lines = write_report(experiment, found, tmp_path / "out").read_text().splitlines()
    assert lines[:2] == ["# A table", ""] and lines[2].startswith("**This table does not test the claim**: labels are")
    report = "\n".join(lines)
    assert report.index("tests the claim") < report.index("difference to FCN")
    assert "all_labels" not in section(report, "Cost") and report.count("\n| FCN ") == 4  # gate, table, classes, cost
    assert "3 of 9 runs are missing" in report  # those of joint training
    page = tmp_path / "page.md"
    page.write_text("# Mine\n<!-- begin: table -->\n<!-- end: table -->\n")
    write_report(experiment, found, tmp_path / "out", page)
    assert page.read_text().splitlines()[3].startswith("**This table does not test the claim**")


def test_the_command_says_it_too(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = gated(tmp_path)
    for value in parsed(runs(experiment, every=FEW)).values():
        (tmp_path / "results").mkdir(exist_ok=True)
        write_result(tmp_path / "results", value)
    assert main(["experiment", str(experiment.path), "--report"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == str(Path("results/table.md")) and second.startswith(
        "This table does not test the claim: labels are"
    )


def test_results_of_the_gate_are_made_alike(tmp_path):
    """They count for the notes on what the results were made with."""
    experiment = gated(tmp_path)
    found = runs(experiment)
    odd = found[experiment.gate_cells()[0].digest]
    odd["environment"] = odd["environment"] | {"cpus": 7}
    report = write_report(experiment, parsed(found), tmp_path / "out").read_text()
    assert "Not all of these results were made alike" in report and f"`{odd['name']}`" in report
