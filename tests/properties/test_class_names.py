"""Classes of any name: refused in the recipe, or shown as they are wherever they stand."""

import csv
import json
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from properties.strategies import cases, texts
from support.tiny import BASE

from hrs_keras.errors import RecipeError
from hrs_keras.labels import own_label_space
from hrs_keras.media.panels import prediction_panel
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.markdown import literal, table
from hrs_keras.training.log_file import LogFile

_odd = st.sampled_from(
    [
        "road, route",
        "a|b",
        "\\",
        "\\|",
        "$",
        "$x^$",
        "_a_",
        "`a`",
        '"',
        "'",
        "#",
        "<b>",
        "&amp;",
        "a=b",
        "=",
        "é",
        "道路",
        "🚗",
    ]
)
names = texts | _odd | st.lists(_odd, min_size=2, max_size=3).map("".join)
lists = st.lists(names, min_size=2, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


def recipe_with(classes: list[str]) -> Recipe:
    """A recipe whose id table names all classes."""
    one = {"images": "a/*", "labels": "b/*", "ids": dict(enumerate(classes))}
    data = {"data.classes": classes, "data.source": [one], "data.target": [one], "data.validation": [one]}
    return load_recipe(BASE, [f"{key}={json.dumps(value)}" for key, value in data.items()])


@pytest.mark.slow
@pytest.mark.fault("classes of any names", "refused, and shown; or found again in recipe, log and tables as they are")
@cases(60)
@given(classes=lists)
@example(classes=["road, route", "a|b"])
def test_names(folder, classes):
    try:
        recipe = recipe_with(classes)
    except RecipeError as error:
        # Of several that are alike, one is shown; not fewer characters than it has.
        assert any(repr(name) in str(error) for name in classes), error
        str(error).encode()
        return
    assert list(recipe.data.label_space.classes) == classes and all(name.isprintable() for name in classes)
    assert len({unicodedata.normalize("NFKC", name).casefold().strip() for name in classes} - {"", "ignore"}) == len(
        classes
    )
    stored = folder / "stored.yaml"
    stored.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(stored, stored=True) == recipe
    logged(folder / "log.csv", classes)
    for line in table(["class", "IoU"], [[literal(name), "50"] for name in classes]).splitlines():
        assert len(re.findall(r"(?:\\.|[^|\\])+", line)) == 2  # cells, as GitHub divides them


def logged(file: Path, classes: list[str]) -> None:
    """A log with a column for each class is cut to its first step, and goes on."""
    file.unlink(missing_ok=True)
    rows = [{"step": step} | {f"selected/{name}": step / 8 for name in classes} for step in (1, 2)]
    for row in rows:
        LogFile(file).append(row)
    again = LogFile(file)
    again.keep_until(1)
    again.append(rows[1])
    with open(file, newline="", encoding="utf-8") as text:
        found = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(text)]
    assert found == rows


@pytest.mark.fault("classes of any names in the pictures of predictions", "drawn as they are")
@cases(5)
@given(classes=lists.filter(lambda classes: all(map(str.isprintable, classes))))
@example(classes=["$x^$ toll $", "_a"])
def test_pictures(folder, classes):
    image, labels = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), int)
    panel = prediction_panel(image, labels, {classes[0]: labels}, own_label_space(tuple(classes)), [classes[1]])
    panel.save(folder / "panel.png", classes[0])
    with Image.open(folder / "panel.png") as drawn:
        assert drawn.format == "PNG"
