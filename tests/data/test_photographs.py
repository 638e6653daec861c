"""Real images without label files: how they are found, audited, prepared, drawn and looked at."""

import json

import numpy as np
import pytest
import tensorflow as tf
from support.prepared_folders import from_folder, manifest_of
from support.sample_images import png, stored, turned

from hrs_keras.data.audit import audit
from hrs_keras.data.drawing import describe_drawing
from hrs_keras.data.finding import find_images
from hrs_keras.data.inventory import take_inventory
from hrs_keras.data.pipeline import suspects_of_steps, training_batches, training_images
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.data.reading import read
from hrs_keras.errors import DataError
from hrs_keras.media import contact_sheets
from hrs_keras.recipe.photographs import Photographs
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.training.run import train

SIZE = (32, 64)


@pytest.fixture
def recipe_of(tmp_path, write_set, make_recipe, save):
    """Four real images with labels and three synthetic ones; five photographs in a folder, whose values are 100 + i."""
    rng = np.random.default_rng(0)
    write_set(tmp_path / "real", [rng.integers(0, 11, SIZE) for _ in range(4)])
    write_set(tmp_path / "game", [rng.integers(0, 11, (20, 30)) for _ in range(3)])
    for i in range(5):
        save(tmp_path / f"photos/p{i}.png", np.full((40, 50, 3), 100 + i))

    def make(unlabelled=("photos",), target=({"root": "real"},), **changes):
        usual = {"data__unlabelled": list(unlabelled), "train__batch_size": 2, "train__steps": 4}
        return make_recipe(tmp_path, list(target), [{"root": "game"}], [{"root": "game"}], **usual | changes)

    return make


def batches_of(recipe, sets=None):
    return list(training_batches(recipe, sets or audit(recipe).sets).as_numpy_iterator())


def values(batches, domain: str) -> list[int]:
    """The value of each image drawn, at its first pixel."""
    return [round((float(image[0, 0, 0]) + 1) * 127.5) for batch in batches for image in batch[domain][0]]


# ---- recipes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "root", "images"),
    [
        ("photos", "photos", "*"),
        ("/data/photos", "/data/photos", "*"),
        ("photos/*.jpg", "photos", "*.jpg"),
        ("drive/day_*/cam/*", "drive", "day_*/cam/*"),
        ("*.png", ".", "*.png"),
        ("/*/x.png", "/", "*/x.png"),
        ("gs://bucket/photos/*.jpg", "gs://bucket/photos", "*.jpg"),
        ({"root": "photos", "images": "*/*"}, "photos", "*/*"),
        ({"format": "cityscapes", "split": "train_extra"}, "cityscapes", "leftImg8bit/{split}/*/*_leftImg8bit.png"),
    ],
)
def test_an_entry_is_a_folder_a_pattern_or_a_data_set(camvid_recipe, entry, root, images):
    recipe = load_recipe(camvid_recipe(), [f"data.unlabelled={json.dumps([entry])}"])
    (found,) = recipe.data.unlabelled
    assert (found.root, found.images, found.labels, found.table()) == (root, images, None, {})
    assert recipe.roles == ("source", "target", "unlabelled", "validation")
    again = load_recipe(camvid_recipe(recipe.to_yaml(), "again.yaml", whole=True))
    assert again.to_dict() == recipe.to_dict() and again.digest() == recipe.digest()


def test_recipes_without_them_keep_their_digest(camvid_recipe):
    assert load_recipe(camvid_recipe()).digest() == load_recipe(camvid_recipe(), ["data.unlabelled=[]"]).digest()
    assert load_recipe(camvid_recipe()).roles == ("source", "target", "validation")


@pytest.mark.fault("images without labels in the wrong list, or labels in theirs", "refused; the right list is named")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.unlabelled=[{root: a, labels: b/*}]"],
            "data.unlabelled.0: labels: images of data.unlabelled have no labels; list a data set with labels in"
            " data.target, where data.labelled can hide them",
        ),
        (["data.unlabelled=[{root: a, ids: camvid}]"], "data.unlabelled.0: ids: images of data.unlabelled have no"),
        (["data.unlabelled=[{root: a, imges: b/*}]"], "data.unlabelled.0.imges: unknown key. Did you mean 'images'?"),
        (["data.unlabelled=[3]"], "data.unlabelled.0: wants a mapping of keys to values, found 3"),
        (["data.unlabelled=['a/**/*.jpg']"], "'**' is not supported; write one '*' for each folder level"),
        (
            ["data.target.0.labels=null"],
            "target.0.labels: wants a file pattern; list images without labels in unlabelled",
        ),
        (
            ["data.target=[]"],
            "data.target: is a list of 0, wants at least 1 data set, or images without labels in data.unlabelled",
        ),
        (
            ["data.target=[]", "data.unlabelled=[a]", "method.source_weighting=none", "method.gan=false"],
            "method.source_weighting: none reads the target alone, but there is no data.target",
        ),
        (
            ["data.labelled=0.5", "data.target.0.weight=2", "data.unlabelled=[a]"],
            "are drawn from together: give a weight to all data sets of both, or to none",
        ),
    ],
)
def test_what_is_refused(refusal, overrides, message):
    assert message in refusal(*overrides)


# ---- files -------------------------------------------------------------------------------------------------------


def test_images_are_what_has_an_images_suffix_in_the_order_of_the_names(tmp_path, save):
    for name in ("b.png", "a.JPG", "deep/c.png", ".hidden.png"):
        save(tmp_path / f"set/{name}", np.zeros((4, 4, 3)))
    (tmp_path / "set/a.heic").touch()
    save(tmp_path / "set/a.png", np.zeros((4, 4, 3)))  # another image than a.JPG: there is no label to be shared
    found = find_images(Photographs(root="set"), tmp_path)
    assert [path.name for path in found.images] == ["a.JPG", "a.png", "b.png"] and found.labels == ()
    assert [path.name for path in found.passed_over] == ["a.heic"] and found.hidden == (True,) * 3
    deeper = find_images(Photographs(root="set", images="*/*"), tmp_path)
    assert [path.name for path in deeper.images] == ["c.png"]


@pytest.mark.fault("a folder of `data.unlabelled` that is missing or holds no image", "refused; the folder is named")
def test_folders_without_images(tmp_path):
    with pytest.raises(DataError, match=r"the data set folder .*none does not exist; set data\.root"):
        find_images(Photographs(root="none"), tmp_path)
    (tmp_path / "set/deep").mkdir(parents=True)
    (tmp_path / "set/a.webp").touch()
    with pytest.raises(DataError, match=r"set/\*: no image\. 1 files match; write one '\*' for .*convert images"):
        find_images(Photographs(root="set"), tmp_path)


def test_lists_subsets_and_crops(recipe_of, tmp_path):
    (tmp_path / "some.txt").write_text("p0\np3.png\np4\n")
    entry = {"root": "photos", "only": str(tmp_path / "some.txt"), "subset": 2, "crop": {"rows": [0, 10]}}
    found = audit(recipe_of([entry]))
    (pairs,) = found.sets["unlabelled"]
    assert len(pairs) == 2 and {path.stem for path in pairs.images} < {"p0", "p3", "p4"}
    assert "unlabelled.0: images" in found.table() and "3 without labels, 2 used, 0 unusable; 1500 pixels" in (
        found.table()
    )


# ---- the audit ---------------------------------------------------------------------------------------------------


def test_the_audit_reads_all_of_them(recipe_of, tmp_path):
    (tmp_path / "photos/clip.mov").touch()
    recipe = recipe_of()
    found = audit(recipe)
    line = next(line for line in found.table().splitlines() if line.startswith("unlabelled.0"))
    assert line.endswith("photos/*: 5 without labels, 5 used, 0 unusable; 10000 pixels")
    assert "unlabelled" not in found.table().splitlines()[0]  # no shares of classes
    problems = [problem for one in found.datasets if one.role == "unlabelled" for problem in one.problems]
    assert [(p.error, "leaves out 1 files" in p.what and "clip.mov" in p.what) for p in problems] == [(False, True)]
    assert found.to_dict()["samples_used"]["unlabelled"] == [5] and "labels_hidden" not in found.to_dict()
    (inventory,) = (one for one in take_inventory(recipe, found) if one.role == "unlabelled")
    assert len(inventory.images) == 5 and inventory.labels == []


@pytest.mark.fault("a damaged photograph in `data.unlabelled`", "an error of the audit; `on_bad: skip` leaves it out")
def test_damaged_photographs(recipe_of, tmp_path):
    (tmp_path / "photos/p1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"photos/p1\.png: is empty"):
        audit(recipe_of())
    (skipped,) = audit(recipe_of(data__on_bad="skip")).sets["unlabelled"]
    assert [path.stem for path in skipped.images] == ["p0", "p2", "p3", "p4"]


@pytest.mark.fault("a crop that is larger than a photograph", "an error of the audit; the sizes are named")
def test_a_crop_beyond_a_photograph(recipe_of):
    with pytest.raises(DataError, match=r"p0\.png: has 40 rows, crop\.rows wants \[0, 41\]"):
        audit(recipe_of([{"root": "photos", "crop": {"rows": [0, 41]}}]))


@pytest.mark.fault("a photograph that is trained on without a label, and validated on", "a warning of the audit")
def test_photographs_that_are_validated_on(recipe_of, tmp_path):
    recipe = recipe_of(["photos", "game/images/*"])
    warned = [problem.what for one in audit(recipe).datasets if one.role == "validation" for problem in one.problems]
    assert any("is trained and validated on, as are 2 more" in what for what in warned)


@pytest.mark.fault("a photograph is damaged while a run reads it", "named, exit code 2")
def test_a_photograph_that_changes_after_the_audit(recipe_of, tmp_path):
    recipe = recipe_of(target=[])
    sets = audit(recipe).sets
    (tmp_path / "photos/p3.png").unlink()
    with pytest.raises(DataError, match=r"photos/p3\.png: cannot be read .* sound when the data was audited"):
        list(read(training_batches(recipe, sets), recipe, suspects_of_steps(recipe, sets, 0)))


def test_photographs_are_turned_upright(recipe_of, tmp_path):
    scene = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    (tmp_path / "turned").mkdir()
    (tmp_path / "turned/a.png").write_bytes(png(stored(scene, 6), exif=turned(6)))
    recipe = recipe_of(["turned"], train__batch_size=1)
    ((image, label),) = training_images(recipe, audit(recipe).sets["unlabelled"], [0])
    np.testing.assert_array_equal(np.round((image.numpy() + 1) * 127.5), scene)
    assert (label.numpy() == 255).all()


# ---- streams -----------------------------------------------------------------------------------------------------

PHOTOS = {100, 101, 102, 103, 104}
REAL = {0, 20, 40, 60}


def test_photographs_join_the_images_whose_labels_are_hidden(recipe_of):
    found = batches_of(recipe_of(data__labelled=2, train__steps=14))
    labelled, others = set(values(found, "target")), set(values(found, "unlabelled"))
    assert len(labelled) == 2 and labelled < REAL and others == PHOTOS | (REAL - labelled)
    assert all((batch["unlabelled"][1] == 255).all() for batch in found)


@pytest.mark.slow
def test_beside_a_labelled_target_they_are_a_stream_of_their_own(recipe_of):
    recipe, without = recipe_of(), recipe_of([])
    found = batches_of(recipe)
    assert set(values(found, "unlabelled")) == PHOTOS
    for one, other in zip(batches_of(without), found, strict=True):  # and change no other
        tf.nest.map_structure(np.testing.assert_array_equal, one, {domain: other[domain] for domain in one})


def test_where_no_image_has_a_label_all_real_images_are_the_target(recipe_of):
    recipe = recipe_of(data__labelled="none", train__steps=9)
    assert [phase.domains for phase in recipe.phases] == [("source", "target")]
    assert set(values(batches_of(recipe), "target")) == PHOTOS | REAL
    assert [phase.domains for phase in recipe_of(target=[]).phases] == [("source", "target")]


def test_who_does_not_read_them_is_told(recipe_of):
    recipe = recipe_of(method__source_weighting="plain", method__gan=False)
    sets = audit(recipe).sets
    assert [phase.domains for phase in recipe.phases] == [("source", "target")]
    (line,) = describe_drawing(recipe, sets)
    assert line == "5 real images without labels are not read: nothing in this method learns from them"
    assert describe_drawing(recipe_of(), sets) == []


# ---- prepared ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_prepared_photographs_are_the_same(recipe_of, tmp_path):
    recipe = recipe_of(target=[], data__augment={"scale": [1, 2]}, train__steps=1)
    prepare_data(recipe, tmp_path / "prepared")
    expected, prepared = batches_of(recipe), from_folder(recipe, tmp_path / "prepared")
    (stored_set,) = (one for one in manifest_of(tmp_path / "prepared")["sets"] if one["role"] == "unlabelled")
    assert stored_set["samples"] == 5 and stored_set["labels"] == []
    inventories = [[one.digest for one in take_inventory(one_of, audit(one_of))] for one_of in (recipe, prepared)]
    assert inventories[0] == inventories[1]
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    tf.nest.map_structure(np.testing.assert_array_equal, batches_of(prepared), expected)


@pytest.mark.fault("a folder that was prepared without `data.unlabelled`", "refused; the key is named")
def test_a_folder_that_was_prepared_without_them(recipe_of, tmp_path):
    prepare_data(recipe_of([]), tmp_path / "prepared")
    with pytest.raises(DataError, match=r"data\.unlabelled: 0 data sets prepared, the recipe wants 1 data set"):
        audit(from_folder(recipe_of(), tmp_path / "prepared"))


# ---- commands ----------------------------------------------------------------------------------------------------


def test_looking_at_them(recipe_of, tmp_path, monkeypatch, capsys):
    drawn = {}
    monkeypatch.setattr(contact_sheets.Panel, "save", lambda panel, path, heading: drawn.update({path.name: panel}))
    recipe = recipe_of(data__labelled=2)
    found = audit(recipe, roles=["target", "unlabelled"])
    contact_sheets.draw_contact_sheets(recipe, found, tmp_path, rows=2)
    assert drawn["unlabelled.0.png"].columns == ["image"]
    assert [row.captions for row in drawn["unlabelled.0.png"].rows] == [["p0"], ["p4"]]
    assert "target.0: labels are hidden of 2 of the 4 samples" in capsys.readouterr().out


@pytest.mark.slow
def test_a_folder_of_photographs_is_trained_with_from_five_lines(recipe_file, tmp_path, city):
    """`mine.yaml` builds upon a recipe of the user's; its real images have no label at all."""
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(f"extends: {recipe_file.name}\nmethod: {{levels: [image], gan: false}}\n")
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for path in city.glob("cityscapes/leftImg8bit/train/*/*.png"):
        (photographs / path.name).write_bytes(path.read_bytes())
    text = f"""\
extends: {theirs.name}
data:
  target: []
  unlabelled: [{photographs}]
train: {{steps: 2, log_every: 1, validate_every: 2}}
"""
    assert len(text.splitlines()) == 5
    (tmp_path / "mine.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert train(recipe, export=False) is not None
    columns = (recipe.run_dir / "log.csv").read_text().splitlines()[0].split(",")
    assert "loss/target" not in columns and {"loss/source", "loss/weighting/image", "selected"} <= set(columns)
