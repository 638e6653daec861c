"""Pages of made-up runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.html_page import Page

from hrs_keras.report.run import ReportOptions, report_run


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Page]:
    """``page(run)``: the page of a run folder, parsed."""

    def read(run: Path, **options) -> Page:
        return Page(report_run(run, ReportOptions(out=tmp_path / "page.html", **options)).read_text("utf-8"))

    return read
