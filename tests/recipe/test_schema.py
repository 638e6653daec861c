"""What a recipe may not say, and the words in which it is refused."""

import pytest
from support.tiny import BASE

from hrs_keras.errors import RecipeError
from hrs_keras.labels import own_label_space
from hrs_keras.recipe.reading import load_recipe, parse_recipe


@pytest.mark.fault("a misspelt key", "refused; the nearest valid key is named")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=1", "sed: unknown key. Did you mean 'seed'?"),
        ("method.level=[pixel]", "method.level: unknown key. Did you mean 'levels'?"),
        ("train.learning_rate.encode=1", "train.learning_rate.encode: unknown key. Did you mean 'encoder'?"),
        ("data.source.0.imagez=x", "data.source.0.imagez: unknown key. Did you mean 'images'?"),
        ("data.target.0.crop.row=[0, 1]", "data.target.0.crop.row: unknown key. Did you mean 'rows'?"),
        ("encoder.fcc=1", "encoder.fcc: unknown key. Did you mean 'fc'?"),
        ("encoder.blocks=[2, 2, 2, 2]", "encoder.blocks: unknown key. Valid: dropout, family, fc, head_scales, heads"),
        ("encoder={family: resnet, fc: 16}", "encoder.fc: unknown key. Valid: blocks, family, head_scales, heads"),
        ("encoder={family: resnet, block: []}", "encoder.block: unknown key. Did you mean 'blocks'?"),
        ("data.augment.xyzzy=1", "data.augment.xyzzy: unknown key. Valid: colour, flip, scale."),
    ],
)
def test_unknown_key_names_the_nearest_valid_one(refusal, override, message):
    assert message in refusal(override)


@pytest.mark.fault("a value of a wrong type or out of its range", "refused; key, value and range are named")
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
        ("train.fresh_factor=0", "train.fresh_factor: Input should be greater than 0 (found 0)"),
        ("train.warmup=-1", "train.warmup: Input should be greater than or equal to 0 (found -1)"),
        ("train.weight_decay.encoder=-0.1", "train.weight_decay.encoder: Input should be greater than or equal to 0"),
        ("train.weight_decay=0.1", "train.weight_decay: wants a mapping of keys to values, found 0.1"),
        ("train.weight_decay.encodr=0.1", "train.weight_decay.encodr: unknown key. Did you mean 'encoder'?"),
        ("train.average=1", "train.average: Input should be less than 1 (found 1)"),
        ("train.average=0", "train.average: Input should be greater than 0 (found 0)"),
        ("train.average=true", "train.average: wants a number, found True"),
        ("train.source_ratio=0", "train.source_ratio: Input should be greater than 0 (found 0)"),
        ("data.source.0.weight=0", "data.source.0.weight: Input should be greater than or equal to 0.001 (found 0)"),
        ("data.source.0.weight=0.3333", "data.source.0.weight: wants at most 3 decimals, found 0.3333"),
        ("train=3", "train: wants a mapping of keys to values, found 3"),
        ("data.target=[3]", "data.target.0: wants a mapping of keys to values, found 3"),
        ("data.test=[3]", "data.test.0: wants a mapping of keys to values, found 3"),
        ("data.test=[{format: camvid, splt: test}]", "data.test.0.splt: unknown key. Did you mean 'split'?"),
        ("data.test=[{format: cityscapes}]", "test.0.ids (cityscapes) gives 8 the class 'sidewalk'"),
        ("data.target=camvid", "data.target: Input should be a valid list (found 'camvid')"),
        ("method.gan=1", "method.gan: Input should be a valid boolean (found 1)"),
        ("seed=-1", "seed: Input should be greater than or equal to 0 (found -1)"),
        ("data.subset_seed=-1", "data.subset_seed: Input should be greater than or equal to 0"),
        ("seed=2147483648", "seed: Input should be less than 2147483648"),
        ("name=3", "name: Input should be a valid string (found 3)"),
        (
            "precision=float16",
            "precision: Input should be 'float32', 'mixed_bfloat16' or 'mixed_float16' (found 'float16')",
        ),
        ("data.size=[64]", "data.size.1: missing; the list has too few items"),
        ("data.target=[]", "data.target: is a list of 0, wants at least 1"),
        ("data.source.0.crop=null", "data.source.0.crop: wants a mapping of keys to values, found None"),
    ],
)
def test_ill_typed_values(refusal, override, message):
    assert message in refusal(override)


@pytest.mark.fault("settings that contradict each other", "refused; both are named")
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
        (
            "encoder.family=resnet",
            "encoder: weights='imagenet': there are no pretrained weights for the family resnet; set",
        ),
        ("encoder.family=vgg", "encoder.family: unknown encoder family 'vgg'. Did you mean 'vgg16'?"),
        ("encoder.family=null", "encoder.family: Input should be a valid string (found None)"),
        ("encoder={fc: 3}", "encoder.family: missing. Extend base.yaml or give it a value."),
        ("encoder=vgg16", "encoder: wants a mapping of keys to values, found 'vgg16'"),
        ("encoder={family: resnet, blocks: [1, 2, 2, 2]}", "encoder.blocks.0: Input should be greater than or equal"),
        ("encoder.width=0.5", "needs convolutions of full width (width 1), found width 0.5; set weights: null"),
        ("encoder.head_scales=[1, 1]", "encoder.head_scales"),
        ("encoder.head_scales=[1, 0, 1]", "encoder.head_scales.1: Input should be greater than 0"),
        ("encoder.heads=ones", "encoder.heads: Input should be 'zero' or 'random'"),
        ("encoder.preprocessing=unit", "were trained on caffe-style input: set preprocessing: caffe"),
        ("train.source_ratio=0.25", "train: source_ratio: 0.25 times a batch_size of 1 is 0.25 source images"),
        ("train.accumulate=2", "train: accumulate: a batch_size of 1 cannot be taken in 2 equal parts"),
        (
            "data.target=[{format: camvid}, {format: camvid, weight: 2}]",
            "data: target.0 has no weight, but target.1 has one; give a weight to all data sets of target, or to none",
        ),
        ("data.validation.0.weight=2", "data: validation.0.weight: every image of validation is read once"),
        ("train.warmup=60000", "train: warmup: 60000 steps leave none of the 60000 steps for the decay"),
    ],
)
def test_contradictions(refusal, override, message):
    assert message in refusal(override)


@pytest.mark.fault("a batch that cannot be made of whole images, or shared out", "refused; the numbers are named")
def test_images_of_a_step_are_whole(refusal):
    message = refusal("train.batch_size=2", "train.source_ratio=0.3")
    assert "train: source_ratio: 0.3 times a batch_size of 2 is 0.6 source images in a step; set both so" in message
    message = refusal("train.batch_size=4", "train.source_ratio=0.25", "train.accumulate=2")
    assert "train: accumulate: the 1 source images of a step (source_ratio) cannot be taken in 2 equal" in message


@pytest.mark.fault(
    "`train.fresh_factor` without pretrained weights", "the recipe is refused: nothing would be pretrained"
)
def test_fresh_parts_want_pretrained_ones_beside_them(refusal):
    message = refusal("train.fresh_factor=10", "encoder.weights=null", "encoder.preprocessing=unit")
    assert "train.fresh_factor: 10 multiplies the learning rate of what encoder.weights does not fill" in message
    assert "set train.fresh_factor=1" in message


@pytest.mark.fault("a data set's description that makes no sense", "refused; its key is named")
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
        ("bits: 12", "target.0.bits: Input should be 1, 2, 4, 8 or 16 (found 12)"),
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
        ("ids: {sky: road}", "target.0.ids: has the key 'sky'; wants whole numbers from 0 to 255"),
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


@pytest.mark.fault("an id table of other classes", "refused; those that fit are named")
def test_id_table_for_another_label_space_names_those_that_fit(refusal):
    message = refusal("data.classes=cityscapes", "data.source=[{format: carla}]")
    assert "source.0.ids (carla_camvid) gives 4 the class 'pedestrian'" in message
    assert "Id tables that fit: cityscapes, gtav, synthia, carla_cityscapes, cityscapes_train_ids," in message
    message = refusal("data.classes=[road, sky]", "data.source=[{format: carla}]")
    assert "No id table fits: give ids as {raw id: class name}, or set data.classes" in message


def test_folder_format_has_no_defaults(refusal):
    message = refusal("data.target=[{format: folder}]")
    for key in ("images", "labels", "ids"):
        assert f"data.target.0.{key}: missing." in message


@pytest.mark.fault("a recipe with several mistakes", "all are told at once")
def test_all_problems_are_told_at_once(refusal):
    message = refusal("sed=1", "train.steps=0", "encoder.family=alexnet")
    assert all(key in message for key in ("sed: unknown", "train.steps: ", "encoder.family: "))


@pytest.mark.parametrize(
    "tree", [None, 3, [], {}, {1: 2}, {None: 1}, {(1, 2): 3}, {"data": {1: 2}}, {"train": {None: {}}}]
)
def test_any_tree_ends_in_a_recipe_error(tree):
    with pytest.raises(RecipeError, match="here is not a valid recipe"):
        parse_recipe(tree, "here")


# ---- classes of one's own ----------------------------------------------------------------------------------------

OWN = "data.classes=[lane, kerb, tractor]"
OWN_FILES = [
    f"data.{role}=[{{images: 'a/*', labels: 'b/*', ids: {{4: kerb, 0: ignore}}}}]"
    for role in ("source", "target", "validation")
]


def test_a_list_of_names_is_a_label_space():
    space = load_recipe(BASE, [OWN, *OWN_FILES]).data.label_space
    assert space.classes == ("lane", "kerb", "tractor")
    assert space.subsets == {"3": space.classes}
    assert space.raw_ids == (0, 1, 2)
    assert len(set(space.palette)) == 3
    assert all(0 <= channel <= 255 for colour in space.palette for channel in colour)


def test_many_classes_have_different_colours():
    names = tuple(f"c{i}" for i in range(254))
    assert len(set(own_label_space(names).palette)) == 254


@pytest.mark.fault("class names that are equal, too few, too many, or `ignore`", "refused")
@pytest.mark.parametrize("classes", ["[lane]", "[lane, lane]", "[lane, ignore]", "[]"])
def test_a_list_that_is_no_label_space(classes):
    with pytest.raises(RecipeError, match=r"data\.classes: wants 2 to 254 different names, none of them 'ignore'"):
        load_recipe(BASE, [f"data.classes={classes}", *OWN_FILES])


def test_ids_must_name_a_class_of_the_list():
    with pytest.raises(RecipeError, match=r"gives 4 the class 'kerb', .* \['lane', 'curb'\]\. Did you mean 'curb'\?"):
        load_recipe(BASE, ["data.classes=[lane, curb]", *OWN_FILES])
