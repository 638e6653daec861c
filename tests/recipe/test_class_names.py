"""Names of classes, which come to stand in logs, tables and pictures; and what YAML makes of names and numbers."""

import json

import pytest
from support import tiny

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.grid import load_experiment
from hrs_keras.recipe.reading import load_recipe, parse_recipe

FILES = [
    f"data.{role}=[{{images: a/*, labels: b/*, ids: {{0: ignore}}}}]" for role in ("source", "target", "validation")
]


def load(classes: list[str], **options):
    return load_recipe(tiny.BASE, [f"data.classes={json.dumps(classes)}", *FILES], **options)


@pytest.mark.parametrize(
    "name",
    ["road, route", "toll $2^$", "a|b", 'the "old" road', "straße", "道路", "_background_", "1e3", "🚗", "no\\yes"],
)
def test_names_that_only_look_odd_are_taken(name):
    assert load([name, "sky"]).data.label_space.classes == (name, "sky")


REFUSED = {
    "empty": (["", "sky"], r"has an empty name \(''\)"),
    "blank": (["  ", "sky"], "has an empty name"),
    "space before": ([" road", "sky"], "has ' road', which begins or ends with a space; leave it out"),
    "space after": (["road ", "sky"], "has 'road ', which begins or ends with a space"),
    "line break": (["ro\nad", "sky"], r"has 'ro\\nad', in which the character '\\n' cannot be shown; leave it out"),
    "NUL": (["ro\0ad", "sky"], r"the character '\\x00' cannot be shown"),
    "hidden space": (["ro\u200bad", "sky"], r"the character '\\u200b' cannot be shown"),
    "unbreakable space": (["big\u00a0road", "sky"], r"the character '\\xa0' cannot be shown"),
    "other case": (["road", "sky", "Road"], "names 'road' and 'Road', which differ in spaces, case or spelling"),
    "other spaces": (["traffic light", "trafficlight"], "names 'traffic light' and 'trafficlight'"),
    "composed and decomposed": (["stra\u00e9", "strae\u0301"], "which differ in spaces, case or spelling of letters"),
    "ignore in other case": (["road", "Ignore"], "names 'ignore' and 'Ignore'"),
}


@pytest.mark.fault(
    "a class name that is empty, padded, unprintable, or equal to another but for spaces, case or accents",
    "refused when the recipe is read; the name is shown",
)
@pytest.mark.parametrize("kind", REFUSED)
def test_names_that_cannot_be_seen_or_told_apart_are_refused(kind):
    classes, message = REFUSED[kind]
    with pytest.raises(RecipeError, match=rf"data\.classes: .*{message}"):
        load(classes)


@pytest.mark.fault(
    "a recipe of `hrs init` with names that are still to be filled in", "refused when it is read; each name is listed"
)
def test_names_that_are_to_be_filled_in(refusal):
    table = "{0: road, 17: TODO_17, 30: ignore, 31: TODO_31}"
    message = refusal("data.classes=[road, TODO_sky]", f"data.target.0.ids={table}", *FILES[::2])
    assert message.endswith(
        "data: 3 names are still to be filled in: TODO_sky (classes.1), TODO_17 (target.0.ids 17), TODO_31"
        " (target.0.ids 31). Write one of the classes in place of each, or ignore"
    )
    whole = refusal("data.source.0.ids=TODO_CARLA_VERSION")
    assert "source.0.ids: TODO_CARLA_VERSION is still to be filled in: write the name of the id table" in whole
    many = {raw: f"TODO_{raw}" for raw in range(25)}
    assert "TODO_19 (target.0.ids 19) and 5 more. Write" in refusal(f"data.target.0.ids={json.dumps(many)}")


def test_a_stored_class_may_be_called_as_what_is_to_be_filled_in():
    assert load(["TODO_list", "sky"], stored=True).data.classes == ["TODO_list", "sky"]


def test_names_that_were_taken_before_are_read_from_what_is_stored():
    """Runs, exports and results of earlier versions have such names; they did them no harm."""
    classes = ["road ", "Road"]
    recipe = load(classes, stored=True)
    assert recipe.data.classes == classes and parse_recipe(recipe.to_dict()) == recipe


@pytest.mark.fault("a name in an experiment file with a line break", "refused when the file is read")
def test_names_of_experiments(tmp_path):
    file = tmp_path / "table.yaml"
    for systems in (r'[{name: a, title: "x\ny"}]', r'[{name: "a\n"}]', '[{name: " a"}]'):
        file.write_text(f"title: T\nrecipe: toy_city\nseeds: [0]\nsystems: {systems}\n")
        with pytest.raises(RecipeError, match=r"systems\.0(\.name)?: has '.*(cannot be shown|with a space)"):
            load_experiment(file)


# ---- what YAML makes of them -----------------------------------------------------------------------------------


def test_a_surrogate_pair_is_one_character_as_in_json(camvid_recipe):
    pair = r'"\ud83d\ude97"'
    assert json.loads(pair) == "🚗"
    recipe = load_recipe(tiny.BASE, [f"data.classes=[{pair}, sky]", *FILES])
    assert recipe.data.classes == ["🚗", "sky"]
    recipe.to_yaml().encode()


@pytest.mark.fault("half of a surrogate pair in a recipe", "refused with the line and column")
def test_half_of_a_surrogate_pair_is_refused(camvid_recipe):
    with pytest.raises(RecipeError, match=r"in line \d+, column 8: '\\ud83d' has half of a character"):
        load_recipe(camvid_recipe('runs:  "\\ud83d"\n'))


@pytest.mark.fault("a number with a leading zero, which YAML reads as octal", "refused; both readings are named")
@pytest.mark.parametrize(("text", "octal", "decimal"), [("010", 8, 10), ("0_17", 15, 17), ("-012", -10, -12)])
def test_octal_numbers_are_refused(camvid_recipe, text, octal, decimal):
    with pytest.raises(
        RecipeError, match=rf"{text} is {octal} in YAML, because it begins with a zero; write {decimal}"
    ):
        load_recipe(camvid_recipe(f"seed: {text}\n"))
    ids = f"{{format: camvid, ids: {{001: road, {text}: tree}}}}"
    with pytest.raises(RecipeError, match=f"{text} is {octal} in YAML"):
        load_recipe(camvid_recipe(), [f"data.target=[{ids}]"])


def test_zeros_that_mean_the_same_either_way_are_read(camvid_recipe):
    ids = "{format: camvid, ids: {000: sky, 007: road, 08: tree, '010': car}}"
    recipe = load_recipe(camvid_recipe(), [f"data.target=[{ids}]"])
    assert recipe.data.target[0].table() == {0: "sky", 7: "road", 8: "tree", 10: "car"}
