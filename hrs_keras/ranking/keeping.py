"""Lists of the best images by a column, for ``only:`` of a recipe's data set."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hrs_keras.errors import HRSError, printable
from hrs_keras.ranking.columns import RAREST, Columns, Row
from hrs_keras.ranking.images import ImageName
from hrs_keras.system.files import write_text, writing


class Candidate(NamedTuple):
    """An image, as far as it decides whether it is kept: its values in the columns that are kept by."""

    image: ImageName
    rarest: str | None
    values: Mapping[str, float | None]


def candidate(image: ImageName, row: Row, by: Sequence[str]) -> Candidate:
    """What is remembered of a row."""
    rarest, values = row.get(RAREST), {name: row[name] for name in by}
    assert rarest is None or isinstance(rarest, str)
    return Candidate(
        image, rarest, {name: float(v) if isinstance(v, (int, float)) else None for name, v in values.items()}
    )


def best(candidates: Sequence[Candidate], share: float, by: str, columns: Columns) -> list[ImageName]:
    """The best images by a column, with as many of each rarest class as its share of all images wants.

    So a class that is hard, and looks bad by the column for it, is not thinned out. Each stratum (the images whose
    rarest class is the same) gives the same share; whole images are handed out by the largest remainders, and to each
    stratum at least one. How many come from which stratum does not depend on the column.

    Args:
        candidates: in the order of the table.
        share: in (0, 1].
        by: the column. Images in which it is not defined come last; of equal ones the first in the table is kept.
        columns: says which end is the better one.

    Returns:
        The images, in the order of the table.
    """
    strata: dict[str | None, list[int]] = defaultdict(list)
    for number, one in enumerate(candidates):
        strata[one.rarest].append(number)
    sign = -1 if columns.scores[by] == "highest" else 1

    def place(number: int) -> tuple[bool, float]:
        value = candidates[number].values[by]
        return value is None, sign * (value or 0.0)

    counts = _shared_out({name: len(members) for name, members in strata.items()}, share)
    kept = {n for name, members in strata.items() for n in sorted(members, key=place)[: counts[name]]}
    return [one.image for number, one in enumerate(candidates) if number in kept]


def _shared_out(sizes: Mapping[str | None, int], share: float) -> dict[str | None, int]:
    """How many each stratum gives: ``share`` of all, by the largest remainders, and at least one."""
    quotas = {name: share * size for name, size in sizes.items()}
    counts = {name: max(1, int(quota)) for name, quota in quotas.items()}
    missing = round(share * sum(sizes.values())) - sum(counts.values())
    by_remainder = sorted(quotas, key=lambda name: counts[name] - quotas[name])  # stable: in order of first appearance
    for name in by_remainder[: max(0, missing)]:
        counts[name] += 1
    return counts


def refuse_unlistable(images: Sequence[ImageName]) -> None:
    """Raise an HRSError if a name cannot stand in a list, which is UTF-8 text with a name in each line."""
    for name in (image.name for image in images):
        if len(f"{name}.".splitlines()) > 1 or name != name.encode("utf-8", "ignore").decode():
            raise HRSError(
                f"--keep: a list of images is UTF-8 text with a name in each line, in which {printable(name)} cannot be"
                " named; rename it"
            )


def write_lists(folder_and_stem: Path, images: Sequence[ImageName], data_sets: int) -> dict[int, Path]:
    """Write a list for each data set that has images.

    Args:
        folder_and_stem: ``STEM.txt`` is written, or where there are several data sets ``STEM-0.txt``, ``STEM-1.txt``.
        images: their names.
        data_sets: how many there are.

    Returns:
        Position of the data set -> its list.

    Raises:
        HRSError: a list cannot be written.
    """
    by_set: dict[int, list[str]] = defaultdict(list)
    for name, data_set in images:
        by_set[data_set].append(_line(name))
    files = {}
    for data_set, lines in sorted(by_set.items()):
        end = f"-{data_set}.txt" if data_sets > 1 else ".txt"
        files[data_set] = folder_and_stem.with_name(folder_and_stem.name + end)
        with writing(files[data_set]):
            write_text(files[data_set], "".join(lines))
    return files


def _line(name: str) -> str:
    """A name as a list has it: a comment, or space that would be cut off, it is not."""
    name = os.path.join(".", name) if name.startswith("#") or name != name.lstrip() else name
    return f"{name}/.\n" if name != name.rstrip() else f"{name}\n"
