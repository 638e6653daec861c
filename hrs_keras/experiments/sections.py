"""The parts of an experiment file, each with what it must satisfy."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from hrs_keras.recipe.types import Number, Section, Seed

GIVEN = {"seed": "seeds are given by the key `seeds`", "name": "runs are named by system, cell, seed and settings"}
"""The recipe's keys that experiments give themselves, and how."""


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


def _distinct(values: list) -> list:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"has {value!r} twice")
    return values


Filled = Field(min_length=1)
Name = Annotated[str, Field(min_length=1, max_length=60)]
Names = Annotated[list[str], AfterValidator(_distinct), Filled]
Changes = Annotated[dict[str, Any], PlainValidator(_changes)]
Files = Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given), Filled]
Seeds = Annotated[list[Seed], AfterValidator(_distinct), Filled]
Published = Annotated[Any, PlainValidator(_published)]


def left_out() -> Any:
    """The default of a list that has items where it is written: none."""
    return Field(default_factory=list, validate_default=False)


class System(Section):
    """A row of the table.

    Attributes:
        name: what runs, ``baseline``, ``pictures`` and ``--only`` call it.
        title: what the table calls it; the name where none is given.
        recipe: files, relative to the experiment's, that are merged over the experiment's recipe.
        set: ``{dotted.key: value}``, as overrides on the command line.
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
        self.title = self.title or self.name
        return self


class AxisCell(Section):
    """A position on an axis; curves draw it at ``value``."""

    name: Name
    value: Annotated[float, Field(allow_inf_nan=False), Number] | None = None
    set: Changes = Field(default_factory=dict)


class Axis(Section):
    """Settings that every system is run with in turn."""

    title: str
    cells: Annotated[list[AxisCell], Filled]

    @model_validator(mode="after")
    def _names(self) -> "Axis":
        distinct_names("cells", self.cells)
        return self


class SelectionCheck(Section):
    """Marks of source images, to be compared with what is selected of them.

    Attributes:
        marks: file of JSON lines, relative to ``data.root``.
        id: the key that holds an image's file name without suffix.
        flag: the key that is true for the flagged images and false for the others.
    """

    model_config = ConfigDict(frozen=True)

    marks: str
    id: str
    flag: str


class PublishedRow(Section):
    """A row of published numbers without runs."""

    title: str
    published: Published


def distinct_names(what: str, parts: Iterable[System | AxisCell]) -> list[str]:
    """The parts' names.

    Raises:
        ValueError: two names or two titles are the same.
    """
    try:
        _distinct([part.title for part in parts if isinstance(part, System)])  # the tables and curves call them that
        return _distinct([part.name for part in parts])
    except ValueError as error:
        raise ValueError(f"the list `{what}` {error}") from None
