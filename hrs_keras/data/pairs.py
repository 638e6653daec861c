"""Finding images and the labels that belong to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hrs_keras.data.file_names import IMAGE_SUFFIXES, LABEL_SUFFIXES, is_litter
from hrs_keras.data.files import name_below
from hrs_keras.data.lists import choose
from hrs_keras.data.patterns import leaves_suffix_open, normalised, part_regex, spelt_key
from hrs_keras.data.records import Record
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.recipe.dataset import Dataset
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
        passed_over: files that might be partners of orphans, but by their names are no images.
        records: where each sample is stored, if the data was prepared; the files need not exist then.
        fingerprints: size in bytes and time of the last change in ns of each sample's image, and of its label, if the
            data was prepared; None for files, which are looked at.
        audited: what the audit before the preparation found; None for files, which are not audited yet.
        class_pixels: of each sample the number of pixels of each class, and last of those that are ignored, as the
            audit counted them; None before it.
    """

    dataset: Dataset
    name: str
    images: tuple[StoragePath, ...]
    labels: tuple[StoragePath, ...]
    orphans: tuple[StoragePath, ...] = ()
    passed_over: tuple[StoragePath, ...] = ()
    records: tuple[Record, ...] | None = None
    fingerprints: tuple[tuple[tuple[int, int], tuple[int, int]], ...] | None = None
    audited: DatasetAudit | None = None
    class_pixels: tuple[tuple[int, ...], ...] | None = None

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
            class_pixels=None if self.class_pixels is None else tuple(self.class_pixels[i] for i in keep),
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
        count = amount if isinstance(amount, int) else max(1, round(amount * len(self)))
        if count > len(self):
            raise DataError(
                f"{self.name}: subset: {amount} asks for more than the {len(self)} usable samples there are"
            )
        chosen = set(np.random.default_rng(seed).permutation(len(self))[:count].tolist())
        return replace(self.without(set(range(len(self))) - chosen), orphans=self.orphans, passed_over=self.passed_over)


class _File(NamedTuple):
    """A file that a pattern matches.

    Attributes:
        path: of it.
        spelt: the key of its sample as the name spells it; keys themselves are normalised.
    """

    path: StoragePath
    spelt: str


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


def find_pairs(dataset: Dataset, root: StoragePath) -> Pairs:
    """List the files of a data set, and pair images with labels.

    An image and a label belong together if the ``*`` of their patterns stand for the same text, however its accents
    are encoded. A suffix counts in small letters and in capitals. No samples are: what is hidden, folders at the end of
    a pattern, tools' folders, and files of no image suffix where a pattern leaves it open. Of the others those are
    samples that the data set's lists leave.

    Args:
        root: the folder that ``dataset.root`` is relative to, from :func:`hrs_keras.system.storage.path_of`.

    Raises:
        DataError: a folder does not exist or cannot be listed, two files stand for one sample, no image has a label,
            or a list of the data set cannot be read or names what there is not.
    """
    folder = folder_of(dataset, root)
    name = f"{dataset.format} {folder} ({dataset.split})"
    if not storage.is_dir(folder):
        raise DataError(
            f"the data set folder {folder} {storage.why_no_folder(folder)}; set data.root (now {root}) or the root of"
            " the data set"
        )
    patterns = [pattern.replace("{split}", dataset.split) for pattern in (dataset.images, dataset.labels)]
    images, other_images = _by_key(folder, patterns[0], IMAGE_SUFFIXES)
    labels, other_labels = _by_key(folder, patterns[1], LABEL_SUFFIXES)
    images, labels = _listed(dataset, name, folder, images, labels)
    common = sorted(images.keys() & labels.keys(), key=lambda key: images[key].spelt)
    others = other_images | other_labels
    if not common:
        raise DataError(
            f"{name}: no image with a label. {len(images)} files match images: {patterns[0]!r} and {len(labels)} match"
            f" labels: {patterns[1]!r}" + _example(images, labels) + _passed_over(others)
        )
    alone = {key: file for key, file in (*images.items(), *labels.items()) if (key in images) != (key in labels)}
    return Pairs(
        dataset=dataset,
        name=name,
        images=tuple(images[key].path for key in common),
        labels=tuple(labels[key].path for key in common),
        orphans=tuple(sorted(file.path for file in alone.values())),
        passed_over=tuple(sorted(others[key].path for key in alone.keys() & others.keys())),
    )


def _listed(
    dataset: Dataset, title: str, folder: StoragePath, images: dict[str, _File], labels: dict[str, _File]
) -> tuple[dict[str, _File], dict[str, _File]]:
    """The images, and the labels, that the data set's lists leave."""
    if dataset.only is None and dataset.left_out is None:
        return images, labels
    names = {key: name_below(folder, file.path) for key, file in images.items()}
    chosen = choose(list(names.values()), dataset, title)
    left = {key: file for key, file in images.items() if names[key] in chosen}
    # Labels of images that are not used are no orphans; with `only`, nor are those of which no image was listed.
    wanted = left.keys() if dataset.only is not None else labels.keys() - (images.keys() - left.keys())
    return left, {key: file for key, file in labels.items() if key in wanted}


def _by_key(folder: StoragePath, pattern: str, suffixes: Sequence[str]) -> tuple[dict[str, _File], dict[str, _File]]:
    """Key of a sample -> its file; and the same for files of other suffixes.

    The key is what the ``*`` matched, without a suffix that the pattern leaves open.
    """
    found: dict[str, _File] = {}
    others: dict[str, _File] = {}
    any_suffix = leaves_suffix_open(pattern)
    try:
        for path, matched in _matches(folder, PurePosixPath(pattern).parts):
            spelt = spelt_key(pattern, path, matched)
            key, file = normalised(spelt), _File(path, spelt)
            if any_suffix and path.suffix.lower() not in suffixes:
                others[key] = file
            elif key in found:
                raise DataError(
                    f"{found[key].path} and {path} stand for the same sample; keep one or narrow the pattern"
                    f" {pattern!r}"
                )
            else:
                found[key] = file
    except OSError as error:
        raise DataError(f"cannot list {error.filename}: {error.strerror}") from None
    except tf.errors.OpError as error:
        raise DataError(f"cannot list the files below {folder}: {reason(error)}") from None
    return found, others


def _matches(folder: StoragePath, parts: Sequence[str]) -> Iterator[tuple[StoragePath, tuple[str, ...]]]:
    """Files below ``folder`` that match a pattern, and what each ``*`` stands for.

    ``Path.glob`` will not do: it silently skips folders that it cannot read, and gives ``?`` and ``[`` a meaning.
    """
    part, *rest = parts
    regex = part_regex(part)
    for name in _names(folder, part):
        match, path = regex.fullmatch(name) or regex.fullmatch(normalised(name)), folder / name
        if not match or storage.is_dir(path) != bool(rest):
            continue
        if rest:
            yield from ((file, (*match.groups(), *deeper)) for file, deeper in _matches(path, rest))
        else:
            yield path, match.groups()


def _names(folder: StoragePath, part: str) -> list[str]:
    """The names in a folder that may match a part of a pattern; a name without ``*`` may be spelt otherwise there."""
    if "*" not in part and storage.exists(folder / part):
        return [part]
    return [name for name in storage.list_folder(folder) if part.startswith(".") or not is_litter(name)]


def _example(images: dict[str, _File], labels: dict[str, _File]) -> str:
    if not images or not labels:
        return ""
    return f"; an image's key is {min(images)!r}, a label's {min(labels)!r}: they must be equal"


def _passed_over(others: dict[str, _File]) -> str:
    if not others:
        return ""
    first = printable(min(file.path for file in others.values()))
    suffixes = ", ".join(IMAGE_SUFFIXES)
    return (
        f"; {len(others)} more are passed over, whose names do not end in {suffixes} ({first}, for one): convert images"
        " of other formats to PNG or JPEG"
    )
