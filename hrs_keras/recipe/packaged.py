"""The recipes that come with the package, and how a file is found by the name that a recipe or a command gives.

In the repository they are the folder ``recipes`` beside the package; in an installed wheel they are inside of it
(``setup.py`` puts them there).
"""

import difflib
import importlib.resources
import re
from pathlib import Path

from hrs_keras import errors
from hrs_keras.errors import HRSError, RecipeError
from hrs_keras.system.files import write_text

EXPERIMENTS = "experiments"
"""The subfolder of experiments and of the parts that they share."""


def folder() -> Path:
    """The folder of the packaged recipes: ``base.yaml`` and others, ``systems/`` and ``experiments/``.

    Raises:
        HRSError: it is missing, so that the installation is incomplete.
    """
    package = Path(str(importlib.resources.files("hrs_keras")))
    for path in (package / "recipes", package.parent / "recipes"):
        if (path / "base.yaml").is_file():
            return path
    raise HRSError(f"{package / 'recipes'} is missing: this installation of hrs-keras is incomplete; install it again")


def names() -> list[str]:
    """What the packaged files are called: ``toy_city``, ``systems/joint``, ``experiments/camvid_table1``, ...

    Whole recipes come first, then what is in the subfolders.
    """
    files = [path.relative_to(folder()).with_suffix("") for path in folder().rglob("*.yaml")]
    return [file.as_posix() for file in sorted(files, key=lambda file: (len(file.parts), file))]


def summary(name: str) -> str:
    """What a packaged file is: the title of an experiment, else the first line of the comment at the file's top."""
    text = _path(name).read_text(encoding="utf-8")
    title = re.search(r'^title: "?(.*?)"?$', text, re.MULTILINE)
    return title[1] if title else text.partition("\n")[0].removeprefix("#").strip().rstrip(".:")


def find(name: str | Path, beside: Path | None = None, subfolder: str = "") -> Path:
    """The file that a name stands for.

    A file of one's own wins: ``name`` is looked for in the folder ``beside``, and only then among the packaged recipes.
    The suffix ``.yaml`` may be left out. Packaged files are also found as the documentation writes them, such as
    ``recipes/toy_city.yaml``, wherever the command is started.

    Args:
        name: a path, absolute or relative to ``beside``, or a packaged recipe's name (:func:`names`).
        beside: a folder; default: the working directory.
        subfolder: of the packaged recipes, where ``name`` is looked for before their folder itself.

    Returns:
        The path of a file. Where there is none, the path that was looked at first: reading it says what is wrong.
    """
    own = Path(name) if beside is None else beside / name
    return _yaml(own) or _packaged(name, subfolder) or own


def _packaged(name: str | Path, subfolder: str) -> Path | None:
    if "\0" in str(name) or Path(name).is_absolute():
        return None
    inside = folder().resolve()
    paths = [(parent / name).resolve() for parent in (inside / subfolder, inside, inside.parent)]
    files = (_yaml(path) for path in paths if path.is_relative_to(inside))
    return next(filter(None, files), None)


def is_file(path: Path) -> bool:
    """Whether there is a file; not so where the system refuses to look, which reading the path then tells."""
    try:
        return path.is_file()
    except OSError:  # its folder may not be entered, or the name is too long
        return False


def _yaml(path: Path) -> Path | None:
    """A path, or what it is with the suffix left out, if that is a file."""
    candidates = (path, path.with_name(f"{path.name}.yaml")) if path.name else ()
    return next(filter(is_file, candidates), None)


def did_you_mean(name: str) -> str:
    """`` Did you mean 'systems/joint'?`` for a name that is much like that of a packaged file, else nothing.

    The subfolder and the suffix may be missing from ``name``.
    """
    short = {full.rpartition("/")[2]: full for full in names()} | {full: full for full in names()}
    near = difflib.get_close_matches(name.removesuffix(".yaml"), short, n=1, cutoff=0.75)
    return f" Did you mean {short[near[0]]!r}?" if near else ""


def copy(name: str, to: Path) -> Path:
    """Copy a packaged file into a folder, to change it there.

    Args:
        name: one of :func:`names`; ``.yaml`` behind it is allowed.
        to: the folder, which is made if need be.

    Returns:
        The new file.

    Raises:
        RecipeError: there is no packaged file of that name, or the folder has one already.
        HRSError: the file cannot be written.
    """
    source = _path(name)
    path = to / source.name
    if path.exists():
        raise RecipeError(f"{path} exists already; remove it, or give another folder: `hrs recipes copy {name} FOLDER`")
    try:
        to.mkdir(parents=True, exist_ok=True)
        write_text(path, source.read_text(encoding="utf-8"))
    except OSError as error:
        raise HRSError(f"cannot write {path}: {error.strerror}") from None
    return path


def _path(name: str) -> Path:
    valid = names()
    name = name.removesuffix(".yaml")
    if name not in valid:
        raise RecipeError(
            f"there is no packaged recipe {name!r}.{errors.did_you_mean(name, valid)} `hrs recipes` describes each"
        )
    return folder() / f"{name}.yaml"
