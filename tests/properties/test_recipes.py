"""Recipes that strangers write: one is refused, with its file and key, or means what it says."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from properties.strategies import anywhere, cases, damaged_text, paths_in, texts, values, with_value, yaml_values
from support.tiny import BASE

from hrs_keras.errors import RecipeError
from hrs_keras.recipe.reading import load_recipe, parse_recipe
from hrs_keras.recipe.schema import Recipe

DATA = {
    "data.classes": ["sky", "road", "tree"],
    "data.size": [64, 96],
    "data.source": [
        {"format": "gtav", "root": "game", "ids": {0: "sky", 7: "ignore"}, "crop": {"rows": [0, 60]}, "subset": 0.5},
        {"images": "a/*", "labels": "b/*", "encoding": "colours", "ids": {"70,130,180": "sky", "0,0,142": "tree"}},
    ],
    "data.target": [{"images": "i/{split}/*", "labels": "l/*", "bits": 16, "channel": 1, "ids": {1: "road"}}],
    "data.test": [
        {"images": "i/*", "labels": "l/*", "raw": "id // 7", "ids": {"road": [1, "3..9"], "sky": 0, "others": "tree"}}
    ],
    "data.validation": [{"images": "i/*", "labels": "l/*", "ids": {1: "road"}, "subset": 9}],
}
WHOLE = load_recipe(BASE, [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in DATA.items()])
"""Every key has a value in this one."""
TREE = WHOLE.to_dict()
TEXT = WHOLE.to_yaml()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recipes")


def override_of(path: tuple, text: str) -> str:
    """``key=value`` for a place in the recipe."""
    return f"{'.'.join(map(str, path))}={text}"


def read(file: Path, *overrides: str) -> Recipe | None:
    """The recipe in a file; None if it is refused, in words that begin with the file's name or name the override."""
    try:
        recipe = load_recipe(file, overrides)
    except RecipeError as error:
        assert str(file) in str(error) or any(repr(override) in str(error) for override in overrides), error
        assert_readable(error)
        return None
    assert_whole(recipe, file.parent)
    return recipe


def assert_readable(error: Exception) -> None:
    """The message can be printed on a terminal, and no line of it is endless."""
    assert len(str(error)) < 10_000, error
    str(error).encode()


def assert_whole(recipe: Recipe, folder: Path) -> None:
    """The recipe is stored and found again, and gives an answer to whatever it is asked."""
    stored = folder / "stored.yaml"
    stored.write_text(recipe.to_yaml(), encoding="utf-8")
    again = load_recipe(stored)
    assert again == recipe and again.digest() == recipe.digest()
    assert parse_recipe(json.loads(json.dumps(recipe.to_dict(), allow_nan=False))) == recipe
    assert recipe.phases[-1].stop == recipe.train.steps and all(one.first < one.stop for one in recipe.phases)
    assert recipe.run_dir.name == recipe.name
    for role in recipe.roles:
        for dataset in recipe.datasets(role):
            assert {*dataset.table().values()} <= {*recipe.data.label_space.classes, "ignore"}


def means(found: Any, given: Any) -> bool:
    """Whether a recipe's value is what was given for it: a number also as text, and what was left out is a default.

    A value alone in place of a section by domains (``rare_class_sampling``) is the source's.
    """
    if isinstance(given, datetime.date):
        return found == str(given)
    if isinstance(found, dict) and isinstance(given, dict):
        plain = {str(key): value for key, value in found.items()}
        return all(str(key).strip() in plain and means(plain[str(key).strip()], given[key]) for key in given)
    if isinstance(found, dict) and found.keys() == {"source", "target"}:
        return means(found, {"source": given})
    if isinstance(found, list) and isinstance(given, (list, tuple)):
        return len(found) == len(given) and all(map(means, found, given))
    if isinstance(found, (int, float)) and not isinstance(found, bool) and isinstance(given, str):
        return found == float(given)
    if isinstance(found, str) and found != given:
        return isinstance(given, str) and Path(given).expanduser() == Path(found)
    return found is given if isinstance(found, bool) else found == given


def assert_names(error: Exception, path: tuple) -> None:
    """The message has the key; or its section, where what is refused contradicts another key of it."""
    assert any(str(key) in str(error) for key in path[:2] if isinstance(key, str)), error
    assert_readable(error)


# ---- files -------------------------------------------------------------------------------------------------------


@pytest.mark.fault("a recipe that is any file at all", "refused, and named; or read, if it is a recipe")
@cases(60)
@given(contents=st.binary(max_size=64) | st.text(max_size=64).map(str.encode) | yaml_values.map(yaml.safe_dump))
def test_any_file(folder, contents):
    file = folder / "any.yaml"
    file.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    read(file)


@pytest.mark.fault(
    "a recipe that is cut off, or has bytes or lines changed", "refused, and named; or what it still says"
)
@cases(100)
@given(contents=damaged_text(TEXT))
def test_a_damaged_file(folder, contents):
    file = folder / "damaged.yaml"
    file.write_bytes(contents)
    if recipe := read(file):
        assert means(recipe.to_dict(), yaml.safe_load(contents))


@pytest.mark.slow
@pytest.mark.fault("any value at any key of a recipe", "refused, with the key and what was found; or taken as given")
@cases(300)
@given(change=anywhere(TREE, values))
@example(change=(("name",), "1e5"))  # stored in quotes, or it comes back as a number
@example(change=(("data", "rare_class_sampling"), None))
@example(change=(("data", "rare_class_sampling"), 0.01))
def test_any_value_at_any_key(folder, change):
    path, value = change
    try:
        recipe = parse_recipe(with_value(TREE, path, value), "mine.yaml")
    except RecipeError as error:
        assert str(error).startswith("mine.yaml is not a valid recipe:\n")
        assert_names(error, path)
    else:
        assert_whole(recipe, folder)
        assert means(recipe.to_dict(), with_value(TREE, path, value))


@pytest.mark.slow
@pytest.mark.fault(
    "any value after key= on the command line", "refused, with the key and what was found; or taken as given"
)
@cases(70)
@given(change=anywhere(TREE, yaml_values))
@example(change=(("data", "target", 0, "crop", "rows"), {0, 1}))
@example(change=(("name",), datetime.date(2026, 1, 2)))
def test_any_override(folder, change):
    path, value = change
    override = override_of(path, yaml.safe_dump(value, default_flow_style=True, width=10**6))
    file = folder / "whole.yaml"
    file.write_text(TEXT)
    if recipe := read(file, override):
        assert means(recipe.to_dict(), with_value(TREE, path, value))


@pytest.mark.slow
@pytest.mark.fault("any words after a recipe", "refused, and the words repeated; or a change that is made")
@cases(60)
@given(override=st.text(max_size=20) | st.builds(override_of, st.sampled_from(paths_in(TREE)), texts))
def test_any_words(folder, override):
    file = folder / "whole.yaml"
    file.write_text(TEXT)
    read(file, override)
