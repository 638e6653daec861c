"""The samples of a data set: its images, and the labels that belong to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hrs_keras.data.files import name_below
from hrs_keras.data.records import Record
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import DataError
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath


@dataclass(frozen=True)
class Pairs:
    """The samples of one data set, in a fixed order.

    Attributes:
        dataset: how the samples are to be read.
        name: what messages call the data set.
        images, labels: the files of each sample; there are no labels where the data set has images alone.
        orphans: images without a label, and labels without an image.
        passed_over: files that might be partners of orphans, but by their names are no images.
        records: where each sample is stored, if the data was prepared; the files need not exist then.
        fingerprints: size in bytes and time of the last change in ns of each sample's image, and of its label if there
            is one, if the data was prepared; None for files, which are looked at.
        audited: what the audit before the preparation found; None for files, which are not audited yet.
        class_pixels: of each sample the number of pixels of each class, and last of those that are ignored, as the
            audit counted them; None before it. A hidden label counts as one that is ignored throughout.
        hidden: of each sample, whether its label is hidden (``data.labelled``) or there is none; None if no label is.
    """

    dataset: Dataset
    name: str
    images: tuple[StoragePath, ...]
    labels: tuple[StoragePath, ...]
    orphans: tuple[StoragePath, ...] = ()
    passed_over: tuple[StoragePath, ...] = ()
    records: tuple[Record, ...] | None = None
    fingerprints: tuple[tuple[tuple[int, int], ...], ...] | None = None
    audited: DatasetAudit | None = None
    class_pixels: tuple[tuple[int, ...], ...] | None = None
    hidden: tuple[bool, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def without(self, positions: set[int]) -> "Pairs":
        """The same data set without the samples at some positions, and without its orphans."""
        keep = [i for i in range(len(self)) if i not in positions]
        return replace(
            self,
            images=tuple(self.images[i] for i in keep),
            labels=tuple(self.labels[i] for i in keep) if self.labels else (),
            records=None if self.records is None else tuple(self.records[i] for i in keep),
            fingerprints=None if self.fingerprints is None else tuple(self.fingerprints[i] for i in keep),
            class_pixels=None if self.class_pixels is None else tuple(self.class_pixels[i] for i in keep),
            hidden=None if self.hidden is None else tuple(self.hidden[i] for i in keep),
            orphans=(),
            passed_over=(),
        )

    def without_bad(self, report: DatasetAudit) -> "Pairs":
        """The same data set without the samples that its audit found unusable, with what it counted in the others."""
        return replace(self.without(set(report.bad)), class_pixels=report.class_pixels_of_usable)

    def subset(self, amount: float | int | None, seed: int) -> "Pairs":
        """A seeded random choice of samples. A smaller subset is part of every larger one with the same seed.

        Args:
            amount: a fraction in (0, 1] (float), a count (int), or None for all.
            seed: of the random choice.

        Raises:
            DataError: more samples are asked for than there are.
        """
        if amount is None:
            return self
        count = _count(amount, len(self))
        if count > len(self):
            raise DataError(
                f"{self.name}: subset: {amount} asks for more than the {len(self)} usable samples there are"
            )
        others = set(range(len(self))) - self._first(count, seed)
        return replace(self.without(others), orphans=self.orphans, passed_over=self.passed_over)

    def subset_with_hidden_labels(self, amount: float | int | None, labelled: str | float | int, seed: int) -> "Pairs":
        """The same choice of samples, of which some keep their labels and the labels of the others are hidden.

        Those that keep them are the very samples of a smaller subset: what ``labelled: 0.125`` of all samples keeps is
        ``subset: 0.125``.

        Args:
            amount: which samples, as of :meth:`subset`.
            labelled: how many of them keep their labels: ``"all"``, ``"none"``, a fraction (float) or a count (int).
            seed: of the random choice.

        Raises:
            DataError: more samples, or more labels, are asked for than there are.
        """
        used = self.subset(amount, seed)
        if labelled == "all":
            return used
        count = 0 if isinstance(labelled, str) else _count(labelled, len(used))
        if count > len(used):
            raise DataError(
                f"{self.name}: data.labelled: {labelled} asks for more labels than the {len(used)} samples used"
            )
        kept = self._first(count, seed)
        counts = [
            row if position in kept else (*(0 for _ in row[:-1]), sum(row))
            for position, row in enumerate(self.class_pixels or ())
        ]
        marked = replace(
            self,
            hidden=tuple(position not in kept for position in range(len(self))),
            class_pixels=None if self.class_pixels is None else tuple(counts),
        )
        return marked.subset(amount, seed)

    @property
    def hidden_labels(self) -> int:
        """How many samples have a label that is hidden."""
        return sum(self.hidden or ()) if self.labels else 0

    def by_label(self) -> "tuple[Pairs, Pairs]":
        """The samples whose labels may be read, and those whose labels are hidden."""
        if self.hidden is None:
            return self, self.without(set(range(len(self))))
        hidden = {position for position, one in enumerate(self.hidden) if one}
        return replace(self.without(hidden), hidden=None), self.without(set(range(len(self))) - hidden)

    def _first(self, count: int, seed: int) -> set[int]:
        """The positions of the samples that a subset of ``count`` takes."""
        return set(np.random.default_rng(seed).permutation(len(self))[:count].tolist())


def _count(amount: float | int, total: int) -> int:
    """How many of ``total`` samples a fraction (float) or a count (int) is."""
    return amount if isinstance(amount, int) else max(1, round(amount * total))


def folder_of(dataset: Dataset, root: StoragePath) -> StoragePath:
    """The folder that a data set's patterns are below."""
    return storage.path_of(dataset.root) if storage.is_remote(dataset.root) else root / dataset.root


def sample_names(sets: Sequence[Pairs], root: StoragePath) -> Iterator[tuple[str, int]]:
    """Each image's path below the folder of its data set, and that set's position in the recipe's list.

    Args:
        sets: the data sets of one role, in the recipe's order.
        root: the folder that each ``dataset.root`` is relative to.
    """
    for position, pairs in enumerate(sets):
        folder = folder_of(pairs.dataset, root)
        yield from ((name_below(folder, path), position) for path in pairs.images)
