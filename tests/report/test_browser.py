"""A page in a browser: no request, no message, sorting, filtering, without JavaScript, and on a narrow screen."""

from pathlib import Path

import pytest
from support import chromium, made_up
from support.chromium import Chromium
from support.made_up_runs import random_images, write_run, write_selection

from hrs_keras.experiments.report.page import write_experiment_page
from hrs_keras.report.pair import report_pair
from hrs_keras.report.run import ReportOptions, report_run

ROWS = "[...document.querySelectorAll('#classes tbody tr')].map(row => row.cells[{0}].textContent)"


@pytest.mark.slow
@pytest.mark.skipif(
    chromium.find() is None, reason="needs Chromium (Debian's package chromium), or HRS_TEST_CHROMIUM=PATH"
)
def test_a_page_in_a_browser(finished, tmp_path):
    run = write_run(tmp_path / "run", random_images(60, 12), [f"class number {n}, a long name" for n in range(12)])
    write_selection(run, {f"<b>{n}</b>{'long' * 30}.png": n / 9 for n in range(9)})
    pages = [report_run(run, ReportOptions(out=tmp_path / "made_up.html"))]
    pages += [report_pair(run, run, tmp_path / "pair.html"), experiment_page(tmp_path), finished / "report.html"]
    with Chromium(tmp_path / "profile") as browser:
        for page in pages:
            browser.resize(1200)
            browser.open(page)
            check_narrow(browser)
            check_sorting(browser)
            assert browser.requests == [page.resolve().as_uri()]
            assert browser.messages == []
        check_filter(browser)
        check_without_javascript(browser, pages[-1])


def experiment_page(folder: Path) -> Path:
    made = made_up.experiment(folder, "baseline: fcn")
    found = made_up.results(made, fcn={0: 0.5, 1: 0.6}, joint={0: 0.52, 1: 0.61})
    for n, value in enumerate(found.values()):
        value["evaluations"][-1]["iou"]["road"] = n / 7
    return write_experiment_page(made, made_up.parsed(found), folder / "experiment.html", folder / "runs")


def check_narrow(browser: Chromium) -> None:
    browser.resize(380)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 380
    browser.resize(1200)


def check_sorting(browser: Chromium) -> None:
    browser.evaluate("document.querySelectorAll('#classes th')[1].querySelector('button').click()")
    shown = [float(text) for text in browser.evaluate(ROWS.format(1)) if text != "-"]
    assert shown == sorted(shown, reverse=True) and len(shown) > 1
    browser.evaluate("document.querySelectorAll('#classes th')[1].querySelector('button').click()")
    assert [float(text) for text in browser.evaluate(ROWS.format(1)) if text != "-"] == shown[::-1]
    browser.evaluate("document.querySelector('#classes th button').click()")
    names = browser.evaluate(ROWS.format(0))
    assert names == browser.evaluate(
        f"{ROWS.format(0)}.sort((a, b) => a.localeCompare(b, undefined, {{numeric: true}}))"
    )


def check_filter(browser: Chromium) -> None:
    """All, then the worst alone, then all again."""
    count = "[...document.querySelectorAll('#examples figure')].filter(one => one.offsetParent).length"
    choose = "(() => {{ const one = document.querySelector('select'); one.value = '{0}';"
    choose += " one.dispatchEvent(new Event('change')); }})()"
    whole = browser.evaluate(count)
    browser.evaluate(choose.format("~best"))
    assert 0 < browser.evaluate(count) <= 3
    browser.evaluate(choose.format("~random"))
    assert 0 < browser.evaluate(count) <= 3
    browser.evaluate(choose.format(""))
    assert browser.evaluate(count) == whole


def check_without_javascript(browser: Chromium, page: Path) -> None:
    """All rows and images are there, and nothing that would do nothing."""
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    document = browser.ask("DOM.getDocument")["root"]["nodeId"]

    def count(selector: str) -> int:
        return len(browser.ask("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert count("#classes tbody tr") > 1 and count("#examples figure") > 0
    assert count("th button") == 0 and count(".scripted") == 0
    assert browser.messages == []
