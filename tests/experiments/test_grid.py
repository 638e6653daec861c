"""Experiment files: what a grid holds, and what is refused before anything runs."""

import copy
import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from support.tiny import recipe

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.grid import Experiment, load_experiment, load_experiments, settings_digest
from hrs_keras.recipe.reading import parse_recipe
from hrs_keras.recipe.schema import Recipe

TREE = {
    "title": "T",
    "recipe": ["../run.yaml", "small.yaml"],
    "set": {"train.steps": 600},
    "seeds": [3, 1],
    "systems": [
        {"name": "fcn", "title": "FCN", "recipe": "fcn.yaml", "published": {"full": 65.3}},
        {"name": "ours", "set": {"train.steps": 700, "data.augment.flip": True}, "seeds": [1]},
    ],
    "axes": [
        {
            "title": "share of the labels",
            "cells": [
                {"name": "1/8", "value": 0.125, "set": {"data.target.0.subset": 0.125}},
                {"name": "full", "value": 1, "set": {"train.steps": 800}},
            ],
        },
        {"title": "size", "cells": [{"name": "wide", "set": {"data.size": [32, 96]}}, {"name": "high"}]},
    ],
    "published_only": [{"title": "Others", "published": {"1/8": 50}}],
}


@pytest.fixture
def write(tmp_path, camvid_recipe) -> Callable[..., Path]:
    """``write(tree)``: an experiment file beside the recipes that TREE names."""
    folder = tmp_path / "experiments"
    camvid_recipe("train: {learning_rate: {encoder: 1e-3}}\n")
    camvid_recipe("encoder: {fc: 16, width: 0.0625, weights: null}\n", "experiments/small.yaml", whole=True)
    camvid_recipe("method: {source_weighting: none, gan: false}\n", "experiments/fcn.yaml", whole=True)

    def file(tree: Any, name: str = "table.yaml") -> Path:
        path = folder / name
        path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))
        return path

    return file


@pytest.fixture
def refusal(write) -> Callable[..., str]:
    """The message with which an experiment is refused."""

    def read(tree: Any, *overrides: str) -> str:
        with pytest.raises(RecipeError) as caught:
            load_experiment(write(tree), overrides).cells()
        assert "table.yaml" in str(caught.value)
        return str(caught.value)

    return read


def changed(path: str, value: Any) -> dict[str, Any]:
    """TREE with one value changed, added or (``...``) removed."""
    tree = copy.deepcopy(TREE)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    node = tree
    for part in parents:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return tree


def test_every_cell(write):
    cells = load_experiment(write(TREE), ["data.root=elsewhere", "train.batch_size=2"]).cells()
    places = [(share, size) for share in ("1/8", "full") for size in ("wide", "high")]
    wanted = [("fcn", place, seed) for place in places for seed in (3, 1)] + [("ours", place, 1) for place in places]
    assert [(cell.system, cell.cells, cell.seed) for cell in cells] == wanted
    for cell in cells:
        train, data = cell.recipe.train, cell.recipe.data
        assert (cell.recipe.seed, data.root, train.batch_size) == (cell.seed, "elsewhere", 2)
        assert train.learning_rate.encoder == 1e-3 and cell.recipe.encoder.fc == 16  # of the two files
        assert cell.recipe.method.gan == (cell.system == "ours")
        # The later overrules: all, system, axes.
        assert train.steps == (800 if cell.cells[0] == "full" else 700 if cell.system == "ours" else 600)
        assert data.target[0].subset == (0.125 if cell.cells[0] == "1/8" else None)
        assert data.size == ((32, 96) if cell.cells[1] == "wide" else (512, 1024))
        assert data.augment.flip == (cell.system == "ours")


def test_names_are_fit_for_folders(write):
    tree = changed("systems/0/name", ".W 1/ö")
    for cell in load_experiment(write(tree)).cells():
        system, share = {".W 1/ö": "_W_1__"}.get(cell.system, "ours"), {"1/8": "1_8"}.get(cell.cells[0], "full")
        assert cell.name == f"{system}-{share}-{cell.cells[1]}-s{cell.seed}-{cell.digest[:6]}"
        assert cell.recipe.name == cell.name and parse_recipe(cell.recipe.to_dict()) == cell.recipe


def test_a_recipe_is_no_experiment(refusal):
    assert refusal({"extends": "base.yaml", "seed": 1}).endswith("it names no systems; `hrs train` runs a recipe")


def test_what_may_be_left_out(write):
    least = {"title": "T", "recipe": "../run.yaml", "seeds": [0], "systems": [{"name": "all"}]}
    experiment = load_experiment(write(least))
    assert [cell.cells for cell in experiment.cells()] == [()]
    assert (experiment.axes, experiment.pictures, experiment.published_only) == ([], [], [])
    assert (experiment.checkpoint, experiment.baseline, experiment.systems[0].title) == ("last", None, "all")


VALUES = """
title: T
recipe: ../run.yaml
seeds: [0]
systems:
  - name: a
    set:
      encoder.weights: "1e3"
      encoder.width: 1
      train.decay_power: 1e-5
      data.classes: [roäd, "\U0001f6b2"]
      data.target.0.ids: {7: roäd, 8: ignore}
      data.validation.0.ids: {1: roäd}
      data.source: []
      method.source_weighting: none
      method.gan: false
"""


def test_values_reach_the_recipe_as_they_are(write):
    (cell,) = load_experiment(write(VALUES)).cells()
    assert cell.recipe.encoder.weights == "1e3" and cell.recipe.train.decay_power == 1e-5
    assert cell.recipe.data.classes == ["roäd", "\U0001f6b2"]
    assert cell.recipe.data.target[0].ids == {7: "roäd", 8: "ignore"}


@pytest.mark.fault("an experiment file with a wrong value at a key", "refused; the key is named")
@pytest.mark.parametrize(
    "path, value, says",
    [
        ("titel", "T", "titel: unknown key. Did you mean 'title'?"),
        ("systems/0/nme", 1, "systems.0.nme: unknown key. Did you mean 'name'?"),
        ("axes/1/cells/0/vale", 1, "axes.1.cells.0.vale: unknown key. Did you mean 'value'?"),
        ("selection_check", {"marks": "m", "id": "i", "flga": "f"}, "flga: unknown key. Did you mean 'flag'?"),
        ("title", ..., "title: missing. Give it a value."),
        ("systems/1/name", "fcn", "the list `systems` has 'fcn' twice"),
        ("systems/1/title", "FCN", "the list `systems` has 'FCN' twice"),
        ("axes/0/cells/1/name", "1/8", "axes.0: the list `cells` has '1/8' twice"),
        ("seeds", [1, 2, 1], "seeds: has 1 twice"),
        ("systems/1/seeds", [2, 2], "systems.1.seeds: has 2 twice"),
        ("seeds", [-1], "seeds.0: Input should be greater"),
        ("pictures", ["fcn", "fcn"], "pictures: has 'fcn' twice"),
        ("baseline", "fnc", "baseline names 'fnc', which is no system. Did you mean 'fcn'?"),
        ("pictures", ["ours", "x"], "pictures names 'x', which is no system. Valid: fcn, ours."),
        ("checkpoint", "newest", "checkpoint: Input should be 'last' or 'best'"),
        *((key, [], f"{key}: is a list of 0") for key in ("recipe", "seeds", "systems", "axes", "pictures")),
        ("published_only", [], "published_only: is a list of 0"),
        ("axes/0/cells", [], "axes.0.cells: is a list of 0"),
        ("systems/1/seeds", [], "systems.1.seeds: is a list of 0"),
        ("systems/0/recipe", [], "systems.0.recipe: is a list of 0"),
        ("systems/0/published", 65.3, "published of 'fcn': wants {cell of the first axis: number}, found 65.3"),
        ("systems/0/published", {"ful": 65.3}, "first axis has no cell 'ful'. Did you mean 'full'?"),
        ("systems/0/published", {"wide": 65.3}, "first axis has no cell 'wide'"),  # it is the second's
        ("systems/0/published", {"full": 165.3}, "systems.0.published: wants a mean IoU in per cent"),
        ("systems/0/published", {"full": True}, "systems.0.published: wants a mean IoU in per cent"),
        ("published_only/0/published", {"x": 1}, "published of 'Others': the first axis has no cell 'x'"),
        ("axes", ..., "published of 'fcn': wants one number"),
        ("set", ["train.steps=3"], "set: wants {dotted.key: value}"),
        ("set", {"train.steps=3": 1}, "set: has the key 'train.steps=3'"),
        ("set", {1: 1}, "set: has the key 1"),
        ("systems/1/set", {"seed": 1}, "systems.1.set: changes seed: seeds are given by the key `seeds`"),
        ("set", {"name": "x"}, "set: changes name: runs are named by"),
        ("set", {"encoder.weights": {"a", "b"}}, "is not valid YAML in line 31, column 20: "),  # a set
        ("set", {"encoder.weights": datetime.date(2024, 1, 2)}, "weights='2024-01-02' needs"),  # which is text
        ("set", {"train.decay_power": float("inf")}, "set: gives train.decay_power inf"),
        ("systems/1/set", {"train.stepz": 1}, "table.yaml, system 'ours', cell '1/8', cell 'wide': "),
        ("systems/1/set", {"train.stepz": 1}, "train.stepz: unknown key. Did you mean 'steps'?"),
        ("systems/1/set", {"data.target.4.subset": 1}, "'4' is no position in a list of 1 items"),
        ("systems/1/set", {"train.steps.x": 1}, "'x' lies below a plain value (600)"),
        ("axes/0/cells/1/set", {"data.size": [33, 32]}, "system 'fcn', cell 'full', cell 'high': "),
        ("systems/0/recipe", "fnc.yaml", "system 'fcn', cell '1/8', cell 'wide': cannot read the recipe"),
    ],
)
def test_what_is_refused(refusal, path, value, says):
    assert says in refusal(changed(path, value))


@pytest.mark.fault("a recipe, or anything else, given as an experiment", "refused; the command for it is named")
@pytest.mark.parametrize(
    "text, says",
    [
        ("title: T\ntitle: U\n", "line 2, column 1: the key 'title' again"),
        ("", "is empty; an experiment is a mapping"),
        ("- 1\n", "holds [1]; an experiment is a mapping"),
        ("a: [\n", "is not valid YAML"),
    ],
)
def test_files_that_hold_no_experiment(refusal, text, says):
    assert says in refusal(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the experiment .*nowhere\.yaml: No such file"):
        load_experiment(tmp_path / "nowhere.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="is not a text file; an experiment is YAML"):
        load_experiment(tmp_path / "x.yaml")


def test_overrides(refusal, write):
    assert "override 'steps' wants the form key=value" in refusal(TREE, "steps")
    for override in ("seed=1", "name=x"):
        with pytest.raises(RecipeError, match=f"'{override}' is not for experiments"):
            load_experiment(write(TREE), [override])
    assert load_experiment(write(TREE), ["train.steps=9"]).overrides == ("train.steps=9",)


@pytest.mark.fault("two experiments whose reports would have one name", "refused before the first run")
def test_several_files(write):
    table, other = write(TREE), write(TREE, "other.yaml")
    assert [experiment.path for experiment in load_experiments([table, other])] == [table, other]
    with pytest.raises(RecipeError, match=r"reports of both would be called table\.md"):
        load_experiments([table, other, other.parent / "../experiments/table.yaml"])
    with pytest.raises(RecipeError, match="no experiment is named"):
        load_experiments([])
    other.write_text(yaml.safe_dump(changed("set", {"train.stepz": 1})))
    with pytest.raises(RecipeError, match=r"other\.yaml, system 'fcn'.*\n.*train\.stepz: unknown key"):
        load_experiments([table, other])


def test_a_check_needs_records(refusal, write):
    check = {"selection_check": {"marks": "m.jsonl", "id": "id", "flag": "odd"}}
    assert "train.selection_images: 0 records nothing" in refusal(TREE | check, "train.selection_images=0")
    # A system that selects nothing needs none.
    tree = TREE | check | {"systems": TREE["systems"][:1]}
    assert load_experiment(write(tree), ["train.selection_images=0"]).cells()


# ---- the digest ------------------------------------------------------------------------------------------------

LEFT_OUT = {
    *("name", "runs", "saved_models", "data.root", "data.prepared", "data.on_change"),
    *("train.log_every", "train.pictures", "train.selection_images"),
    *("train.checkpoint_every", "train.checkpoint_minutes", "train.keep_checkpoints"),
}


def items(node: Any) -> list[tuple]:
    if isinstance(node, BaseModel):
        return [(key, getattr(node, key)) for key in type(node).model_fields]
    return list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ())


def leaves(node: Any, path: tuple = ()) -> list[tuple]:
    return [leaf for key, part in items(node) for leaf in leaves(part, (*path, key))] if items(node) else [path]


def with_other(node: Any, path: tuple) -> Any:
    """The same with another value at ``path``, whatever the schema thinks of it."""
    if not path:
        return "another value"
    parts = dict(items(node))
    parts[path[0]] = with_other(parts[path[0]], path[1:])
    if isinstance(node, BaseModel):
        return node.model_copy(update=parts)
    return parts if isinstance(node, dict) else list(parts.values())


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_the_digest_leaves_out_what_changes_no_outcome():
    one = recipe()
    digest, paths = settings_digest(one), leaves(one)
    assert re.fullmatch("[0-9a-f]{12}", digest) and digest == settings_digest(one.model_copy(deep=True))
    names = {".".join(map(str, path)) for path in paths}
    assert {"seed", "data.target.0.crop.rows", "data.target.0.ids.0", "train.validate_every", *LEFT_OUT} <= names
    same = {".".join(map(str, path)) for path in paths if settings_digest(with_other(one, path)) == digest}
    assert same == LEFT_OUT


def test_a_key_that_is_new_leaves_the_digest_as_it_was():
    class Later(Recipe):
        added: int = 3

    tree = recipe().to_dict()
    assert settings_digest(Later.model_validate(tree)) == settings_digest(recipe())
    assert settings_digest(Later.model_validate(tree | {"added": 4})) != settings_digest(recipe())


def test_test_images_count_for_the_digests():
    plain, tested = recipe(), recipe("data.test=[{images: a/*, labels: b/*, ids: {0: road}}]")
    assert settings_digest(plain) != settings_digest(tested) and plain.digest() != tested.digest()
    without = plain.to_dict()
    assert without["data"].pop("test") == []  # as recipes were stored before there were test images
    again = parse_recipe(without)
    assert (settings_digest(again), again.digest()) == (settings_digest(plain), plain.digest())


@pytest.mark.parametrize(
    "change, says",
    [
        ({"evaluate_on": "tset"}, "evaluate_on: Input should be 'validation' or 'test'"),
        ({"evaluate_on": "test"}, "evaluate_on: test wants checkpoint: best, .*found checkpoint: last"),
        ({"evaluate_on": "test", "checkpoint": "best"}, "'fcn', cell '1/8', cell 'wide': .*data.test is empty; give"),
    ],
)
@pytest.mark.fault(
    "an experiment on test images that its runs would not have evaluated", "it is refused when it is read"
)
def test_numbers_of_test_images_need_runs_that_have_them(refusal, change, says):
    assert re.search(says, refusal(TREE | change))


def test_which_evaluation_the_tables_report(write):
    given = {"set": TREE["set"] | {"data.test": [{"format": "camvid", "split": "test"}]}}
    reported = {
        load_experiment(write(TREE | given | change)).reported: change
        for change in ({}, {"checkpoint": "best"}, {"checkpoint": "best", "evaluate_on": "test"})
    }
    assert list(reported) == ["last", "best", "test"]
    experiment = load_experiment(write(TREE | given | reported["test"]))
    assert {cell.recipe.data.test[0].split for cell in experiment.cells()} == {"test"}


def test_equal_cells_of_two_files_are_one_run(write):
    systems = [{"name": "other_name", "recipe": "fcn.yaml", "set": {"train.steps": 600, "train.pictures": 0}}]
    axes = [{"title": "x", "cells": [{"name": "eighth", "set": {"data.target.0.subset": 0.125}}]}]
    tree = {key: TREE[key] for key in ("title", "recipe", "seeds")} | {"systems": systems, "axes": axes}
    tree["axes"][0]["cells"][0]["set"]["data.size"] = [32, 96]
    digests = {cell.digest for cell in load_experiment(write(TREE)).cells()}
    assert len(digests) == 12
    assert {cell.digest for cell in load_experiment(write(tree, "b.yaml")).cells()} < digests


def test_experiments_are_read_as_recipes_are(write):
    text = "title: T\nrecipe: ../run.yaml\nseeds: [0]\nsystems: [{name: a, set: {train.decay_power: 1e-4}}]\n"
    experiment = load_experiment(write(text))
    assert isinstance(experiment, Experiment)
    assert experiment.cells()[0].recipe.train.decay_power == 1e-4
