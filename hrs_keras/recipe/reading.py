"""Reading recipes: a YAML file becomes one typed, validated tree (``hrs_keras.recipe.schema``).

``extends: other.yaml`` takes another recipe as the starting point: a file beside the recipe, or else a packaged recipe
(``hrs_keras.recipe.packaged``). Mappings are merged key by key, anything else is replaced; but where ``encoder.family``
changes, the former family's settings that the new one does not have are dropped. Further files given beside a recipe,
its parts, are merged over it in their order; ``a.b=value`` on the command line replaces one value last.
"""

import re
import reprlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hrs_keras.errors import RecipeError
from hrs_keras.recipe import old_forms, packaged
from hrs_keras.recipe.encoder import Encoder
from hrs_keras.recipe.explaining import explain
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.types import STORED
from hrs_keras.recipe.yaml_text import parse_yaml


def load_recipe(
    paths: str | Path | Sequence[str | Path], overrides: Sequence[str] = (), *, stored: bool = False
) -> Recipe:
    """Read, merge and validate a recipe.

    Without a ``name`` of its own a recipe is called as its file is, and each part without one adds its file's name:
    ``gtav_city.yaml`` with the part ``focal.yaml`` is ``gtav_city-focal``.

    Args:
        paths: a YAML file; or several: a recipe, then its parts. The name of a packaged recipe, such as
            ``"toy_city"``, stands for it where there is no file of that name. A part changes what it names and nothing
            else, so it may not extend another file, which would bring in values that it does not name.
        overrides: ``"dotted.key=value"`` strings; the value is YAML, list items are reached by number.
        stored: the file was written by this package, maybe by an earlier version, that allowed other names of classes.

    Raises:
        RecipeError: naming the file or override, the key, what was found and the nearest valid key.
    """
    files = [packaged.find(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if not files:
        raise RecipeError("no recipe is given; name a YAML file, such as recipes/toy_city.yaml")
    tree = _with_parts(*files)
    for override in overrides:
        _override(tree, override)
    _refuse_other_files(tree, files)
    return _validated(tree, " with ".join(map(str, files)), stored)


def _with_parts(recipe: Path, *parts: Path) -> dict[str, Any]:
    tree = {"name": recipe.stem} | _read(recipe, seen=())
    for path in parts:
        part = old_forms.upgrade(read_mapping(path))
        if "extends" in part:
            raise RecipeError(
                f"{path} is given beside {recipe} and extends {part['extends']!r}; a part changes what it names and"
                " extends nothing. Give the recipe that extends another first, or leave one of the two out"
            )
        tree = _merge(tree, {"name": f"{tree['name']}-{path.stem}"} | part)
    return tree


def _refuse_other_files(tree: dict[str, Any], files: Sequence[Path]) -> None:
    """One message where another kind of file is given as a recipe, in place of one for each key."""
    names = " with ".join(map(str, files))
    if "systems" in tree:
        raise RecipeError(f"{names} is an experiment, not a recipe; run it with `hrs experiment`")
    missing = [key for key, field in Recipe.model_fields.items() if field.is_required() and key not in tree]
    if missing:
        raise RecipeError(
            f"{names} is not a whole recipe: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. For a"
            " recipe of your own begin with `extends: base.yaml`, which has a default for most keys;"
            " give a part of a recipe, such as those in recipes/systems, behind a whole one: `RECIPE.yaml PART.yaml`"
        )


def parse_recipe(tree: dict[str, Any], origin: str = "recipe") -> Recipe:
    """Validate a recipe given as plain data, as :meth:`Recipe.to_dict` gives it, now or in an earlier version.

    Raises:
        RecipeError: one line for each thing wrong.
    """
    return _validated(old_forms.upgrade(tree), origin, stored=True)


def _validated(tree: Any, origin: str, stored: bool) -> Recipe:
    try:
        return Recipe.model_validate(tree, context={STORED: stored})
    except ValidationError as error:
        raise RecipeError(f"{origin} is not a valid recipe:\n{explain(error, Recipe, tree)}") from None


def differences(one: Recipe, other: Recipe) -> list[str]:
    """``key: a -> b`` for every leaf in which two recipes differ."""
    a, b = (leaves(recipe.model_dump(mode="json")) for recipe in (one, other))
    return [f"{k}: {a.get(k, '(absent)')} -> {b.get(k, '(absent)')}" for k in {**a, **b} if a.get(k) != b.get(k)]


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of all that is neither a mapping nor a list in plain data."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        return {prefix: tree}
    return {k: v for key, sub in items for k, v in leaves(sub, f"{prefix}.{key}" if prefix else str(key)).items()}


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    tree = old_forms.upgrade(read_mapping(path, by=f" (extended by {seen[-1]})" if seen else ""))
    resolved = path.resolve()
    if resolved in seen:
        circle = [*seen[seen.index(resolved) :], resolved]
        raise RecipeError(f"{path}: recipes extend each other in a circle: {' -> '.join(p.name for p in circle)}")
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise RecipeError(f"{path}: extends wants the file name of a recipe, found {parent!r}")
    inherited = _read(packaged.find(parent, beside=path.parent), (*seen, resolved))
    inherited.pop("name", None)  # two recipes must not claim one run folder
    return _merge(inherited, tree)


def read_mapping(path: Path, what: str = "a recipe", by: str = "") -> dict[str, Any]:
    """A YAML file as plain data, read as recipes are: 1e-4 is a number, and no key may stand twice.

    Args:
        path: the file.
        what: how messages call such a file.
        by: what they say of where the path is from.

    Raises:
        RecipeError: it cannot be read, is not valid YAML, or holds no mapping.
    """
    try:
        path.resolve()  # finds symbolic links in a circle
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError(
            f"cannot read the {what.split()[-1]} {path}{by}: {error.strerror}; looked there, and among the packaged"
            f" recipes in {packaged.folder()} (listed by `hrs recipes`).{packaged.did_you_mean(path.name)}"
        ) from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is not a text file; {what} is YAML in UTF-8") from None
    # ValueError: a name that no file can have. RuntimeError: symbolic links in a circle.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"cannot read the {what.split()[-1]} {path}{by}: {reason}") from None
    tree = parse_yaml(text, str(path))
    if not isinstance(tree, dict):
        found = "is empty" if tree is None else f"holds {reprlib.repr(tree)}"
        raise RecipeError(f"{path} {found}; {what} is a mapping of keys to values")
    return tree


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A recipe's tree with the values of another file put over it."""
    merged: dict[str, Any] = _merge_any(base, change)
    former, encoder = base.get("encoder"), merged.get("encoder")
    if isinstance(former, dict) and isinstance(encoder, dict):
        merged["encoder"] = _of_one_family(encoder, former.get("family"), own=change.get("encoder") or ())
    return merged


def _merge_any(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: _merge_any(base.get(key), value) for key, value in change.items()}
    return change


def _of_one_family(encoder: dict[str, Any], former: Any, own: Collection[str] = ()) -> dict[str, Any]:
    """An encoder whose family has just changed, without the former family's settings that the new one does not have.

    Args:
        encoder: with the new family.
        former: the former family's name.
        own: keys that came with the new family; they stay, so that one which is not valid is refused.
    """
    old, new = Encoder.variant({"family": former}), Encoder.variant(encoder)
    if Encoder in (old, new):
        return encoder
    left = old.model_fields.keys() - new.model_fields.keys() - set(own)
    return {key: value for key, value in encoder.items() if key not in left}


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(
            f"override {text!r} wants the form key=value, for example train.steps=1000.{packaged.did_you_mean(text)}"
        )
    parsed = parse_yaml(value, f"override {text!r}: the value")
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = node[_index(node, part, text)]
    former = node.get(last) if isinstance(node, dict) else None
    node[_index(node, last, text)] = parsed
    if [*parents, last] == ["encoder", "family"]:
        tree["encoder"] = _of_one_family(node, former)


def _index(node: Any, part: str, text: str) -> Any:
    number = int(part) if re.fullmatch("[0-9]{1,9}", part) else None
    if isinstance(node, dict):
        return number if part not in node and number in node else part  # the keys of `ids` are numbers
    if isinstance(node, list):
        if number is not None and number < len(node):
            return number
        raise RecipeError(f"override {text!r}: {part!r} is no position in a list of {len(node)} items (0 is the first)")
    raise RecipeError(f"override {text!r}: {part!r} lies below a plain value ({node!r})")
