"""The audit: exact pixel counts, every kind of problem named, what is skipped, and when the cache is trusted."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.sample_images import stored, turned

from hrs_keras.data import check
from hrs_keras.data.audit import audit, usable_samples
from hrs_keras.errors import DataError

# CamVid ids: 0 sky, 3 road, 8 car, 11 void.
LABELS = [np.full((8, 12), 3), np.full((8, 12), 0), np.full((8, 12), 8)]
LABELS[0][:2] = 0
LABELS[0][7, :5] = 11


@pytest.fixture
def data(tmp_path, write_set) -> Path:
    """A set of three pairs, 8 x 12 pixels each; ``make_recipe(data.parent, [{"root": "set"}])`` reads it."""
    return write_set(tmp_path / "set", LABELS)


def only(result):
    """The target's report, with the validation set (the same files) left out."""
    return result.datasets[0]


def target(make_recipe, data, description=(), **changes):
    return make_recipe(data.parent, [{"root": "set", **dict(description)}], **changes)


# ---- counts ----------------------------------------------------------------------------------------------------


def test_counts(make_recipe, data):
    report = only(audit(target(make_recipe, data), roles=["target"]))
    assert (report.role, report.samples, report.bad, report.problems) == ("target", 3, [], [])
    assert {name: count for name, count in report.pixels.items() if count} == {"sky": 24 + 96, "road": 67, "car": 96}
    assert report.ignored == 5
    assert len(report.pixels) == 11 and set(report.absent) == set(report.pixels) - {"sky", "road", "car"}


def test_counts_are_of_the_crop(make_recipe, data):
    crop = {"crop": {"rows": [1, 8], "columns": [4, 12]}}
    report = only(audit(target(make_recipe, data, crop), roles=["target"]))
    assert {name: count for name, count in report.pixels.items() if count} == {"sky": 8 + 56, "road": 47, "car": 56}
    assert report.ignored == 1


def test_counts_of_colours(make_recipe, tmp_path, save):
    colours = np.zeros((4, 5, 3))
    colours[:3] = (128, 64, 128)
    save(tmp_path / "set/images/a.png", np.zeros((4, 5, 3)))
    save(tmp_path / "set/labels/a.png", colours)
    ids = {"encoding": "colours", "ids": {"128,64,128": "road", "0,0,0": "ignore"}}
    report = only(audit(target(make_recipe, tmp_path / "set", ids), roles=["target"]))
    assert (report.pixels["road"], report.ignored) == (15, 5)


def test_genuine_data(make_recipe, real_data):
    recipe = make_recipe(real_data, [{"format": "cityscapes", **_cityscapes("val")}], data__classes="cityscapes")
    report = only(audit(recipe, roles=["target"]))
    assert report.samples == 1 and not report.problems
    assert sum(report.pixels.values()) + report.ignored == 1024 * 2048 and report.pixels["road"] > 100_000


def _cityscapes(split: str) -> dict:
    images, labels = "leftImg8bit/{split}/*/*_leftImg8bit.png", "gtFine/{split}/*/*_gtFine_labelIds.png"
    return {"split": split, "images": images, "labels": labels, "ids": "cityscapes"}


def test_table_and_json(make_recipe, data):
    result = audit(make_recipe(data.parent, [{"root": "set"}], source=[{"root": "set", "subset": 2}] * 2))
    table = result.table()
    assert "% of pixels" in table and all(
        name in table for name in ("source.0", "source.1", "target.0", "validation.0")
    )
    sky, total = 24 + 96, 3 * 96 - 5
    assert re.search(rf"^sky( +{100 * sky / total:.2f}){{4}}$", table, re.MULTILINE)
    assert "3 samples, 2 used, 0 unusable; 288 pixels, 1.74 % ignored" in table
    assert "classes without a pixel: building, pole, pavement" in table
    back = json.loads(json.dumps(result.to_dict()))
    assert back["samples_used"] == {"source": [2, 2], "target": [3], "validation": [3]}
    assert back["datasets"][0]["pixels"]["sky"] == sky and "building" in back["datasets"][0]["absent"]


def test_table_of_no_data_sets(make_recipe, data):
    assert "% of pixels" in audit(target(make_recipe, data), roles=["source"]).table()


def test_unread_source_is_not_audited(make_recipe, data):
    recipe = make_recipe(
        data.parent, [{"root": "set"}], source=[{"root": "absent"}], method__source_weighting="none", method__gan=False
    )
    assert audit(recipe).sets["source"] == []


# ---- problems --------------------------------------------------------------------------------------------------


def _cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _noise(path: Path, format: str = "PNG") -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, format)


def _indexed(path: Path, format: str) -> None:
    Image.open(path).quantize(8).save(path, format)


def _palette(path: Path) -> None:
    image = Image.open(path).convert("P")
    image.putpalette([9, 9, 9] * 12)
    image.save(path)


def _replaced(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def _unmapped(path: Path) -> None:
    label = np.full((8, 12), 3)
    label[0, :7], label[5, 2] = 99, 200
    _replaced(path, label)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _oriented(path: Path, turn: int) -> None:
    """Say in a file that it is to be turned."""
    Image.open(path).save(path, exif=turned(turn))


def _broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _wide(path: Path) -> None:
    Image.fromarray(np.full((8, 12), 3, np.uint16)).save(path)


IMAGE, LABEL = "images/s1.png", "labels/s1.png"
PROBLEMS = {
    "truncated PNG image": (IMAGE, lambda p: (_noise(p), _cut(p, 0.7)), r"cannot be decoded \(Invalid PNG data"),
    "truncated JPEG image": (IMAGE, lambda p: (_noise(p, "JPEG"), _cut(p, 0.7)), r"be decoded \((jpeg|Truncated)"),
    "empty image": (IMAGE, lambda p: p.write_bytes(b""), "is empty$"),
    "text as image": (IMAGE, lambda p: p.write_text("hello " * 9), "is neither a PNG nor a JPEG file$"),
    "image is a broken link": (IMAGE, _broken_link, r"cannot be read \(No such file or directory\)"),
    "WebP image": (IMAGE, lambda p: _noise(p, "WEBP"), "is a WEBP file; convert it to PNG or JPEG$"),
    "GIF image": (IMAGE, lambda p: _noise(p, "GIF"), "is a GIF file; convert it to PNG or JPEG$"),
    "BMP image": (IMAGE, lambda p: _noise(p, "BMP"), "is a BMP file; convert it to PNG or JPEG$"),
    "BMP image with a palette": (IMAGE, lambda p: _indexed(p, "BMP"), "is a BMP file; convert it to PNG or JPEG$"),
    "TIFF image": (IMAGE, lambda p: _noise(p, "TIFF"), "is a TIFF file; convert it to PNG or JPEG$"),
    "truncated label": (LABEL, lambda p: _cut(p, 0.8), r"cannot be decoded \(Invalid PNG data"),
    "label of a few bytes": (LABEL, lambda p: _cut(p, 0.1), "is no PNG, BMP or TIFF file$"),
    "empty label": (LABEL, lambda p: p.write_bytes(b""), "is empty"),
    "JPEG as label": (LABEL, lambda p: _noise(p, "JPEG"), "is a JPEG file; labels are PNG, BMP or TIFF files$"),
    "label is a broken link": (LABEL, _broken_link, r"cannot be read \(No such file or directory\)"),
    "palette label": (LABEL, _palette, "is a palette PNG, whose indices would be lost; set encoding: palette"),
    "16-bit label": (LABEL, _wide, "has 16 bits a channel, bits: 8 was expected; set bits: 16"),
    "other size": (LABEL, lambda p: _replaced(p, np.full((8, 13), 3)), r"is 8x13 \(height x width\), its image s1.png"),
    "turned": (LABEL, lambda p: _replaced(p, np.full((12, 8), 3)), "is 12x8 .* its image s1.png is 8x12"),
    "orientation of a label": (LABEL, lambda p: _oriented(p, 3), r"has an EXIF orientation \(3\), but labels are read"),
    "unmapped ids": (LABEL, _unmapped, "8 pixels have ids that the id table does not map: 99, 200$"),
}  # fmt: skip


@pytest.mark.fault("an image or label that is damaged, of another format or size, or not as described", "named")
@pytest.mark.parametrize("kind", PROBLEMS)
def test_problem_is_named_and_keeps_the_sample_out(make_recipe, data, kind):
    name, spoil, message = PROBLEMS[kind]
    spoil(data / name)
    result = audit(target(make_recipe, data), roles=["target"], strict=False)
    (problem,) = only(result).problems
    assert problem.file == str(data / name) and problem.error
    assert re.search(message, problem.what), problem.what
    assert only(result).bad == [1] and only(result).pixels["sky"] == 24 and only(result).pixels["car"] == 96
    assert [path.name for path in result.sets["target"][0].labels] == ["s0.png", "s2.png"]
    assert f"error: {problem.file}: {problem.what}" in result.table()


@pytest.mark.fault(
    "bits, channel, encoding or crop that do not fit the label files", "refused; what the file has is said"
)
@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"encoding": "palette"}, "is no palette PNG; encoding: palette does not fit"),
        ({"encoding": "colours", "ids": {"0,0,0": "sky"}}, "is a greyscale PNG; encoding: colours does not fit"),
        ({"bits": 16}, "has 8 bits a channel, bits: 16 was expected; set bits: 8"),
        ({"channel": 1}, "has 1 channels, channel: 1 was expected"),
        ({"crop": {"rows": [0, 9]}}, r"has 8 rows, crop.rows wants \[0, 9\]"),
        ({"crop": {"columns": [12, 20]}}, r"has 12 columns, crop.columns wants \[12, 20\]"),
        ({"ids": {0: "sky"}}, "67 pixels have ids|72 pixels have ids"),
    ],
)
def test_description_that_fits_no_file(make_recipe, data, description, message):
    for extra in ("s1.png", "s2.png"):
        (data / "images" / extra).unlink()
        (data / "labels" / extra).unlink()
    with pytest.raises(DataError, match=f"none of its 1 samples can be used(.|\n)*{message}"):
        audit(target(make_recipe, data, description), roles=["target"])


@pytest.mark.fault("a palette label that is cut off", "refused, and named")
def test_truncated_palette_label(make_recipe, data):
    for path in sorted((data / "labels").iterdir()):
        _palette(path)
    _cut(data / LABEL, 0.85)
    (problem,) = only(audit(target(make_recipe, data, {"encoding": "palette"}), strict=False)).problems
    assert problem.file == str(data / LABEL) and problem.what.startswith("cannot be decoded (")


def test_unmapped_colours_are_shown_as_colours(make_recipe, data, save):
    colours = np.zeros((8, 12, 3))
    save(data / "labels/s0.png", colours)
    save(data / "labels/s2.png", colours)
    colours[0, :3] = (1, 2, 3)
    save(data / LABEL, colours)
    report = only(audit(target(make_recipe, data, {"encoding": "colours", "ids": {"0,0,0": "sky"}}), strict=False))
    assert [problem.what for problem in report.problems] == ["3 pixels have ids that the id table does not map: 1,2,3"]


def test_wholly_ignored_label_is_a_warning_only(make_recipe, data, save):
    save(data / LABEL, np.full((8, 12), 11))
    result = audit(target(make_recipe, data))
    (problem,) = only(result).problems[:1]
    assert not problem.error and problem.what.startswith("is wholly ignored")
    assert result.errors == [] and len(result.sets["target"][0]) == 3 and only(result).ignored == 5 + 96
    assert f"warning: {problem.file}" in result.table()


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("shape", [(8, 12), (8, 8)])
def test_an_image_that_is_stored_turned_with_its_label_upright(make_recipe, tmp_path, write_set, turn, shape):
    """It is read as every viewer shows it. Where sizes do not show that the label was drawn on that, it is said."""
    label = np.full(shape, 3)
    label[:2] = 0
    data = write_set(tmp_path / "set", [label, label])
    upright = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    Image.fromarray(stored(upright, turn)).save(data / IMAGE, exif=turned(turn))
    result = audit(target(make_recipe, data), roles=["target"])
    assert result.errors == [] and len(result.sets["target"][0]) == 2
    warnings = [(problem.file, problem.what) for problem in only(result).problems]
    if turn > 4 and shape == (8, 12):
        assert warnings == []
    else:
        ((file, what),) = warnings
        assert file == str(data / IMAGE) and what == (
            f"is turned upright, as its EXIF orientation ({turn}) says; sizes do not tell whether its label s1.png was"
            " drawn on the upright image: look at both"
        )


@pytest.mark.fault("a label drawn on a photograph as it lies in its file, not as EXIF says to show it", "refused")
@pytest.mark.parametrize("turn", range(5, 9))
def test_a_label_drawn_on_the_stored_pixels(make_recipe, data, turn):
    _noise(data / IMAGE)
    _oriented(data / IMAGE, turn)
    (problem,) = only(audit(target(make_recipe, data), roles=["target"], strict=False)).problems
    assert (problem.file, problem.error) == (str(data / LABEL), True)
    assert problem.what == (
        "is 8x12 (height x width) as is its image s1.png in the file, but that is 12x8 once turned upright, as its"
        f" EXIF orientation ({turn}) says: turn the label as well, or remove the orientation from the image"
    )


def test_a_label_that_fits_its_turned_image_in_no_way(make_recipe, data, save):
    save(data / LABEL, np.full((9, 9), 3))
    _noise(data / IMAGE)
    _oriented(data / IMAGE, 6)
    (problem,) = only(audit(target(make_recipe, data), roles=["target"], strict=False)).problems
    assert problem.what == (
        "is 9x9 (height x width), its image s1.png is 12x8 once turned upright, as its EXIF orientation (6) says (in"
        " the file 8x12)"
    )


@pytest.mark.parametrize(("largest", "dark"), [(4095, True), (4096, False), (65535, False)])
def test_values_of_12_bits_stored_in_16_are_warned_of(make_recipe, data, largest, dark):
    Image.fromarray(np.linspace(0, largest, 96).reshape(8, 12).astype(np.uint16)).save(data / IMAGE)
    problems = only(audit(target(make_recipe, data), roles=["target"])).problems
    assert len(problems) == dark
    for problem in problems:
        assert (problem.file, problem.error) == (str(data / IMAGE), False)
        assert "nearly black in these (15 of 255 at most)" in problem.what


@pytest.mark.parametrize("names", [[IMAGE], [LABEL], [IMAGE, LABEL]])
def test_a_folder_in_the_place_of_a_file_is_no_sample(make_recipe, data, names):
    for name in names:
        _directory(data / name)
    report = only(audit(target(make_recipe, data), roles=["target"], strict=False))
    alone = {IMAGE, LABEL} - {*names} if len(names) == 1 else set()
    assert report.samples == 2 and {problem.file for problem in report.problems} == {str(data / name) for name in alone}
    assert all("has no partner" in problem.what for problem in report.problems)


def test_a_file_that_may_be_the_partner_but_is_no_image_by_its_name_is_warned_of(make_recipe, data):
    (data / IMAGE).rename(data / "images/s1.webp")
    result = audit(target(make_recipe, data, {"images": "images/*"}), roles=["target"], strict=False)
    assert [(problem.file, problem.error, problem.what) for problem in only(result).problems] == [
        (str(data / LABEL), True, "has no partner (an image without a label or the reverse)"),
        (str(data / "images/s1.webp"), False, "is passed over: its name does not end in .png, .jpg, .jpeg"),
    ]


@pytest.mark.fault("an image without a label, or a label without an image", "refused, and named")
def test_orphans_are_errors(make_recipe, data):
    (data / "images/s1.png").unlink()
    (data / "labels/s2.png").unlink()
    result = audit(target(make_recipe, data), roles=["target"], strict=False)
    assert {(problem.file, problem.what[:14]) for problem in result.errors} == {
        (str(data / "labels/s1.png"), "has no partner"),
        (str(data / "images/s2.png"), "has no partner"),
    }
    with pytest.raises(DataError, match="the data has 2 errors"):
        audit(target(make_recipe, data), roles=["target"])
    skipped = audit(target(make_recipe, data, data__on_bad="skip"), roles=["target"])
    assert len(skipped.sets["target"][0]) == 1
    assert str(data / "labels/s1.png") in skipped.table() and str(data / "images/s2.png") in skipped.table()


@pytest.mark.fault("an image or label that may not be read", "refused, and named")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("name", [IMAGE, LABEL])
def test_unreadable_file(make_recipe, data, name):
    (data / name).chmod(0)
    (problem,) = only(audit(target(make_recipe, data), strict=False)).problems
    assert "Permission denied" in problem.what


@pytest.mark.fault("an image whose name is not UTF-8", "read as others are; messages show its bytes as escapes")
def test_file_name_that_is_not_utf8(make_recipe, data):
    odd = os.fsdecode(b"s\xff.png")
    for folder in ("images", "labels"):
        shutil.copy(data / folder / "s0.png", data / folder / odd)
    result = audit(target(make_recipe, data), roles=["target"], strict=False)
    assert len(result.sets["target"][0]) == 4 and not result.errors
    (data / "labels" / odd).write_bytes(b"")
    result = audit(target(make_recipe, data), roles=["target"], strict=False)
    assert len(result.sets["target"][0]) == 3 and "s\\xff.png" in result.errors[0].file
    result.table().encode("utf-8")


@pytest.mark.fault("hundreds of problems in the data", "the first ten are shown, errors first; all are in the JSON")
def test_many_problems_are_cut_short_with_errors_first(make_recipe, tmp_path, write_set):
    data = write_set(tmp_path / "set", [np.full((4, 4), 11)] * 12 + [np.full((4, 4), 99), np.full((4, 4), 0)])
    table = audit(target(make_recipe, data), roles=["target"], strict=False).table()
    assert table.index("error: ") < table.index("warning: ") and "... and 5 more" in table
    assert "14 samples, 13 used, 1 unusable" in table


# ---- what follows from them ------------------------------------------------------------------------------------


@pytest.mark.fault("unusable samples with `on_bad: skip`", "left out and listed; the rest is trained on")
@pytest.mark.parametrize("role", ["source", "target", "validation"])
def test_on_bad(make_recipe, tmp_path, write_set, role):
    for name in ("source", "target", "validation"):
        write_set(tmp_path / name, LABELS)
    _unmapped(tmp_path / role / LABEL)

    def check_with(on_bad, **options):
        return audit(
            make_recipe(
                tmp_path,
                [{"root": "target"}],
                source=[{"root": "source"}],
                validation=[{"root": "validation"}],
                data__on_bad=on_bad,
            ),
            **options,
        )

    with pytest.raises(DataError) as caught:
        check_with("error")
    message = str(caught.value)
    assert f"{tmp_path / role / LABEL}: 8 pixels have ids" in message and "set data.on_bad: skip" in message
    assert len(check_with("error", strict=False).errors) == 1
    skipped = check_with("skip")
    assert {name: len(skipped.sets[name][0]) for name in skipped.sets} == {
        name: 2 if name == role else 3 for name in ("source", "target", "validation")
    }
    assert "3 samples, 2 used, 1 unusable" in skipped.table() and str(tmp_path / role / LABEL) in skipped.table()


@pytest.mark.fault("a data set without a usable sample", "refused, also with `on_bad: skip`")
def test_nothing_usable_is_an_error_even_when_skipping(make_recipe, data):
    for path in (data / "labels").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of its 3 samples can be used(.|\n)*labels/s0.png: is empty"):
        audit(target(make_recipe, data, data__on_bad="skip"))


def test_subset_is_taken_of_the_usable(make_recipe, data):
    _unmapped(data / LABEL)
    recipe = target(make_recipe, data, {"subset": 2}, data__on_bad="skip")
    assert [path.name for path in audit(recipe).sets["target"][0].images] == ["s0.png", "s2.png"]
    with pytest.raises(DataError, match="subset: 3 asks for more than the 2 usable samples"):
        audit(target(make_recipe, data, {"subset": 3}, data__on_bad="skip"))


@pytest.mark.fault("fewer samples than a batch has", "refused before the first step")
def test_too_little_data_for_a_batch(make_recipe, data):
    with pytest.raises(DataError, match=r"target: 3 samples are too few for train\.batch_size 4"):
        audit(target(make_recipe, data, train__batch_size=4))
    recipe = make_recipe(data.parent, [{"root": "set"}], source=[{"root": "set", "subset": 1}], train__batch_size=2)
    with pytest.raises(DataError, match=r"source: 1 samples are too few for train\.batch_size 2"):
        audit(recipe)
    recipe = make_recipe(data.parent, [{"root": "set"}], source=[{"root": "set"}], train__source_ratio=4)
    with pytest.raises(DataError, match=r"source: 3 samples are too few for train\.batch_size 1 and source_ratio 4;"):
        audit(recipe)


def test_validation_on_trained_images_is_warned_of(make_recipe, data, tmp_path, write_set):
    result = audit(target(make_recipe, data))
    (problem,) = result.datasets[1].problems
    assert not problem.error and "trained and validated on, as are 2 more" in problem.what
    write_set(tmp_path / "other", LABELS[::-1])
    for path in sorted((tmp_path / "other/images").iterdir()):  # the images of both sets would be copies
        _replaced(path, np.asarray(Image.open(path)) + 1)
    clean = audit(make_recipe(tmp_path, [{"root": "set"}], validation=[{"root": "other"}]))
    assert [report.problems for report in clean.datasets] == [[], []]


@pytest.mark.fault(
    "test images that are also trained or validated on", "the audit warns, and names the first and how many more"
)
def test_test_images_that_had_a_part_in_the_training_are_warned_of(make_recipe, data, tmp_path, write_set):
    for number, name in enumerate(("val", "test"), start=1):
        for path in sorted((write_set(tmp_path / name, LABELS) / "images").iterdir()):  # else all would be copies
            _replaced(path, np.asarray(Image.open(path)) + number)

    def warnings(test, **others):
        recipe = make_recipe(tmp_path, [{"root": "set"}], validation=[{"root": "val"}], test=test, **others)
        return [(report.role, problem.what) for report in audit(recipe).datasets for problem in report.problems]

    assert warnings([{"root": "test"}]) == []
    trained = ("test", "is trained and tested on, as are 2 more: scores will be too high")
    validated = ("test", "is validated and tested on, as are 2 more: the choice of the weights sees the test")
    assert warnings([{"root": "set"}]) == [trained]
    assert warnings([{"root": "test"}], source=[{"root": "test"}]) == [trained]
    assert warnings([{"root": "test"}, {"root": "val"}]) == [validated]
    assert warnings([{"root": "val"}], source=[{"root": "val"}])[-2:] == [trained, validated]


@pytest.mark.fault(
    "test or validation images without one labelled pixel, such as Cityscapes' test split",
    "training is refused before its first step; predictions for them can be written",
)
@pytest.mark.parametrize("role", ["validation", "test"])
def test_nothing_can_be_measured_without_labels(make_recipe, data, tmp_path, write_set, role):
    write_set(tmp_path / "dummies", [np.full((8, 12), 11)] * 2)
    recipe = make_recipe(tmp_path, [{"root": "set"}], **{role: [{"root": "dummies"}]})
    for strict in (True, False):
        with pytest.raises(DataError, match=rf"data\.{role}: the {role} images have not one labelled pixel .*dummies"):
            audit(recipe, strict=strict)
    assert len(usable_samples(recipe, role)[0]) == len(audit(recipe, roles=[role]).sets[role][0]) == 2


def test_test_images_are_a_role_of_their_own(make_recipe, data, tmp_path, write_set):
    write_set(tmp_path / "test", LABELS[:2])
    result = audit(make_recipe(tmp_path, [{"root": "set"}], test=[{"root": "test"}, {"root": "test", "subset": 1}]))
    assert result.to_dict()["samples_used"] == {"source": [], "target": [3], "validation": [3], "test": [2, 1]}
    assert [report.role for report in result.datasets] == ["target", "validation", "test", "test"]
    assert "test.1: folder" in result.table()
    assert "test" not in audit(make_recipe(tmp_path, [{"root": "set"}])).sets


@pytest.mark.fault("a data folder that does not exist", "refused; the folder and the key are named")
@pytest.mark.parametrize("missing", ["root", "set"])
def test_missing_folder(make_recipe, tmp_path, missing):
    root = tmp_path / "nowhere" if missing == "root" else tmp_path
    with pytest.raises(DataError, match=r"data\.root: .*nowhere does not exist; give|data set folder .*set does not"):
        audit(target(make_recipe, root / "set"))


@pytest.mark.fault("a file in the place of a data folder, or one that may not be entered", "refused, and why")
def test_what_is_no_folder(make_recipe, tmp_path):
    (tmp_path / "set").touch()
    with pytest.raises(DataError, match=r"data set folder .*set is not a folder; set"):
        audit(target(make_recipe, tmp_path / "set"))
    with pytest.raises(DataError, match=r"data set folder .* cannot be entered \(File name too long\); set"):
        audit(target(make_recipe, tmp_path / "set", {"root": "x" * 300}))


# ---- the cache -------------------------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The images that were decoded, in no order."""
    files, real = [], check.decode_image

    def spy(path):
        files.append(Path(path).name)
        return real(path)

    monkeypatch.setattr(check, "decode_image", spy)
    return files


def test_unchanged_data_is_not_decoded_again(make_recipe, data, decoded):
    _unmapped(data / LABEL)
    recipe = target(make_recipe, data)
    first = audit(recipe, strict=False)
    assert sorted(decoded) == ["s0.png", "s1.png", "s2.png"]  # once, though target and validation hold the same files
    second = audit(recipe, strict=False)
    assert len(decoded) == 3
    assert second == first and second.datasets[1].role == "validation" and len(second.errors) == 2


@pytest.mark.fault("a file that could not be read for a moment", "read again by the next audit")
def test_what_could_not_be_read_is_not_kept(make_recipe, data, monkeypatch):
    recipe = target(make_recipe, data)
    with monkeypatch.context() as patched:
        patched.setattr(check.storage, "reading", lambda *args: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        assert "cannot be read (I/O error)" in audit(recipe, roles=["target"], strict=False).table()
    assert audit(recipe, roles=["target"], strict=False).errors == []


@pytest.mark.fault("data that has changed since its last audit", "audited again")
@pytest.mark.parametrize("change", ["content", "new file", "crop", "ids"])
def test_changed_data_is_audited_again(make_recipe, data, decoded, change):
    path = data / LABEL
    Image.fromarray(np.full((8, 12), 0, np.uint8)).save(path, compress_level=0)
    audit(target(make_recipe, data), roles=["target"])
    description = {}
    if change == "content":
        before = path.stat()
        Image.fromarray(np.full((8, 12), 9, np.uint8)).save(path, compress_level=0)
        assert path.stat().st_size == before.st_size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    elif change == "new file":
        for folder in ("images", "labels"):
            shutil.copy(data / folder / "s1.png", data / folder / "s3.png")
    elif change == "crop":
        description = {"crop": {"rows": [0, 4]}}
    else:
        description = {"ids": {0: "car", 3: "road", 8: "sky", 11: "ignore"}}
    report = only(audit(target(make_recipe, data, description), roles=["target"]))
    assert len(decoded) == 6 + (change == "new file")
    sky, pedestrian = {"content": (24, 96), "new file": (216, 0), "crop": (72, 0), "ids": (96, 0)}[change]
    assert (report.pixels["sky"], report.pixels["pedestrian"]) == (sky, pedestrian)


def test_subset_and_role_share_the_cache(make_recipe, data, decoded):
    audit(target(make_recipe, data), roles=["target"])
    report = only(audit(target(make_recipe, data, {"subset": 1}), roles=["validation"]))
    assert len(decoded) == 3 and report.role == "validation"


@pytest.mark.fault("a damaged cache of audits", "made anew")
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"problems": 3}', b"\xff\xfe", b'{"problems": [{"a": 1}]}']
)
def test_damaged_cache_is_not_used(make_recipe, data, private_cache, decoded, content):
    recipe = target(make_recipe, data)
    first = audit(recipe)
    (file,) = private_cache.rglob("*.json")
    file.write_bytes(content)
    assert audit(recipe) == first and len(decoded) == 6
    assert audit(recipe) == first and len(decoded) == 6


@pytest.mark.fault("no place for a cache of audits", "works without it, with a warning")
def test_no_place_for_a_cache(make_recipe, data, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert audit(target(make_recipe, data)).errors == []
    assert "is not cached" in capsys.readouterr().out
