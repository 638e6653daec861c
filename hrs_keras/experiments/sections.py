"""The sections of an experiment file, and what each value must satisfy."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from hrs_keras.errors import did_you_mean
from hrs_keras.recipe.class_names import showable
from hrs_keras.recipe.types import Number, Section, Seed

GIVEN = {"seed": "seeds are given by the key `seeds`", "name": "runs are named by system, cell, seed and settings"}
"""Keys of a recipe that an experiment may not set, because it sets them itself -> how it does."""


_Value = TypeVar("_Value")


def _changes(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ValueError(f"wants {{dotted.key: value}}, such as {{train.steps: 600}}, found {given!r}")
    for key, value in given.items():
        if not isinstance(key, str) or not key or "=" in key:
            raise ValueError(f"has the key {key!r}; wants a recipe's key, such as train.steps")
        if key in GIVEN:
            raise ValueError(f"changes {key}: {GIVEN[key]}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(f"gives {key} {value!r}, which no recipe takes (a text wants quotes)") from None
    return given


def _published(given: Any) -> Any:
    def is_percentage(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100

    if given is None or is_percentage(given):
        return given
    if isinstance(given, dict) and given and all(map(is_percentage, given.values())):
        return given
    raise ValueError(f"wants a mean IoU in per cent, or with axes {{cell name: mean IoU}}, found {given!r}")


def _distinct(values: list[_Value]) -> list[_Value]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"has {value!r} twice")
    return values


Filled = Field(min_length=1)
Shown = Annotated[str, AfterValidator(showable)]  # in tables, curves and headings
Name = Annotated[Shown, Field(min_length=1, max_length=60)]
Names = Annotated[list[str], AfterValidator(_distinct), Filled]
Changes = Annotated[dict[str, Any], PlainValidator(_changes)]
Files = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given), Filled]
Seeds = Annotated[list[Seed], AfterValidator(_distinct), Filled]
Published = Annotated[Any, PlainValidator(_published)]


def left_out() -> Any:
    """The default of a list that may be left out, but has to have items where it is given."""
    return Field(default_factory=list, validate_default=False)


class System(Section):
    """A row of the table.

    Attributes:
        name: used in names of runs, and in ``baseline``, ``mixing``, ``pictures`` and ``--only``.
        title: used in tables and curves; the name by default.
        recipe: files that are merged over the experiment's recipe; they are looked for like the experiment's.
        set: ``{dotted.key: value}``, like overrides on the command line.
        published: mean IoU in per cent; with axes ``{cell name: mean IoU}`` for cells of the first.
        seeds: instead of the experiment's.
    """

    name: Name
    title: str = ""
    recipe: Files = left_out()
    set: Changes = Field(default_factory=dict)
    published: Published = None
    seeds: Seeds | None = None

    @model_validator(mode="after")
    def _called(self) -> "System":
        self.title = showable(self.title or self.name)
        return self


class AxisCell(Section):
    """One setting of an axis.

    Attributes:
        name: used in tables and in names of runs.
        value: where curves draw it, such as the amount of data.
        set: ``{dotted.key: value}``, like overrides on the command line.
    """

    name: Name
    value: Annotated[float, Field(allow_inf_nan=False), Number] | None = None
    set: Changes = Field(default_factory=dict)


class Axis(Section):
    """Settings that every system is run with, one after another."""

    title: Shown
    cells: Annotated[list[AxisCell], Filled]

    @model_validator(mode="after")
    def _names(self) -> "Axis":
        distinct_names("cells", self.cells)
        return self


class SelectionCheck(Section):
    """Marks of source images; how much is selected of the flagged ones is compared with the others.

    Attributes:
        marks: a file of JSON lines, one for each image; relative to ``data.root``.
        id: the key of a line that holds the image's file name without suffix.
        flag: the key of a line that is true for flagged images and false for the others.
    """

    model_config = ConfigDict(frozen=True)

    marks: str
    id: str
    flag: str


class PublishedRow(Section):
    """A row of published numbers without runs."""

    title: Shown
    published: Published


def distinct_names(what: str, parts: Iterable[System | AxisCell]) -> list[str]:
    """The names of systems or of an axis' cells.

    Args:
        what: the key of the list, for the message.
        parts: its items.

    Raises:
        ValueError: two names, or two titles of systems, are the same.
    """
    try:
        _distinct([part.title for part in parts if isinstance(part, System)])  # the tables and curves call them that
        return _distinct([part.name for part in parts])
    except ValueError as error:
        raise ValueError(f"the list `{what}` {error}") from None


def check_published(row: System | PublishedRow, columns: list[str]) -> None:
    """See that a row's published numbers fit the table.

    Args:
        row: a row of the table.
        columns: the names of the first axis' cells; none without axes.

    Raises:
        ValueError: they do not.
    """
    given, who = row.published, f"published of {getattr(row, 'name', row.title)!r}"
    if given is None:
        return
    if isinstance(given, dict) != bool(columns):
        form = "{cell of the first axis: number}" if columns else "one number, as there are no axes"
        raise ValueError(f"{who}: wants {form}, found {given!r}")
    for name in given if columns else ():
        if name not in columns:
            raise ValueError(f"{who}: the first axis has no cell {name!r}." + did_you_mean(str(name), columns))
