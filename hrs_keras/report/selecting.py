"""What a run selected of its source images, from its records."""

from collections.abc import Sequence
from dataclasses import dataclass

from hrs_keras.errors import printable
from hrs_keras.report.charts import Axes, Series
from hrs_keras.report.records import Records

PREFIX = "selected/"
SHOWN = 3
"""How many of the most and of the least selected images are shown."""


@dataclass(frozen=True)
class ClassSelection:
    """How much is selected of the source pixels of a class: the mean of H, in [0, 1]; None where it has none.

    Attributes:
        name: of the class.
        colour: R, G, B in 0..255.
        begun, ended: in the first and in the last steps that were logged.
        source, target: the class's share of the labelled pixels, as far as known.
    """

    name: str
    colour: tuple[int, int, int]
    begun: float | None
    ended: float | None
    source: float | None
    target: float | None


@dataclass(frozen=True)
class SelectedImage:
    """A source image and how much is selected of it.

    Attributes:
        record: its name in the records of the run.
        name: the same as text that can be shown.
        means: name of a map -> its mean over the labelled pixels of the image, in [0, 1].
    """

    record: str
    name: str
    means: dict[str, float]


def shares_by_step(records: Records) -> list[Series]:
    """The share of the source pixels that is selected, of all and of each class, in per cent, through training."""
    space = records.recipe.data.label_space
    colours = dict(zip(space.classes, space.palette, strict=True))

    def points(key: str) -> list[tuple[float, float]]:
        return [(row["step"], 100 * row[key]) for row in records.log if key in row and "step" in row]

    whole = Series("all classes", points("selected"))
    classes = [Series(name, points(PREFIX + name), css(colour), faint=True) for name, colour in colours.items()]
    return [whole, *(one for one in classes if one.points)] if whole.points else []


SHARE_AXES = Axes("step", "source pixels selected, %", (0.0, 100.0))


def css(colour: Sequence[int]) -> str:
    """A colour as style sheets write it."""
    return "#" + "".join(f"{channel:02x}" for channel in colour)


def by_class(records: Records) -> list[ClassSelection]:
    """Each class of which source pixels were logged, those that are selected least first."""
    space = records.recipe.data.label_space
    source, target = records.class_shares("source"), records.class_shares("target")
    rows = []
    for name, colour in zip(space.classes, space.palette, strict=True):
        logged = [row[PREFIX + name] for row in records.log if PREFIX + name in row]
        if logged:
            rows.append(ClassSelection(name, colour, logged[0], logged[-1], source.get(name), target.get(name)))
    return sorted(rows, key=lambda row: row.ended or 0.0)


def extremes(records: Records) -> tuple[list[SelectedImage], list[SelectedImage]]:
    """The images of which most, and of which least, is selected after the last recorded step; none without a record.

    No image is in both.
    """
    if not records.selection:
        return [], []
    images = records.selection[-1]["images"]
    ranked = sorted((name for name in images if "H" in images[name]), key=lambda name: images[name]["H"], reverse=True)
    count = min(SHOWN, len(ranked) // 2)
    found = [SelectedImage(name, printable(name), images[name]) for name in ranked]
    return found[:count], found[len(found) - count :][::-1]
