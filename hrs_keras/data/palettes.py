"""Whether the palette PNGs of a data set agree on what their indices stand for.

Programs that make palette PNGs of colour images by themselves number the colours as each image has them. Every file
looks right, and their indices mean different classes.
"""

from collections.abc import Mapping

import numpy as np

from hrs_keras.data.report import Problem
from hrs_keras.errors import printable
from hrs_keras.system.storage import StoragePath

ADVICE = (
    "Under encoding: palette the index alone counts. If the colours tell the classes, set encoding: colours and give"
    " each colour its class in ids; if the indices do, give all files one palette"
)


def used_colours(values: np.ndarray, palette: np.ndarray) -> dict[int, str]:
    """The colours of the indices that occur in a label.

    Args:
        values: [k] integers, the indices that occur.
        palette: [n, 3] uint8.

    Returns:
        Index -> ``"R,G,B"``; without indices that the palette has no colour for.
    """
    return {int(index): ",".join(map(str, palette[index])) for index in values if index < len(palette)}


class CommonPalette:
    """The colours of the indices over the labels of a data set.

    Attributes:
        colours: index, as text -> its colour, and the first label that has pixels of it.
    """

    def __init__(self) -> None:
        self.colours: dict[str, tuple[str, str]] = {}
        self._differing: list[tuple[str, str]] = []

    def add(self, label: StoragePath, used: Mapping[int, str]) -> None:
        """Compare a label with those before it.

        Args:
            label: its file.
            used: from :func:`used_colours`.
        """
        file = printable(label)
        for index, colour in used.items():
            first = self.colours.setdefault(str(index), (colour, file))
            if difference := describe_difference(index, (colour, file), first):
                self._differing.append((file, difference))
                return

    def problem(self) -> Problem | None:
        """An error that names two labels that differ; None if none do."""
        if not self._differing:
            return None
        file, difference = self._differing[0]
        count = len(self._differing)
        others = f" {count} labels differ so from those before them." if count > 1 else ""
        return Problem(file, f"{difference}.{others} {ADVICE}", whole_set=True)


def describe_difference(index: int | str, one: tuple[str, str], other: tuple[str, str]) -> str | None:
    """How two labels differ in the colour of an index, as the rest of a sentence that begins with the first label.

    Args:
        index: of the palettes.
        one, other: the colour, and the label's file.

    Returns:
        None where the colours are equal.
    """
    if one[0] == other[0]:
        return None
    return f"has the colour {one[0]} at index {index} of its palette, {other[1]} has {other[0]}"
