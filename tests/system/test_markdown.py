"""Texts from outside in Markdown tables."""

import re

import pytest

from hrs_keras.system.markdown import literal, table


def _cells(line: str) -> list[str]:
    """As GitHub splits a row: at each bar without a backslash before it, which is dropped from the others."""
    return [re.sub(r"\\\|", "|", cell).strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.fault("a class name with characters that Markdown reads", "tables show the name as it is")
def test_a_bar_stays_in_its_cell():
    head, _, row, other = table(["class", "IoU"], [["a|b", "1.0"], ["1e3", "007"]]).splitlines()
    assert [_cells(line) for line in (head, row, other)] == [["class", "IoU"], ["a|b", "1.0"], ["1e3", "007"]]


def test_line_breaks_do_not_end_a_row():
    assert len(table(["a"], [["one\ntwo"]]).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("traffic light", "traffic light"),
        ("traffic_light", "traffic_light"),
        ("_background_", r"\_background\_"),
        ("a*b*", r"a\*b\*"),
        ("<b>", r"\<b\>"),
        ("`x`", r"\`x\`"),
        ("[x](y)", r"\[x\](y)"),
        ("&amp;", r"\&amp;"),
        ("a\\b", r"a\\b"),
        ("toll $2^$", r"toll \$2^\$"),
    ],
)
def test_literal(text, markdown):
    assert literal(text) == markdown
    # https://spec.commonmark.org/0.31.2/#backslash-escapes: a backslash before ASCII punctuation makes it literal.
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown) == text
