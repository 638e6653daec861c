"""From what the networks say of an image to its row in the table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hrs_keras.errors import NonFiniteError, printable
from hrs_keras.ranking.columns import (
    AGREEMENT,
    CONFIDENCE,
    DATA_SET,
    DISTANCE,
    GROUP,
    MATCH,
    NAME,
    QUALITY,
    RANDOM,
    RAREST,
    Columns,
    Row,
    Value,
    level_column,
    random_number,
    share_column,
)
from hrs_keras.ranking.confident import thresholds
from hrs_keras.ranking.duplicates import NearDuplicates
from hrs_keras.ranking.images import ImageName, Pixels
from hrs_keras.ranking.network import RankingNetwork, Told
from hrs_keras.ranking.real import RealImages


@dataclass(frozen=True)
class Looked:
    """What is known of the ranked images before the first row: of a sample of them.

    Attributes:
        limits: [C] float32, each class's threshold; :mod:`hrs_keras.ranking.confident`.
        pixels: [C], of each class in their labels.
    """

    limits: np.ndarray
    pixels: np.ndarray

    @classmethod
    def through(cls, network: RankingNetwork, images: Iterable[Pixels], classes: int) -> "Looked":
        """Look through images, which may be none: then no class has a threshold that can be reached."""
        total, pixels = np.zeros(classes), np.zeros(classes)
        for image, label in images:
            of_image, count = network.confidence_in_labels(image, label)
            total += of_image.numpy()
            pixels += count.numpy()
        return cls(thresholds(total, pixels), pixels)


def real_images(network: RankingNetwork, images: Iterable[tuple[str, Pixels]]) -> RealImages:
    """What the networks say of real images, each with the name that an error would have.

    Raises:
        NonFiniteError: it is not finite.
    """

    def told() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name, (image, label) in images:
            features, gradient = network.real(image, label)
            found = _finite(name, {"features": features, "gradient": gradient})
            yield found["features"], found["gradient"]

    return RealImages.of(told())


class Describer:
    """Makes the row of one image after the other.

    Args:
        network: of the run.
        real: the real images that it was trained on.
        looked: what is known of the images before.
        columns: that the table has.
        classes: names, in the order of their train ids.
    """

    def __init__(
        self, network: RankingNetwork, real: RealImages, looked: Looked, columns: Columns, classes: Sequence[str]
    ):
        self._network, self._real, self._looked = network, real, looked
        self._columns, self._classes = columns, classes
        self._rarest_first = np.argsort(looked.pixels, kind="stable")
        self._duplicates = NearDuplicates()

    def row(self, image: ImageName, pixels: Pixels, own: int | None) -> Row:
        """The row of an image, with a value for each column.

        Args:
            image: its name.
            pixels: it, and its label.
            own: which of the real images it is; None if it is none.

        Raises:
            NonFiniteError: the networks say something of it that is not finite.
        """
        told = self._network.describe(*pixels, self._looked.limits)
        labelled = bool(told["pixels"].numpy().any())
        if not labelled:  # means over no pixel are not defined
            told = {name: value for name, value in told.items() if value.shape.rank}
        found = _finite(printable(image.name), told)
        row: Row = {
            NAME: image.name,
            DATA_SET: image.data_set,
            DISTANCE: self._real.distance(found["features"], own),
            AGREEMENT: self._real.agreement(found["gradient"], own is not None),
            GROUP: self._duplicates.group(found["hash"]),
            **{draw: random_number(draw, image) for draw in RANDOM},
            **self._of_labels(found["pixels"]),
            **(self._means(found) if labelled else {}),
        }
        return {name: row.get(name) for name in self._columns.names}

    def _of_labels(self, pixels: np.ndarray) -> dict[str, Value]:
        """The share of each class among the labelled pixels, and the rarest of those that are there."""
        total = pixels.sum()
        if not total:
            return {}
        shares = {share_column(name): float(n / total) for name, n in zip(self._classes, pixels, strict=True)}
        rarest = next(train_id for train_id in self._rarest_first if pixels[train_id])
        return {RAREST: self._classes[rarest], **shares}

    @staticmethod
    def _means(found: dict[str, np.ndarray]) -> dict[str, Value]:
        own = {MATCH: "H", CONFIDENCE: "confidence"} | {
            level_column(level): level for level in ("pixel", "region", "image")
        }
        means: dict[str, Value] = {column: float(found[name]) for column, name in own.items() if name in found}
        return means | {QUALITY: 1 - float(found["contradicted"])}


def _finite(name: str, told: Told) -> dict[str, np.ndarray]:
    found = {what: value.numpy() for what, value in told.items()}
    for what, value in found.items():
        if not np.isfinite(value).all():
            raise NonFiniteError(
                f"{name}: the run's networks give it values that are not finite ({what}); take another checkpoint, or"
                " another run"
            )
    return found
