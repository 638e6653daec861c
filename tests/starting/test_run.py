"""Recipes that ``hrs init`` writes, and what the audit says of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import own_folders
from support.own_folders import COLOURS, image, label, save, text
from support.png import RGB, Png
from support.processes import start as start_process

from hrs_keras import audit, load_recipe
from hrs_keras.cli.main import main
from hrs_keras.data.finding import find_pairs
from hrs_keras.errors import DataError, HRSError, RecipeError
from hrs_keras.starting import recipe_text
from hrs_keras.starting.run import start_recipe

CLASSES = "sky\nroad\ncar\n"


@pytest.fixture
def start(tmp_path):
    """``start(target=..., source=..., classes=text)`` writes a recipe; returns its path."""

    def write(classes: str = "", **folders: Path) -> Path:
        named = text(tmp_path / "classes.txt", classes) if classes else None
        return start_recipe(tmp_path / "mine.yaml", folders, named).path

    return write


def audited(path: Path):
    """The audit of a recipe without a problem, and the recipe."""
    recipe = load_recipe(path)
    found = audit(recipe)
    assert [problem for report in found.datasets for problem in report.problems] == []
    return found, recipe


def samples(found) -> dict[str, list[int]]:
    return {role: [len(pairs) for pairs in sets] for role, sets in found.sets.items() if sets}


def others(folder: Path, make, first: int = 20) -> Path:
    """A second folder of the same kind with other images."""
    made = make(folder)
    for position, file in enumerate(sorted(made.rglob("*.jpg"))):
        save(file, image(first + position))
    return made


def test_cityscapes_and_a_renderer(tmp_path, start):
    """The shares of the classes are those of the labels as they were made: half sky, and the car's 128 pixels."""
    real, renders = own_folders.cityscapes(tmp_path / "cs"), own_folders.replicator(tmp_path / "renders")
    found, recipe = audited(start(source=renders, target=real))
    assert samples(found) == {"source": [4], "target": [3], "validation": [3]}
    assert recipe.data.classes == "cityscapes" and recipe.data.root == str(tmp_path)
    target = recipe.data.target[0]
    assert (target.format, target.root, target.ids) == ("cityscapes", "cs", "cityscapes")
    assert recipe.data.validation[0].split == "val"
    source = recipe.data.source[0]
    assert (source.images, source.labels) == ("rgb_*.png", "semantic_segmentation_*.png")
    assert source.encoding == "colours"
    assert source.table() == {"0,0,142": "car", "70,130,180": "sky", "128,64,128": "road"}
    size = own_folders.HEIGHT * own_folders.WIDTH
    for report in found.datasets:
        counted = {name: pixels for name, pixels in report.pixels.items() if pixels}
        assert counted == {
            "sky": report.samples * size // 2,
            "road": report.samples * (size // 2 - 128),
            "car": report.samples * 128,
        }


def test_cvat_and_a_palette(tmp_path, start):
    """CVAT's labelmap.txt names the classes; those of the palette are not known, and not guessed."""
    path = start(
        target=own_folders.cvat(tmp_path / "real"),
        validation=others(tmp_path / "more", own_folders.cvat),
        source=own_folders.palettes(tmp_path / "renders"),
    )
    with pytest.raises(RecipeError, match="3 names are still to be filled in") as caught:
        load_recipe(path)
    assert "TODO_0 (source.0.ids 0), TODO_1 (source.0.ids 1), TODO_2 (source.0.ids 2)" in str(caught.value)
    written = path.read_text()
    assert "0: TODO_0  # 50.0 % of pixels, in 4 of 4 labels" in written
    path.write_text(written.replace("TODO_0", "sky").replace("TODO_1", "road").replace("TODO_2", "car"))
    recipe = load_recipe(path)
    assert recipe.data.classes == ["background", "sky", "road", "car"]
    assert recipe.data.source[0].encoding == "palette"
    assert recipe.data.target[0].labels == "SegmentationClass/*.png"
    assert samples(audit(recipe)) == {"source": [4], "target": [4], "validation": [4]}


def test_a_flat_folder_with_given_classes(tmp_path, start):
    """A file of classes says what is predicted, not which number is which."""
    path = start(
        CLASSES, target=own_folders.flat(tmp_path / "real"), validation=others(tmp_path / "more", own_folders.flat)
    )
    names = "TODO_0 (target.0.ids 0), TODO_1 (target.0.ids 1), TODO_2 (target.0.ids 2), TODO_0 (validation.0.ids 0)"
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert names in str(caught.value)
    for number, name in enumerate(CLASSES.split()):
        path.write_text(path.read_text().replace(f"TODO_{number}", name))
    found, recipe = audited(path)
    assert recipe.data.classes == ["sky", "road", "car"] and recipe.method.source_weighting == "none"
    assert samples(found) == {"target": [4], "validation": [4]}


def test_given_classes_with_colours_name_the_colours(tmp_path, start):
    lines = "".join(f"{r} {g} {b} {name}\n" for (r, g, b), name in zip(COLOURS, CLASSES.split(), strict=True))
    for folder, first in (("a", 0), ("b", 10)):
        for i in range(first, first + 3):
            save(tmp_path / folder / f"image/{i}.png", image(i))
            save(tmp_path / folder / f"label/{i}.png", COLOURS[label(i)])
    found, recipe = audited(start(lines, target=tmp_path / "a", validation=tmp_path / "b"))
    assert recipe.data.classes == ["sky", "road", "car"] and len(found.errors) == 0


def test_names_of_other_spelling_and_names_that_are_no_class(tmp_path, start):
    labelmap = own_folders.CVAT.replace("sky", "Sky").replace("road", "the road").replace("background", "ignore")
    path = start(
        "sky\nThe_Road\ntruck\n",
        target=own_folders.cvat(tmp_path / "real", labelmap=labelmap),
        validation=others(tmp_path / "more", lambda folder: own_folders.cvat(folder, labelmap=labelmap)),
    )
    written = path.read_text()
    assert "\"0,0,142\": TODO_0_0_142  # 'car', none of the classes; 2.8 % of pixels, in 4 of 4 labels" in written
    assert "\"70,130,180\": sky        # 'Sky'; 50.0 % of pixels, in 4 of 4 labels" in written
    assert "\"128,64,128\": The_Road   # 'the road'; 47.2 % of pixels, in 4 of 4 labels" in written
    assert '"0,0,0": ignore          # in none of the labels that were looked at' in written


def test_splits_in_the_folder_share_one_table(tmp_path, start):
    for split, first in (("train", 0), ("val", 10), ("test", 20)):
        own = own_folders.flat(tmp_path / f"real/{split}")
        for position, file in enumerate(sorted(own.rglob("*.jpg"))):
            save(file, image(first + position))
    path = start(target=tmp_path / "real")
    written = path.read_text()
    assert written.count("TODO_2  #") == 1 and written.count("ids: *target_ids") == 2
    for number, name in enumerate(CLASSES.split()):
        written = written.replace(f"TODO_{number}", name)
    path.write_text(written)
    found, recipe = audited(path)
    assert samples(found) == {"target": [4], "validation": [4], "test": [4]}
    assert recipe.data.target[0].images == "{split}/images/*.jpg"


def test_one_real_folder_alone_is_split(tmp_path, start):
    """By drive, so that no drive is in two parts; the lists have all images, each once."""
    for number in range(24):
        drive, i = "abcdefgh"[number // 3], number % 3
        save(tmp_path / f"real/{drive}/rgb/{i}.png", image(number))
        save(tmp_path / f"real/{drive}/seg/{i}.png", COLOURS[label(number)])
    lines = "".join(f"{r} {g} {b} {name}\n" for (r, g, b), name in zip(COLOURS, CLASSES.split(), strict=True))
    path = start(lines, target=tmp_path / "real")
    found, recipe = audited(path)
    assert samples(found) == {"target": [12], "validation": [6], "test": [6]}
    assert "# split at random by folder, of which there are 8\n" in path.read_text()
    listed = {role: (tmp_path / f"mine_{role}.txt").read_text().split() for role in ("target", "validation", "test")}
    assert recipe.data.test[0].only == str(tmp_path / "mine_test.txt")
    everything = [f"{drive}/rgb/{i}.png" for drive in "abcdefgh" for i in range(3)]
    assert sorted(name for names in listed.values() for name in names) == everything
    drives = [{name[0] for name in names} for names in listed.values()]
    assert sum(map(len, drives)) == 8


def test_labels_beside_their_images_are_no_images(tmp_path, start):
    for i in range(3):
        save(tmp_path / f"real/#{i}.png", image(i))
        save(tmp_path / f"real/#{i}_mask.png", COLOURS[label(i)])
    lines = "".join(f"{r} {g} {b} {name}\n" for (r, g, b), name in zip(COLOURS, CLASSES.split(), strict=True))
    path = start(lines, target=tmp_path / "real", validation=own_folders.cvat(tmp_path / "more"))
    assert (tmp_path / "mine_target_except.txt").read_text() == "./#0_mask.png\n./#1_mask.png\n./#2_mask.png\n"
    found = find_pairs(load_recipe(path).data.target[0], tmp_path)
    assert len(found) == 3 and not found.orphans


@pytest.mark.fault("names of images that a list cannot hold", "`hrs init` refuses them, if it has to list them")
@pytest.mark.parametrize("name, says", [(b"a\nb", "has a line break"), (b"\xff", "is not UTF-8")])
def test_names_that_no_list_can_hold(tmp_path, start, name, says):
    for stem in (b"1", b"2", name):
        for kind, pixels in (("rgb", image()), ("seg", label())):
            save(tmp_path / "real" / kind / os.fsdecode(stem + b".png"), pixels)
    with pytest.raises(DataError, match=rf"the name .* {says}.*, which no list can hold; rename it"):
        start(target=tmp_path / "real")
    assert not list(tmp_path.glob("mine*"))


@pytest.mark.fault("too few real images for a split, and no others to validate on", "the recipe of `hrs init` says so")
def test_too_few_images_to_split(tmp_path, start):
    path = start(CLASSES, target=own_folders.flat(tmp_path / "real", count=2))
    assert "validation: []  # too few real images to split: give --validation DIR" in path.read_text()
    with pytest.raises(RecipeError, match="validation: is a list of 0, wants at least 1"):
        load_recipe(path)


def test_a_list_is_not_overwritten(tmp_path, start):
    precious = text(tmp_path / "mine_validation.txt", "precious")
    with pytest.raises(HRSError, match=r"mine_validation\.txt exists already"):
        start(target=own_folders.flat(tmp_path / "real"))
    assert precious.read_text() == "precious" and not (tmp_path / "mine.yaml").exists()


def test_gtav_is_told_by_its_palette(tmp_path, start):
    ids = np.array([23, 7, 26], np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    palette[ids] = COLOURS
    for i in range(3):
        indexed = Image.fromarray(ids[label(i)])
        indexed.putpalette(palette.ravel().tolist())
        save(tmp_path / f"GTA5/images/{i:05}.png", image(50 + i))
        save(tmp_path / f"GTA5/labels/{i:05}.png", indexed)
    found, recipe = audited(start(source=tmp_path / "GTA5", target=own_folders.cityscapes(tmp_path / "cs")))
    assert (recipe.data.source[0].format, recipe.data.source[0].ids) == ("gtav", "gtav")
    assert samples(found)["source"] == [3]


def test_synthia_is_told_by_its_sixteen_bits(tmp_path, start):
    ids = np.array([1, 3, 8])
    for i in range(3):
        save(tmp_path / f"synthia/RGB/{i:07}.png", image(50 + i))
        path = tmp_path / f"synthia/GT/LABELS/{i:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        classes = ids[label(i)]
        path.write_bytes(Png(RGB, 16, np.dstack([classes, classes * 100, classes * 0])).to_bytes())
    _, recipe = audited(start(source=tmp_path / "synthia", target=own_folders.cityscapes(tmp_path / "cs")))
    assert (recipe.data.source[0].format, recipe.data.source[0].ids) == ("synthia", "synthia")


def test_camvid_is_told_by_its_frames(tmp_path, start):
    ids = np.array([0, 3, 8], np.uint8)
    for split in ("train", "val"):
        for i in range(3):
            save(tmp_path / f"CamVid/{split}/images/0006R0_f{i + 10 * len(split):05}.jpg", image(i + 10 * len(split)))
            save(tmp_path / f"CamVid/{split}/labels/0006R0_f{i + 10 * len(split):05}.png", ids[label(i)])
    _, recipe = audited(start(target=tmp_path / "CamVid"))
    assert recipe.data.classes == "camvid" and recipe.data.target[0].format == "camvid"


def carla(folder: Path, largest: int = 2) -> Path:
    for i in range(3):
        ids = label(i)
        ids[0, 0] = largest
        save(folder / f"CameraRGB/{i}.png", image(50 + i))
        save(folder / f"CameraSeg/{i}.png", np.dstack([ids, np.zeros((48, 96, 2), np.uint8)]))
    return folder


def test_the_version_of_carla_is_asked_for(tmp_path, start):
    path = start(source=carla(tmp_path / "carla"), target=own_folders.cityscapes(tmp_path / "cs"))
    with pytest.raises(RecipeError, match=r"source\.0\.ids: TODO_CARLA_VERSION is still to be filled in"):
        load_recipe(path)
    tables = "carla_cityscapes or carla_0.9.10_cityscapes or carla_0.9.14_cityscapes"
    assert f"these files may be of several: {tables}\n" in path.read_text()
    assert load_recipe(path, ["data.source.0.ids=carla_cityscapes"]).data.source[0].format == "carla"


def test_ids_that_one_version_of_carla_has_tell_it(tmp_path, start):
    path = start(source=carla(tmp_path / "carla", largest=27), target=own_folders.cityscapes(tmp_path / "cs"))
    assert load_recipe(path).data.source[0].ids == "carla_0.9.14_cityscapes"


def test_carla_with_classes_of_ones_own(tmp_path, start):
    path = start(CLASSES, source=carla(tmp_path / "carla"), target=own_folders.cityscapes(tmp_path / "cs"))
    with pytest.raises(RecipeError, match=r"TODO_0 \(source\.0\.ids 0\), TODO_1 \(source\.0\.ids 1\)"):
        load_recipe(path)


def test_a_known_data_set_with_classes_of_ones_own(tmp_path, start):
    """What Cityscapes leaves out of its evaluation is ignored; its classes that are not given are not."""
    real = own_folders.cityscapes(tmp_path / "cs")
    file = next(real.rglob("*labelIds.png"))
    marked = np.array(Image.open(file))
    marked[0] = 4  # static
    save(file, marked)
    written = start("road\nsky\n", target=real).read_text()
    assert "4: ignore    # 'static'; " in written and "26: TODO_26  # 'car', none of the classes; " in written


def test_numbers_follow_from_the_images(tmp_path, start):
    path = start(target=own_folders.cityscapes(tmp_path / "cs"))
    recipe = load_recipe(path)
    assert recipe.data.size == (64, 96)  # of 48x96; 48 is halfway between 32 and 64
    assert recipe.train.steps == 1000 and recipe.train.validate_every == 50 and recipe.train.batch_size == 3
    assert "size: [64, 96]" in path.read_text() and "48x96 (all that were looked at)" in path.read_text()


HOSTILE = ["it's a: #set", 'qu"ote', "[x] & {y}", "yes", "~", "ünïcode 🚗", "tab\tnew\nline", "- dash"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_folders(tmp_path, name):
    real = own_folders.cityscapes(tmp_path / name / "cs")
    path = start_recipe(tmp_path / f"{name[:3]} x.yaml", {"target": real}).path
    recipe = load_recipe(path)
    assert recipe.name == "my_run" and recipe.data.root == str(tmp_path / name)
    assert len(find_pairs(recipe.data.target[0], Path(recipe.data.root))) == 3


@pytest.mark.fault("a folder for `hrs init` whose name is not UTF-8", "refused; the name is shown")
def test_a_name_that_is_no_text(tmp_path):
    real = own_folders.cityscapes(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff/cs")))
    with pytest.raises(DataError, match=r"\\xff.* is not UTF-8, which a recipe cannot hold; rename it"):
        start_recipe(tmp_path / "mine.yaml", {"target": real})


@pytest.mark.fault("a recipe for `hrs init` that is there already", "refused before a folder is looked at")
def test_nothing_is_overwritten(tmp_path):
    there = text(tmp_path / "mine.yaml", "precious")
    with pytest.raises(HRSError, match=r"mine\.yaml exists already, and is never overwritten"):
        start_recipe(tmp_path / "mine", {"target": tmp_path / "missing"})
    assert there.read_text() == "precious"
    with pytest.raises(HRSError, match=r"there is no folder .*missing"):
        start_recipe(tmp_path / "missing/mine.yaml", {"target": tmp_path})


@pytest.mark.fault(
    "images for `hrs init` without any label, or with names that have nothing in common", "refused; some are named"
)
@pytest.mark.parametrize(
    "names, says",
    [
        (["a/1.png", "a/2.png"], r"holds 2 image files \(a/1\.png, for one\) and no labels that names tell"),
        (["images/1.png", "labels/2.png"], "no image has a label: the names of 1 images and 1 labels differ"),
    ],
)
def test_no_pairs(tmp_path, names, says):
    for name in names:
        save(tmp_path / "real" / name, image())
    with pytest.raises(DataError, match=says):
        start_recipe(tmp_path / "mine.yaml", {"target": tmp_path / "real"})
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.fault("an option of `hrs init` that is given twice", "refused; argparse would take the last alone")
def test_an_option_given_twice(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["init", str(tmp_path / "mine.yaml"), "--target", "a", "--target", "b"])
    assert "argument --target: is there twice (a, b); give it once" in capsys.readouterr().err


@pytest.mark.fault("one folder for two options of `hrs init`", "refused; both are named")
def test_one_folder_twice(tmp_path):
    real = own_folders.flat(tmp_path / "real")
    with pytest.raises(DataError, match="--target and --validation are the same folder"):
        start_recipe(tmp_path / "mine.yaml", {"target": real, "validation": real / "../real"})


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_folders.cityscapes(tmp_path / "cs")
    save(tmp_path / "cs/leftImg8bit/train/ulm/ulm_9_leftImg8bit.png", image())
    assert main(["init", "mine.yaml", "--target", "cs"]) == 0
    printed = capsys.readouterr().out
    assert "6 of 7 images have a label (86 %)" in printed and "laid out as cityscapes" in printed
    assert "without a partner: leftImg8bit/train/ulm/ulm_9_leftImg8bit.png\n" in printed
    assert printed.endswith("mine.yaml is written; look it through, then: hrs audit mine.yaml\n")
    assert "A file that these patterns match has no partner" in (tmp_path / "mine.yaml").read_text()
    assert main(["audit", "mine.yaml"]) == 2 and main(["audit", "mine.yaml", "data.on_bad=skip"]) == 0
    capsys.readouterr()
    assert main(["init", "mine.yaml", "--target", "cs"]) == 2
    assert "never overwritten" in capsys.readouterr().err


QUICK = """
import sys
from hrs_keras.cli.main import main
assert main(["init", *sys.argv[1:]]) == 0
assert not {"tensorflow", "keras", "matplotlib", "scipy"} & set(sys.modules)
"""


def test_tensorflow_is_not_imported(tmp_path):
    real = own_folders.cityscapes(tmp_path / "cs")
    process = start_process("-c", QUICK, tmp_path / "mine.yaml", "--target", real, cache=tmp_path)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


def test_photographs_without_labels(tmp_path, start):
    """At any depth, beside whatever else a camera writes; each depth is a pattern."""
    photographs = tmp_path / "photos"
    for name in ("a.jpg", "b.png", "day/c.jpg"):
        save(photographs / name, image(40 + len(name)))
    text(photographs / "gps.csv", "1,2")
    path = start(target=own_folders.cityscapes(tmp_path / "cs"), unlabelled=photographs)
    recipe = load_recipe(path)
    assert [(one.root, one.images) for one in recipe.data.unlabelled] == [("photos", "*"), ("photos", "*/*")]
    assert f"# unlabelled: 3 images without labels in {photographs}" in path.read_text()
    found = audit(recipe)
    assert samples(found) == {"target": [3], "unlabelled": [2, 1], "validation": [3]}


def test_the_recommended_recipe_is_extended(tmp_path, start):
    """Mixing; class mix where photographs without labels can be mixed into; the real images alone without others."""
    real, renders = own_folders.cityscapes(tmp_path / "cs"), own_folders.replicator(tmp_path / "renders")
    save(tmp_path / "photos/a.jpg", image(40))
    for folders, trainer, weighting in (
        ({"source": renders}, "joint", "plain"),
        ({"source": renders, "unlabelled": tmp_path / "photos"}, "class_mix", "plain"),
        ({}, "joint", "none"),
    ):
        recipe = load_recipe(path := start(target=real, **folders))
        path.unlink()
        assert (recipe.method.trainer, recipe.method.source_weighting, recipe.method.gan) == (trainer, weighting, False)
        assert (recipe.encoder.family, recipe.encoder.weights) == ("efficientnet_lite", "imagenet")
        assert (recipe.train.learning_rate.encoder, recipe.data.augment.flip) == (5e-4, True)


@pytest.mark.parametrize("there", [True, False])
def test_weights_that_are_not_installed_are_told_of(tmp_path, start, monkeypatch, there):
    monkeypatch.setattr(recipe_text, "_WEIGHTS", "pytest" if there else "no-such-package")
    path = start(target=own_folders.cityscapes(tmp_path / "cs"))
    assert ("pip install 'hrs-keras[pretrained]'" in path.read_text()) is not there
    audited(path)


@pytest.mark.fault("`hrs init --unlabelled` with a folder without images", "refused; what it holds instead is named")
def test_photographs_that_are_none(tmp_path, start):
    text(tmp_path / "photos/a.heic", "")
    with pytest.raises(DataError, match=r"--unlabelled .*photos holds no image .* 1 with \.heic: convert"):
        start(target=own_folders.cityscapes(tmp_path / "cs"), unlabelled=tmp_path / "photos")
