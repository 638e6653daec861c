"""A page as a test reads it: with html.parser, not with a browser."""

from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        elements: (tag, attributes, text within) in the order in which they begin.
    """

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {[tag for tag, _ in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, dict(attrs), text))
        if tag not in VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        for _, text in self._open:
            text.append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        """(attributes, text) of the elements with a tag and with these attributes."""
        return [
            (found, " ".join("".join(text).split()))
            for name, found, text in self.elements
            if name == tag and attributes.items() <= found.items()
        ]

    def one(self, tag: str, **attributes: str) -> tuple[dict[str, str | None], str]:
        """The only element with a tag and with these attributes."""
        (found,) = self.all(tag, **attributes)
        return found

    def text(self, **attributes: str) -> str:
        """The text of the first element with these attributes, or of the whole page; empty if there is none."""
        for _, found, text in self.elements:
            if attributes.items() <= found.items():
                return " ".join("".join(text).split())
        return ""

    def table(self, name: str) -> list[list[tuple[str, Any]]]:
        """The rows of the body of the table with an id: text and ``data-value`` of each cell."""
        rows: list[list[tuple[str, Any]]] = []
        inside = False
        for tag, found, text in self.elements:
            if tag == "table":
                inside = found.get("id") == name
            elif inside and tag == "tr":
                rows.append([])
            elif inside and tag == "td":
                rows[-1].append((" ".join("".join(text).split()), found.get("data-value")))
        return [row for row in rows if row]
