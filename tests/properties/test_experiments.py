"""Experiment files that strangers write."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from properties.strategies import anywhere, cases, damaged_text, values, with_value
from support.made_up import RECIPE

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.grid import load_experiments

TREE: dict[str, Any] = {
    "title": "A table",
    "recipe": "recipe.yaml",
    "set": {"train.steps": 300, "data.target.0.subset": 0.5},
    "seeds": [0],
    "checkpoint": "best",
    "baseline": "fcn",
    "mixing": "fcn",
    "reference": "a paper",
    "systems": [
        {
            "name": "fcn",
            "title": "FCN",
            "set": {"data.source": [], "method.source_weighting": "none", "method.gan": False},
        }
    ],
    "axes": [{"title": "labels", "cells": [{"name": "1/8", "value": 0.125, "set": {"data.target.0.subset": 4}}]}],
    "pictures": ["fcn"],
    "published_only": [{"title": "Others", "published": {"1/8": 50}}],
}
TEXT = yaml.safe_dump(TREE, sort_keys=False)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiments")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder / "table.yaml"


def read(file: Path) -> None:
    """The experiment and all its recipes; or an error that names the file."""
    try:
        (experiment,) = load_experiments([file])
    except RecipeError as error:
        assert str(file) in str(error) and len(str(error)) < 10_000, error
        str(error).encode()
        return
    for cell in experiment.cells():
        assert cell.recipe.name == cell.name and cell.recipe.seed == cell.seed


def test_this_one_is_right(file):
    file.write_text(TEXT)
    (experiment,) = load_experiments([file])
    assert [(cell.system, cell.cells, cell.recipe.train.steps) for cell in experiment.cells()] == [
        ("fcn", ("1/8",), 300)
    ]


@pytest.mark.fault("an experiment file that is cut off, or has bytes or lines changed", "refused, and named; or read")
@cases(50)
@given(contents=damaged_text(TEXT))
def test_a_damaged_file(file, contents):
    file.write_bytes(contents)
    read(file)


@pytest.mark.slow
@pytest.mark.fault("any value at any key of an experiment file", "refused, and named; or taken as given")
@cases(100)
@given(change=anywhere(TREE, values))
def test_any_value_at_any_key(file, change):
    file.write_text(yaml.safe_dump(with_value(TREE, *change), sort_keys=False), encoding="utf-8")
    read(file)
