"""The compared systems differ in what the paper says they differ in, and in nothing else."""

import json
import shlex

import pytest
import yaml
from support.tiny import BASE

from hrs_keras.cli.main import parse
from hrs_keras.cli.words import read_recipe
from hrs_keras.errors import RecipeError
from hrs_keras.recipe.reading import load_recipe

RECIPES = BASE.parent
ALL = ["pixel", "region", "image"]

# By hand, from the paper's descriptions of the rows of Tables 1 to 5.
#             trainer    source_weighting  levels    channels     gan    pretrain, source_loss
SYSTEMS = {
    "fcn": ("joint", "none", ALL, "shared", False, 0.0, "cross_entropy"),
    "joint": ("joint", "plain", ALL, "shared", False, 0.0, "cross_entropy"),
    "finetuning": ("joint", "plain", ALL, "shared", False, 0.5, "cross_entropy"),
    "joint_gan": ("joint", "plain", ALL, "shared", True, 0.0, "cross_entropy"),
    "mask": ("joint", "mask", ALL, "shared", False, 0.0, "cross_entropy"),
    "focal": ("joint", "focal", ALL, "shared", False, 0.0, "cross_entropy"),
    "w1": ("joint", "learned", ALL, "shared", False, 0.0, "cross_entropy"),
    "pixelda": ("pixelda", "plain", ALL, "shared", False, 0.0, "cross_entropy"),
    "class_mix": ("class_mix", "plain", ALL, "shared", False, 0.0, "cross_entropy"),
    "adversarial_semi": ("adversarial_semi", "none", ALL, "shared", False, 0.0, "cross_entropy"),
    "ours_w1": ("joint", "learned", ALL, "shared", True, 0.0, "cross_entropy"),
    "ours_w19": ("joint", "learned", ALL, "per_class", True, 0.0, "cross_entropy"),
    "pixel_w1": ("joint", "learned", ["pixel"], "shared", True, 0.0, "cross_entropy"),
    "pixel_w19": ("joint", "learned", ["pixel"], "per_class", True, 0.0, "cross_entropy"),
    "source_only": ("joint", "plain", ALL, "shared", False, 0.0, "cross_entropy"),
    "conservative": ("joint", "plain", ALL, "shared", True, 0.0, "conservative"),
    "road": ("road", "plain", ALL, "shared", False, 0.0, "cross_entropy"),
    "lsd": ("lsd", "plain", ALL, "shared", False, 0.0, "cross_entropy"),
}
KEYS = ("trainer", "source_weighting", "levels", "channels", "gan", "pretrain", "source_loss")
REAL_ALONE, NO_LABELS = {"source": []}, {"labelled": "none"}
OF_DATA = {
    "fcn": REAL_ALONE,
    "adversarial_semi": REAL_ALONE,
    "source_only": NO_LABELS,
    "conservative": NO_LABELS,
    "road": NO_LABELS,
    "lsd": NO_LABELS,
}
"""What a system says of the data: only those for which there is no choice do."""


def file_of(system: str):
    return RECIPES / f"systems/{system}.yaml"


def test_every_system_is_listed():
    assert {path.stem for path in (RECIPES / "systems").iterdir()} == set(SYSTEMS)
    assert len({str((row, OF_DATA.get(name))) for name, row in SYSTEMS.items()}) == len(SYSTEMS) == 18


@pytest.mark.parametrize("common", ["gtav_city", "gtav_synthia_city", "blender_camvid", "toy_city"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_differ_in_these_keys_only(system, common):
    expected = load_recipe(RECIPES / f"{common}.yaml").to_dict()
    expected["method"] |= dict(zip(KEYS, SYSTEMS[system], strict=True))
    expected["name"] = f"{common}-{system}"
    expected["data"] |= OF_DATA.get(system, {})
    both = [RECIPES / f"{common}.yaml", file_of(system)]
    if system == "road" and expected["encoder"]["weights"] is None:
        with pytest.raises(RecipeError, match="road holds the encoder near its pretrained weights"):
            load_recipe(both)
    else:
        assert load_recipe(both).to_dict() == expected


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("below", SYSTEMS)
def test_a_system_does_not_depend_on_the_recipe_it_stands_on(system, below):
    common = RECIPES / "gtav_city.yaml"
    data = {"labelled": "all"} | OF_DATA.get(system, {}) | {"source": [{"format": "gtav"}]}
    overrides = [f"data.{key}={json.dumps(value)}" for key, value in data.items()]
    on_another = load_recipe([common, file_of(below), file_of(system)], overrides).method
    assert [getattr(on_another, key) for key in KEYS] == list(SYSTEMS[system])


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_part_names_all_keys_in_which_systems_differ_and_no_others(system):
    text = yaml.safe_load(file_of(system).read_text())
    assert tuple(text["method"]) == KEYS
    assert {**text, "method": None} == ({"data": OF_DATA[system]} if system in OF_DATA else {}) | {"method": None}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_command_in_the_header_works(system, monkeypatch):
    lines = [line for line in file_of(system).read_text().splitlines() if "train.py" in line]
    program, script, *words = shlex.split(lines[0].removeprefix("#"))
    assert (program, script, len(lines)) == ("python", "train.py", 1)
    monkeypatch.chdir(RECIPES.parent)
    recipe = read_recipe(parse(["train", *words]))
    assert (recipe.name, recipe.data.root) == (f"gtav_city-{system}", "/path/to/data")


@pytest.mark.parametrize(
    ("source_weighting", "reads_source", "selects"),
    [
        ("none", False, False),
        ("plain", True, False),
        ("mask", True, False),
        ("focal", True, False),
        ("learned", True, True),
    ],
)
def test_whether_a_system_reads_the_source_and_selects(source_weighting, reads_source, selects):
    recipe = load_recipe(
        BASE.with_name("toy_city.yaml"), [f"method.source_weighting={source_weighting}", "method.gan=false"]
    )
    assert (recipe.method.reads_source, recipe.method.selects) == (reads_source, selects)
    assert len(recipe.datasets("source")) == (2 if reads_source else 0)
