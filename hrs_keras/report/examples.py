"""Which images a page shows: the worst, the best, some at random, and the worst of each class.

They are chosen from the counts of each image, in memory that does not grow with their number.
"""

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hrs_keras.errors import printable
from hrs_keras.evaluation.counts import ImageCounts

WORST, BEST, RANDOM = "worst", "best", "random"
OVERALL = {WORST: 6, BEST: 3, RANDOM: 3}
"""Why an image is shown -> how many are shown for it."""
OF_CLASS = 2
"""How many images are shown of each class: those in which most of its pixels are wrong."""


@dataclass
class Example:
    """An image to be shown.

    Attributes:
        number: of the image, in the order of the evaluation.
        name: its path below the folder of its data set, as text that can be shown.
        wrong: share of its labelled pixels that are wrong.
        why: what it is an example of: :data:`WORST`, :data:`BEST` or :data:`RANDOM`.
        of_class: class -> how many of its pixels are missed or taken for it wrongly, of the classes that it is one of
            the worst of.
    """

    number: int
    name: str
    wrong: float
    why: list[str] = field(default_factory=list)
    of_class: dict[str, int] = field(default_factory=dict)


def choose(images: Iterable[ImageCounts], total: int, classes: Sequence[str]) -> list[Example]:
    """Choose the images to be shown, the most telling first.

    Args:
        images: the counts of each; gone through once.
        total: how many there are.
        classes: their names, in the order of the counts.
    """
    at_random = set(random.Random(0).sample(range(total), min(OVERALL[RANDOM], total)))
    worst, best, drawn = _Top(OVERALL[WORST]), _Top(OVERALL[BEST]), _Top(OVERALL[RANDOM])
    of_class = [_Top(OF_CLASS) for _ in classes]
    for number, image in enumerate(images):
        matrix = image.counts.confusion
        pixels = int(matrix.sum())
        if not pixels:
            continue  # nothing is labelled in it
        right = matrix.diagonal()
        wrong = 1 - int(right.sum()) / pixels
        found = (number, image.name, wrong)
        worst.offer(wrong, number, found)
        best.offer(-wrong, number, found)
        if number in at_random:
            drawn.offer(0, number, found)
        errors = matrix.sum(0) + matrix.sum(1) - 2 * right
        for top, count in zip(of_class, errors.tolist(), strict=True):
            if count:
                top.offer(count, number, found)
    return _joined({WORST: worst, BEST: best, RANDOM: drawn}, dict(zip(classes, of_class, strict=True)))


_Found = tuple[int, str, float]


class _Top:
    """The few that have most of something; of equals those that came first."""

    def __init__(self, count: int):
        self._count = count
        self._heap: list[tuple[float, int, _Found]] = []

    def offer(self, value: float, number: int, found: _Found) -> None:
        heapq.heappush(self._heap, (value, -number, found))
        if len(self._heap) > self._count:
            heapq.heappop(self._heap)

    def __iter__(self) -> Iterator[tuple[float, _Found]]:
        return ((value, found) for value, _, found in sorted(self._heap, reverse=True))


def _joined(overall: dict[str, _Top], of_class: dict[str, _Top]) -> list[Example]:
    """Each image once, with all that it is an example of; the overall ones, then turn by turn one of each class."""
    examples: dict[int, Example] = {}

    def example(found: _Found) -> Example:
        number, name, wrong = found
        return examples.setdefault(number, Example(number, printable(name), wrong))

    for why, top in overall.items():
        for _, found in top:
            example(found).why.append(why)
    ranked = {name: list(top) for name, top in of_class.items()}
    for place in range(OF_CLASS):
        for name, found_of in ranked.items():
            if place < len(found_of):
                count, found = found_of[place]
                example(found).of_class[name] = int(count)
    return list(examples.values())
