"""The encoder's section: what is inherited where its family changes, and what stored recipes of the old form mean."""

import copy
import functools
import json
from pathlib import Path

import pytest
import yaml
from support.tiny import BASE

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.models.encoders.resnet import ResNet
from hrs_keras.models.encoders.vgg16 import VGG16
from hrs_keras.recipe import old_forms
from hrs_keras.recipe.data import ROLES
from hrs_keras.recipe.encoder import Encoder
from hrs_keras.recipe.reading import differences, load_recipe, parse_recipe

RESULTS = sorted((BASE.parents[1] / "docs/results/runs").glob("*.json"))


def old_encoder(**changes):
    keys = ("family", "width", "fc", "dropout", "blocks", "weights", "preprocessing")
    values = ("vgg16", 1.0, 4096, 0.5, [2, 2, 2, 2], None, "caffe")
    return dict(zip(keys, values, strict=True)) | changes


# ---- another family --------------------------------------------------------------------------------------------


@pytest.fixture
def part(tmp_path):
    """``part(text)`` writes a part of a recipe; returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "part.yaml"
        path.write_text(text)
        return path

    return write


SETTINGS = "encoder: {width: 0.25, fc: 32, dropout: 0.1, weights: null, preprocessing: unit}\n"
HEADS = {"heads": "zero", "head_scales": (1.0, 1.0, 1.0)}
NARROW = {"family": "resnet", "weights": None, "width": 0.25, "blocks": [2, 2, 2, 2], "preprocessing": "unit"} | HEADS


def test_a_part_that_changes_the_family_drops_what_the_new_one_lacks(camvid_recipe, part):
    recipe = load_recipe([camvid_recipe(SETTINGS), part("encoder: {family: resnet}\n")])
    assert isinstance(recipe.encoder, ResNet) and recipe.encoder.model_dump() == NARROW


def test_so_does_a_recipe_that_extends_another(camvid_recipe):
    camvid_recipe(SETTINGS, "parent.yaml")
    child = camvid_recipe("extends: parent.yaml\nencoder: {family: resnet, blocks: [3, 4, 6, 3]}\n", whole=True)
    assert load_recipe(child).encoder.model_dump() == NARROW | {"blocks": [3, 4, 6, 3]}


def test_so_does_an_override(camvid_recipe):
    recipe = load_recipe(camvid_recipe(SETTINGS), ["encoder.fc=16", "encoder.family=resnet", "encoder.width=0.5"])
    assert recipe.encoder.model_dump() == NARROW | {"width": 0.5}
    back = load_recipe(camvid_recipe(SETTINGS), ["encoder.family=resnet", "encoder.family=vgg16"])
    assert isinstance(back.encoder, VGG16) and (back.encoder.fc, back.encoder.width) == (4096, 0.25)


def test_what_comes_with_the_new_family_must_be_its_own(camvid_recipe, part, refusal):
    with pytest.raises(
        RecipeError, match=r"encoder\.fc: unknown key\. Valid: blocks, family, head_scales, heads, prep"
    ):
        load_recipe([camvid_recipe(SETTINGS), part("encoder: {family: resnet, fc: 16}\n")])
    assert "encoder.fc: unknown key" in refusal("encoder.family=resnet", "encoder.fc=16", text=SETTINGS)


@pytest.mark.fault("a misspelt key beside a new encoder family", "refused, not dropped with the former family's keys")
def test_misspelt_keys_are_not_dropped_with_the_former_family(camvid_recipe, part):
    with pytest.raises(RecipeError, match=r"encoder\.blockz: unknown key\. Did you mean 'blocks'\?"):
        load_recipe([camvid_recipe("encoder: {blockz: 3, weights: null}\n"), part("encoder: {family: resnet}\n")])


def test_an_unknown_family_is_the_only_thing_said_of_the_encoder(refusal):
    message = refusal("encoder.family=resnett", "encoder.nonsense=3")
    assert "encoder.family: unknown encoder family 'resnett'. Did you mean 'resnet'?" in message
    assert "nonsense" not in message and "fc" not in message


@pytest.mark.parametrize("family", ["vgg16", "resnet"])
def test_a_resolved_recipe_reads_back_equal(camvid_recipe, tmp_path, family):
    recipe = load_recipe(camvid_recipe(SETTINGS), [f"encoder.family={family}"])
    (tmp_path / "stored.yaml").write_text(recipe.to_yaml())
    back = load_recipe(tmp_path / "stored.yaml")
    assert back == recipe and type(back.encoder) is type(recipe.encoder)
    assert back.digest() == recipe.digest() and parse_recipe(recipe.to_dict()) == recipe


def test_defaults_are_those_of_the_documented_recipe():
    base = yaml.safe_load(BASE.read_text())["encoder"]
    documented = VGG16(**base).model_dump()
    started = Encoder.model_validate({"family": "vgg16"}).model_dump()
    assert {key for key in base if documented[key] != started[key]} == {"weights", "preprocessing", "heads"}


PARTS = sorted((BASE.parent / "encoders").glob("*.yaml"))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.stem)
@pytest.mark.parametrize("recipe", ["gtav_city.yaml", "blender_camvid.yaml", "toy_city.yaml"])
def test_parts_that_choose_an_encoder_fit_any_recipe(recipe, part):
    encoder = load_recipe([BASE.with_name(recipe), part]).encoder
    assert encoder.heads == "zero" and encoder.weights is not None
    # What the part does not name is the family's own default, whatever the recipe's former encoder had.
    assert encoder == load_recipe([BASE.with_name("gtav_city.yaml"), part]).encoder


# ---- the old form ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_committed_results_are_found_by_their_digest(path):
    stored = json.loads(path.read_text())
    recipe = parse_recipe(stored["recipe"])
    assert settings_digest(recipe) == stored["digest"]
    assert settings_digest(parse_recipe(recipe.to_dict())) == stored["digest"]  # stored anew, in today's form


def test_settings_that_a_family_does_not_read_stay_part_of_a_stored_digest(camvid_recipe):
    """Results of another version are found by it. Today's recipe for the same network is equal nevertheless."""
    now = load_recipe(camvid_recipe(SETTINGS), ["encoder.family=resnet", "encoder.heads=random"])
    stored = now.to_dict() | {
        "encoder": old_encoder(family="resnet", width=0.25, fc=8, dropout=0.1, preprocessing="unit")
    }
    old = parse_recipe(stored)
    assert old == now and differences(old, now) == [] and not hasattr(old.encoder, "fc")
    assert settings_digest(old) != settings_digest(now) and old.to_dict() == stored
    assert settings_digest(parse_recipe(old.to_dict())) == settings_digest(old)


def test_there_are_results_of_the_old_form():
    assert sum("blocks" in json.loads(path.read_text())["recipe"]["encoder"] for path in RESULTS) >= 107


@pytest.mark.parametrize(
    ("encoder", "digest"),
    [
        (old_encoder(width=0.25, fc=256, dropout=0.1, preprocessing="unit"), "0c4faa6a0cee"),
        (old_encoder(width=0.25, family="resnet", preprocessing="unit"), "7eb5268589a5"),
    ],
    ids=["vgg16", "resnet"],
)
def test_stored_recipes_of_the_old_form_are_equal_to_todays(tmp_path, encoder, digest):
    """So that a run goes on where the earlier version left it. The digests are the earlier version's."""
    tree = load_recipe(BASE.with_name("toy_city.yaml")).to_dict()
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(tree | {"encoder": encoder}))
    stored = load_recipe(tmp_path / "recipe.yaml")
    now = load_recipe(BASE.with_name("toy_city.yaml"), [f"encoder.family={encoder['family']}", "encoder.heads=random"])
    assert stored == now == parse_recipe(tree | {"encoder": encoder})
    assert differences(stored, now) == []
    assert stored.digest() == now.digest() == digest


@pytest.mark.parametrize("key", old_forms.LATER_KEYS)
def test_a_recipe_without_a_later_key_means_what_it_meant(key):
    """It keeps its digest, and a recipe that says so has the same; with today's default it is another."""
    *sections, last = key.split(".")
    tree = load_recipe(BASE.with_name("toy_city.yaml")).to_dict()
    for other, former in reversed(copy.deepcopy(old_forms.LATER_KEYS).items()):  # sections before their later keys
        *above, name = other.split(".")
        functools.reduce(dict.get, above, tree)[name] = former
    said = parse_recipe(tree)
    del functools.reduce(dict.get, sections, tree)[last]
    assert parse_recipe(tree) == said and parse_recipe(tree).digest() == said.digest() == "0c4faa6a0cee"


@pytest.mark.parametrize("key", old_forms.LATER_DATA_SET_KEYS)
def test_a_data_set_without_a_later_key_means_what_it_meant(key):
    tree = load_recipe(BASE.with_name("toy_city.yaml"), ["encoder.heads=random"]).to_dict()
    said = parse_recipe(tree)
    for dataset in (one for role in ROLES for one in tree["data"][role]):
        assert dataset.pop(key) == old_forms.LATER_DATA_SET_KEYS[key]
    assert parse_recipe(tree) == said and parse_recipe(tree).digest() == said.digest() == "0c4faa6a0cee"


def test_no_result_of_random_heads_is_taken_for_one_of_heads_at_zero():
    now, before = (load_recipe(BASE.with_name("toy_city.yaml"), [f"encoder.heads={h}"]) for h in ("zero", "random"))
    assert now.digest() != before.digest() and settings_digest(now) != settings_digest(before)
    assert differences(before, now) == ["encoder.heads: random -> zero"]


@pytest.mark.parametrize(
    "tree", [None, [], {}, {"encoder": 3}, {"encoder": {"family": "vgg16", "blocks": 3}}, {"encoder": {1: 2}}]
)
def test_other_trees_are_not_touched(tree):
    assert old_forms.upgrade(tree) is tree


def test_other_families_digest_what_differs_from_their_defaults():
    class Later(Encoder):
        depth: int = 3
        added_later: bool = False

    assert old_forms.digested_encoder(Later(family="later", depth=4)) == {"family": "later", "depth": 4}
