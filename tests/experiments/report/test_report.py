"""Reports of made-up results: which sections there are, and what is written where."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from support import made_up
from support.made_up import amounts, checked, parsed, rows, section

from hrs_keras.errors import HRSError
from hrs_keras.experiments.grid import load_experiment
from hrs_keras.experiments.report.report import write_report


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


@pytest.mark.slow
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
