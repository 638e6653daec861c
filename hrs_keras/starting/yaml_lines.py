"""YAML with comments, line by line: every text is written so that recipes read it back as it is."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from hrs_keras.recipe.yaml_text import dump_scalar

_INDENT = 2
_WIDEST = 40  # characters of a line whose comment may stand below that of others


class YamlLines:
    """Lines of a YAML file, from its top. Comments of lines that follow each other stand below each other."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []  # content, comment behind it

    def __len__(self) -> int:
        return len(self._lines)

    def comment(self, text: str, depth: int = 0) -> None:
        """A line of its own."""
        self._lines.append((f"{' ' * _INDENT * depth}# {_one_line(text)}", ""))

    def pair(self, depth: int, key: Any, value: Any, comment: str = "") -> None:
        """A key with a value: plain, or a list or mapping of plain values, written on one line."""
        self._line(depth, f"{_key(key)}: {_plain(value)}", comment)

    def section(self, depth: int, key: Any, comment: str = "", anchor: str = "") -> None:
        """A key whose value is in the lines below; ``anchor`` names it for :meth:`alias`."""
        self._line(depth, f"{dump_scalar(key)}:{anchor and f' &{anchor}'}", comment)

    def alias(self, depth: int, key: str, anchor: str) -> None:
        """A key whose value is that of a section with an anchor."""
        self._line(depth, f"{key}: *{anchor}", "")

    def item(self, depth: int, value: Any) -> None:
        """A plain value in a list."""
        self._line(depth, f"- {_plain(value)}", "")

    def begin_item(self, start: int) -> None:
        """Make the lines from number ``start`` on, which are the keys of a mapping, an item of a list."""
        first, comment = self._lines[start]
        margin = _margin(first)
        self._lines[start] = (f"{first[: margin - _INDENT]}- {first[margin:]}", comment)

    def text(self) -> str:
        """The file."""
        written = []
        for _, block in groupby(self._lines, key=lambda line: (_margin(line[0]), bool(line[1]))):
            lines = list(block)
            width = max((len(content) for content, _ in lines if len(content) <= _WIDEST), default=0)
            written += [f"{content:{width}}  # {comment}" if comment else content for content, comment in lines]
        return "".join(f"{line}\n" for line in written)

    def _line(self, depth: int, content: str, comment: str) -> None:
        self._lines.append((f"{' ' * _INDENT * depth}{content}", _one_line(comment)))


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())


def _key(key: Any) -> str:
    """Colours are in quotes, as the documentation has them."""
    return f'"{key}"' if isinstance(key, str) and re.fullmatch(r"[\d,]+", key) else dump_scalar(key)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dump_scalar(key)}: {_plain(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return dump_scalar(value)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
