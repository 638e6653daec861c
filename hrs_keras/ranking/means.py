"""Means of the table's columns over the images that a renderer made alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from hrs_keras.ranking.columns import Row, Value

PARAMETER, GROUP, IMAGES = "parameter", "value", "images"


@dataclass
class Means:
    """Means of columns by group, added up image by image; no row is kept.

    Args:
        groups: parameter -> for each image of the table its groups; see :func:`.parameters.groups_of`.
        columns: that have numbers.
    """

    groups: dict[str, list[list[str]]]
    columns: Sequence[str]
    _sums: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def add(self, number: int, row: Row) -> None:
        """Take in the row of an image, by its number in the table; values that are not defined do not count."""
        values = np.array([np.nan if row[name] is None else row[name] for name in self.columns], np.float64)
        defined = ~np.isnan(values)
        told = np.stack([np.where(defined, values, 0.0), defined, np.ones_like(values)])
        for parameter, groups in self.groups.items():
            for group in groups[number]:
                key = parameter, group
                self._sums[key] = self._sums[key] + told if key in self._sums else told

    @property
    def header(self) -> list[str]:
        """Names of what a row has."""
        return [PARAMETER, GROUP, IMAGES, *self.columns]

    def rows(self) -> Iterator[Row]:
        """A row for each group that has images: by parameter, in the file's order, then by value."""
        order = {parameter: number for number, parameter in enumerate(self.groups)}
        for parameter, group in sorted(self._sums, key=lambda key: (order[key[0]], _sortable(key[1]))):
            sums, defined, images = self._sums[parameter, group]
            means: list[Value] = [float(s / n) if n else None for s, n in zip(sums, defined, strict=True)]
            row: Row = {PARAMETER: parameter, GROUP: group, IMAGES: int(images[0])}
            yield row | dict(zip(self.columns, means, strict=True))


def _sortable(group: str) -> tuple[float, str]:
    """Numbers and ranges of them by their size, before texts."""
    try:
        return float(group.partition(" to ")[0]), group
    except ValueError:
        return np.inf, group
