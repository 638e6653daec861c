"""Reports of made-up results: tables cell by cell, notes, curves, and what is written where."""

import copy
import errno
import itertools
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from support import made_up
from support.made_up import CLASSES, ENVIRONMENT, evaluation, measurements, parsed, result, results, rows

from hrs_keras.errors import HRSError
from hrs_keras.experiments.grid import load_experiment
from hrs_keras.experiments.report import details, notes, side_by_side, tables
from hrs_keras.experiments.report.amounts import amounts_figure
from hrs_keras.experiments.report.curves import check_figure, training_figure
from hrs_keras.experiments.report.figures import style
from hrs_keras.experiments.report.report import write_report
from hrs_keras.media import panels

AMOUNTS = """
axes:
  - title: labels
    cells:
      - {name: 1/8, value: 0.125, set: {data.target.0.subset: 0.125}}
      - {name: 1/2, value: 0.5, set: {data.target.0.subset: 0.5}}
      - {name: full, value: 1.0}
"""


def section(report: str, heading: str) -> str:
    """The text below a heading of a report."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", report, re.M | re.S)[1]


# ---- the main table -----------------------------------------------------------------------------------------------


def test_main_table_by_hand(tmp_path):
    text = "baseline: fcn\nreference: The Paper\npublished_only: [{title: 'Others | more', published: 61.0}]"
    experiment = made_up.experiment(
        tmp_path,
        text,
        fcn="published: 60.5",
        ours="seeds: [0, 1, 2, 3]",
        joint="published: 62.0",
    )
    found = results(
        experiment, fcn={0: 0.5, 1: 0.52, 2: 0.54}, joint={0: 0.51, 1: 0.54}, ours={0: 0.53, 1: 0.54, 2: 0.58, 3: 0.61}
    )
    # The best checkpoints of fcn are those of step 300, one point better than the last.
    for cell in experiment.cells():
        if cell.system == "fcn":
            last = found[cell.digest]["evaluations"][-1]["mean_iou"]["3"]
            found[cell.digest]["evaluations"][1] = evaluation(300, last + 0.01)
            found[cell.digest]["best"] = {"step": 300, "miou": last + 0.01}
    assert rows(tables.main_table(measurements(experiment, found))) == [
        ["system", "runs", "rank", "mIoU, 3 classes", "difference to FCN", "best checkpoint", "published"],
        # 50, 52, 54: standard deviation 2
        ["FCN", "3", "3", "52.0 ± 2.0", "baseline", "53.0 ± 2.0", "60.5"],
        # 51, 54: sqrt(4.5). Differences 1 and 2: 1.5 ± 12.706 * sqrt(0.5) / sqrt(2) = 1.5 ± 6.353
        ["JOINT", "2 of 3", "2", "52.5 ± 2.1", "+1.5 [-4.9, 7.9]", "52.5 ± 2.1", "62.0"],
        # 53, 54, 58, 61: squared deviations from 56.5 add up to 41; sqrt(41 / 3) = 3.70.
        # Differences at seeds 0 to 2: 3, 2, 4: 3 ± 4.303 * 1 / sqrt(3) = 3 ± 2.484
        ["OURS", "4", "1", "56.5 ± 3.7", "+3.0 [0.5, 5.5] (3 pairs)", "56.5 ± 3.7", ""],
        ["Others \\| more", "", "", "", "", "", "61.0"],
    ]


def test_what_has_not_been_run_is_empty(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn")
    found = results(experiment, joint={1: 0.5})
    assert rows(tables.main_table(measurements(experiment, found))) == [
        ["system", "runs", "rank", "mIoU, 3 classes", "difference to FCN", "best checkpoint"],
        ["FCN", "", "", "", "", ""],
        ["JOINT", "1 of 3", "1", "50.0", "", "50.0"],
        ["OURS", "", "", "", "", ""],
    ]


def test_without_a_baseline_there_are_no_differences_and_the_best_may_be_tabulated(tmp_path):
    experiment = made_up.experiment(tmp_path, "checkpoint: best\nseeds: [0]", systems=["fcn"])
    (cell,) = experiment.cells()
    found = result(cell, 0.4, best={"step": 300, "miou": 0.2})
    measured = measurements(experiment, {cell.digest: found})
    assert rows(tables.main_table(measured)) == [
        ["system", "runs", "rank", "mIoU, 3 classes", "last checkpoint"],
        ["FCN", "1", "1", "20.0", "40.0"],
    ]


def test_equal_means_share_a_rank_and_small_differences_have_no_negative_zero(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn\nseeds: [0]")
    found = results(experiment, fcn={0: 0.5}, joint={0: 0.5}, ours={0: 0.4998})
    table = rows(tables.main_table(measurements(experiment, found)))
    assert [row[2] for row in table[1:]] == ["1", "1", "3"]
    assert [row[4] for row in table[1:]] == ["baseline", "+0.0", "+0.0"]


def test_every_named_mean_is_tabulated(tmp_path):
    (tmp_path / "city.yaml").write_text("data: {classes: cityscapes}\n")
    systems = [f"  - {{name: {name}, recipe: city.yaml, {made_up.SYSTEMS[name]}}}" for name in ("fcn", "joint")]
    made_up.experiment(tmp_path)
    file = tmp_path / "city_table.yaml"
    file.write_text("title: t\nrecipe: recipe.yaml\nseeds: [0]\nsystems:\n" + "\n".join(systems) + "\n")
    experiment = load_experiment(file)
    cell = experiment.cells()[0]
    found = result(cell, 0.5)
    found["evaluations"][-1]["mean_iou"] = {"19": 0.5, "16": 0.55, "13": None}
    measured = measurements(experiment, {cell.digest: found})
    table = rows(tables.main_table(measured))
    assert table[0] == ["system", "runs", "rank", "mIoU, 19 classes", "16 classes", "13 classes", "best checkpoint"]
    assert table[1] == ["fcn", "1", "1", "50.0", "55.0", "", "50.0"]


# ---- with axes ----------------------------------------------------------------------------------------------------


def amounts(folder: Path, more: str = "") -> tuple:
    """An experiment with one axis, and results: FCN 40, 44 / 50, 54 / 60, 64; joint 2 and 4 points more at full."""
    text = f"seeds: [0, 1]\nbaseline: fcn\n{more}{AMOUNTS}"
    published = "published: {1/8: 33.3, full: 44.0}"
    experiment = made_up.experiment(folder, text, systems=["fcn", "joint"], fcn=published)
    places = {"1/8": 0.4, "1/2": 0.5, "full": 0.6}
    found = {}
    for cell in experiment.cells():
        if cell.system == "fcn":
            found[cell.digest] = result(cell, places[cell.cells[0]] + 0.04 * cell.seed)
        elif cell.cells[0] == "full":
            found[cell.digest] = result(cell, (0.62, 0.68)[cell.seed])
    return experiment, found


def test_axis_tables_by_hand(tmp_path):
    experiment, found = amounts(tmp_path, "published_only: [{title: Others, published: {1/2: 70.25}}]\n")
    one = next(digest for digest, value in found.items() if value["name"].startswith("fcn-1_2-s1"))
    del found[one]
    (heading, table), (differences, second) = tables.axis_tables(measurements(experiment, found))
    assert (heading, differences) == ("mIoU, 3 classes, by labels", "Difference to FCN, by labels")
    assert rows(table) == [
        ["system", "1/8", "1/2", "full"],
        # 40 and 44: the standard deviation is sqrt(8)
        ["FCN", "42.0 ± 2.8 (2)", "50.0 (1 of 2)", "62.0 ± 2.8 (2)"],
        ["FCN, published", "33.3", "", "44.0"],
        ["JOINT", "", "", "65.0 ± 4.2 (2)"],
        ["Others, published", "", "70.25", ""],
    ]
    # Differences 2 and 4: 3 ± 12.706 * sqrt(2) / sqrt(2)
    assert rows(second) == [["system", "1/8", "1/2", "full"], ["JOINT", "", "", "+3.0 [-9.7, 15.7]"]]


def test_further_axes_are_sections(tmp_path):
    text = "seeds: [0]" + AMOUNTS + "  - {title: size, cells: [{name: small, set: {data.size: [32, 64]}}, {name: big}]}"
    experiment = made_up.experiment(tmp_path, text, systems=["fcn"], fcn="published: {full: 44.0}")
    places = {"small": 0.1, "big": 0.2}
    found = {cell.digest: result(cell, places[cell.cells[1]]) for cell in experiment.cells()}
    measured = measurements(experiment, found)
    small, big = tables.axis_tables(measured)
    assert (small[0], big[0]) == (
        "mIoU, 3 classes, by labels, size: small",
        "mIoU, 3 classes, by labels, size: big",
    )
    assert rows(small[1])[1:] == [["FCN", "10.0 (1)", "10.0 (1)", "10.0 (1)"]]
    assert rows(big[1])[1:] == [["FCN", "20.0 (1)", "20.0 (1)", "20.0 (1)"], ["FCN, published", "", "", "44.0"]]
    assert rows(details.class_table(measured))[0:3] == [
        ["system", "labels", "size", *CLASSES],
        ["FCN", "1/8", "small", "10.0", "10.0", "10.0"],
        ["FCN", "1/8", "big", "20.0", "20.0", "20.0"],
    ]


# ---- the tables behind --------------------------------------------------------------------------------------------


def test_class_table_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path, systems=["fcn", "joint"])
    first, second = (cell for cell in experiment.cells()[:2])
    found = {cell.digest: result(cell, 0.5) for cell in (first, second)}
    found[first.digest]["evaluations"][-1] = evaluation(600, 0.5, {"road": 0.9, "sky": 0.2, "car": None})
    found[second.digest]["evaluations"][-1] = evaluation(600, 0.5, {"road": 0.8, "sky": None, "car": None})
    assert rows(details.class_table(measurements(experiment, found))) == [
        ["system", "road", "sky", "car"],
        ["FCN", "85.0", "20.0", "-"],
        ["JOINT", "", "", ""],
    ]


def test_cost_table_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn", systems=["fcn", "joint", "ours", "gan"])
    found = results(experiment, fcn={0: 0.5, 1: 0.5, 2: 0.5}, ours={0: 0.5, 1: 0.5}, joint={0: 0.5})
    for value, seconds in zip(found.values(), (0.4, 0.5, 0.9, 0.9996, 1.0, None), strict=True):
        value["seconds_per_step"] = seconds
        if value["name"].startswith("joint"):
            value["parameters"] = {"encoder": 1000, "generator": 5}
        if value["name"].startswith("ours"):
            value["parameters"] = {"encoder": 1234567, "weighting/pixel": 89, "generator": 5}
    head = ["system", "seconds a step", "times the baseline"]
    assert rows(details.cost_table(measurements(experiment, found))) == [
        [*head, "encoder", "weighting/pixel", "generator", "all players"],
        ["FCN", "0.500", "1.00", "1,000", "-", "-", "1,000"],
        ["JOINT", "1.00", "2.00", "1,000", "-", "5", "1,005"],
        ["OURS", "1.00", "2.00", "1,234,567", "89", "5", "1,234,661"],
        ["GAN", "", "", "", "", "", ""],
    ]
    for value, seconds in zip(found.values(), (0.8, 0.6, 0.5, 1.5, 2.0, 2.5), strict=True):
        value["cpu_seconds_per_step"] = seconds
    table = rows(details.cost_table(measurements(experiment, found)))
    assert table[0][3:5] == ["CPU seconds a step", "times the baseline"]
    assert [row[3:5] for row in table[1:]] == [["0.600", "1.00"], ["1.50", "2.50"], ["2.25", "3.75"], ["", ""]]


def test_share_table_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5}, joint={0: 0.5}, ours={0: 0.5, 1: 0.5})
    fcn, joint, one, other = found.values()
    fcn["log"] = [{"step": 50, "loss/target": 1.0}]
    joint["log"] = [{"step": 50, "selected": 1.0}]
    one["log"] = [{"step": step, "selected": share} for step, share in ((50, 0.5), (100, 0.7), (150, 0.2))]
    # Logged at other intervals; in the last no source was read.
    other["log"] = [{"step": 100, "selected": 0.6}, {"step": 150, "selected": 0.3}, {"step": 160, "selected": None}]
    assert rows(details.share_table(measurements(experiment, found))) == [
        ["system", "runs", "first steps", "selected %", "last steps", "selected %"],
        # 50 and 60, 20 and 30: sqrt(50)
        ["OURS", "2", "1 to 50, 1 to 100", "55.0 ± 7.1", "101 to 150", "25.0 ± 7.1"],
    ]
    del found[one["digest"]], found[other["digest"]]
    assert details.share_table(measurements(experiment, found)) == ""


CHECK = "selection_check: {marks: marks.jsonl, id: name, flag: odd}"


def check(step: int, shift: float) -> dict:
    """A made-up record of the selection check, without the region and image level."""
    numbers = {"flagged": 0.25 + shift, "others": 0.5 + shift, "auc": 0.75 + shift}
    return {"step": step, "H": numbers, "H_p": numbers | {"auc": None}, "flagged": 3, "others": 5}


def checked(folder: Path) -> tuple:
    """An experiment with two checked runs and one that was collected without."""
    experiment = made_up.experiment(folder, CHECK, systems=["joint", "ours"])
    found = results(experiment, joint={0: 0.5}, ours={0: 0.5, 1: 0.5, 2: 0.5})
    for value, shift in zip(list(found.values())[1:3], (0.0, 0.1), strict=True):
        value["selection_check"] = [check(300, shift), check(0, 0.0)]
    return experiment, found


def test_check_table_by_hand(tmp_path):
    experiment, found = checked(tmp_path)
    measured = measurements(experiment, found)
    levels = [title for name in ("H", "H_p", "H_r", "H_i") for title in (f"{name}, flagged / others", f"AUC of {name}")]
    assert rows(details.check_table(measured)) == [
        ["system", "step", "runs", *levels],
        ["OURS", "0", "2", "0.25 / 0.50", "0.75 ± 0.00", "0.25 / 0.50", "-", "-", "-", "-", "-"],
        # 0.25 and 0.35, 0.75 and 0.85: sqrt(0.005)
        ["OURS", "300", "2", "0.30 / 0.55", "0.80 ± 0.07", "0.30 / 0.55", "-", "-", "-", "-", "-"],
    ]
    note = notes.check_note(measured)
    assert "over the 3 images with `odd` in `marks.jsonl` (flagged) and over the 5 without" in note
    assert f"Collected without a check: `{list(found.values())[3]['name']}`;" in note


# ---- notes --------------------------------------------------------------------------------------------------------


def test_results_that_were_made_alike_have_one_note(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5}, ours={0: 0.5})
    made = [note for note in notes.main_notes(measurements(experiment, found)) if "Made with" in note]
    versions = "tensorflow 2.21.0, keras 3.15.1, numpy 2.4.6, hrs-keras 1.2"
    assert made == [f"Made with {versions}; 1 CPU; commit 0123456789ab."]


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"versions": ENVIRONMENT["versions"] | {name: "9"}}
            for name in ("tensorflow", "keras", "numpy", "hrs-keras")
        ),
        {"cpus": 2},
        {"cpus": None},
        {"git": {"commit": "f" * 40, "modified": False}},
        {"git": {"commit": "0123456789abcdef", "modified": True}},
        {"git": None},
        {"earlier": [ENVIRONMENT | {"git": None}]},
    ],
)
def test_no_results_are_mixed_silently(tmp_path, change):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5}, ours={0: 0.5})
    odd = list(found.values())[1]
    odd["environment"] = ENVIRONMENT | change
    made = [note for note in notes.main_notes(measurements(experiment, found)) if "Made with" in note]
    assert len(made) == 2 and made[0].startswith("**Not all of these results were made alike.**")
    assert made[0].endswith(": 2 runs.") and made[1].endswith(f": 1 run, `{odd['name']}`.")


def test_what_changes_no_number_is_no_difference(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5})
    versions = ENVIRONMENT["versions"] | {"pillow": "13"}
    next(iter(found.values()))["environment"] = ENVIRONMENT | {"versions": versions, "platform": "Windows"}
    assert not any("alike" in note for note in notes.main_notes(measurements(experiment, found)))


def test_notes_say_what_a_number_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_up.experiment(tmp_path / "recipes", "baseline: fcn", systems=["fcn", "joint"])
    overrides = ["data.root=/some/where", "train.steps=600", "encoder.weights=my file"]
    experiment = load_experiment(tmp_path / "recipes/table.yaml", overrides)
    cell = experiment.cells()[0]
    number, spread, missing, _, command = notes.main_notes(measurements(experiment, {cell.digest: result(cell, 0.5)}))
    assert "mean IoU in per cent over the 3 classes on 101 validation images" in number
    assert "weights after the last step (600)" in number and "left out of the means" in number
    assert "sample standard deviation" in spread and "two-sided 95 % Student-t interval" in spread
    assert missing == "5 of 6 runs are missing; the command below runs what is missing."
    shown = "hrs experiment recipes/table.yaml data.root=DATA train.steps=600 'encoder.weights=my file'"
    assert command == f"Made by `{shown}`."


def test_evaluations_of_different_images_are_told(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5})
    next(iter(found.values()))["evaluations"][-1]["images"] = 24
    assert "on 24 or 101 validation images" in notes.main_notes(measurements(experiment, found))[0]


# ---- files --------------------------------------------------------------------------------------------------------


def test_the_same_results_give_the_same_bytes(tmp_path):
    experiment, found = amounts(tmp_path)
    first = write_report(experiment, parsed(found), tmp_path / "one").read_bytes()
    shuffled = json.loads(json.dumps(dict(reversed(found.items())), sort_keys=True))
    again = write_report(load_experiment(experiment.path), parsed(shuffled), tmp_path / "two").read_bytes()
    assert first == again
    names = ["table-amounts.png", "table-training.png", "table.md"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == names


def test_a_report_with_nothing_measured(tmp_path):
    experiment = made_up.experiment(tmp_path, "reference: The Paper", fcn="published: 60.5", ours="published: 66.0")
    report = write_report(experiment, {}, tmp_path / "out").read_text()
    assert report.startswith("# A table\n\n| system")
    assert rows(report)[1:] == [["FCN", *[""] * 4, "60.5"], ["JOINT", *[""] * 5], ["OURS", *[""] * 4, "66.0"]]
    assert "Nothing has been run yet" in report and "printed in The Paper." in report
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["table.md"]


def test_every_section_is_there(tmp_path):
    experiment, found = checked(tmp_path)
    for value in found.values():
        value["log"] = [{"step": 600, "selected": 0.5, "selected/sky": 0.5, "loss/weighting/pixel": 0.9}]
    report = write_report(experiment, parsed(found), tmp_path / "out").read_text()
    headings = re.findall(r"^## (.*)$", report, re.M)
    learned = [heading for heading in headings if heading.startswith("Classes: ")]
    assert learned and headings == [
        "IoU of each class",
        "Through training",
        "Source pixels selected",
        "Selection check",
        "What the weighting networks learn",
        *learned,
        "Cost",
    ]
    for link in re.findall(r"\]\((.*?)\)", report):
        with Image.open(tmp_path / "out" / link) as picture:
            assert min(picture.size) > 200 and len(np.unique(np.asarray(picture.convert("L")))) > 50
    assert report.count("](") == 2
    assert "1 to 600" in section(report, "Source pixels selected")


PAGE = "# Results\n\nBefore.\n\n<!-- begin: table -->\nold\n<!-- end: table -->\n\nAfter.\n"


def test_the_report_stands_between_its_markers(tmp_path):
    experiment, found = amounts(tmp_path)
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    page.write_text(PAGE)
    write_report(experiment, parsed(found), tmp_path / "docs/my images", page)
    once = page.read_text()
    assert once.startswith(
        "# Results\n\nBefore.\n\n<!-- begin: table -->\n\n### mIoU, 3 classes, by labels\n\n| system"
    )
    assert once.endswith("\n\n<!-- end: table -->\n\nAfter.\n") and "old" not in once
    links = re.findall(r"\]\((.*?)\)", once)
    assert links == ["my%20images/table-amounts.png", "my%20images/table-training.png"]
    assert all((page.parent / link.replace("%20", " ")).is_file() for link in links)
    write_report(experiment, parsed(found), tmp_path / "docs/my images", page)
    assert page.read_text() == once
    page.write_bytes(PAGE.replace("\n", "\r\n").encode())
    write_report(experiment, parsed(found), tmp_path / "docs/my images", page)
    assert page.read_bytes() == once.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nothing here\n", "'<!-- begin: table -->' nowhere and '<!-- end: table -->' nowhere;"),
        ("<!-- begin: table -->\n", "once and '<!-- end: table -->' nowhere;"),
        (PAGE + PAGE, "2 times and '<!-- end: table -->' 2 times;"),
        ("<!-- end: table -->\n<!-- begin: table -->\n", "once and '<!-- end: table -->' once, in the wrong order;"),
        ("<!-- begin: tables -->\n<!-- end: tables -->\n", "nowhere and"),
    ],
)
def test_markers_that_do_not_pair_are_refused_before_anything_is_written(tmp_path, text, found):
    experiment, measured = amounts(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(HRSError, match=re.escape(found)) as caught:
        write_report(experiment, parsed(measured), tmp_path / "out", page)
    assert str(page) in str(caught.value)
    assert page.read_text() == text and not (tmp_path / "out").exists()


def test_a_page_that_is_not_there_is_told(tmp_path):
    experiment, measured = amounts(tmp_path)
    with pytest.raises(HRSError, match=r"cannot read .*page\.md: No such file"):
        write_report(experiment, parsed(measured), tmp_path / "out", tmp_path / "page.md")


# ---- curves -------------------------------------------------------------------------------------------------------


def legend_is_clear(figure) -> bool:
    """Whether no legend of the figure covers a part of any axes."""
    figure.draw_without_rendering()
    legends = [*figure.legends, *(panel.get_legend() for panel in figure.axes if panel.get_legend())]
    boxes = [legend.get_window_extent() for legend in legends]
    panels = [panel.get_window_extent() for panel in figure.axes]
    inside = all(figure.bbox.padded(1).containsx(x) for box in boxes for x in (box.x0, box.x1))
    return inside and bool(boxes) and not any(box.overlaps(panel) for box in boxes for panel in panels)


def test_amounts_are_drawn_at_their_values(tmp_path):
    experiment, found = amounts(tmp_path)
    figure = amounts_figure(measurements(experiment, found))
    (panel,) = figure.axes
    assert panel.get_xscale() == "log" and panel.get_xlabel() == "labels"
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1/8", "1/2", "full"]
    assert panel.get_xticks().tolist() == [0.125, 0.5, 1.0]
    fcn, joint = panel.containers
    assert (fcn.get_label(), joint.get_label()) == ("FCN", "JOINT")
    line, _, (bars,) = fcn.lines
    assert line.get_ydata() == pytest.approx([42, 52, 62])
    assert line.get_xdata() == pytest.approx([0.125, 0.5, 1.0], rel=0.05)
    # 40 and 44 at 1/8: 42 ± sqrt(8)
    assert bars.get_segments()[0][:, 1] == pytest.approx([42 - 8**0.5, 42 + 8**0.5])
    assert joint.lines[0].get_ydata() == pytest.approx([65])
    published = next(line for line in panel.lines if line.get_label() == "FCN, published")
    assert published.get_linestyle() == "--" and published.get_color() == line.get_color() != joint.lines[0].get_color()
    assert (published.get_xdata().tolist(), published.get_ydata().tolist()) == ([0.125, 1.0], [33.3, 44.0])
    dots = [other for other in panel.lines if other.get_marker() == "."]
    assert sorted(y for dot in dots for y in dot.get_ydata()) == pytest.approx([40, 44, 50, 54, 60, 62, 64, 68])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["FCN", "JOINT", "FCN, published"]
    assert legend_is_clear(figure)


def test_amounts_want_values(tmp_path):
    text = AMOUNTS.replace("value: 0.5, ", "")
    assert amounts_figure(measurements(made_up.experiment(tmp_path, text), {})) is None
    assert amounts_figure(measurements(made_up.experiment(tmp_path, AMOUNTS), {})) is None
    assert amounts_figure(measurements(made_up.experiment(tmp_path), {})) is None


def test_an_amount_of_nothing_has_a_place(tmp_path):
    text = "seeds: [0]" + AMOUNTS.replace("value: 0.125", "value: 0")
    experiment = made_up.experiment(tmp_path, text, systems=["fcn"])
    found = {cell.digest: result(cell, 0.5) for cell in experiment.cells()}
    (panel,) = amounts_figure(measurements(experiment, found)).axes
    places = panel.transData.transform([(x, 50) for x in (0, 0.5, 1.0)])[:, 0]
    assert places[0] < places[1] < places[2] and np.isfinite(places).all()


def test_training_is_drawn_with_its_range(tmp_path):
    experiment = made_up.experiment(tmp_path, systems=["fcn", "joint", "ours"])
    found = results(experiment, fcn={0: 0.5, 1: 0.6}, ours={0: 0.7})
    figure = training_figure(measurements(experiment, found))
    (panel,) = figure.axes
    fcn, ours = panel.lines
    assert (fcn.get_label(), ours.get_label()) == ("FCN", "OURS")
    assert (list(fcn.get_xdata()), list(fcn.get_ydata())) == ([300, 600], pytest.approx([27.5, 55]))
    band = panel.collections[0].get_paths()[0].vertices
    assert {(x, round(y, 6)) for x, y in band} == {(300, 25), (300, 30), (600, 50), (600, 60)}
    assert list(panel.get_xticks()) == [300, 600]
    assert legend_is_clear(figure)


def test_training_has_a_panel_for_each_cell(tmp_path):
    experiment, found = amounts(tmp_path)
    figure = training_figure(measurements(experiment, found))
    assert [panel.get_title() for panel in figure.axes] == ["1/8", "1/2", "full"]
    assert [len(panel.lines) for panel in figure.axes] == [1, 1, 2]
    assert legend_is_clear(figure)


def test_the_check_is_drawn(tmp_path):
    experiment, found = checked(tmp_path)
    figure = check_figure(measurements(experiment, found))
    means, areas = figure.axes
    lines = {line.get_label(): line for line in (*means.lines, *areas.lines)}
    assert lines["H, others"].get_ydata() == pytest.approx([0.5, 0.55])
    assert lines["H, flagged"].get_ydata() == pytest.approx([0.25, 0.3])
    assert lines["AUC of H"].get_ydata() == pytest.approx([0.75, 0.8])
    assert "AUC of H_p" not in lines and "AUC of H_i" not in lines
    assert list(lines["H, others"].get_xdata()) == [0, 300]
    assert legend_is_clear(figure)


def test_systems_are_told_apart_in_greys_and_by_the_colour_blind():
    styles = [style(number) for number in range(21)]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 21
    assert not {"--"} & {style["linestyle"] for style in styles}  # published numbers alone
    # Viénot, Brettel and Mollon's 1999 simulations of a missing red or green receptor, in linear RGB.
    for simulate in (
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    ):
        seen = [np.array(simulate) @ _linear(style["color"]) for style in styles[:7]]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.1


def _linear(colour: str) -> np.ndarray:
    channels = np.array([int(to_hex(colour)[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


# ---- predictions side by side -------------------------------------------------------------------------------------


@pytest.fixture
def pictured(finished, tmp_path):
    """An experiment of the finished tiny run, its result, and the folder of its run."""
    shutil.copy(finished.parents[1] / "tiny.yaml", tmp_path / "tiny.yaml")
    file = tmp_path / "table.yaml"
    text = "title: t\nrecipe: tiny.yaml\nseeds: [0, 1]\npictures: [ours]\nsystems: [{name: ours, title: Ours}]\n"
    file.write_text(text)
    experiment = load_experiment(file)
    cell = experiment.cells()[0]
    found = {cell.digest: copy.deepcopy(_result_of(cell)) | {"name": finished.name}}
    return experiment, found, finished.parent


def _result_of(cell) -> dict:
    means = dict.fromkeys(("19", "16", "13"), 0.5)
    last = {"step": 8, "images": 3, "mean_iou": means, "pixel_accuracy": 0.5}
    last["iou"] = dict.fromkeys(cell.recipe.data.label_space.classes, 0.5)
    return result(cell, 0.5, evaluations=[last], best={"step": 8, "miou": 0.5}, steps=8)


def test_predictions_are_those_of_the_run(pictured, tmp_path):
    from hrs_keras.predict.model import load_model

    experiment, found, runs = pictured
    shown = side_by_side.predict_samples(measurements(experiment, found), runs)
    assert list(shown.predicted) == ["Ours"] and len(shown.titles) == 3
    # Through the pipeline that `hrs predict` uses.
    logits = load_model(runs / "tiny", "last").logits(shown.images.astype("float32")).numpy()
    agree = (logits.argmax(-1) == shown.predicted["Ours"]).mean()
    assert shown.predicted["Ours"].shape == shown.labels.shape == (3, 32, 64)
    assert agree > 0.98  # the images were rounded to whole numbers for the picture
    path, note = side_by_side.draw_side_by_side(measurements(experiment, found), tmp_path / "x.png", runs)
    assert path == tmp_path / "x.png" and path.is_file() and "the runs with seed 0, last checkpoint" in note


def test_a_report_does_without_a_picture_that_cannot_be_drawn(pictured, tmp_path):
    experiment, found, runs = pictured
    shutil.copytree(runs, tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs/tiny/checkpoints")
    report = write_report(experiment, parsed(found), tmp_path / "out", runs=tmp_path / "runs").read_text()
    assert "No predictions side by side: " in section(report, "Predictions")
    assert "holds no checkpoint" in section(report, "Predictions")
    assert not (tmp_path / "out/table-predictions.png").exists()


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    figure = Figure()
    panels.save_figure(figure, tmp_path / "x.png", dpi=20, metadata={"made-of": "a"})
    before = (tmp_path / "x.png").read_bytes()
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.info["made-of"] == "a"

    def full(file, **_):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(OSError, match="No space"):
        panels.save_figure(figure, tmp_path / "x.png", dpi=20)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"] and (tmp_path / "x.png").read_bytes() == before


def test_pictures_outlive_their_run_folders(pictured, tmp_path):
    experiment, found, runs = pictured
    first = write_report(experiment, parsed(found), tmp_path / "out", runs=runs).read_bytes()
    assert b"![predictions side by side](table-predictions.png)" in first
    with Image.open(tmp_path / "out/table-predictions.png") as picture:
        assert min(picture.size) > 200 and len(np.unique(np.asarray(picture.convert("L")))) > 50
    gone = tmp_path / "gone"
    again = write_report(experiment, parsed(found), tmp_path / "out", runs=gone).read_bytes()
    assert again == first
    # Of other runs the picture says nothing.
    path = tmp_path / "table.yaml"
    path.write_text(path.read_text().replace("seeds: [0, 1]", "seeds: [1, 0]"))
    other = load_experiment(path)
    name = other.cells()[0].name
    report = write_report(other, parsed(found), tmp_path / "out", runs=gone).read_text()
    assert section(report, "Predictions") == f"\nNo predictions side by side: no folder of a finished run `{name}`.\n"


def test_a_folder_of_other_settings_is_not_shown(pictured, tmp_path):
    experiment, found, runs = pictured
    shutil.copytree(runs / "tiny", tmp_path / "runs/tiny")
    recipe = tmp_path / "runs/tiny/recipe.yaml"
    recipe.write_text(recipe.read_text().replace("steps: 8", "steps: 9"))
    report = write_report(experiment, parsed(found), tmp_path / "out", runs=tmp_path / "runs").read_text()
    assert "No predictions side by side: no folder of a finished run `tiny`." in report
    assert not (tmp_path / "out/table-predictions.png").exists()


def test_an_unfinished_run_is_not_shown(pictured, tmp_path):
    experiment, found, runs = pictured
    shutil.copytree(runs / "tiny", tmp_path / "runs/tiny", ignore=shutil.ignore_patterns("result.json", "checkpoints"))
    report = write_report(experiment, parsed(found), tmp_path / "out", runs=tmp_path / "runs").read_text()
    assert "No predictions side by side: no folder of a finished run `tiny`." in report


def test_without_the_data_there_is_no_picture(pictured, tmp_path):
    experiment, found, runs = pictured
    moved = load_experiment(experiment.path, [f"data.root={tmp_path / 'elsewhere'}"])
    report = write_report(moved, parsed(found), tmp_path / "out", runs=runs).read_text()
    assert section(report, "Predictions") == "\nNo predictions side by side: the data is not there.\n"
    assert os.fspath(tmp_path) not in report.replace(os.fspath(experiment.path), "")
