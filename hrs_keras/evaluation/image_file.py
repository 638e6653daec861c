"""The file with the counts of each image: JSON lines, the first of which says what the others hold.

Text, because a program of any language, or a person, can read it line by line; one line an image, because so it is
written and read in memory that does not grow with the images. Names may hold any bytes: what is not ASCII is escaped.
A count of 0 is left out.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hrs_keras.errors import CheckpointError, printable
from hrs_keras.evaluation.boundaries import BOUNDARY_RATIO
from hrs_keras.evaluation.calibration import BINS
from hrs_keras.evaluation.components import COMPONENT_SIZES
from hrs_keras.evaluation.counts import Counts, ImageCounts
from hrs_keras.system.files import folder_to_publish, opening, parse_json, publish, writing

FORMAT = {"format": "hrs-evaluated-images", "version": 1}

_ROWS = {
    "confusion": ["label", "prediction", "pixels"],
    "boundary": ["class", "in both bands", "in the label's", "in the prediction's"],
    "components": ["class", "size", "components", "found", "pixels", "right"],
    "confidence": ["bin", "pixels", "right", "sum of the confidence"],
}
_KEYS = {"confusion": 2, "boundary": 1, "components": 2, "confidence": 1}
"""How many of a row's numbers say which entry it is; the others are its counts."""


@contextmanager
def recording(path: Path, about: dict[str, Any]) -> Iterator[Callable[[ImageCounts], None]]:
    """A context with a function that writes the counts of one image after the other.

    The file appears when the context is left, or not at all if an error leaves it.

    Args:
        path: the file; its folder is made if need be.
        about: ``classes`` and ``images`` (their number), and whatever else is to be told in the first line.

    Raises:
        HRSError: it cannot be written; the function raises it too.
    """
    counted = {"boundary_ratio": BOUNDARY_RATIO, "component_sizes": COMPONENT_SIZES, "confidence_bins": BINS}
    with ExitStack() as opened:
        with writing(path):
            folder = opened.enter_context(folder_to_publish(path.parent))
            file = opened.enter_context(open(folder / path.name, "w", encoding="ascii"))
            file.write(_line(FORMAT | about | counted | {"rows": _ROWS}))

        def write(image: ImageCounts) -> None:
            which = {"name": image.name, "data_set": image.data_set, "size": image.size}
            with writing(path):
                file.write(_line(which | {kind: _rows(getattr(image.counts, kind), _KEYS[kind]) for kind in _ROWS}))

        yield write
        with writing(path):
            file.close()
            publish(folder / path.name, path)


class ImageFile:
    """The counts of each image, read from what :func:`recording` wrote; to be iterated over, as often as wanted.

    Args:
        path: the file.

    Attributes:
        about: its first line, with ``classes`` and ``images`` (their number).

    Raises:
        CheckpointError: it cannot be read, is damaged or no such file; also while it is iterated over.
    """

    def __init__(self, path: Path):
        self._path = path
        self.about: dict[str, Any] = {}
        with opening(path), open(path, "rb") as file:
            found = self._parse(1, file.readline())
        if not isinstance(found, dict) or not FORMAT.items() <= found.items() or {"classes", "images"} - found.keys():
            raise CheckpointError(f"{printable(path)} is no file of evaluated images of this version")
        self.about = found

    def __iter__(self) -> Iterator[ImageCounts]:
        number = 1
        with opening(self._path), open(self._path, "rb") as file:
            file.readline()
            for number, line in enumerate(file, 2):
                try:
                    yield self._image(self._parse(number, line))
                except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                    if isinstance(error, CheckpointError):
                        raise
                    raise self._damaged(number, repr(error)) from None
        if number - 1 != self.about["images"]:
            raise self._damaged(number, f"it ends after {number - 1} of {self.about['images']} images")

    def _image(self, line: Any) -> ImageCounts:
        none = Counts.none(len(self.about["classes"]))
        found = {kind: _counts(line[kind], getattr(none, kind), _KEYS[kind]) for kind in _ROWS}
        height, width = line["size"]
        return ImageCounts(line["name"], line["data_set"], (height, width), Counts(**found))

    def _parse(self, number: int, line: bytes) -> Any:
        try:
            return parse_json(line)
        except ValueError as error:
            raise self._damaged(number, str(error)) from None

    def _damaged(self, number: int, what: str) -> CheckpointError:
        return CheckpointError(f"{printable(self._path)} is damaged in line {number}: {what}; evaluate again")


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n"


def _rows(array: np.ndarray, keys: int) -> list[list[int | float]]:
    """The entries that are not 0: where they are, and their counts."""
    counts = array.reshape(*array.shape[:keys], -1)
    where = np.argwhere(counts.any(axis=-1))
    return [[*map(int, at), *(int(n) if n == int(n) else float(n) for n in counts[tuple(at)])] for at in where]


def _counts(rows: list[list[int | float]], none: np.ndarray, keys: int) -> np.ndarray:
    """What :func:`_rows` made of an array like ``none``; raises ValueError and others if it is none of its rows."""
    counts = none.reshape(*none.shape[:keys], -1).copy()
    for row in rows:
        at, found = tuple(row[:keys]), np.asarray(row[keys:])
        if found.shape != counts.shape[-1:] or min(at) < 0 or found.min() < 0:
            raise ValueError(f"the row {row} does not fit")
        counts[at] = found
    return counts.reshape(none.shape)
