"""Finding images and the labels that belong to them."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import tensorflow as tf

from hrs_keras.data.file_names import IMAGE_SUFFIXES, LABEL_SUFFIXES, is_litter
from hrs_keras.data.files import name_below
from hrs_keras.data.lists import choose
from hrs_keras.data.pairs import Pairs, folder_of
from hrs_keras.data.patterns import leaves_suffix_open, normalised, part_regex, spelt_key
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath


class _File(NamedTuple):
    """A file that a pattern matches.

    Attributes:
        path: of it.
        spelt: the key of its sample as the name spells it; keys themselves are normalised.
    """

    path: StoragePath
    spelt: str


def find_samples(dataset: Dataset, root: StoragePath) -> Pairs:
    """What :func:`find_pairs` finds; of a data set of images alone, what :func:`find_images` does."""
    return find_images(dataset, root) if dataset.labels is None else find_pairs(dataset, root)


def find_images(dataset: Dataset, root: StoragePath) -> Pairs:
    """List the files of a data set without labels, in the order of their names.

    The rules of :func:`find_pairs` say which files are images.

    Args:
        root: the folder that ``dataset.root`` is relative to.

    Raises:
        DataError: a folder does not exist or cannot be listed, there is no image, or a list of the data set cannot be
            read or names what there is not.
    """
    folder = _existing_folder(dataset, root)
    pattern = dataset.images.replace("{split}", dataset.split)
    name = f"images {folder / pattern}"
    any_suffix = leaves_suffix_open(pattern)
    found = sorted(path for path, _ in _all_matches(folder, pattern))
    images = [path for path in found if not any_suffix or path.suffix.lower() in IMAGE_SUFFIXES]
    others = [path for path in found if any_suffix and path.suffix.lower() not in IMAGE_SUFFIXES]
    if not images:
        deeper = "" if "*" not in pattern else "; write one '*' for each folder level, such as */*"
        raise DataError(
            f"{name}: no image. {len(found)} files match{deeper}"
            + _passed_over({str(path): _File(path, "") for path in others})
        )
    names = {name_below(folder, path): path for path in images}
    chosen = choose([*names], dataset, name)
    images = [path for below, path in names.items() if below in chosen]
    return Pairs(dataset, name, tuple(images), (), passed_over=tuple(others), hidden=(True,) * len(images))


def _existing_folder(dataset: Dataset, root: StoragePath) -> StoragePath:
    """The folder of a data set; raises a DataError if there is none."""
    folder = folder_of(dataset, root)
    if not storage.is_dir(folder):
        raise DataError(
            f"the data set folder {folder} {storage.why_no_folder(folder)}; set data.root (now {root}) or the root of"
            " the data set"
        )
    return folder


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
    folder = _existing_folder(dataset, root)
    name = f"{dataset.format} {folder} ({dataset.split})"
    patterns = [pattern.replace("{split}", dataset.split) for pattern in (dataset.images, dataset.labels or "")]
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
    for path, matched in _all_matches(folder, pattern):
        spelt = spelt_key(pattern, path, matched)
        key, file = normalised(spelt), _File(path, spelt)
        if any_suffix and path.suffix.lower() not in suffixes:
            others[key] = file
        elif key in found:
            raise DataError(
                f"{found[key].path} and {path} stand for the same sample; keep one or narrow the pattern {pattern!r}"
            )
        else:
            found[key] = file
    return found, others


def _all_matches(folder: StoragePath, pattern: str) -> list[tuple[StoragePath, tuple[str, ...]]]:
    """All that :func:`_matches` finds; raises a DataError if a folder cannot be listed."""
    try:
        return [*_matches(folder, PurePosixPath(pattern).parts)]
    except OSError as error:
        raise DataError(f"cannot list {error.filename}: {error.strerror}") from None
    except tf.errors.OpError as error:
        raise DataError(f"cannot list the files below {folder}: {reason(error)}") from None


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
