"""Id tables as recipes spell them: which class a raw value of a label file has.

Forward, ``{7: road, "8..10": car}``: the keys are raw values. In reverse, ``{road: 7, car: ["8..10", 12]}``: the keys
are classes. Beside either stands ``others: CLASS`` for all raw values that are not listed.

A raw value is a whole number, a range of them with both ends, or a colour ``"R,G,B"``. A key that reads as one makes a
table a forward one, a value that does makes it a reverse one; a table that is both is refused.
"""

import itertools
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Ids = str | dict[int | str, str | int | list[int | str]]
"""What a recipe says: the name of a table, or a table, forward or in reverse."""

Table = dict[int | str, str]
"""A forward table: raw id, ``"first..last"``, ``"R,G,B"`` or :data:`OTHERS` -> class name."""

OTHERS = "others"
"""The key for the raw values that a table does not list."""


_DIGITS = frozenset("0123456789 ,.-")


class Span(NamedTuple):
    """Raw values ``first`` to ``last``, both included. A colour is R * 65536 + G * 256 + B."""

    first: int
    last: int


class Notation(NamedTuple):
    """How a data set's raw values are written.

    Attributes:
        colours: as ``"R,G,B"``, else as whole numbers.
        largest: whole number.
    """

    colours: bool
    largest: int

    @property
    def wanted(self) -> str:
        """What messages say of it."""
        if self.colours:
            return '"R,G,B" in quotes, each from 0 to 255'
        return f'whole numbers from 0 to {self.largest}, or "first..last"'


def read_ids(given: Mapping[Any, Any], notation: Notation) -> dict[int | str, Any]:
    """Check a table that a recipe spells out.

    Returns:
        The same table, forward or in reverse as it was, with raw values in their one spelling.

    Raises:
        ValueError: it mixes the two ways, has what is no raw value or no class name, or gives a raw value twice.
    """
    forward = [key for key in given if _is_raw(key)]
    reverse = [key for key, value in given.items() if not _is_raw(key) and (isinstance(value, list) or _is_raw(value))]
    if reverse == [OTHERS] and forward:
        reverse = []  # a class that reads as a number
    if reverse and forward:
        raise ValueError(
            f"mixes two ways of writing a table: {forward[0]!r} is a raw id before its class, {reverse[0]!r} a class"
            " before its raw ids; use one of them"
        )
    table, keys = _reverse(given, notation) if reverse else _forward(given, notation)
    if not keys:
        raise ValueError(f"lists no raw id beside {OTHERS!r}")
    _refuse_twice(keys)
    return table


def forward_table(ids: Mapping[Any, Any]) -> Table:
    """A table of :func:`read_ids`, or one that is a forward one already, with raw values as keys."""
    if any(map(_is_raw, ids)):
        return dict(ids)
    table: Table = {}
    for name, value in ids.items():
        if _is_rest(name, value):
            table[OTHERS] = value
        else:
            table |= dict.fromkeys(_listed(value), str(name))
    return table


def spans(table: Mapping[int | str, str]) -> list[tuple[Span, str]]:
    """What a forward table lists, in ascending order of the raw values: those of each key, and their class."""
    return sorted((span_of(raw), name) for raw, name in table.items() if raw != OTHERS)


def span_of(raw: int | str) -> Span:
    """The raw values that a key of a forward table stands for."""
    if isinstance(raw, int):
        return Span(raw, raw)
    if ".." in raw:
        first, last = map(int, raw.split(".."))
        return Span(first, last)
    red, green, blue = map(int, raw.split(","))
    value = red * 65536 + green * 256 + blue
    return Span(value, value)


# ---- what is written ---------------------------------------------------------------------------------------------


def _is_raw(written: Any) -> bool:
    """Whether something is meant as a raw value, be it a valid one or not."""
    if isinstance(written, str):
        return _DIGITS.issuperset(written) and any(map(str.isdigit, written))
    return isinstance(written, (int, float))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_rest(name: Any, value: Any) -> bool:
    """Whether an entry of a reverse table says what others are: a class may be called so as well."""
    return bool(name == OTHERS) and isinstance(value, str) and not _is_raw(value)


def _forward(given: Mapping[Any, Any], notation: Notation) -> tuple[dict[int | str, Any], list[int | str]]:
    """The table, and the raw values in it."""
    table: dict[int | str, Any] = {}
    keys = []
    for raw, name in given.items():
        key = OTHERS if raw == OTHERS else _key(raw, notation, "has the key")
        if not isinstance(name, str):
            raise ValueError(f"gives {raw!r} {name!r}; wants a class name (in quotes if YAML mistakes it)")
        if key != OTHERS:
            keys.append(key)
        table[key] = name
    return table, keys


def _reverse(given: Mapping[Any, Any], notation: Notation) -> tuple[dict[int | str, Any], list[int | str]]:
    """The table, and the raw values in it."""
    table: dict[int | str, Any] = {}
    keys = []
    for name, value in given.items():
        if not isinstance(name, str):
            raise ValueError(f"has the key {name!r}; wants a class name (in quotes if YAML mistakes it)")
        if _is_rest(name, value):
            table[name] = value
            continue
        own = [_key(raw, notation, f"gives {name!r}") for raw in _listed(value)]
        if not own:
            raise ValueError(f"gives {name!r} no raw id; leave it out")
        keys += own
        table[name] = own if isinstance(value, list) else own[0]
    return table, keys


def _refuse_twice(keys: Sequence[int | str]) -> None:
    ascending = sorted(((span_of(key), key) for key in keys), key=operator.itemgetter(0))
    for (span, key), (other, following) in itertools.pairwise(ascending):
        if other.first <= span.last:
            where = "" if key == following else f": in {key} and in {following}"
            raise ValueError(f"names {other.first if where else key!r} twice{where}")


def _key(raw: Any, notation: Notation, what: str) -> int | str:
    """A raw value in its one spelling. Numbers come as text from the command line and from JSON."""
    key = _colour(raw) if notation.colours else _number_or_range(raw, notation.largest)
    if key is None:
        raise ValueError(f"{what} {raw!r}; wants {notation.wanted}")
    return key


def _number_or_range(raw: Any, largest: int) -> int | str | None:
    if isinstance(raw, bool) or not isinstance(raw, (int, str)):
        return None
    if found := re.fullmatch(r"([0-9]{1,10})(?: *\.\. *([0-9]{1,10}))?", str(raw).strip()):
        first, last = (int(end) for end in (found[1], found[2] or found[1]))
        if first <= last <= largest:
            return first if found[2] is None else f"{first}..{last}"
    return None


def _colour(raw: Any) -> str | None:
    parts = [part.strip() for part in raw.split(",")] if isinstance(raw, str) else []
    if len(parts) != 3 or not all(re.fullmatch("[0-9]{1,3}", part) and int(part) <= 255 for part in parts):
        return None
    return ",".join(str(int(part)) for part in parts)
