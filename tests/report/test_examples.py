"""Which images a page shows."""

import tracemalloc
from collections.abc import Iterator

from support.made_up_runs import image, random_images

from hrs_keras.evaluation.counts import ImageCounts
from hrs_keras.report.examples import BEST, RANDOM, WORST, choose

CLASSES = ("road", "sky", "car")


def test_the_worst_and_the_best():
    """Of images in which 0, 1, ... 11 of 12 pixels are wrong."""
    label = [[0] * 12]
    images = [image(f"{n}.png", label, [[1] * n + [0] * (12 - n)]) for n in range(12)]
    found = {example.name: example for example in choose(images, 12, CLASSES)}
    assert [name for name, one in found.items() if WORST in one.why] == [f"{n}.png" for n in (11, 10, 9, 8, 7, 6)]
    assert {name for name, one in found.items() if BEST in one.why} == {"0.png", "1.png", "2.png"}
    assert sum(RANDOM in one.why for one in found.values()) == 3
    assert found["11.png"].wrong == 11 / 12


def test_the_worst_of_a_class():
    """What is missed of a class counts, and what is taken for it."""
    missed = image("missed.png", [[2, 2, 0, 0]], [[0, 0, 0, 0]])
    taken = image("taken.png", [[0, 0, 0, 0]], [[2, 0, 0, 0]])
    right = image("right.png", [[2, 2, 0, 0]], [[2, 2, 0, 0]])
    found = {example.name: example.of_class for example in choose([right, taken, missed], 3, CLASSES)}
    assert found == {"missed.png": {"road": 2, "car": 2}, "taken.png": {"road": 1, "car": 1}, "right.png": {}}


def test_images_without_a_label_are_not_shown():
    assert choose([image("a.png", [[255, 255]], [[0, 1]])], 1, CLASSES) == []


def test_memory_does_not_grow_with_the_images():
    """5000 images need no more than 500 do."""
    made = random_images(1)[0]

    def images(number: int) -> Iterator[ImageCounts]:
        return (ImageCounts(f"{'long name ' * 20}{n}.png", 0, made.size, made.counts) for n in range(number))

    def peak(number: int) -> int:
        tracemalloc.start()
        try:
            choose(images(number), number, CLASSES)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)
    assert peak(5000) < peak(500) + 20_000
