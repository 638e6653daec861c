"""Recipes that come with the package: how a name becomes a file, the list of them, and copies."""

from pathlib import Path

import pytest
from support import tiny

from hrs_keras.cli.main import main, parse
from hrs_keras.cli.words import read_recipe
from hrs_keras.errors import HRSError, RecipeError
from hrs_keras.experiments.grid import load_experiment
from hrs_keras.recipe import load_recipe, packaged

RECIPES = tiny.BASE.parent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """An empty working directory: what is found there is packaged."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["toy_city", "toy_city.yaml", "recipes/toy_city.yaml", "recipes/toy_city"])
def test_a_packaged_recipe_by_its_name(name):
    assert packaged.find(name) == RECIPES / "toy_city.yaml"
    assert load_recipe(name) == load_recipe(RECIPES / "toy_city.yaml")


def test_a_part_by_its_name():
    recipe = load_recipe(["gtav_city", "systems/joint.yaml"])
    assert (recipe.name, recipe.method.source_weighting) == ("gtav_city-joint", "plain")


@pytest.mark.parametrize("own", ["toy_city", "toy_city.yaml"])
def test_a_file_of_ones_own_wins(elsewhere, own):
    (elsewhere / own).write_text(f"extends: base.yaml\n{tiny.CAMVID}\nseed: 7\n")
    assert load_recipe("toy_city").seed == 7


def test_a_folder_of_that_name_is_no_recipe(elsewhere):
    (elsewhere / "toy_city").mkdir()
    assert packaged.find("toy_city") == RECIPES / "toy_city.yaml"


def test_extends_looks_beside_the_recipe_first(elsewhere):
    mine = elsewhere / "sub/mine.yaml"
    mine.parent.mkdir()
    mine.write_text(f"extends: base.yaml\n{tiny.CAMVID}")
    assert load_recipe("sub/mine").train.log_every == load_recipe("toy_city").train.log_every
    (mine.parent / "base.yaml").write_text(f"extends: {tiny.BASE}\nseed: 9\n")
    assert load_recipe("sub/mine").seed == 9


@pytest.mark.parametrize("name", ["../README.md", "../setup.cfg", "/toy_city", "a\0b", ".", "..", ""])
def test_nothing_but_recipes_is_found(name):
    found = packaged.find(name)
    assert not found.is_relative_to(RECIPES.parent) and found == Path(name)


@pytest.mark.fault("the name of a recipe that there is none of", "refused; says where it was looked for")
def test_what_is_nowhere_says_where_it_was_looked_for(elsewhere):
    (elsewhere / "mine.yaml").write_text("extends: bass.yaml\n")
    says = rf"cannot read the recipe bass.yaml \(extended by .*mine.yaml\): No such file.*packaged recipes in {RECIPES}"
    with pytest.raises(RecipeError, match=says):
        load_recipe("mine.yaml")


@pytest.mark.fault("a misspelt name of a recipe, part or experiment", "refused; the nearest name is suggested")
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["toy_cty"], "toy_city"),
        (["toy_city", "systems/jont"], "systems/joint"),
        (["toy_city", "focal"], "systems/focal"),
        (["camvid_table1"], "experiments/camvid_table1"),
    ],
)
def test_a_name_that_is_nearly_right_is_suggested(words, meant, capsys):
    assert main(["audit", *words]) == 2
    assert f" Did you mean '{meant}'?" in capsys.readouterr().err


def test_no_name_is_suggested_for_what_is_like_none():
    assert packaged.did_you_mean("train.steps") == packaged.did_you_mean("mine.yaml") == ""


def test_the_command_line_takes_parts_by_name():
    recipe = read_recipe(parse(["train", "gtav_city", "systems/joint", "seed=3"]))
    assert (recipe.name, recipe.seed) == ("gtav_city-joint", 3)


def test_a_packaged_experiment_by_its_name():
    assert load_experiment("camvid_table1").path == RECIPES / "experiments/camvid_table1.yaml"
    assert load_experiment("recipes/experiments/camvid_table1.yaml").cells()


@pytest.mark.slow
def test_a_copied_experiment_finds_the_recipes_that_it_names(elsewhere):
    """It names ``../blender_camvid.yaml``, of the packaged folder that it is from, and ``miniature.yaml`` beside it."""
    packaged.copy("experiments/camvid_table1", elsewhere / "own")
    copied, original = load_experiment("own/camvid_table1.yaml"), load_experiment("camvid_table1")
    assert copied.path == Path("own/camvid_table1.yaml")
    assert [cell.digest for cell in copied.cells()] == [cell.digest for cell in original.cells()]


@pytest.mark.fault("an installation that lacks its recipes", "an error that says so")
def test_an_installation_without_recipes_says_so(elsewhere, monkeypatch):
    monkeypatch.setattr("importlib.resources.files", lambda name: elsewhere / name)
    with pytest.raises(HRSError, match="incomplete; install it again"):
        packaged.folder()


# ---- hrs recipes -----------------------------------------------------------------------------------------------


def test_the_list_has_a_line_for_each_file(capsys):
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    files = {path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml")}
    assert {line.split()[0] for line in lines} == files and len(lines) == len(files)
    assert all(len(line.split(maxsplit=1)[1]) > 15 for line in lines)
    shown = dict(line.split(maxsplit=1) for line in lines)
    assert shown["systems/joint"] == 'The paper\'s "Direct Joint Training" (Tables 1 to 3, Fig. 1b)'
    assert shown["experiments/paper_table1"] == "Table 1: GTAV + Cityscapes to Cityscapes"
    assert lines[0].startswith("base ") and list(shown) == packaged.names()


@pytest.mark.parametrize("words", [["toy_city"], ["toy_city.yaml", "."], ["systems/joint", "own/folder"]])
def test_copy(elsewhere, capsys, words):
    assert main(["recipes", "copy", *words]) == 0
    copied = Path(capsys.readouterr().out.strip())
    assert (elsewhere / copied).parent == elsewhere / Path(*words[1:])
    assert copied.read_bytes() == (RECIPES / words[0]).with_suffix(".yaml").read_bytes()
    assert main(["recipes", "copy", *words]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.fault("`hrs recipes copy` onto a file that is there, or of no recipe", "refused; nothing is overwritten")
@pytest.mark.parametrize(
    "words, says",
    [
        (["toy-city"], "no packaged recipe 'toy-city'. Did you mean 'toy_city'?"),
        (["../setup"], "no packaged recipe '../setup'"),
        (["toy_city", "file/below"], "cannot write"),
    ],
)
def test_copies_that_are_refused(elsewhere, capsys, words, says):
    (elsewhere / "file").touch()
    assert main(["recipes", "copy", *words]) == 2
    assert says in capsys.readouterr().err
