"""Opening a recipe's data: finding the samples in its files, or in the folder that ``hrs prepare`` filled."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hrs_keras.data.pairs import Pairs, find_pairs
from hrs_keras.data.prepared.folder import open_prepared
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import DataError
from hrs_keras.recipe.schema import ROLES, Recipe
from hrs_keras.system import storage


@dataclass(frozen=True)
class OpenedSet:
    """One data set of a recipe, opened.

    Attributes:
        role: source, target or validation.
        position: the data set's number within its role, from 0.
        pairs: the samples. Those found in files may turn out to be unusable; a prepared folder holds only usable ones.
        report: what the audit before the preparation found; None for files, which are not audited yet.
    """

    role: str
    position: int
    pairs: Pairs
    report: DatasetAudit | None = None


OpenedData = dict[str, list[OpenedSet]]
"""Role -> its data sets, in the recipe's order."""


def open_data(recipe: Recipe, roles: Iterable[str] = ROLES) -> OpenedData:
    """Open the data sets of a recipe where it reads them: in ``data.prepared`` if it is set, else in their files.

    No image is decoded. Subsets are not taken yet.

    Args:
        roles: which of source, target and validation to open.

    Raises:
        DataError: a folder is missing, no image has a label, or the prepared folder does not fit the recipe.
    """
    roles = list(roles)
    if not recipe.data.prepared:
        return open_files(recipe, roles)
    prepared = open_prepared(recipe, recipe.data.prepared, roles)
    return {
        role: [
            OpenedSet(role, position, *prepared.samples(role, position))
            for position in range(len(recipe.datasets(role)))
        ]
        for role in roles
    }


def open_files(recipe: Recipe, roles: Iterable[str] = ROLES) -> OpenedData:
    """The same for the files, whatever ``data.prepared`` says."""
    root = storage.path_of(recipe.data.root)
    if not storage.is_dir(root):
        start = "" if root.is_absolute() or storage.is_remote(root) else f" in {Path.cwd()}"
        raise DataError(f"data.root: the folder {root} does not exist{start}; give it as data.root=FOLDER")
    return {
        role: [
            OpenedSet(role, position, find_pairs(dataset, root))
            for position, dataset in enumerate(recipe.datasets(role))
        ]
        for role in roles
    }
