"""Names of classes, from the files that annotation tools and renderers write beside their labels.

- CVAT's ``labelmap.txt`` (as Datumaro writes it): ``name:R,G,B:parts:actions``.
- Omniverse Replicator's ``semantic_segmentation_labels_*.json``, one beside each label:
  ``{"(33, 243, 3, 255)": {"class": "car"}}``, or ``{"2": {"class": "car"}}`` where labels are not colourised.
- Unity Perception's ``annotation_definitions.json``, of SOLO and of the format before it.
- Text files of ``R G B name`` lines, such as CamVid's ``label_colors.txt``.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hrs_keras.errors import DataError, printable, reason
from hrs_keras.labels import IGNORE
from hrs_keras.starting.encoding import SAMPLE, Key
from hrs_keras.starting.listing import Listing

UNLABELLED = "UNLABELLED"
"""Replicator's name for objects to which nobody gave a class."""

_LARGEST = 2**20  # bytes
_MOST_TEXTS = 50
_CVAT = re.compile(r"(.+):(?:(\d+),(\d+),(\d+))?:[^:]*:[^:]*")
_COLOUR_FIRST = re.compile(r"(\d{1,3})[ ,\t]+(\d{1,3})[ ,\t]+(\d{1,3})[ ,\t]+([^\W\d].*)")
_TUPLE = re.compile(r"\((\d+), *(\d+), *(\d+)(?:, *\d+)?\)")


@dataclass
class Names:
    """What files say of the raw values of labels.

    Attributes:
        known: raw value, or ``"R,G,B"`` -> name, in the files' order.
        doubts: of raw values that have several names: all of them.
        files: those that were read.
    """

    known: dict[Key, str] = field(default_factory=dict)
    doubts: dict[Key, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def colours(self) -> set[str]:
        """The colours that have names."""
        return {key for key in (*self.known, *self.doubts) if isinstance(key, str)}

    @property
    def origin(self) -> str:
        """The files in a few words."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return printable(self.files[0]) + more if self.files else ""

    def add(self, key: Key, name: str) -> None:
        """Note a name of a raw value."""
        name = IGNORE if name == UNLABELLED else name.strip()
        if key in self.doubts:
            self.doubts[key] = list(dict.fromkeys((*self.doubts[key], name)))
        elif self.known.setdefault(key, name) != name:
            self.doubts[key] = [self.known.pop(key), name]


def find_names(listing: Listing) -> Names:
    """Read what the files beside the labels say of their values.

    Raises:
        DataError: such a file cannot be read, or is not what its name says; the message names it.
    """
    names = Names()
    for reader, files in _readers(listing):
        for file in files:
            entries = reader(listing.path(file))
            if entries:
                names.files.append(file)
            for key, name in entries:
                names.add(key, name)
        if names.files:
            break
    return names


Entries = list[tuple[Key, str]]


def _readers(listing: Listing) -> Iterator[tuple[Callable[[Path], Entries], Sequence[str]]]:
    """The formats in the order in which they are looked for, and the files that have them by their names."""
    last = {name: PurePosixPath(name).name for name in listing.texts}
    yield read_cvat, [name for name, file in last.items() if file == "labelmap.txt"]
    yield read_unity, [name for name, file in last.items() if file == "annotation_definitions.json"]
    of_frames = [name for name, file in last.items() if re.fullmatch(r"semantic_segmentation_labels_.*\.json", file)]
    chosen = sorted(np.random.default_rng(0).permutation(len(of_frames))[:SAMPLE])
    yield read_replicator, [of_frames[position] for position in chosen]
    texts = sorted((name for name in listing.texts if name.endswith(".txt")), key=lambda name: (name.count("/"), name))
    yield read_palette, texts[:_MOST_TEXTS]


def read_cvat(path: Path) -> Entries:
    """CVAT's ``labelmap.txt``. Without colours the number of the line is the value, as in Pascal VOC.

    Raises:
        DataError: it cannot be read, or has another line.
    """
    entries: Entries = []
    for line in _lines(path):
        match = _CVAT.fullmatch(line)
        if not match:
            raise DataError(f"{printable(path)}: {line!r} is no line of CVAT's, name:R,G,B:parts:actions")
        name, *parts = match.groups()
        colour = _colour(parts) if parts[0] else len(entries)
        if colour is None:
            raise DataError(f"{printable(path)}: {line!r} has a colour above 255")
        entries.append((colour, name))
    return entries


def read_palette(path: Path) -> Entries:
    """A text file of ``R G B name`` lines; nothing if it is another one, or cannot be read."""
    entries: Entries = []
    try:
        lines = _lines(path) if path.stat().st_size <= _LARGEST else []
    except (OSError, DataError):
        return []
    for line in lines:
        match = _COLOUR_FIRST.fullmatch(line)
        colour = _colour(match.groups()[:3]) if match else None
        if not match or colour is None:
            return []
        entries.append((colour, match[4]))
    return entries


def read_replicator(path: Path) -> Entries:
    """What Omniverse Replicator writes for one frame.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    entries: Entries = []
    found = _json(path)
    if not isinstance(found, dict):
        raise DataError(f"{printable(path)}: wants a mapping of ids to classes, as Replicator writes it")
    for raw, said in found.items():
        match = _TUPLE.fullmatch(raw)
        key = _colour(match.groups()) if match else int(raw) if re.fullmatch("[0-9]{1,9}", raw) else None
        if key is None or not isinstance(said, dict) or not said:
            raise DataError(
                f'{printable(path)}: {raw!r}: {said!r} is not as Replicator writes it, "2": {{"class": ...}}'
            )
        entries.append((key, str(said.get("class", next(iter(said.values()))))))
    return entries


def read_unity(path: Path) -> Entries:
    """Unity Perception's ``annotation_definitions.json``, of SOLO or of the format before it.

    Raises:
        DataError: it cannot be read, or has no semantic segmentation.
    """
    found = _json(path)
    listed = (
        found.get("annotationDefinitions", found.get("annotation_definitions")) if isinstance(found, dict) else None
    )
    entries: Entries = []
    for definition in listed if isinstance(listed, list) else ():
        for entry in definition.get("spec") or () if isinstance(definition, dict) else ():
            name = entry.get("label_name", entry.get("labelName"))
            colour = entry.get("pixel_value", entry.get("pixelValue"))
            if name is not None and colour is not None:
                entries.append((_unity_colour(path, colour), str(name)))
    if not entries:
        raise DataError(f"{printable(path)} has no colours of a semantic segmentation; was that labeler on?")
    return entries


def _unity_colour(path: Path, colour: Any) -> str:
    """Of SOLO whole numbers in a list; before it Unity's Color, of numbers from 0 to 1."""
    try:
        if isinstance(colour, dict):
            values = [float(colour[channel]) for channel in "rgb"]
            spelt = _colour([round(255 * value) for value in values] if max(values) <= 1 else values)
        else:
            spelt = _colour(colour[:3])
    except (LookupError, TypeError, ValueError, OverflowError):
        spelt = None
    if spelt is None:
        raise DataError(f"{printable(path)}: {colour!r} is no colour of Unity's")
    return spelt


def _colour(parts: Sequence[Any]) -> str | None:
    """``"R,G,B"`` as an id table has it; None for what is no colour."""
    values = [int(part) for part in parts]
    return ",".join(map(str, values)) if len(values) == 3 and all(0 <= value <= 255 for value in values) else None


# ---- the classes of a run ------------------------------------------------------------------------------------


def read_classes(path: Path) -> list[str]:
    """The names of the classes in a file: one a line, or ``R G B name``, or CVAT's ``labelmap.txt``.

    Raises:
        DataError: it cannot be read, or names fewer than two.
    """
    lines = _lines(path)
    for form, group in ((_CVAT, 1), (_COLOUR_FIRST, 4)):
        matches = [form.fullmatch(line) for line in lines]
        if lines and all(matches):
            lines = [match[group] for match in matches if match]
            break
    classes = list(dict.fromkeys(name for name in map(str.strip, lines) if name != IGNORE))
    if len(classes) < 2:
        found = "one class" if classes else "no class"
        raise DataError(f"--classes {printable(path)} names {found}; wants two or more, one a line")
    return classes


def _lines(path: Path) -> list[str]:
    """The lines of a text file that say something."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{printable(path)} is not text in UTF-8") from None
    except OSError as error:
        raise DataError(f"cannot read {printable(path)}: {reason(error)}") from None
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read {printable(path)}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(path)} is not JSON: {error}") from None
