"""Which settings decide what a prepared folder holds, and whether a folder was prepared with those of a recipe."""

from collections.abc import Iterable, Sequence
from typing import Any

from hrs_keras.data.lists import summary
from hrs_keras.data.prepared.manifest import Plan
from hrs_keras.data.samples import stored_size
from hrs_keras.errors import DataError
from hrs_keras.recipe.data import ROLES, TRAINED_ON
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.old_forms import without_later_data_set_keys
from hrs_keras.recipe.reading import leaves
from hrs_keras.recipe.schema import Recipe

_MOST = 10  # differences that a message names


def conversion(recipe: Recipe, roles: Iterable[str] | None = None) -> dict[str, Any]:
    """All settings of a recipe that decide what is stored, as plain data, under the recipe's own keys.

    Args:
        recipe: the recipe to prepare, or to read what was prepared.
        roles: which of its data sets count; None for all.
    """
    chosen = recipe.roles if roles is None else roles
    wanted = {role: [_description(dataset) for dataset in recipe.datasets(role)] for role in chosen}
    found: dict[str, Any] = {"classes": list(recipe.data.label_space.classes)}
    if any(wanted.get(role) for role in TRAINED_ON):
        size = stored_size(recipe.data)
        found["stored_size"] = list(size) if size else "as in the files"
    return found | wanted


def _description(dataset: Dataset) -> dict[str, Any]:
    # The ids are written out: a named table might differ in another version. Keys are text, as in JSON.
    ids = {str(raw): name for raw, name in dataset.table().items()}
    # Of a list counts what it says: the file may lie elsewhere, and change.
    lists = {"only": dataset.only, "except": dataset.left_out}
    said = {key: summary(file) for key, file in lists.items() if file is not None}
    stored = dataset.model_dump(mode="json", exclude={"subset", "weight"})
    return without_later_data_set_keys(stored) | {"ids": ids} | said


def _mismatches(prepared: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Compare two conversions; returns a line for each key that differs.

    Args:
        prepared: what a folder was prepared with. It may have more data sets than the recipe reads.
        wanted: what the recipe wants. Roles without data sets are not compared.
    """
    lines = []
    for key, value in wanted.items():
        if key in ROLES and not value:
            continue
        found = prepared.get(key)
        what = "data.size (as in the files if data.augment.scale enlarges)" if key == "stored_size" else f"data.{key}"
        if key not in ROLES:
            if value != found:
                lines.append(f"{what}: {found} was prepared, the recipe wants {value}")
        elif len(value) != len(found or []):
            lines.append(f"{what}: {_count(found or [])} prepared, the recipe wants {_count(value)}")
        else:
            a, b = leaves(found, what), leaves(value, what)
            lines += [
                f"{leaf}: {a.get(leaf, '(nothing)')} was prepared, the recipe wants {b.get(leaf, '(nothing)')}"
                for leaf in {**a, **b}
                if a.get(leaf) != b.get(leaf)
            ]
    return lines


def _count(descriptions: Sequence[dict[str, Any]]) -> str:
    return f"{len(descriptions)} data set{'s'[: len(descriptions) != 1]}"


def refuse_mismatches(folder: str, prepared: Plan, wanted: dict[str, Any]) -> None:
    """Raise a DataError that names the settings in which a prepared folder and a recipe differ; none if they agree.

    Args:
        folder: its path, for the message.
        prepared: the folder's plan or manifest.
        wanted: the recipe's :func:`conversion`.
    """
    if lines := _mismatches(prepared.conversion, wanted):
        more = f"\n  ... and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
        raise DataError(
            f"{folder} was prepared for another recipe:\n  "
            + "\n  ".join(lines[:_MOST])
            + more
            + "\nPrepare this recipe in a folder of its own (`hrs prepare RECIPE --to FOLDER`), or set"
            " data.prepared=null to read the files"
        )
