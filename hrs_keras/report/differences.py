"""How two runs differ, class by class and image by image."""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hrs_keras.errors import CheckpointError, printable
from hrs_keras.evaluation.bootstrap import PairedInterval, paired_interval
from hrs_keras.evaluation.counts import ImageCounts
from hrs_keras.evaluation.image_file import ImageFile
from hrs_keras.evaluation.metrics import hit_and_union
from hrs_keras.report.records import Records

SHOWN = 4
"""How many images are shown in which either run is better than the other."""


@dataclass(frozen=True)
class ClassDifference:
    """A class in two runs: IoU of both in [0, 1], None where it is not defined; and the interval of the difference.

    Attributes:
        name: of the class.
        colour: R, G, B in 0..255.
        one, other: the IoU in the first and in the second run.
        bounds: of the difference second - first; None where it is not known.
    """

    name: str
    colour: tuple[int, int, int]
    one: float | None
    other: float | None
    bounds: tuple[float, float] | None

    @property
    def difference(self) -> float | None:
        """Second less first."""
        return None if self.one is None or self.other is None else self.other - self.one

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.bounds is not None and self.bounds[0] * self.bounds[1] > 0


@dataclass(frozen=True)
class Changed:
    """An image in which one run is better than the other.

    Attributes:
        number: of the image, in the order of the evaluation.
        name: as text that can be shown.
        wrong: share of its labelled pixels that are wrong, in the first and in the second run.
    """

    number: int
    name: str
    wrong: tuple[float, float]


def class_differences(runs: Sequence[Records], interval: PairedInterval) -> list[ClassDifference]:
    """The classes, those that gained most first."""
    one, other = ((records.shown or {})["iou"] for records in runs)
    space = runs[0].recipe.data.label_space
    found = []
    for name, colour, (low, high) in zip(space.classes, space.palette, interval.by_class.tolist(), strict=True):
        bounds = None if np.isnan(low) else (low, high)
        found.append(ClassDifference(name, colour, one[name], other[name], bounds))
    return sorted(found, key=lambda row: -2.0 if row.difference is None else row.difference, reverse=True)


def _both(runs: Sequence[Records], files: Sequence[ImageFile]) -> Iterator[tuple[ImageCounts, ImageCounts]]:
    """The counts of each image in both runs.

    Raises:
        CheckpointError: the images are not the same.
    """
    for one, other in itertools.zip_longest(*files):
        if one is None or other is None or (one.data_set, one.name) != (other.data_set, other.name):
            names = " and ".join(printable(records.folder.path) for records in runs)
            raise CheckpointError(f"{names} were not evaluated on the same images: they cannot be compared")
        yield one, other


def compare_images(runs: Sequence[Records], files: Sequence[ImageFile]) -> tuple[list[Changed], PairedInterval]:
    """The images that have changed most, those in which the second run is better first; and the interval."""
    names: list[str] = []
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    gained: list[tuple[float, int, Changed]] = []
    lost: list[tuple[float, int, Changed]] = []
    for number, both in enumerate(_both(runs, files)):
        names.append(f"{both[0].data_set}/{both[0].name}")
        for kept, image in zip(found, both, strict=True):
            kept.append(hit_and_union(image.counts.confusion))
        pixels = int(both[0].counts.confusion.sum())
        if not pixels:
            continue
        wrong = [1 - int(image.counts.confusion.trace()) / pixels for image in both]
        gain = wrong[0] - wrong[1]
        changed = Changed(number, printable(both[0].name), (wrong[0], wrong[1]))
        for heap, value in ((gained, gain), (lost, -gain)):
            if value > 0:
                heapq.heappush(heap, (value, -number, changed))
                if len(heap) > SHOWN:
                    heapq.heappop(heap)
    one, other = (np.array(counts) for counts in found)
    interval = paired_interval(names, one, other, runs[0].recipe.data.label_space)
    return [one for heap in (gained, lost) for _, _, one in sorted(heap, reverse=True)], interval
