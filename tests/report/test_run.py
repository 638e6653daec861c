"""The page of a run, from made-up run folders and from a real one."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from support.html_page import Page
from support.made_up_runs import CLASSES, audit, image, random_images, write, write_run, write_selection
from support.paths import REPOSITORY

from hrs_keras.errors import CheckpointError, HRSError, RecipeError
from hrs_keras.report import run as run_page
from hrs_keras.report.page import LIMIT
from hrs_keras.report.pictures import Picture
from hrs_keras.report.run import ReportOptions, report_run

OLD = REPOSITORY / "tests/old_formats/runs/old"


def same_numbers(page: Page, run) -> None:
    """The numbers of a page are those of the run's ``result.json``, to the last digit."""
    result = json.loads((run / "result.json").read_text())
    assert float(page.one("span", id="miou")[0]["data-value"]) == result["miou"]
    shown = {row[0][0]: row[1] for row in page.table("classes")}
    assert shown.keys() == result["iou"].keys()
    for name, iou in result["iou"].items():
        text, value = shown[name]
        assert (value, text) == ("", "-") if iou is None else (float(value), text) == (iou, f"{100 * iou:.1f}"), name


def test_the_numbers_are_those_of_the_result(tmp_path, page):
    run = write_run(tmp_path / "runs/one", random_images(60))
    found = page(run)
    same_numbers(found, run)
    assert "60 validation images" in found.text()
    assert "The untrained network gives 1.1 %; predicting road everywhere gives 12.3 %." in found.text()


def test_a_finished_run_has_its_page(finished):
    """``hrs train`` wrote it, of images that it evaluated one by one."""
    text = (finished / "report.html").read_text()
    page = Page(text)
    same_numbers(page, finished)
    assert len(text.encode()) <= LIMIT
    assert not page.text(id="missing")
    pictures = [found["alt"] for found, _ in page.all("img")]
    names = {"toyville_000000_000019", "toyville_000001_000019", "toyville_000002_000019"}
    for kind in ("image", "label", "prediction", "errors"):
        assert sum(alt.startswith(f"{kind} of") for alt in pictures) >= len(names)
    assert any(alt.startswith("H_r of") for alt in pictures)


def test_a_page_of_old_formats_says_what_is_missing(tmp_path, page):
    run = shutil.copytree(OLD, tmp_path / "old")
    found = page(run)
    same_numbers(found, run)
    assert "data.json" in found.text(id="missing") and "could not be evaluated one by one" in found.text(id="missing")


def test_with_test_images_the_page_is_about_these(tmp_path, page):
    unread = [{"images": "c/*", "labels": "d/*", "ids": {0: "road"}}]
    run = write_run(tmp_path / "one", random_images(60), recipe={"data.test": unread}, scored=False)
    result = json.loads((run / "result.json").read_text())
    tested = write_run(tmp_path / "other", random_images(70, seed=3))
    other = json.loads((tested / "result.json").read_text())
    write(run / "result.json", result | {"test": other})
    found = page(run)
    assert float(found.one("span", id="miou")[0]["data-value"]) == other["miou"]
    assert "70 test images" in found.text() and "no test images" not in found.text()
    assert f"by which the weights were chosen, it is {100 * result['miou']:.1f} %" in found.text()


@pytest.mark.fault("`hrs report` of a run that is not finished", "a page of what there is; it says so")
def test_an_unfinished_run(tmp_path, page):
    run = write_run(tmp_path / "one", random_images(60))
    (run / "result.json").unlink()
    last = run / "checkpoints/last"
    last.mkdir()
    (last / "step-450.index").touch()
    found = page(run)
    assert "450 of 600 steps are saved" in found.text(id="doubts")
    untrained = json.loads((run / "evaluations/step_0000000.json").read_text())["mean_iou"]["3"]
    assert f"The untrained network gives {100 * untrained:.1f} %." in found.text()
    assert "result.json" in found.text(id="missing")


@pytest.mark.fault("`hrs report` of a run without any validation yet", "a page that says so")
def test_a_run_that_has_just_begun(tmp_path, page):
    run = tmp_path / "begun"
    run.mkdir()
    shutil.copy(OLD / "recipe.yaml", run)
    assert "Nothing was evaluated yet" in page(run).text()


@pytest.mark.fault("`hrs report` of a folder that is no run", "exit code 2, and nothing is written")
def test_no_run(tmp_path):
    with pytest.raises(CheckpointError, match="is no run folder"):
        report_run(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.fault("`hrs report` of a run with a damaged record", "the file is named; an earlier page stays")
@pytest.mark.parametrize(
    "name", ["result.json", "audit.json", "log.csv", "evaluations/step_0000300.json", "selection/step_0000600.json"]
)
def test_a_damaged_record(tmp_path, name):
    run = write_run(tmp_path / "one", random_images(9))
    write_selection(run, {"a.png": 0.5, "b.png": 0.1})
    (run / "report.html").write_text("as before")
    (run / name).write_bytes(b'step,a\n1,"2')
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        report_run(run)
    assert (run / "report.html").read_text() == "as before"


@pytest.mark.fault(
    "a page that cannot be written (a folder in its place, no permission)", "exit code 2; it names the file"
)
def test_a_page_that_cannot_be_written(tmp_path):
    run = write_run(tmp_path / "one", random_images(9))
    with pytest.raises(HRSError, match="is a folder"):
        report_run(run, ReportOptions(out=tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(HRSError, match="cannot write"):
        report_run(run, ReportOptions(out=tmp_path / "file/page.html"))


@pytest.mark.fault("`hrs report` with a change of the recipe that is none of its data", "exit code 2; it is named")
def test_a_change_that_is_none_of_the_data(tmp_path):
    run = write_run(tmp_path / "one", random_images(9))
    with pytest.raises(RecipeError, match=r"train\.steps"):
        report_run(run, ReportOptions(overrides=["train.steps=7"]))
    assert not (run / "report.html").exists()


HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "\"'><script>alert(1)</script>.png",
    "two\nlines\t.png",
    "</script><script>alert(2)</script>.png",
    os.fsdecode(b"not utf-8 \xff\xfe.png"),
    "{{ 7 * 7 }}.png",
    "right-to-left \u202e gnp.exe",
]


@pytest.mark.fault(
    "names of images with HTML, quotes, line breaks, or bytes that are not UTF-8, in a page",
    "shown as text; nothing of them is executed",
)
def test_hostile_names(tmp_path, page, monkeypatch):
    counts = [image(name, [[0, 1], [2, 0]], [[0, 1], [2, n % 3]]) for n, name in enumerate(HOSTILE)]
    run = write_run(tmp_path / "one", counts)
    write_selection(run, {name: n / 10 for n, name in enumerate(HOSTILE)})
    found = write_audit_problems(run, HOSTILE[:3]) and draw_noise(monkeypatch) and page(run)
    assert len(found.all("script")) == 1
    handlers = [key for _, attributes, _ in found.elements for key in attributes if key.startswith("on")]
    assert not handlers
    assert all(attributes["src"].startswith("data:image/webp") for attributes, _ in found.all("img"))
    captions = " ".join(text for _, text in found.all("figcaption"))
    for shown in ("<img src=x onerror=alert(1)>.png", r"two\nlines\t.png", r"\xff\xfe", "{{ 7 * 7 }}", r"\u202e"):
        assert shown in captions


@pytest.mark.fault("a run in a folder whose name is not UTF-8, or holds HTML", "its page shows the name as text")
def test_a_hostile_folder(tmp_path, page):
    run = write_run(tmp_path / os.fsdecode(b"runs \xff <b>'") / "one", random_images(9))
    found = page(run)
    assert r"runs \udcff <b>" in found.text()


def write_audit_problems(run, names) -> bool:
    problems = [{"file": name, "what": f"{name} is odd", "error": False, "whole_set": False} for name in names]
    write(run / "audit.json", audit(CLASSES, problems))
    return True


def draw_noise(monkeypatch) -> bool:
    """Pictures of noise, which no encoder makes much smaller, in place of those of a model."""
    rng = np.random.default_rng(0)

    def strip(titles):
        noise = rng.integers(0, 256, (40, 80, 3), np.uint8)
        return [Picture(title, noise.repeat(4, 0).repeat(4, 1), photo) for title, photo in titles.items()]

    four = {"image": True, "label": False, "prediction": False, "errors": True}
    monkeypatch.setattr(run_page, "predicted", lambda recipe, run, role, numbers: (strip(four) for _ in numbers))
    maps = {"image": True, "H": True, "H_p": True}
    monkeypatch.setattr(run_page, "selected", lambda recipe, run, names: {name: strip(maps) for name in names})
    return True


def test_a_large_page_stays_within_its_size(tmp_path, page, monkeypatch):
    """30 classes, 500 images, and pictures that hardly can be compressed."""
    classes = [f"a class with a name of some length, number {n}" for n in range(30)]
    few = random_images(50, 30)
    many = [replace(few[n % 50], name=f"val/{n:06d}_a.png") for n in range(500)]
    run = write_run(tmp_path / "one", many, classes)
    write_selection(run, {f"folder/{n:09d}.png": n / 500 for n in range(500)})
    draw_noise(monkeypatch)
    found = page(run)
    assert (tmp_path / "page.html").stat().st_size <= LIMIT
    assert len(found.all("img")) > 20
    assert len(found.table("classes")) == 30
    assert "images are left out to keep this file small" in found.text()


def test_nothing_is_asked_for_from_elsewhere(tmp_path, page):
    found = page(write_run(tmp_path / "one", random_images(9)))
    policy = found.one("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    links = [attributes.get(key) for _, attributes, _ in found.elements for key in ("href", "src", "action")]
    assert all(link.startswith(("#", "data:")) for link in links if link is not None)


def test_the_same_run_gives_the_same_page(tmp_path):
    run = write_run(tmp_path / "one", random_images(30))
    first, second = (report_run(run, ReportOptions(out=tmp_path / f"{n}.html")).read_bytes() for n in range(2))
    assert first == second
