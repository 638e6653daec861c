"""The lists of images that a recipe names, in files beside it."""

from collections.abc import Sequence
from pathlib import Path

from hrs_keras.errors import DataError, printable
from hrs_keras.starting.plan import DataSet


def image_lists(recipe: Path, sets: Sequence[DataSet]) -> dict[Path, str]:
    """The files and what they hold: names of images, relative to the root of their data set.

    Args:
        recipe: its path; the lists are called after it and stand beside it.
        sets: all data sets of the recipe.

    Raises:
        DataError: a list cannot hold the name of an image.
    """
    found: dict[Path, str] = {}
    for one in sets:
        if names := [image for image, _ in one.samples] if one.only is not None else one.left_out:
            found[list_file(recipe, sets, one)] = _text(names)
    return found


def list_file(recipe: Path, sets: Sequence[DataSet], one: DataSet) -> Path:
    """The list of a data set."""
    same = [other for other in sets if other.role == one.role]
    number = f"_{same.index(one)}" if len(same) > 1 else ""
    kind = "" if one.only is not None else "_except"
    return recipe.with_name(f"{recipe.stem}_{one.role}{number}{kind}.txt")


def _text(names: Sequence[str]) -> str:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(f"the name {printable(name)} is not UTF-8, which no list can hold; rename it") from None
        if len(name.splitlines()) != 1:
            raise DataError(f"the name {printable(name)} has a line break, which no list can hold; rename it")
    # "./" in front of a name says only that this is no comment, and that the name begins with a space.
    return "".join(f"./{name}\n" if name[0] in "# " else f"{name}\n" for name in names)
