"""Markdown in which a text from outside, such as the name of a class, stays that text."""

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table; the first ``texts`` columns are flush left, the others, which are of numbers, flush right.

    Cells may hold Markdown; see :func:`literal` for what shall be shown as it is.
    """
    align = ["left"] * texts + ["right"] * (len(header) - texts)
    cells = [[_cell(cell) for cell in row] for row in rows]
    head = [_cell(title) for title in header]
    return tabulate(cells, head, tablefmt="pipe", colalign=align[: len(head)], disable_numparse=True)


def _cell(text: str) -> str:
    """The text of a cell on one line, with ``|``, which would end the cell, escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def literal(text: str) -> str:
    """A text that Markdown shows as it is. (``|`` is left to :func:`table`: elsewhere it is a letter like others.)"""
    # Two dollar signs make a formula on GitHub. An underscore within a word means nothing, and is better left alone for
    # those who read the file itself.
    return re.sub(r"([\\`*<>\[\]&~#$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
