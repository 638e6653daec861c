"""Inventories: which samples a run reads, kept so that later it can be seen whether they are still the same."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hrs_keras.data.audit import Audit
from hrs_keras.data.files import File, changes, fingerprint, name_below
from hrs_keras.data.pairs import Pairs, folder_of
from hrs_keras.data.prepared.manifest import Sealed
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath
from hrs_keras.system.threads import map_in_threads


class SetInventory(Sealed):
    """The samples of one data set.

    Attributes:
        role: source, target, validation or test.
        position: of the data set in the recipe's list.
        found: how many samples the folder holds, used or not.
        pixels: class -> number of its pixels in all of them.
        ignored: number of pixels that count nowhere.
        images, labels: the files of the samples that are used, named relative to the data set's folder; None in what
            an earlier version recorded.
    """

    role: str
    position: int
    found: int
    pixels: dict[str, int]
    ignored: int
    images: list[File] | None = None
    labels: list[File] | None = None

    @property
    def title(self) -> str:
        """How the recipe knows the data set, such as ``source.0``."""
        return f"{self.role}.{self.position}"

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that stand for the used samples' names and sizes, and for the pixels of each class."""
        files = [[file[:2] for file in files or ()] for files in (self.images, self.labels)]
        subject = json.dumps([files, sorted(self.pixels.items()), self.ignored])
        return hashlib.sha256(subject.encode()).hexdigest()[:12]


Inventory = tuple[SetInventory, ...]
"""The data sets of a recipe, in its order."""


def take_inventory(recipe: Recipe, audit: Audit) -> Inventory:
    """The samples that an audited recipe uses.

    Raises:
        DataError: a file is gone since the audit.
    """
    reports = iter(audit.datasets)
    root = storage.path_of(recipe.data.root)
    taken = []
    for role, sets in audit.sets.items():
        for position, (dataset, pairs) in enumerate(zip(recipe.datasets(role), sets, strict=True)):
            report = next(reports)
            images, labels = _files(pairs, folder_of(dataset, root))
            taken.append(
                SetInventory(
                    role=role,
                    position=position,
                    found=report.samples,
                    pixels=report.pixels,
                    ignored=report.ignored,
                    images=images,
                    labels=labels,
                )
            )
    return tuple(taken)


def _files(pairs: Pairs, folder: StoragePath) -> Iterator[list[File]]:
    """The images, and the labels that are not hidden, of a data set."""
    for kind, paths in enumerate((pairs.images, pairs.labels)):
        read = [position for position in range(len(pairs)) if not (kind and pairs.hidden and pairs.hidden[position])]
        files = [paths[position] for position in read]
        names = [name_below(folder, path) for path in files]
        if pairs.fingerprints is not None:
            found = [pairs.fingerprints[position][kind] for position in read]
        else:
            with map_in_threads(fingerprint, files, threads=os.cpu_count() or 1) as results:
                found = list(results)
        yield [(name, *stamp) for name, stamp in zip(names, found, strict=True)]


def inventory_of_audit(audited: Mapping[str, Any]) -> Inventory:
    """What is known of the samples from an audit as plain data, as earlier versions recorded it: counts alone.

    Raises:
        LookupError, TypeError, ValueError: it is something else.
    """
    taken: list[SetInventory] = []
    for report in audited["datasets"]:
        role = report["role"]
        position = sum(one.role == role for one in taken)
        counts = {"found": report["samples"], "pixels": report["pixels"], "ignored": report["ignored"]}
        taken.append(SetInventory(role=role, position=position, **counts))
    return tuple(taken)


def describe_changes(before: Sequence[SetInventory], now: Sequence[SetInventory]) -> list[str]:
    """In what the samples of a recipe differ from those that it had before: a line for each data set that differs."""
    then = {one.title: one for one in before}
    found = {one.title: _describe(then[one.title], one) for one in now if one.title in then}
    return [f"{title}: {what}" for title, what in found.items() if what]


def _describe(before: SetInventory, now: SetInventory) -> str:
    files = [(before.images, now.images), (before.labels, now.labels)]
    known = [str(changes(old, new)) for old, new in files if old is not None and new is not None]
    if what := "; ".join(filter(None, known)):
        return what
    if before.found != now.found:
        # Of those that are used none has changed, as far as is known.
        return "" if known else f"{now.found} samples where there were {before.found}"
    counts = [(name, before.pixels.get(name, 0), now.pixels.get(name, 0)) for name in {**before.pixels, **now.pixels}]
    other = [f"{name} {new} pixels, {old} before" for name, old, new in counts if old != new]
    if not other and before.ignored != now.ignored:
        other = [f"ignored {now.ignored} pixels, {before.ignored} before"]
    return f"labels have changed ({', '.join(other[:3])}{', ...' if len(other) > 3 else ''})" if other else ""


def touched(before: Sequence[SetInventory], now: Sequence[SetInventory]) -> list[str]:
    """Names of files whose time alone has changed: they were copied, or changed without becoming longer or shorter."""
    then = {one.title: one for one in before}
    names = []
    for one in now:
        old = then.get(one.title, one)
        for pair in ((old.images, one.images), (old.labels, one.labels)):
            names += changes(*(files or () for files in pair)).touched
    return names
