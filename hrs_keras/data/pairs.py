"""Finding images and the labels that belong to them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import tensorflow as tf

from hrs_keras.data.records import Record
from hrs_keras.errors import DataError, reason
from hrs_keras.recipe.data import Dataset
from hrs_keras.system import storage


@dataclass(frozen=True)
class Pairs:
    """The samples of one data set, in a fixed order.

    Attributes:
        dataset: how they are to be read.
        name: how messages call the data set.
        images, labels: file paths, position by position.
        orphans: files of one kind without a partner.
        records: where each sample lies, if they were prepared; the files need not exist then.
    """

    dataset: Dataset
    name: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]
    orphans: tuple[Path, ...] = ()
    records: tuple[Record, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def without(self, positions: set[int]) -> "Pairs":
        """The same data set less some samples, and less its orphans."""
        keep = [i for i in range(len(self)) if i not in positions]
        images, labels, records = (
            of_each and tuple(of_each[i] for i in keep) for of_each in (self.images, self.labels, self.records)
        )
        return replace(self, images=images, labels=labels, records=records, orphans=())

    def subset(self, amount: float | int | None, seed: int) -> "Pairs":
        """A seeded choice of samples, such that a smaller one is part of every larger one.

        Args:
            amount: a fraction in (0, 1] (float), a count (int), or None for all.
            seed: which choice.

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


def find_pairs(dataset: Dataset, root: Path) -> Pairs:
    """List a data set's files and join them by what their patterns' ``*`` match.

    Args:
        root: the folder that ``dataset.root`` is relative to, from :func:`hrs_keras.system.storage.path_of`.

    Raises:
        DataError: a folder does not exist or cannot be listed, two files stand for one sample, or no image has a
            label.
    """
    folder = storage.path_of(dataset.root) if storage.is_remote(dataset.root) else root / dataset.root
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


def _by_key(folder: Path, pattern: str) -> dict[str, Path]:
    """Key of a sample -> its file. The key is what the ``*`` matched, less a suffix the pattern leaves open."""
    found: dict[str, Path] = {}
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


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Files below ``folder`` and what each ``*`` stands for in them.

    Own code because ``Path.glob`` passes over folders that it cannot read, and gives ``?`` and ``[`` a meaning.
    """
    part, *rest = parts
    regex = re.compile("(.*)".join(map(re.escape, part.split("*"))), re.DOTALL)
    for name in storage.list_folder(folder) if "*" in part else [part]:
        match, path = regex.fullmatch(name), folder / name
        if match and rest and storage.is_dir(path):
            yield from ((file, (*match.groups(), *deeper)) for file, deeper in _matches(path, rest))
        elif match and not rest and storage.exists(path):
            yield path, match.groups()


def _example(images: dict[str, Path], labels: dict[str, Path]) -> str:
    if not images or not labels:
        return ""
    return f"; an image's key is {min(images)!r}, a label's {min(labels)!r}: they must be equal"
