"""A recipe and its parts: what merges over what, what the run is called, and the words of the command line."""

from pathlib import Path

import pytest
from support.tiny import BASE

from hrs_keras.cli.main import main, parse
from hrs_keras.cli.words import read_recipe
from hrs_keras.errors import RecipeError
from hrs_keras.recipe.reading import load_recipe

CAMVID = BASE.parent / "blender_camvid.yaml"


@pytest.fixture
def part(tmp_path):
    """``part(name, text)`` writes a part of a recipe; returns its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


# ---- merging ---------------------------------------------------------------------------------------------------


def test_a_part_changes_what_it_names_and_nothing_else(camvid_recipe, part):
    recipe = camvid_recipe("train: {steps: 10, batch_size: 3}\nmethod: {gan: false}\n")
    alone = load_recipe(recipe).to_dict()
    changes = "train: {steps: 20}\ndata: {source: []}\nmethod: {source_weighting: none}\n"
    with_part = load_recipe([recipe, part("p.yaml", changes)]).to_dict()
    alone["train"]["steps"] = 20
    alone["data"]["source"] = []
    alone["method"]["source_weighting"] = "none"
    alone["name"] = "run-p"
    assert with_part == alone


def test_the_later_part_wins_and_an_override_last(camvid_recipe, part):
    recipe = camvid_recipe("seed: 1\ntrain: {steps: 1, batch_size: 1}\n")
    one = part("one.yaml", "seed: 2\ntrain: {steps: 2, batch_size: 2}\n")
    two = part("two.yaml", "seed: 3\ntrain: {steps: 3}\n")

    def found(*paths, overrides=()):
        loaded = load_recipe(paths, overrides)
        return loaded.seed, loaded.train.steps, loaded.train.batch_size

    assert found(recipe, one, two) == (3, 3, 2)
    assert found(recipe, two, one) == (2, 2, 2)
    assert found(recipe, one, two, overrides=["seed=4"]) == (4, 3, 2)


def test_lists_are_replaced_whole(camvid_recipe, part):
    recipe = camvid_recipe()
    loaded = load_recipe([recipe, part("p.yaml", "method: {levels: [region]}\n")])
    assert loaded.method.levels == ["region"]
    with pytest.raises(RecipeError, match="'0' is no position in a list of 0 items"):
        load_recipe([recipe, part("q.yaml", "data: {source: []}\n")], ["data.source.0.subset=3"])


def test_the_recipe_keeps_its_own_extends(part):
    loaded = load_recipe([CAMVID, part("p.yaml", "train: {steps: 7}\n")])
    assert (loaded.train.steps, loaded.train.batch_size, loaded.train.decay_power) == (7, 4, 0.9)


def test_one_file_as_string_path_or_list_is_the_same():
    assert load_recipe(CAMVID) == load_recipe(str(CAMVID)) == load_recipe([CAMVID]) == load_recipe((str(CAMVID),))


def test_a_stored_recipe_takes_a_part(camvid_recipe, part, tmp_path):
    stored = part("recipe.yaml", load_recipe(camvid_recipe(name="first.yaml")).to_yaml())
    loaded = load_recipe([stored, part("short.yaml", "train: {steps: 3}\n")])
    assert (loaded.name, loaded.train.steps) == ("first-short", 3)


# ---- names -----------------------------------------------------------------------------------------------------


def test_the_name_is_the_file_names_joined(camvid_recipe, part):
    recipe = camvid_recipe(name="gtav.v2.yaml")
    parts = [part("focal.yaml", "seed: 1\n"), part("short.yml", "seed: 2\n")]
    assert load_recipe([recipe]).name == "gtav.v2"
    assert load_recipe([recipe, *parts]).name == "gtav.v2-focal-short"
    assert load_recipe([recipe, *parts], ["name=mine"]).name == "mine"


def test_a_name_in_a_file_stands_in_for_its_file_name(camvid_recipe, part):
    focal, named = part("focal.yaml", "seed: 1\n"), part("named.yaml", "name: mine\n")
    assert load_recipe([camvid_recipe("name: city\n"), focal]).name == "city-focal"
    assert load_recipe([camvid_recipe("name: city\n"), named]).name == "mine"
    assert load_recipe([camvid_recipe(), named, focal]).name == "mine-focal"


def test_the_name_of_an_extended_recipe_is_not_inherited(camvid_recipe, part):
    camvid_recipe("name: parent\n", "parent.yaml")
    child = camvid_recipe("extends: parent.yaml\n", "child.yaml", whole=True)
    assert load_recipe([child, part("focal.yaml", "seed: 1\n")]).name == "child-focal"


# ---- refusals --------------------------------------------------------------------------------------------------


def refused(*paths, overrides=()) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(paths, overrides)
    return str(caught.value)


@pytest.mark.fault("a part of a recipe that extends another file", "refused; both files are named")
def test_a_part_must_not_extend(camvid_recipe, part):
    recipe, other = camvid_recipe(), camvid_recipe(name="other.yaml")
    message = refused(recipe, part("p.yaml", "seed: 1\n"), other)
    assert message.startswith(f"{other} is given beside {recipe} and extends")
    assert "a part changes what it names and extends nothing" in message
    assert "extends nothing" in refused(recipe, part("null.yaml", "extends: null\n"))
    assert "extends nothing" in refused(recipe, recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; a recipe is a mapping"),
        ("- 1\n", r"holds [1]; a recipe is a mapping"),
        ("a: [1\n", "not valid YAML in line 2"),
        ("seed: 1\nseed: 2\n", "the key 'seed' again"),
    ],
)
def test_parts_that_are_no_mapping(camvid_recipe, part, text, message):
    path = part("p.yaml", text)
    found = refused(camvid_recipe(), path)
    assert found.startswith(str(path)) and message in found


@pytest.mark.fault("a part that is not there", "refused, and named")
def test_a_missing_part_is_named(camvid_recipe, tmp_path):
    assert refused(camvid_recipe(), tmp_path / "nope.yaml").startswith(f"cannot read the recipe {tmp_path}/nope.yaml: ")


def test_what_is_wrong_names_all_files(camvid_recipe, part):
    recipe, path = camvid_recipe(), part("p.yaml", "method: {gam: true}\n")
    message = refused(recipe, path)
    assert message.startswith(f"{recipe} with {path} is not a valid recipe:\n")
    assert "method.gam: unknown key. Did you mean 'gan'?" in message


def test_no_file_at_all():
    assert "no recipe is given" in refused()


# ---- the command line ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["train", "audit"])
@pytest.mark.parametrize(
    "order",
    [
        ["RECIPE", "ONE", "TWO", "train.steps=9", "runs=x.yaml"],
        ["RECIPE", "train.steps=9", "ONE", "runs=x.yaml", "TWO"],
        ["RECIPE", "ONE", "--OPTION", "TWO", "train.steps=9", "runs=x.yaml"],
        ["--OPTION", "RECIPE", "runs=x.yaml", "ONE", "train.steps=9", "TWO"],
    ],
)
def test_words_are_parts_or_overrides(camvid_recipe, part, verb, order):
    words = {
        "RECIPE": camvid_recipe(name="a=b"),  # the first word is the recipe, whatever it is called
        "ONE": part("one.yaml", "seed: 1\ntrain: {steps: 1, batch_size: 5}\n"),
        "TWO": part("two.yml", "seed: 2\n"),
        "--OPTION": {"train": "--fresh", "audit": "--json=out.json"}[verb],
    }
    options = parse([verb, *(str(words.get(word, word)) for word in order), "name=n"])
    recipe = read_recipe(options)
    assert (recipe.seed, recipe.train.steps, recipe.train.batch_size, recipe.runs) == (2, 9, 5, "x.yaml")


@pytest.mark.parametrize("verb", ["train", "audit"])
def test_errors_reach_the_user(camvid_recipe, part, verb, capsys):
    recipe = camvid_recipe()
    for words, says in (
        ([part("p.yaml", "sed: 1\n")], "sed: unknown key. Did you mean 'seed'?"),
        (["nope.yaml"], "cannot read the recipe nope.yaml"),
        (["focal"], "override 'focal' wants the form key=value"),
        ([CAMVID], "extends nothing"),
    ):
        assert main([verb, str(recipe), *map(str, words)]) == 2
        assert says in capsys.readouterr().err


def test_audit_reads_the_recipe_with_its_parts(city, tmp_path, part, capsys):
    from support.tiny_run import write_recipe

    recipe = write_recipe(tmp_path, city)
    assert main(["audit", str(recipe)]) == 0
    assert "source.0" in capsys.readouterr().out
    only_target = part("fcn.yaml", "data: {source: []}\nmethod: {source_weighting: none, gan: false}\n")
    assert main(["audit", str(recipe), str(only_target)]) == 0
    printed = capsys.readouterr().out
    assert "target.0" in printed and "source.0" not in printed


@pytest.mark.fault("a recipe whose name is longer than the system allows", "refused, like one that cannot be read")
def test_names_that_are_too_long(camvid_recipe, tmp_path):
    name = "x" * 300
    for paths in ((name,), (camvid_recipe(), f"{name}.yaml"), (tmp_path / name,)):
        assert refused(*paths).endswith(": File name too long") and name in refused(*paths)
    assert main(["audit", str(camvid_recipe()), f"{name}.yaml"]) == 2 == main(["train", name])
