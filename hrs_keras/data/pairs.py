"""Finding images and the labels that belong to them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
import tensorflow as tf

from hrs_keras.data.records import Record
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.data import Dataset
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath


@dataclass(frozen=True)
class Pairs:
    """The samples of one data set, in a fixed order.

    Attributes:
        dataset: how the samples are to be read.
        name: what messages call the data set.
        images, labels: the files of each sample.
        orphans: images without a label, and labels without an image.
        records: where each sample is stored, if the data was prepared; the files need not exist then.
        fingerprints: size in bytes and time of the last change in ns of each sample's image, and of its label, if the
            data was prepared; None for files, which are looked at.
        audited: what the audit before the preparation found; None for files, which are not audited yet.
    """

    dataset: Dataset
    name: str
    images: tuple[StoragePath, ...]
    labels: tuple[StoragePath, ...]
    orphans: tuple[StoragePath, ...] = ()
    records: tuple[Record, ...] | None = None
    fingerprints: tuple[tuple[tuple[int, int], tuple[int, int]], ...] | None = None
    audited: DatasetAudit | None = None

    def __len__(self) -> int:
        return len(self.images)

    def without(self, positions: set[int]) -> "Pairs":
        """The same data set without the samples at some positions, and without its orphans."""
        keep = [i for i in range(len(self)) if i not in positions]
        return replace(
            self,
            images=tuple(self.images[i] for i in keep),
            labels=tuple(self.labels[i] for i in keep),
            records=None if self.records is None else tuple(self.records[i] for i in keep),
            fingerprints=None if self.fingerprints is None else tuple(self.fingerprints[i] for i in keep),
            orphans=(),
        )

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
        count = amount if isinstance(amount, int) else max(1, round(amount * len(self)))
        if count > len(self):
            raise DataError(
                f"{self.name}: subset: {amount} asks for more than the {len(self)} usable samples there are"
            )
        chosen = set(np.random.default_rng(seed).permutation(len(self))[:count].tolist())
        return replace(self.without(set(range(len(self))) - chosen), orphans=self.orphans)


def folder_of(dataset: Dataset, root: StoragePath) -> StoragePath:
    """The folder that a data set's patterns are below."""
    return storage.path_of(dataset.root) if storage.is_remote(dataset.root) else root / dataset.root


def find_pairs(dataset: Dataset, root: StoragePath) -> Pairs:
    """List the files of a data set, and pair images with labels.

    An image and a label belong together if the ``*`` of their patterns stand for the same text.

    Args:
        root: the folder that ``dataset.root`` is relative to, from :func:`hrs_keras.system.storage.path_of`.

    Raises:
        DataError: a folder does not exist or cannot be listed, two files stand for one sample, or no image has a
            label.
    """
    folder = folder_of(dataset, root)
    name = f"{dataset.format} {folder} ({dataset.split})"
    if not storage.is_dir(folder):
        raise DataError(
            f"the data set folder {folder} does not exist; set data.root (now {root}) or the data set's root"
        )
    patterns = [pattern.replace("{split}", dataset.split) for pattern in (dataset.images, dataset.labels)]
    images, labels = (_by_key(folder, pattern) for pattern in patterns)
    common = sorted(images.keys() & labels.keys())
    if not common:
        raise DataError(
            f"{name}: no image with a label. {len(images)} files match images: {patterns[0]!r} and {len(labels)} match"
            f" labels: {patterns[1]!r}" + _example(images, labels)
        )
    orphans = [
        files[key] for files, other in ((images, labels), (labels, images)) for key in files.keys() - other.keys()
    ]
    return Pairs(
        dataset=dataset,
        name=name,
        images=tuple(images[key] for key in common),
        labels=tuple(labels[key] for key in common),
        orphans=tuple(sorted(orphans)),
    )


def _by_key(folder: StoragePath, pattern: str) -> dict[str, StoragePath]:
    """Key of a sample -> its file. The key is what the ``*`` matched, without a suffix that the pattern leaves open."""
    found: dict[str, StoragePath] = {}
    try:
        for path, matched in _matches(folder, PurePosixPath(pattern).parts):
            key = "/".join(matched)
            if pattern.endswith("*"):
                key = key.removesuffix(path.suffix)
            if key in found:
                raise DataError(
                    f"{found[key]} and {path} stand for the same sample; keep one or narrow the pattern {pattern!r}"
                )
            found[key] = path
    except OSError as error:
        raise DataError(f"cannot list {error.filename}: {error.strerror}") from None
    except tf.errors.OpError as error:
        raise DataError(f"cannot list the files below {folder}: {reason(error)}") from None
    return found


def _matches(folder: StoragePath, parts: Sequence[str]) -> Iterator[tuple[StoragePath, tuple[str, ...]]]:
    """Files below ``folder`` that match a pattern, and what each ``*`` stands for.

    ``Path.glob`` will not do: it silently skips folders that it cannot read, and gives ``?`` and ``[`` a meaning.
    """
    part, *rest = parts
    regex = re.compile("(.*)".join(map(re.escape, part.split("*"))), re.DOTALL)
    for name in storage.list_folder(folder) if "*" in part else [part]:
        match, path = regex.fullmatch(name), folder / name
        if match and rest and storage.is_dir(path):
            yield from ((file, (*match.groups(), *deeper)) for file, deeper in _matches(path, rest))
        elif match and not rest and storage.exists(path):
            yield path, match.groups()


def _example(images: dict[str, StoragePath], labels: dict[str, StoragePath]) -> str:
    if not images or not labels:
        return ""
    return f"; an image's key is {min(images)!r}, a label's {min(labels)!r}: they must be equal"
