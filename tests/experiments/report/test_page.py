"""The page of an experiment, from made-up results."""

import numpy as np
import pytest
from support.html_page import Page
from support.made_up import amounts, checked, experiment, measurements, parsed, results
from support.paths import REPOSITORY

from hrs_keras.cli.main import main
from hrs_keras.experiments.report import page as experiment_page
from hrs_keras.experiments.report.leaderboard import boards
from hrs_keras.experiments.report.page import inline, write_experiment_page
from hrs_keras.experiments.report.side_by_side import Predictions

MIOU = {"fcn": {0: 0.50, 1: 0.52, 2: 0.51}, "joint": {0: 0.48, 1: 0.49, 2: 0.53}, "ours": {0: 0.60, 1: 0.62, 2: 0.61}}
BASELINE = "baseline: fcn\n"


def page(of, found, tmp_path) -> Page:
    written = write_experiment_page(of, parsed(found), tmp_path / "page.html", tmp_path / "runs")
    return Page(written.read_text("utf-8"))


def test_the_leaderboard(tmp_path):
    """The best first; differences are paired by seed, by hand: ours - FCN is 10 at each seed."""
    made = experiment(tmp_path, BASELINE)
    found = page(made, results(made, **MIOU), tmp_path)
    rows = found.table("leaderboard")
    assert [row[0][0] for row in rows] == ["OURS", "FCN (baseline)", "JOINT"]
    assert [row[2][0] for row in rows] == ["61.0 ± 1.0", "51.0 ± 1.0", "50.0 ± 2.6"]
    assert float(rows[0][3][1]) == pytest.approx(10)
    assert rows[0][3][0].startswith("+10.0") and rows[1][3] == ("-", "")
    assert "OURS has the highest mIoU, 61.0 ± 1.0 %. Beyond chance differ from FCN: OURS" in found.text()


def test_dots_are_single_seeds(tmp_path):
    made = experiment(tmp_path, BASELINE)
    (board,) = boards(measurements(made, results(made, **MIOU)))
    assert len(Page(board.means).all("circle", **{"class": "dot"})) == 9
    assert len(Page(board.differences).all("circle", **{"class": "dot"})) == 6


def test_what_forbids_to_conclude(tmp_path):
    made = experiment(tmp_path, BASELINE)
    found = page(made, results(made, fcn={0: 0.5, 1: 0.6}, ours={0: 0.6}), tmp_path).text(id="doubts")
    assert "6 of 9 runs are missing" in found and "One seed alone" in found and "OURS" in found


def test_published_rows_stand_apart(tmp_path):
    made = experiment(
        tmp_path, f"{BASELINE}published_only: [{{title: Their best, published: 71.5}}]", fcn="published: 60.5"
    )
    found = page(made, results(made, **MIOU), tmp_path)
    assert [[text for text, _ in row] for row in found.table("published-rows")] == [
        ["FCN", "60.5"],
        ["Their best", "71.5"],
    ]
    assert "Their best" not in [row[0][0] for row in found.table("leaderboard")]


def test_classes_and_costs(tmp_path):
    made = experiment(tmp_path)
    found = results(made, fcn={0: 0.5, 1: 0.6})
    for value in found.values():
        value["evaluations"][-1]["iou"]["car"] = None
    shown = page(made, found, tmp_path)
    (row,) = shown.table("classes")
    assert [text for text, _ in row] == ["FCN", "55.0", "55.0", "-"]
    assert [text for text, _ in shown.table("costs")[0]] == ["FCN", "0.500", "1,000"]


def test_an_experiment_with_axes_has_a_board_for_each_cell(tmp_path):
    made, found = amounts(tmp_path)
    found_boards = boards(measurements(made, found))
    assert [board.heading for board in found_boards] == ["labels: 1/8", "labels: 1/2", "labels: full"]
    assert [board.leader.title for board in found_boards] == ["FCN", "FCN", "JOINT"]
    page(made, found, tmp_path)


def test_marks_that_the_selection_is_compared_with(tmp_path):
    made, found = checked(tmp_path)
    assert "H_p" not in page(made, found, tmp_path).text(id="checks")  # of it no AUC is known
    assert "OURS: H, step 300" in page(made, found, tmp_path).text()


def test_the_same_images_side_by_side(tmp_path, monkeypatch):
    """Of runs that are there: here of what they would predict."""
    made = experiment(tmp_path, f"{BASELINE}pictures: [fcn, ours]")
    ids = np.arange(2 * 32 * 64).reshape(2, 32, 64) % 3
    shown = Predictions(np.zeros((2, 32, 64, 3), np.uint8), ids, {"FCN": ids, "OURS": ids}, ["<a>", "b"])
    monkeypatch.setattr(experiment_page, "missing", lambda *_: "")
    monkeypatch.setattr(experiment_page, "predict_samples", lambda *_: shown)
    found = page(made, results(made, **MIOU), tmp_path)
    titles = [attributes["alt"] for attributes, _ in found.all("img")]
    assert titles[:4] == ["image of <a>", "label of <a>", "FCN of <a>", "OURS of <a>"] and len(titles) == 8


def test_without_run_folders_the_page_says_what_it_lacks(tmp_path):
    made = experiment(tmp_path, f"{BASELINE}pictures: [fcn, ours]")
    assert "None: no folder of a finished run fcn-s0-" in page(made, results(made, **MIOU), tmp_path).text()


def test_nothing_was_run_yet(tmp_path):
    assert "Nothing has been run yet" in page(experiment(tmp_path, BASELINE), {}, tmp_path).text()


@pytest.mark.fault("titles and names with HTML in an experiment, on its page", "shown as text")
def test_hostile_titles(tmp_path):
    made = experiment(tmp_path, BASELINE)
    hostile = "<img src=x onerror=alert(1)>"
    made.systems[2].title = made.title = hostile
    shown = page(made, results(made, **MIOU), tmp_path)
    assert not shown.all("img") and len(shown.all("script")) == 1
    assert hostile in shown.text()


@pytest.mark.parametrize(
    "text, html",
    [
        (r"a \<b\> and `c <d>`", "a &lt;b&gt; and <code>c &lt;d&gt;</code>"),
        ("**Not all** of <these>", "<b>Not all</b> of &lt;these&gt;"),
    ],
)
def test_notes_as_html(text, html):
    assert inline(text) == html


@pytest.mark.slow
def test_the_committed_results_have_pages(tmp_path, capsys, monkeypatch):
    """From the command line, of a real table: its best system's number is the mean of what its results hold."""
    monkeypatch.chdir(tmp_path)
    folder = REPOSITORY / "docs/results/runs"
    out = tmp_path / "table.html"
    assert main(["report", "camvid_table1", "--results", str(folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert len(out.read_bytes()) < 300_000
    rows = Page(out.read_text()).table("leaderboard")
    assert len(rows) == 12 and all(row[1][0] == "3" for row in rows)


@pytest.mark.fault(
    "`hrs report` of an experiment together with a run, or of three runs", "exit code 2; it says what goes"
)
@pytest.mark.parametrize("words, says", [(["a.yaml", "runs/a"], "page of its own"), (["a", "b", "c"], "found 3")])
def test_what_cannot_stand_on_one_page(words, says, capsys):
    assert main(["report", *words]) == 2
    assert says in capsys.readouterr().err
