"""Opening a recipe's data: finding the samples in its files, or in the folder that ``hrs prepare`` filled."""

from collections.abc import Iterable
from pathlib import Path

from hrs_keras.data.finding import find_samples
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.folder import open_prepared
from hrs_keras.errors import DataError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage


def open_data(recipe: Recipe, roles: Iterable[str] | None = None) -> dict[str, list[Pairs]]:
    """Open the data sets of a recipe where it reads them: in ``data.prepared`` if it is set, else in their files.

    No image is decoded. Subsets are not taken yet.

    Args:
        roles: which of source, target, validation and test to open; None for those that the recipe has.

    Returns:
        Role -> the samples of each of its data sets, in the recipe's order. Those found in files may turn out to be
        unusable; a prepared folder holds only usable ones.

    Raises:
        DataError: a folder is missing, no image has a label, or the prepared folder does not fit the recipe.
    """
    if recipe.data.prepared:
        return open_prepared(recipe, recipe.data.prepared, roles)
    return open_files(recipe, roles)


def open_files(recipe: Recipe, roles: Iterable[str] | None = None) -> dict[str, list[Pairs]]:
    """The same for the files, whatever ``data.prepared`` says."""
    root = storage.path_of(recipe.data.root)
    if not storage.is_dir(root):
        start = "" if root.is_absolute() or storage.is_remote(root) else f" in {Path.cwd()}"
        raise DataError(f"data.root: {root} {storage.why_no_folder(root)}{start}; give the folder as data.root=FOLDER")
    wanted = recipe.roles if roles is None else roles
    return {role: [find_samples(dataset, root) for dataset in recipe.datasets(role)] for role in wanted}
