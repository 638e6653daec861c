"""The page of two runs side by side, from made-up run folders."""

import json

import numpy as np
import pytest
from support.html_page import Page
from support.made_up_runs import image, random_images, write_run

from hrs_keras.cli.main import main
from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.report.pair import report_pair

LABEL = np.repeat([[0, 1, 2]], 4, 0)


def images(wrong):
    """Ten images of twelve pixels, of which so many are wrong in each."""
    made = []
    for n in range(10):
        ids = LABEL.copy()
        ids.flat[: wrong[n]] = (ids.flat[: wrong[n]] + 1) % 3
        made.append(image(f"a_{n}.png", LABEL, ids))
    return made


@pytest.fixture
def pair(tmp_path):
    """A run that is right in half of the images, and one that is right in all but the last."""
    one = write_run(tmp_path / "one", images([6] * 5 + [0] * 5))
    return one, write_run(tmp_path / "other", images([0] * 9 + [3]))


def test_the_numbers_are_those_of_both_results(pair, tmp_path):
    page = Page(report_pair(*pair, tmp_path / "page.html").read_text())
    one, other = (json.loads((run / "result.json").read_text()) for run in pair)
    assert f"{100 * (other['miou'] - one['miou']):+.1f} points" in page.text()
    assert f"other has {100 * other['miou']:.1f} %, one {100 * one['miou']:.1f} %" in page.text()
    for name, first, second, difference, _ in page.table("classes"):
        assert float(first[1]) == one["iou"][name[0]] and float(second[1]) == other["iou"][name[0]]
        assert float(difference[1]) == pytest.approx(other["iou"][name[0]] - one["iou"][name[0]])


def test_two_equal_runs_differ_by_nothing(pair, tmp_path):
    page = Page(report_pair(pair[0], pair[0], tmp_path / "page.html").read_text())
    assert "+0.0 to +0.0 points in 95 of 100 cases. That may be chance." in page.text()


def test_what_forbids_to_conclude(tmp_path):
    one = write_run(tmp_path / "one", random_images(60))
    other = write_run(tmp_path / "other", random_images(60), recipe={"seed": 3, "data.subset_seed": 5})
    doubts = Page(report_pair(one, other, tmp_path / "page.html").read_text()).text(id="doubts")
    assert "One run each" in doubts and "seeds differ (0 and 3)" in doubts and "images were evaluated" not in doubts


@pytest.mark.fault(
    "`hrs report` of two runs with other classes, or evaluated on other images", "exit code 2; it says which"
)
def test_runs_that_cannot_be_compared(pair, tmp_path):
    classes = write_run(tmp_path / "classes", random_images(9), ("road", "sky", "bus"))
    with pytest.raises(CheckpointError, match="have other classes"):
        report_pair(pair[0], classes, tmp_path / "page.html")
    for number, made in enumerate((images([0] * 10)[:-1], [image(f"b_{n}.png", LABEL, LABEL) for n in range(10)])):
        other = write_run(tmp_path / f"other_{number}", made)
        with pytest.raises(CheckpointError, match="not evaluated on the same images"):
            report_pair(pair[0], other, tmp_path / "page.html")
    unscored = write_run(tmp_path / "unscored", images([0] * 10), scored=False)
    with pytest.raises(HRSError, match="compared image by image"):
        report_pair(pair[0], unscored, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_from_the_command_line(pair, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "one", "other"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "one-other.html"
    assert (tmp_path / "one-other.html").is_file()
