"""``hrs init``: from folders to a recipe."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hrs_keras.errors import DataError, HRSError, printable
from hrs_keras.recipe.class_names import TODO
from hrs_keras.recipe.data import TRAINED_ON
from hrs_keras.starting.classes import choose_classes
from hrs_keras.starting.examining import examine
from hrs_keras.starting.image_lists import image_lists
from hrs_keras.starting.names import Names, read_classes, read_palette
from hrs_keras.starting.photographs import find_photographs
from hrs_keras.starting.plan import plan, target_images
from hrs_keras.starting.recipe_text import Draft, recipe_text
from hrs_keras.starting.shaping import shape
from hrs_keras.system.files import write_text, writing


class Started(NamedTuple):
    """A recipe that was written.

    Attributes:
        path: of its file.
        lists: further files, which the recipe names.
        summary: what was found, in lines.
        todo: the names in it that are still to be filled in.
    """

    path: Path
    lists: list[Path]
    summary: list[str]
    todo: list[str]


def start_recipe(path: Path, folders: Mapping[str, Path], classes: Path | None = None) -> Started:
    """Write a recipe for folders of images and labels, and the lists of images that it names, beside it.

    Args:
        path: of the recipe; ``.yaml`` is added if it has no such suffix.
        folders: role (source, target, unlabelled, validation, test) -> folder; target is wanted.
        classes: a file that names the classes of the run, or None.

    Raises:
        HRSError: a file is there already or cannot be written.
        DataError: a folder cannot be used, as :func:`hrs_keras.starting.examining.examine` says.
    """
    path = path if path.suffix in (".yaml", ".yml") else path.with_name(f"{path.name}.yaml")
    _refuse_place(path)
    given = read_classes(classes) if classes is not None else None
    names = _names_in(classes) if classes is not None else None
    _refuse_same(folders)
    examined = {role: examine(one, f"--{role}", names) for role, one in folders.items() if role != "unlabelled"}
    photographs = find_photographs(folders["unlabelled"]) if "unlabelled" in folders else None
    sets = plan(examined)
    chosen = choose_classes(given, printable(classes) if classes is not None else "", examined["target"])
    fewest = min(sum(len(one.samples) for one in sets if one.role == role) for role in TRAINED_ON if role in examined)
    whole = Path(os.path.abspath(path))
    listed = image_lists(whole, sets)
    draft = Draft(whole, examined, sets, chosen, shape(target_images(sets), fewest), photographs)
    text = recipe_text(draft)
    for file in listed:
        _refuse_place(file)
    for file, content in {**listed, path: text}.items():
        with writing(file):
            write_text(file, content)
    return Started(path, [*listed], [*draft.summary()], list(dict.fromkeys(re.findall(rf"\b{TODO}\w+", text))))


def _names_in(classes: Path) -> Names:
    """The names of colours, if the file of the classes gives them colours."""
    names = Names(files=[])
    for key, name in read_palette(classes):
        names.add(key, name)
    names.files += [str(classes)] if names.known else []
    return names


def _refuse_place(path: Path) -> None:
    if os.path.lexists(path):
        raise HRSError(f"{printable(path)} exists already, and is never overwritten; remove it, or give another name")
    if not path.parent.is_dir():
        raise HRSError(f"cannot write {printable(path)}: there is no folder {printable(path.parent)}")


def _refuse_same(folders: Mapping[str, Path]) -> None:
    seen: dict[str, str] = {}
    for role, folder in folders.items():
        if (other := seen.setdefault(os.path.realpath(folder), role)) != role:
            raise DataError(
                f"--{other} and --{role} are the same folder, {printable(folder)}; give --{other} alone: what lies in"
                " folders called train, val and test is told apart"
            )
