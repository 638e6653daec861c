"""A page as one file: templates filled in, styles, script and pictures within, and nothing that it would ask for."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hrs_keras.errors import HRSError, printable
from hrs_keras.report.charts import shortened
from hrs_keras.report.examples import BEST, RANDOM, WORST
from hrs_keras.report.pictures import Encoded, Picture, encode
from hrs_keras.report.selecting import css
from hrs_keras.system.files import write_text, writing

LIMIT = 1_000_000
"""Bytes that a page may have."""


_REASONS = {WORST: "among the worst of all", BEST: "among the best of all", RANDOM: "drawn at random"}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hrs_keras.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"percent": percent, "points": points, "css": css, "shortened": shortened}
    environment.filters |= {"tag": "~{}".format, "reason": _REASONS.__getitem__}
    script = environment.get_template("page.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {"script": script, "script_digest": f"sha256-{digest}"}
    return environment


def percent(share: float | None, digits: int = 1) -> str:
    """0.5 -> ``50.0``; ``-`` for None."""
    return "-" if share is None else f"{100 * share:.{digits}f}"


def points(share: float | None, digits: int = 1) -> str:
    """0.012 -> ``+1.2``; ``-`` for None."""
    return "-" if share is None else f"{round(100 * share, digits) + 0.0:+.{digits}f}"  # -0.04 is +0.0, not -0.0


def render(template: str, **context: Any) -> str:
    """Fill in a template of the package. Every text in it is shown as it is, whatever it holds.

    Bytes of paths that are not UTF-8 are shown as escapes.
    """
    page = _environment().get_template(template).render(**context)
    return page.encode("utf-8", "backslashreplace").decode()


def render_within(fill: Callable[[list[list[Encoded]]], str], strips: Sequence[Sequence[Picture]]) -> str:
    """Render a page with as large pictures, and as many, as its size allows.

    Args:
        fill: renders it with encoded pictures, maybe fewer rows of them than there are.
        strips: rows of pictures, the most important first.
    """
    bare = len(fill([]).encode())
    # What stands beside a picture, such as its name, has its place too.
    beside = 700 * len(strips) + 200 * sum(map(len, strips))
    return fill(encode(strips, max(0, LIMIT - bare - beside)))


def write_page(path: Path, page: str) -> None:
    """Write a page whole or not at all; its folder is made if need be.

    Raises:
        HRSError: it cannot be written, or is a folder.
    """
    if path.is_dir():
        raise HRSError(f"{printable(path)} is a folder; give a file, such as {printable(path / 'report.html')}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, page)
