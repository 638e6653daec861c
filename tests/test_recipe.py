"""Recipes: where values come from, what is refused and in which words, and that what is stored reads back."""

from pathlib import Path

import pytest
import yaml

from hrs_keras.errors import RecipeError
from hrs_keras.recipe import differences, load_recipe, parse_recipe
from hrs_keras.schema import Recipe
from hrs_keras.schema_data import Section

RECIPES = Path(__file__).parents[1] / "recipes"
BASE = RECIPES / "base.yaml"
CAMVID = """
data:
  classes: camvid
  source: [{format: camvid, root: game}]
  target: [{format: camvid}]
  validation: [{format: camvid, split: val}]
"""


@pytest.fixture
def file(tmp_path):
    """A complete recipe; ``file(text)`` adds to it, ``file(text, "sub/b.yaml", whole=True)`` is all of a file."""

    def write(text: str = "", name: str = "run.yaml", whole: bool = False) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if whole else f"extends: {BASE}\n{CAMVID}{text}")
        return path

    return write


@pytest.fixture
def refusal(file):
    """The message with which a recipe and overrides are refused."""

    def read(*overrides: str, text: str = "") -> str:
        with pytest.raises(RecipeError) as caught:
            load_recipe(file(text), overrides)
        return str(caught.value)

    return read


# ---- the recipes of the repository -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(set(RECIPES.glob("**/*.yaml")) - {BASE}), ids=lambda path: path.stem)
def test_recipes_of_the_repository_load(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem or "name:" in path.read_text()


def test_base_is_no_recipe_of_its_own():
    with pytest.raises(RecipeError, match=r"base.yaml is not a valid recipe:\n  data.target: .*at least 1"):
        load_recipe(BASE)


def test_base_has_every_key_of_the_schema_and_no_other():
    def keys(section: type[Section], prefix: str = "") -> set[str]:
        found = set()
        for name, field in section.model_fields.items():
            kind = field.annotation
            nested = isinstance(kind, type) and issubclass(kind, Section)
            found |= keys(kind, f"{prefix}{name}.") if nested else {prefix + name}
        return found

    def leaves(tree: dict, prefix: str = "") -> set[str]:
        return {
            key
            for name, value in tree.items()
            for key in (leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name])
        }

    assert leaves(yaml.safe_load(BASE.read_text())) | {"name"} == keys(Recipe)


# ---- extends and merge -----------------------------------------------------------------------------------------


def test_extends_is_relative_to_the_file_and_the_nearest_wins(file):
    file("seed: 1\ntrain: {steps: 10, batch_size: 2}\n", "base.yaml")
    file("extends: ../base.yaml\nseed: 2\ntrain: {steps: 20}\n", "middle/m.yaml", whole=True)
    recipe = load_recipe(file("extends: ../middle/m.yaml\nseed: 3\n", "leaf/l.yaml", whole=True))
    assert (recipe.name, recipe.seed, recipe.train.steps, recipe.train.batch_size) == ("l", 3, 20, 2)
    assert recipe.train.decay_power == 0.9  # from recipes/base.yaml


def test_lists_and_values_are_replaced_not_merged(file):
    file("method: {levels: [pixel, image]}\n", "base.yaml")
    recipe = load_recipe(file("extends: base.yaml\nmethod: {levels: [region]}\n", "l.yaml", whole=True))
    assert recipe.method.levels == ["region"] and recipe.method.channels == "shared"


def test_circle_is_named(file):
    file("extends: b.yaml\n", "a.yaml", whole=True)
    path = file("extends: a.yaml\n", "b.yaml", whole=True)
    with pytest.raises(RecipeError, match=r"in a circle: b\.yaml -> a\.yaml -> b\.yaml"):
        load_recipe(path)


def test_missing_parent_is_named_with_its_child(file):
    with pytest.raises(
        RecipeError, match=r"cannot read the recipe .*nope\.yaml \(extended by .*a\.yaml\): No such file"
    ):
        load_recipe(file("extends: nope.yaml\n", "a.yaml", whole=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; a recipe is a mapping"),
        ("- 1\n- 2\n", r"holds \[1, 2\]; a recipe is a mapping"),
        ("a: [1\n", r"not valid YAML in line 2, column 1"),
        ("seed: 1\ndata: {root: a}\nseed: 2\n", "not valid YAML in line 3, column 1: the key 'seed' again"),
        ("seed: 2024-13-01\n", "not valid YAML: month must be in"),
        ("a: &a [*a]\n", "not valid YAML: "),
        ("extends: 3\n", "extends wants the file name of a recipe, found 3"),
        ("extends: [a.yaml]\n", "extends wants the file name of a recipe"),
        ('extends: "a\\0b"\n', "cannot read the recipe"),
        ("extends: .\n", "cannot read the recipe .*: Is a directory"),
    ],
)
def test_files_that_are_no_recipe(file, text, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(file(text, whole=True))


def test_binary_file_is_no_recipe(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x89PNG")
    with pytest.raises(RecipeError, match="not a text file"):
        load_recipe(tmp_path / "x.yaml")


def test_default_name_is_the_file_name(file):
    assert load_recipe(file(name="my_run.v2.yaml")).name == "my_run.v2"


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a b", "é", '""'])
def test_names_that_make_no_folder_are_refused(refusal, name):
    assert "name: names a folder: wants letters, digits" in refusal(f"name={name}")


# ---- overrides -------------------------------------------------------------------------------------------------


def test_overrides(file):
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
    recipe = load_recipe(file(), overrides)
    assert recipe.train.steps == 8
    assert recipe.train.learning_rate.encoder == 1e-5
    assert recipe.data.source[0].root == "other" and recipe.data.target[0].root == "camvid"
    assert recipe.data.validation[0].crop.rows == (0, 300) and recipe.data.validation[0].crop.columns is None
    assert recipe.data.target[0].subset == 0.125
    assert recipe.method.levels == ["pixel", "image"]
    assert recipe.encoder.weights is None


def test_override_of_one_alias_leaves_the_other(file):
    text = f"extends: {BASE}\ndata: {{classes: camvid, target: &t [{{format: camvid}}], validation: *t, source: *t}}\n"
    recipe = load_recipe(file(text, whole=True), ["data.target.0.root=here"])
    assert (recipe.data.target[0].root, recipe.data.validation[0].root) == ("here", "camvid")


def test_override_of_one_raw_id_replaces_it(file):
    text = f"extends: {BASE}\n" + CAMVID.replace("[{format: camvid}]", "[{format: camvid, ids: {0: sky, 1: road}}]")
    recipe = load_recipe(file(text, whole=True), ["data.target.0.ids.1=tree", "data.target.0.ids.2=car"])
    assert recipe.data.target[0].table() == {0: "sky", 1: "tree", 2: "car"}


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


# ---- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=1", "sed: unknown key. Did you mean 'seed'?"),
        ("method.level=[pixel]", "method.level: unknown key. Did you mean 'levels'?"),
        ("train.learning_rate.encode=1", "train.learning_rate.encode: unknown key. Did you mean 'encoder'?"),
        ("data.source.0.imagez=x", "data.source.0.imagez: unknown key. Did you mean 'images'?"),
        ("data.target.0.crop.row=[0, 1]", "data.target.0.crop.row: unknown key. Did you mean 'rows'?"),
        ("data.augment.xyzzy=1", "data.augment.xyzzy: unknown key. Valid: colour, flip, scale."),
    ],
)
def test_unknown_key_names_the_nearest_valid_one(refusal, override, message):
    assert message in refusal(override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.steps=many", "train.steps: Input should be a valid integer"),
        ("train.steps=1.5", "train.steps: Input should be a valid integer"),
        ("train.steps=true", "train.steps: wants a number, found True"),
        ("train.steps=0", "train.steps: Input should be greater than 0 (found 0)"),
        ("train.steps=[1]", "train.steps: Input should be a valid integer"),
        ("train.batch_size=100000000000000000000", "train.batch_size: Input should be less than"),
        ("train.learning_rate.encoder=.nan", "train.learning_rate.encoder: Input should be"),
        ("train.learning_rate.encoder=.inf", "train.learning_rate.encoder: Input should be a finite number"),
        ("train=3", "train: wants a mapping of keys to values, found 3"),
        ("data.target=[3]", "data.target.0: wants a mapping of keys to values, found 3"),
        ("data.target=camvid", "data.target: Input should be a valid list (found 'camvid')"),
        ("method.gan=1", "method.gan: Input should be a valid boolean (found 1)"),
        ("seed=-1", "seed: Input should be greater than or equal to 0 (found -1)"),
        ("data.subset_seed=-1", "data.subset_seed: Input should be greater than or equal to 0"),
        ("seed=2147483648", "seed: Input should be less than 2147483648"),
        ("name=3", "name: Input should be a valid string (found 3)"),
        ("precision=float16", "precision: Input should be 'float32' or 'mixed_bfloat16' (found 'float16')"),
        ("data.size=[64]", "data.size.1: missing; the list has too few items"),
        ("data.target=[]", "data.target: List should have at least 1 item"),
        ("data.source.0.crop=null", "data.source.0.crop: wants a mapping of keys to values, found None"),
    ],
)
def test_ill_typed_values(refusal, override, message):
    assert message in refusal(override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.classes=camvit", "data.classes: unknown label space 'camvit'. Did you mean 'camvid'?"),
        ("data.size=[100, 64]", "data.size: both sides must be divisible by 32, found [100, 64]; nearest: [96, 64]"),
        ("data.size=[1, 32]", "found [1, 32]; nearest: [32, 32]"),
        ("data.augment.scale=[0.5, 1]", "data.augment.scale: wants [low, high] with 1 <= low <= high"),
        ("data.augment.scale=[2, 1]", "data.augment.scale: wants [low, high] with 1 <= low <= high"),
        ("data.augment.colour=1", "data.augment.colour: Input should be less than 1"),
        ("method.levels=[pixel, pixel]", "method.levels: names a level twice"),
        ("method.levels=[pixel, word]", "method.levels.1: Input should be 'pixel', 'region' or 'image' (found 'word')"),
        ("method.source_weighting=none", "method: gan: true aligns two domains"),
        ("data.source=[]", "method.source_weighting: learned needs at least one data set in data.source"),
        ("encoder.family=resnet", "encoder: weights='imagenet': pretrained weights are read for vgg16 only"),
        ("encoder.fc=1024", "needs the full network (width 1, fc 4096), found width 1 and fc 1024"),
        ("encoder.width=0.5", "found width 0.5 and fc 4096; set weights: null"),
        ("encoder.preprocessing=unit", "were trained on caffe-style input: set preprocessing: caffe"),
    ],
)
def test_contradictions(refusal, override, message):
    assert message in refusal(override)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("format: camvit", "target.0: unknown data set format 'camvit'. Did you mean 'camvid'?"),
        ("format: [camvid]", "target.0: unknown data set format ['camvid']."),
        ("format: null", "target.0: unknown data set format None."),
        ("images: '{foo}/*.png'", "target.0.images: '{foo}/*.png' has {foo}, but only {split} is filled in"),
        ("labels: '{}/*'", "target.0.labels: '{}/*' has {}, but only {split} is filled in"),
        ("images: '{split!r}/*'", "has {split!r}, but only {split} is filled in"),
        ("images: /data/*.png", "target.0.images: wants a file pattern below the data set's root, found '/data/*.png'"),
        ("images: ''", "target.0.images: wants a file pattern below the data set's root, found ''"),
        ("images: .", "wants a file pattern below the data set's root"),
        ("images: 'a/**/*.png'", "'a/**/*.png': '**' is not supported"),
        (
            "crop: {rows: [5, 5]}",
            "target.0.crop.rows: wants [start, stop] with start < stop, found [5, 5], which leaves",
        ),
        ("crop: {columns: [9, 5]}", "target.0.crop.columns: wants [start, stop] with start < stop, found [9, 5]"),
        ("crop: {rows: [-3, 5]}", "target.0.crop.rows.0: Input should be greater than or equal to 0"),
        ("crop: {rows: [1, 2, 3]}", "target.0.crop.rows: "),
        ("subset: 1.5", "target.0.subset: wants a fraction in (0, 1] or a whole count of at least 1, found 1.5"),
        ("subset: 0", "target.0.subset: wants a fraction"),
        ("subset: 0.0", "target.0.subset: wants a fraction"),
        ("subset: true", "target.0.subset: wants a fraction"),
        ("subset: all", "target.0.subset: wants a fraction"),
        ("subset: .nan", "target.0.subset: wants a fraction"),
        ("bits: 12", "target.0.bits: Input should be 8 or 16 (found 12)"),
        ("channel: 4", "target.0.channel: Input should be less than or equal to 3"),
        (
            "encoding: palette, bits: 16",
            "target.0: bits and channel belong to encoding: values, not to encoding: palette",
        ),
        ("encoding: palette, channel: 1", "target.0: bits and channel belong to encoding: values"),
        ("ids: camvit", "target.0.ids: unknown id table 'camvit'. Did you mean 'camvid'?"),
        ("ids: cityscapes", "target.0.ids (cityscapes) gives 8 the class 'sidewalk'"),
        ("ids: {}", "target.0.ids: wants the name of an id table or {raw id: class name}, found {}"),
        ("ids: [sky]", "target.0.ids: wants the name of an id table or {raw id: class name}, found ['sky']"),
        ("ids: {sky: 0}", "target.0.ids: has the key 'sky'; wants whole numbers from 0 to 255"),
        ("ids: {1.0: sky}", "target.0.ids: has the key 1.0; wants whole numbers"),
        ("ids: {true: sky}", "target.0.ids: has the key True; wants whole numbers"),
        ("ids: {-1: sky}", "target.0.ids: has the key -1; wants whole numbers from 0 to 255"),
        ("ids: {256: sky}", "target.0.ids: has the key 256; wants whole numbers from 0 to 255"),
        ("ids: {65536: sky}, bits: 16", "target.0.ids: has the key 65536; wants whole numbers from 0 to 65535"),
        ("ids: {1: sky, '1': road}", "target.0.ids: names 1 twice"),
        ("ids: {1: sky, 1: road}", "the key '1' again"),
        ("ids: {1: no}", "target.0.ids: gives 1 False; wants a class name"),
        ("ids: {1: [sky]}", "target.0.ids: gives 1 ['sky']; wants a class name"),
        (
            "ids: {1: skyy}",
            "target.0.ids gives 1 the class 'skyy', which is not in the label space 'camvid'. Did you mean",
        ),
        ("encoding: colours", "target.0.ids: wants {\"R,G,B\": class name}, found 'camvid'"),
        ("encoding: colours, ids: {'1,2': sky}", "target.0.ids: has the key '1,2'; wants \"R,G,B\" in quotes"),
        ("encoding: colours, ids: {'1,2,x': sky}", "has the key '1,2,x'; wants"),
        (
            "encoding: colours, ids: {'1,2,256': sky}",
            "has the key '1,2,256'; wants \"R,G,B\" in quotes, each from 0 to 255",
        ),
        ("encoding: colours, ids: {7: sky}", "has the key 7; wants"),
        ("encoding: colours, ids: {'1,2,3': sky, '1, 2,03': road}", "names '1,2,3' twice"),
    ],
)
def test_bad_data_set_descriptions(refusal, changes, message):
    given = changes if changes.startswith("format") else f"format: camvid, {changes}"
    assert message in refusal(f"data.target=[{{{given}}}]")


def test_id_table_for_another_label_space_names_those_that_fit(refusal):
    message = refusal("data.classes=cityscapes", "data.source=[{format: carla}]")
    assert "source.0.ids (carla_camvid) gives 4 the class 'pedestrian'" in message
    assert "Id tables that fit: cityscapes, gtav, synthia, carla_cityscapes." in message


def test_folder_format_has_no_defaults(refusal):
    message = refusal("data.target=[{format: folder}]")
    for key in ("images", "labels", "ids"):
        assert f"data.target.0.{key}: missing." in message


def test_all_problems_are_told_at_once(refusal):
    message = refusal("sed=1", "train.steps=0", "encoder.family=alexnet")
    assert all(key in message for key in ("sed: unknown", "train.steps: ", "encoder.family: "))


@pytest.mark.parametrize(
    "tree", [None, 3, [], {}, {1: 2}, {None: 1}, {(1, 2): 3}, {"data": {1: 2}}, {"train": {None: {}}}]
)
def test_any_tree_ends_in_a_recipe_error(tree):
    with pytest.raises(RecipeError, match="here is not a valid recipe"):
        parse_recipe(tree, "here")


# ---- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("1E3", 1000.0), (".5e1", 5.0), ("2.e-1", 0.2), ("1_0e1", 100.0), ("3", 3.0)]
)
def test_numbers_as_people_write_them(file, text, value):
    assert load_recipe(file(f"train: {{decay_power: {text}}}\n")).train.decay_power == value
    assert load_recipe(file(), [f"train.decay_power={text}"]).train.decay_power == value


def test_names_that_look_like_exponents_stay_names(file):
    assert load_recipe(file(), ["name=e10", "runs=1e"]).name == "e10"


def test_formats_fill_in_what_the_recipe_leaves_out(file):
    text = "{format: gtav, root: g}, {format: synthia}, {format: gtav, images: 'x/*.jpg'}"
    recipe = load_recipe(file(), ["data.classes=cityscapes", f"data.source=[{text}]", *_cityscapes_targets()])
    gtav, synthia, other = recipe.data.source
    assert (gtav.root, gtav.encoding, gtav.ids, gtav.labels) == ("g", "palette", "gtav", "labels/*.png")
    assert (synthia.root, synthia.bits, synthia.channel, synthia.encoding) == ("synthia", 16, 0, "values")
    assert (other.images, other.encoding) == ("x/*.jpg", "palette")


def _cityscapes_targets() -> list[str]:
    return ["data.target=[{format: cityscapes}]", "data.validation=[{format: cityscapes, split: val}]"]


def test_own_id_tables(file):
    values = load_recipe(file(), ["data.target=[{format: camvid, ids: {7: sky, 255: ignore}}]"])
    assert values.data.target[0].table() == {7: "sky", 255: "ignore"}
    colours = load_recipe(
        file(), ["data.target=[{format: camvid, encoding: colours, ids: {'1, 2,  3': sky, '0,0,0': ignore}}]"]
    )
    assert colours.data.target[0].table() == {"1,2,3": "sky", "0,0,0": "ignore"}


# ---- what is stored --------------------------------------------------------------------------------------------


def test_stored_recipe_reads_back_equal(file, tmp_path):
    sets = [
        "{format: camvid, ids: {0: sky, 11: ignore}, subset: 1.0}",
        "{format: camvid, subset: 1, crop: {rows: [0, 299]}}",
        "{format: camvid, encoding: colours, ids: {'128,64,128': road}}",
    ]
    recipe = load_recipe(file(), [f"data.target=[{', '.join(sets)}]", "train.learning_rate.encoder=3e-5"])
    stored = tmp_path / "stored.yaml"
    stored.write_text(recipe.to_yaml())
    back = load_recipe(stored)
    assert back == recipe and back.digest() == recipe.digest() and differences(back, recipe) == []
    assert [type(dataset.subset) for dataset in back.data.target] == [float, int, type(None)]
    assert back.data.target[0].table() == {0: "sky", 11: "ignore"}


CHANGES = ["seed=1", "train.decay_power=0.8", "data.source.0.root=x", "method.levels=[pixel]", "data.augment.flip=true"]


@pytest.mark.parametrize("change", CHANGES)
def test_digest_changes_with_every_leaf(file, change):
    assert load_recipe(file()).digest() == load_recipe(file()).digest()
    assert load_recipe(file(), [change]).digest() != load_recipe(file()).digest()


def test_digest_is_short_hexadecimal(file):
    digest = load_recipe(file()).digest()
    assert len(digest) == 12 and set(digest) <= set("0123456789abcdef")


def test_differences(file):
    one = load_recipe(file())
    other = load_recipe(file(), ["seed=5", "method.levels=[pixel]", "data.source.0.crop.rows=[0, 9]"])
    assert differences(one, one) == []
    assert differences(one, other) == [
        "seed: 0 -> 5",
        "method.levels.1: region -> (absent)",
        "method.levels.2: image -> (absent)",
        "data.source.0.crop.rows.0: (absent) -> 0",
        "data.source.0.crop.rows.1: (absent) -> 9",
    ]


def test_run_folder(file):
    assert load_recipe(file(), ["name=abc", "runs=out/r"]).run_dir == Path("out/r/abc")
