"""Lists of images: which samples of a data set ``only`` and ``except`` leave.

A list is a text file with a name in each line: an image's path relative to the data set's root, or its file name, with
or without suffix, if no other image has it. Empty lines, and those that begin with ``#``, say nothing.
"""

import difflib
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import tensorflow as tf

from hrs_keras.data.patterns import normalised
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.system import storage

log = logging.getLogger(__name__)

_MOST = 3  # names that a message has


def choose(images: Sequence[str], dataset: Dataset, title: str) -> set[str]:
    """The images of a data set that its lists leave.

    Args:
        images: all of them, as paths relative to the data set's root.
        dataset: its ``only`` and ``except`` are read.
        title: what messages call the data set.

    Raises:
        DataError: a list cannot be read, names something that is no image or could be several, or none is left.
    """
    chosen = set(images)
    if dataset.only is not None:
        chosen &= _named(images, "only", dataset.only, title)
    if dataset.left_out is not None:
        chosen -= _named(images, "except", dataset.left_out, title)
    if not chosen and images:
        lists = {"only": dataset.only, "except": dataset.left_out}
        said = " and ".join(f"{key}: {file}" for key, file in lists.items() if file is not None)
        raise DataError(f"{title}: {said} leave none of the {len(images)} images")
    return chosen


def summary(file: str) -> str:
    """What a list says, in a few words that stand for its names: two lists with equal summaries have the same ones.

    Raises:
        DataError: it cannot be read.
    """
    names = sorted({text for _, text in _lines(file)})
    return f"{len(names)} names, {hashlib.sha256(chr(10).join(names).encode()).hexdigest()[:12]}"


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """The number of each line with a name, and the name."""
    try:
        text = storage.read(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"the list {printable(file)} is no text file in UTF-8") from None
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise DataError(f"cannot read the list {printable(file)}: {reason(error)}") from None
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if name and not name.startswith("#"):
            yield number, PurePosixPath(normalised(name)).as_posix()


def _named(images: Sequence[str], key: str, file: str, title: str) -> set[str]:
    """The images that a list names."""
    known = _known(images)
    named: dict[str, int] = {}
    unknown, twice = [], []
    for number, name in _lines(file):
        found = known.get(name, [])
        if len(found) > 1:
            raise DataError(
                f"{key}: {printable(file)}, line {number}: {len(found)} images of {title} are called {name!r}"
                f" ({', '.join(map(printable, found[:_MOST]))}); write the path of the one that is meant"
            )
        if not found:
            unknown.append((number, name))
        elif named.setdefault(found[0], number) != number:
            twice.append(f"{printable(found[0])} in lines {named[found[0]]} and {number}")
    if unknown:
        _refuse_unknown(unknown, known, f"{key}: {printable(file)}", title)
    if twice:
        log.warning("%s: %s names %d images twice (%s)", key, printable(file), len(twice), ", ".join(twice[:_MOST]))
    return set(named)


def _known(images: Sequence[str]) -> Mapping[str, list[str]]:
    """Name -> the images that it may stand for. A path stands for itself alone."""
    known: defaultdict[str, list[str]] = defaultdict(list)
    for image in images:
        path = PurePosixPath(normalised(image))
        for name in {path.name, path.stem}:
            known[name].append(image)
    return known | {normalised(image): [image] for image in images}


def _refuse_unknown(unknown: Sequence[tuple[int, str]], known: Mapping[str, list[str]], what: str, title: str) -> None:
    number, name = unknown[0]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else f" An image is called {min(known)!r}." if known else ""
    more = f" ({len(unknown)} names of the list are none)" if len(unknown) > 1 else ""
    raise DataError(f"{what}, line {number}: {name!r} is no image of {title}{more}.{hint}")
