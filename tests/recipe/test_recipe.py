"""Recipes: where values come from, what they may look like, and that what is stored reads back."""

from pathlib import Path
from typing import get_origin

import pytest
import yaml
from support.tiny import BASE, CAMVID

from hrs_keras.errors import RecipeError
from hrs_keras.recipe.reading import differences, load_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.types import Section

RECIPES = BASE.parent
RECOMMENDED = RECIPES / "recommended.yaml"


# ---- the recipes of the repository -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(set(RECIPES.glob("*.yaml")) - {BASE, RECOMMENDED}), ids=lambda path: path.stem)
def test_recipes_of_the_repository_load(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem or "name:" in path.read_text()


@pytest.mark.parametrize("system", sorted(path.stem for path in RECIPES.glob("systems/*.yaml")))
def test_the_recommended_recipe_wants_data_alone_and_takes_every_system(camvid_recipe, system):
    mine = camvid_recipe(f"extends: {RECOMMENDED}\n{CAMVID}", whole=True)
    recipe = load_recipe(mine)
    assert (recipe.encoder.family, recipe.method.source_weighting, recipe.method.gan) == (
        "efficientnet_lite",
        "plain",
        False,
    )
    assert load_recipe([mine, RECIPES / f"systems/{system}.yaml"]).encoder == recipe.encoder


def test_base_is_no_recipe_of_its_own():
    with pytest.raises(RecipeError, match=r"base.yaml is not a valid recipe:\n  data.target: .*at least 1"):
        load_recipe(BASE)


def test_base_has_every_key_of_the_schema_and_no_other():
    base = yaml.safe_load(BASE.read_text())

    def keys(section: type[Section], prefix: str = "") -> set[str]:
        found = set()
        for name, field in section.model_fields.items():
            kind = field.annotation
            nested = get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, Section)
            found |= keys(kind.variant(base.get(name)), f"{prefix}{name}.") if nested else {prefix + name}
        return found

    def leaves(tree: dict, prefix: str = "") -> set[str]:
        return {
            key
            for name, value in tree.items()
            for key in (leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name])
        }

    assert leaves(base) | {"name"} == keys(Recipe)


# ---- extends and merge -----------------------------------------------------------------------------------------


def test_extends_is_relative_to_the_file_and_the_nearest_wins(camvid_recipe):
    camvid_recipe("seed: 1\ntrain: {steps: 10, batch_size: 2}\n", "base.yaml")
    camvid_recipe("extends: ../base.yaml\nseed: 2\ntrain: {steps: 20}\n", "middle/m.yaml", whole=True)
    recipe = load_recipe(camvid_recipe("extends: ../middle/m.yaml\nseed: 3\n", "leaf/l.yaml", whole=True))
    assert (recipe.name, recipe.seed, recipe.train.steps, recipe.train.batch_size) == ("l", 3, 20, 2)
    assert recipe.train.decay_power == 0.9  # from recipes/base.yaml


def test_lists_and_values_are_replaced_not_merged(camvid_recipe):
    camvid_recipe("method: {levels: [pixel, image]}\n", "base.yaml")
    recipe = load_recipe(camvid_recipe("extends: base.yaml\nmethod: {levels: [region]}\n", "l.yaml", whole=True))
    assert recipe.method.levels == ["region"] and recipe.method.channels == "shared"


@pytest.mark.fault("recipes that extend each other in a circle", "refused; the circle is shown")
def test_circle_is_named(camvid_recipe):
    camvid_recipe("extends: b.yaml\n", "a.yaml", whole=True)
    path = camvid_recipe("extends: a.yaml\n", "b.yaml", whole=True)
    with pytest.raises(RecipeError, match=r"in a circle: b\.yaml -> a\.yaml -> b\.yaml"):
        load_recipe(path)


@pytest.mark.fault("a recipe that extends a file that is not there", "refused; both files are named")
def test_missing_parent_is_named_with_its_child(camvid_recipe):
    with pytest.raises(
        RecipeError, match=r"cannot read the recipe .*nope\.yaml \(extended by .*a\.yaml\): No such file"
    ):
        load_recipe(camvid_recipe("extends: nope.yaml\n", "a.yaml", whole=True))


@pytest.mark.fault(
    "a recipe that is empty, a list, not YAML, an experiment, or has a key twice",
    "refused, with the line or what was found",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; a recipe is a mapping"),
        ("- 1\n- 2\n", r"holds \[1, 2\]; a recipe is a mapping"),
        ("a: [1\n", r"not valid YAML in line 2, column 1"),
        ("seed: 1\ndata: {root: a}\nseed: 2\n", "not valid YAML in line 3, column 1: the key 'seed' again"),
        ("seed: 0b_\n", "not valid YAML: invalid literal for int"),
        ("a: &a [*a]\n", "not valid YAML: "),
        ("extends: 3\n", "extends wants the file name of a recipe, found 3"),
        ("extends: [a.yaml]\n", "extends wants the file name of a recipe"),
        ('extends: "a\\0b"\n', "cannot read the recipe"),
        ("extends: .\n", "cannot read the recipe .*: Is a directory"),
        ("title: T\nsystems: []\n", r"\.yaml is an experiment, not a recipe; run it with `hrs experiment`"),
        ("method: {gan: false}\n", r"not a whole recipe: seed, .*, train are missing\..*behind a whole one"),
    ],
)
def test_files_that_are_no_recipe(camvid_recipe, text, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(camvid_recipe(text, whole=True))


@pytest.mark.fault(
    "a set, bytes or another YAML object as a recipe's value", "refused, with its line: it would be taken apart"
)
@pytest.mark.parametrize(
    "value", ["!!set {pixel, region}", "!!binary cGl4ZWw=", "!!omap [pixel: 1]", "!!python/none 0"]
)
def test_objects_are_no_values(camvid_recipe, value):
    with pytest.raises(RecipeError, match=r"not valid YAML in line \d+, column \d+: could not .* the tag"):
        load_recipe(camvid_recipe(f"method: {{levels: {value}}}\n"))


def test_a_date_is_text(camvid_recipe):
    assert load_recipe(camvid_recipe("name: 2024-01-02\n")).name == "2024-01-02"


@pytest.mark.fault("a recipe that is a binary file", "refused: not a text file")
def test_binary_file_is_no_recipe(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x89PNG")
    with pytest.raises(RecipeError, match="not a text file"):
        load_recipe(tmp_path / "x.yaml")


def test_default_name_is_the_file_name(camvid_recipe):
    assert load_recipe(camvid_recipe(name="my_run.v2.yaml")).name == "my_run.v2"


@pytest.mark.fault("a name that is no folder's, such as ../up", "refused; what names may be is said")
@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a b", "é", '""'])
def test_names_that_make_no_folder_are_refused(refusal, name):
    assert "name: names a folder: wants letters, digits" in refusal(f"name={name}")


# ---- overrides -------------------------------------------------------------------------------------------------


def test_overrides(camvid_recipe):
    overrides = [
        "train.steps=7",
        "train.learning_rate.encoder=1e-5",
        "data.source.0.root=other",
        "data.validation.0.crop.rows=[0, 300]",
        "data.target.0.subset=0.125",
        "method.levels=[image, pixel]",
        "encoder.weights=null",
        "train.steps=8",
    ]
    recipe = load_recipe(camvid_recipe(), overrides)
    assert recipe.train.steps == 8
    assert recipe.train.learning_rate.encoder == 1e-5
    assert recipe.data.source[0].root == "other" and recipe.data.target[0].root == "camvid"
    assert recipe.data.validation[0].crop.rows == (0, 300) and recipe.data.validation[0].crop.columns is None
    assert recipe.data.target[0].subset == 0.125
    assert recipe.method.levels == ["pixel", "image"]
    assert recipe.encoder.weights is None


def test_override_of_one_alias_leaves_the_other(camvid_recipe):
    text = f"extends: {BASE}\ndata: {{classes: camvid, target: &t [{{format: camvid}}], validation: *t, source: *t}}\n"
    recipe = load_recipe(camvid_recipe(text, whole=True), ["data.target.0.root=here"])
    assert (recipe.data.target[0].root, recipe.data.validation[0].root) == ("here", "camvid")


def test_override_of_one_raw_id_replaces_it(camvid_recipe):
    text = f"extends: {BASE}\n" + CAMVID.replace("[{format: camvid}]", "[{format: camvid, ids: {0: sky, 1: road}}]")
    recipe = load_recipe(camvid_recipe(text, whole=True), ["data.target.0.ids.1=tree", "data.target.0.ids.2=car"])
    assert recipe.data.target[0].table() == {0: "sky", 1: "tree", 2: "car"}


@pytest.mark.fault(
    "an override without =, of no such list item, or below a plain value", "refused; the override is repeated"
)
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps", "override 'train.steps' wants the form key=value"),
        ("=3", "override '=3' wants the form key=value"),
        ("data.source.1.root=x", "'1' is no position in a list of 1 items"),
        ("data.source.-1.root=x", "'-1' is no position"),
        ("data.source.².root=x", "'²' is no position"),
        ("data.source.root=x", "'root' is no position"),
        ("data.source.1={format: camvid}", "'1' is no position in a list of 1 items"),
        ("train.steps.more=x", "'more' lies below a plain value (60000)"),
        ("train.steps=[1", "override 'train.steps=[1': the value is not valid YAML"),
        ("train.stepz=1", "train.stepz: unknown key. Did you mean 'steps'?"),
        ("trian.steps=1", "trian: unknown key. Did you mean 'train'?"),
        ("data..root=x", "data.: unknown key. Valid: "),
    ],
)
def test_bad_overrides(refusal, override, message):
    assert message in refusal(override)


# ---- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("1E3", 1000.0), (".5e1", 5.0), ("2.e-1", 0.2), ("1_0e1", 100.0), ("3", 3.0)]
)
def test_numbers_as_people_write_them(camvid_recipe, text, value):
    assert load_recipe(camvid_recipe(f"train: {{decay_power: {text}}}\n")).train.decay_power == value
    assert load_recipe(camvid_recipe(), [f"train.decay_power={text}"]).train.decay_power == value


def test_names_that_look_like_exponents_stay_names(camvid_recipe):
    assert load_recipe(camvid_recipe(), ["name=e10", "runs=1e"]).name == "e10"


def test_formats_fill_in_what_the_recipe_leaves_out(camvid_recipe):
    text = "{format: gtav, root: g}, {format: synthia}, {format: gtav, images: 'x/*.jpg'}"
    recipe = load_recipe(camvid_recipe(), ["data.classes=cityscapes", f"data.source=[{text}]", *_cityscapes_targets()])
    gtav, synthia, other = recipe.data.source
    assert (gtav.root, gtav.encoding, gtav.ids, gtav.labels) == ("g", "palette", "gtav", "labels/*.png")
    assert (synthia.root, synthia.bits, synthia.channel, synthia.encoding) == ("synthia", 16, 0, "values")
    assert (other.images, other.encoding) == ("x/*.jpg", "palette")


def _cityscapes_targets() -> list[str]:
    return ["data.target=[{format: cityscapes}]", "data.validation=[{format: cityscapes, split: val}]"]


def test_own_id_tables(camvid_recipe):
    values = load_recipe(camvid_recipe(), ["data.target=[{format: camvid, ids: {7: sky, 255: ignore}}]"])
    assert values.data.target[0].table() == {7: "sky", 255: "ignore"}
    colours = load_recipe(
        camvid_recipe(), ["data.target=[{format: camvid, encoding: colours, ids: {'1, 2,  3': sky, '0,0,0': ignore}}]"]
    )
    assert colours.data.target[0].table() == {"1,2,3": "sky", "0,0,0": "ignore"}


# ---- what is stored --------------------------------------------------------------------------------------------


def test_stored_recipe_reads_back_equal(camvid_recipe, tmp_path):
    sets = [
        "{format: camvid, ids: {0: sky, 11: ignore}, subset: 1.0}",
        "{format: camvid, subset: 1, crop: {rows: [0, 299]}}",
        "{format: camvid, encoding: colours, ids: {'128,64,128': road}}",
    ]
    recipe = load_recipe(camvid_recipe(), [f"data.target=[{', '.join(sets)}]", "train.learning_rate.encoder=3e-5"])
    stored = tmp_path / "stored.yaml"
    stored.write_text(recipe.to_yaml())
    back = load_recipe(stored)
    assert back == recipe and back.digest() == recipe.digest() and differences(back, recipe) == []
    assert [type(dataset.subset) for dataset in back.data.target] == [float, int, type(None)]
    assert back.data.target[0].table() == {0: "sky", 11: "ignore"}


CHANGES = ["seed=1", "train.decay_power=0.8", "data.source.0.root=x", "method.levels=[pixel]", "data.augment.flip=true"]


@pytest.mark.parametrize("change", CHANGES)
def test_digest_changes_with_every_leaf(camvid_recipe, change):
    assert load_recipe(camvid_recipe()).digest() == load_recipe(camvid_recipe()).digest()
    assert load_recipe(camvid_recipe(), [change]).digest() != load_recipe(camvid_recipe()).digest()


def test_digest_is_short_hexadecimal(camvid_recipe):
    digest = load_recipe(camvid_recipe()).digest()
    assert len(digest) == 12 and set(digest) <= set("0123456789abcdef")


def test_differences(camvid_recipe):
    one = load_recipe(camvid_recipe())
    other = load_recipe(camvid_recipe(), ["seed=5", "method.levels=[pixel]", "data.source.0.crop.rows=[0, 9]"])
    assert differences(one, one) == []
    assert differences(one, other) == [
        "seed: 0 -> 5",
        "method.levels.1: region -> (absent)",
        "method.levels.2: image -> (absent)",
        "data.source.0.crop.rows.0: (absent) -> 0",
        "data.source.0.crop.rows.1: (absent) -> 9",
    ]


def test_run_folder(camvid_recipe):
    assert load_recipe(camvid_recipe(), ["name=abc", "runs=out/r"]).run_dir == Path("out/r/abc")
