"""What a renderer noted of its images: a CSV file, or JSON lines, with a row or object an image."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hrs_keras.errors import DataError, did_you_mean, printable, reason
from hrs_keras.ranking.images import ImageName
from hrs_keras.system.files import parse_json

Noted = dict[str, Any]
"""Parameter -> text, number, truth value, list of such, or None; a mapping is spread out to ``parameter.key``."""


def read_parameters(path: Path, key: str, images: Sequence[ImageName]) -> list[Noted]:
    """What a file notes of each image.

    An image is known by its path as in the table, by its file name, or by that without suffix. More than the images may
    be noted.

    Args:
        path: a CSV file if it ends in .csv, else JSON lines.
        key: the column, or the objects' key, that names the image.
        images: in the order of the table.

    Returns:
        For each image what is noted, without ``key``.

    Raises:
        DataError: the file cannot be read, names an image twice or none, or does not note an image; says what and
            where.
    """
    shown = printable(path)
    noted: dict[str, Noted] = {}
    for where, row in _rows(path):
        if key not in row:
            raise DataError(
                f"--join: {where} has no {key!r} to name its image.{did_you_mean(key, row)} Give it as --id"
            )
        name = str(row.pop(key))
        if name in noted:
            raise DataError(f"--join: {where} notes {name!r} again; an image has one row")
        noted[name] = row
    found: list[Noted] = []
    owner: dict[str, ImageName] = {}
    for image in images:
        spelt = [name for name in _spellings(image.name) if name in noted]
        if not spelt:
            example = f"; it has {next(iter(noted))!r}, for one" if noted else ""
            wanted = " or ".join(dict.fromkeys(map(printable, _spellings(image.name))))
            raise DataError(f"--join: {shown} notes nothing of {wanted} (by {key!r}){example}. Name it, or give --id")
        name = spelt[0]
        if name in owner:
            both = f"{printable(owner[name].name)} and {printable(image.name)}"
            raise DataError(f"--join: {shown}: {both} are both {name!r}; write their paths there")
        owner[name] = image
        found.append(noted[name])
    return found


def _spellings(name: str) -> list[str]:
    """The names that an image is known by: its path, its file name, and that without suffix."""
    file = name.rpartition("/")[2]
    return [name, file, file.rpartition(".")[0] or file]


def _rows(path: Path) -> Iterator[tuple[str, Noted]]:
    """Each row or object, and where it stands."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from (_csv_rows if path.suffix.lower() == ".csv" else _json_rows)(file, printable(path))
    except (OSError, csv.Error) as error:
        raise DataError(f"--join: cannot read {printable(path)}: {reason(error)}") from None


def _csv_rows(file: Any, shown: str) -> Iterator[tuple[str, Noted]]:
    reader = csv.DictReader(file, strict=True)
    for row in reader:
        where = f"{shown}, line {reader.line_num}"
        if None in row or None in row.values():
            raise DataError(f"--join: {where} has another number of values than the first line has names")
        yield where, dict(row)


def _json_rows(file: Any, shown: str) -> Iterator[tuple[str, Noted]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        where = f"{shown}, line {number}"
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(f"--join: {where} is not valid JSON: {error} (a CSV file's name ends in .csv)") from None
        if not isinstance(row, dict):
            raise DataError(f"--join: {where} wants an object, {{...}}, found {line.strip()[:40]!r}")
        yield where, _spread(row)


def _spread(row: Mapping[str, Any], before: str = "") -> Noted:
    found: Noted = {}
    for key, value in row.items():
        found |= _spread(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


# ---- groups ------------------------------------------------------------------------------------------------------

MOST_VALUES = 20
"""Different texts of a parameter, at most, by which images are grouped; with more it is left out."""

MOST_NUMBERS = 8
"""Different numbers, at most, that are a group each; of more, quarters of the images are."""

NONE = "(none)"


def groups_of(parameters: Sequence[Noted]) -> tuple[dict[str, list[list[str]]], list[str]]:
    """The groups that images are in, by what is noted of them.

    Args:
        parameters: for each image.

    Returns:
        Parameter -> for each image its groups: one, or of a list each of its items. And the parameters that are left
        out because they are texts of too many different values. Those that are the same for all images are not there.
    """
    names = dict.fromkeys(name for noted in parameters for name in noted)
    grouped: dict[str, list[list[str]]] = {}
    left_out = []
    for name in names:
        groups = _groups([noted.get(name) for noted in parameters])
        if groups is None:
            left_out.append(name)
        elif len({group for own in groups for group in own}) > 1:
            grouped[name] = groups
    return grouped, left_out


def _groups(values: Sequence[Any]) -> list[list[str]] | None:
    if (numbers := _numbers(values)) is not None:
        return _number_groups(numbers)
    listed = [sorted({_text(item) for item in v}) if isinstance(v, list) else [_text(v)] for v in values]
    groups = [own or [NONE] for own in listed]
    return groups if len({group for own in groups for group in own}) <= MOST_VALUES else None


def _text(value: Any) -> str:
    if value is None or value == "":
        return NONE
    return value if isinstance(value, str) else json.dumps(value)


def _numbers(values: Sequence[Any]) -> list[float | None] | None:
    """The values as numbers, also if they are written as texts, as in CSV files; None unless all are, or are absent."""
    found: list[float | None] = []
    for value in values:
        try:
            number = None if value is None or value == "" else float(value)
        except (TypeError, ValueError):
            return None
        if isinstance(value, bool) or (number is not None and not math.isfinite(number)):
            return None
        found.append(number)
    return found if any(number is not None for number in found) else None


def _number_groups(numbers: Sequence[float | None]) -> list[list[str]]:
    known = sorted(number for number in numbers if number is not None)
    if len(set(known)) <= MOST_NUMBERS:
        return [[NONE if number is None else f"{number:g}"] for number in numbers]
    # The upper ends of the quarters, each a value that occurs; equal ones make one group.
    ends = sorted({known[(len(known) * part + 3) // 4 - 1] for part in (1, 2, 3, 4)})
    starts = [known[0], *(next(number for number in known if number > end) for end in ends[:-1])]
    titles = [f"{start:g} to {end:g}" for start, end in zip(starts, ends, strict=True)]

    def title(number: float | None) -> str:
        return NONE if number is None else titles[next(i for i, end in enumerate(ends) if number <= end)]

    return [[title(number)] for number in numbers]
