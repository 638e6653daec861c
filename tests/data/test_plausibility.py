"""Data sets whose files are in order one by one, and that plainly are not what the recipe says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hrs_keras.data.audit import audit
from hrs_keras.data.check import SampleCheck
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.tally import Tally
from hrs_keras.errors import DataError
from hrs_keras.labels import CAMVID
from hrs_keras.recipe.dataset import Dataset

# CamVid ids: 0 sky, 1 building, 3 road, 8 car, 9 pedestrian, 11 void.
STREET = np.full((10, 20), 3)
STREET[:4] = 0
STREET[4:6] = 8


def warnings(report) -> list[str]:
    assert not any(problem.error for problem in report.problems)
    return [problem.what for problem in report.problems if problem.whole_set]


def audited(make_recipe, root: Path, *sets: dict, **options):
    """The reports of data sets, each a mapping as in a recipe with its role beside it."""
    by_role = {role: [one for one in sets if one["role"] == role] for role in ("source", "target", "validation")}
    plain = {role: [{k: v for k, v in one.items() if k != "role"} for one in found] for role, found in by_role.items()}
    recipe = make_recipe(root, plain["target"], plain["source"], plain["validation"] or plain["target"], **options)
    return audit(recipe, roles=[role for role in by_role if by_role[role]])


# ---- one set -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("labels that hold one value only, as after a failed export", "a warning")
def test_one_class(make_recipe, tmp_path, write_set):
    write_set(tmp_path / "set", [np.zeros((8, 12))] * 3)
    (report,) = audited(make_recipe, tmp_path, {"role": "target", "root": "set"}).datasets
    assert warnings(report) == [
        "has no class but 'sky', though its ids could give 11: are the labels what encoding, channel and ids say?"
    ]
    one = {"role": "target", "root": "set", "ids": {0: "sky", 11: "ignore"}}
    (report,) = audited(make_recipe, tmp_path, one).datasets
    assert warnings(report) == []  # a set that is labelled for one class


@pytest.mark.fault("train ids where label ids are expected, and other sets that are mostly ignored", "a warning")
def test_mostly_ignored(make_recipe, tmp_path, write_set):
    train_ids = np.full((10, 20), 0)  # road, as label id: unlabeled
    train_ids[6:] = 13  # car, as label id: fence
    write_set(tmp_path / "set", [train_ids] * 2)
    cityscapes = {"role": "target", "root": "set", "ids": "cityscapes"}
    (report,) = audited(make_recipe, tmp_path, cityscapes, data__classes="cityscapes").datasets
    assert "is mostly ignored (60.0 % of the pixels): do its ids fit the files?" in warnings(report)


def test_half_ignored_is_not_most(make_recipe, tmp_path, write_set):
    half = STREET.copy()
    half[:, :10] = 11
    write_set(tmp_path / "set", [half])
    (report,) = audited(make_recipe, tmp_path, {"role": "target", "root": "set"}).datasets
    assert warnings(report) == [] and report.ignored == 100


@pytest.mark.fault("an id in another channel than the recipe says", "a warning, or an error, that names the channel")
def test_id_in_another_channel(make_recipe, tmp_path, write_set, save):
    write_set(tmp_path / "set", [STREET] * 2)
    for i in range(2):
        save(tmp_path / f"set/labels/s{i}.png", np.stack([np.zeros_like(STREET), np.full_like(STREET, 7), STREET], -1))
    (report,) = audited(make_recipe, tmp_path, {"role": "target", "root": "set"}).datasets
    assert warnings(report)[0] == (
        "has nothing but 0 in channel 0 of its labels, while channel 2 varies: is the id there? Then set channel"
    )
    (report,) = audited(make_recipe, tmp_path, {"role": "target", "root": "set", "channel": 2}).datasets
    assert warnings(report) == [] and report.pixels["car"] == 80
    wrong = {"role": "target", "root": "set", "channel": 1, "ids": {0: "sky", 3: "road", 8: "car"}}
    with pytest.raises(DataError, match="does not map: 7; channel 2 varies: is the id there"):
        audited(make_recipe, tmp_path, wrong)


@pytest.mark.fault("labels of which many are equal in every pixel, beside images that differ", "a warning")
@pytest.mark.parametrize("failed", [np.zeros_like(STREET), STREET], ids=["nothing but one value", "one label for all"])
def test_repeated_labels(make_recipe, tmp_path, write_set, failed):
    others = [np.roll(STREET, shift, axis=1) for shift in range(3)]
    for shift, label in enumerate(others):
        label[shift, shift] = 1  # each is another
    write_set(tmp_path / "set", [*others, failed, failed, failed])
    (report,) = audited(make_recipe, tmp_path, {"role": "target", "root": "set"}).datasets
    value = ", nothing but 0" if failed is not STREET else ""
    assert warnings(report) == [
        f"has 3 labels of 6 that are equal in every pixel{value}, beside images that differ (the first are s3.png and"
        " s4.png): did what wrote them fail?"
    ]


def test_labels_that_may_repeat(make_recipe, tmp_path, write_set, save):
    def found(name: str, labels: list[np.ndarray], **how) -> list[str]:
        if not (tmp_path / name).exists():
            write_set(tmp_path / name, labels)
        (report,) = audited(make_recipe, tmp_path, {"role": "target", "root": name, **how}).datasets
        return warnings(report)

    different = [np.where(np.arange(200).reshape(10, 20) == n, 1, STREET) for n in range(19)]
    assert found("standing", [*different, STREET, STREET]) == []  # two frames while nothing moves
    nothing = np.zeros_like(STREET)
    two_classes = [np.where(label == 0, 0, 3) for label in different[:4]]
    assert found("empty", [*two_classes, nothing, nothing, nothing], ids={0: "sky", 3: "road"}) == []  # no road there
    write_set(tmp_path / "copied", [*different[:3], STREET, STREET, STREET])
    for i in (3, 4, 5):
        save(tmp_path / f"copied/images/s{i}.png", np.full((*STREET.shape, 3), 7))
    assert found("copied", []) == []
    write_set(tmp_path / "both", [*different[:3], STREET, STREET, STREET, STREET, nothing, nothing, nothing])
    for i in (3, 4, 5, 6):  # copies, which are more than the labels that failed
        save(tmp_path / f"both/images/s{i}.png", np.full((*STREET.shape, 3), 7))
    assert found("both", [])[0].startswith("has 3 labels of 10 that are equal in every pixel, nothing but 0, beside")


# ---- sets side by side ----------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "a class that is common in one domain and never in the other, though its ids could give it", "a warning"
)
def test_missing_classes(make_recipe, tmp_path, write_set):
    shifted = np.where(STREET == 8, 9, STREET)  # cars have the id of pedestrians
    write_set(tmp_path / "game", [shifted] * 2)
    write_set(tmp_path / "real", [STREET] * 2)
    sets = {"role": "source", "root": "game"}, {"role": "target", "root": "real"}
    source, target = audited(make_recipe, tmp_path, *sets).datasets
    text = "has no pixel of '{}' ({} sets: 20.0 %), though its ids could give it: do they fit the files?"
    assert warnings(source) == [text.format("car", "real")]
    assert warnings(target) == [text.format("pedestrian", "synthetic")]
    without = {"role": "source", "root": "game", "ids": {0: "sky", 3: "road", 9: "ignore"}}
    assert warnings(audited(make_recipe, tmp_path, without, sets[1]).datasets[0]) == []  # no id is a car's


def test_one_set_of_a_domain_is_enough(make_recipe, tmp_path, write_set):
    without = np.where(STREET == 8, 3, STREET)
    for name, label in (("game", without), ("other", STREET), ("real", STREET)):
        write_set(tmp_path / name, [label] * 2)
    sets = [{"role": "source", "root": "game"}, {"role": "source", "root": "other"}, {"role": "target", "root": "real"}]
    assert [warnings(report) for report in audited(make_recipe, tmp_path, *sets).datasets] == [[], [], []]


def test_a_validation_set_may_lack_what_its_domain_has(make_recipe, tmp_path, write_set):
    for name, label in (("game", STREET), ("real", STREET), ("val", np.where(STREET == 8, 3, STREET))):
        write_set(tmp_path / name, [label])
    sets = [
        {"role": "source", "root": "game"},
        {"role": "target", "root": "real"},
        {"role": "validation", "root": "val"},
    ]
    assert [warnings(report) for report in audited(make_recipe, tmp_path, *sets).datasets] == [[], [], []]


def test_rare_classes_may_be_missing(make_recipe, tmp_path, write_set):
    rare = STREET.copy()
    rare[9, 19] = 9  # one pixel of 200, or 0.5 %
    write_set(tmp_path / "game", [STREET])
    write_set(tmp_path / "real", [rare])
    sets = {"role": "source", "root": "game"}, {"role": "target", "root": "real"}
    assert [warnings(report) for report in audited(make_recipe, tmp_path, *sets).datasets] == [[], []]


@pytest.mark.fault("palette labels of two sets in which one index has two colours, under the same ids", "a warning")
def test_palettes_of_two_sets(make_recipe, tmp_path, write_set):
    colours = [[70, 130, 180], [128, 64, 128], [0, 0, 142]]
    for name, order in (("real", [0, 1, 2]), ("val", [1, 0, 2])):
        write_set(tmp_path / name, [STREET + (name == "val")])
        image = Image.fromarray(np.searchsorted([0, 3, 8], STREET).astype(np.uint8))
        image.putpalette([part for place in order for part in colours[place]])
        image.save(tmp_path / name / "labels/s0.png")
    ids = {"encoding": "palette", "ids": {0: "sky", 1: "road", 2: "car"}}
    sets = {"role": "target", "root": "real", **ids}, {"role": "validation", "root": "val", **ids}
    target, validation = audited(make_recipe, tmp_path, *sets).datasets
    assert warnings(target) == []
    assert warnings(validation) == [
        f"has the colour 128,64,128 at index 0 of its palette, {tmp_path}/real/labels/s0.png has 70,130,180: do the"
        " indices of target.0 and validation.0 stand for the same classes, as their ids say?"
    ]
    other = sets[1] | {"ids": {1: "sky", 0: "road", 2: "car"}}
    assert warnings(audited(make_recipe, tmp_path, sets[0], other).datasets[1]) == []


# ---- ids without a class --------------------------------------------------------------------------------------------


@pytest.mark.fault("ids that the table does not map in many labels, with on_bad: skip", "refused: the table is wrong")
@pytest.mark.parametrize("on_bad", ["skip", "error"])
def test_unmapped_ids_are_no_damage(make_recipe, tmp_path, write_set, on_bad):
    odd = np.where(STREET == 8, 14, STREET)
    write_set(tmp_path / "set", [STREET, odd, odd, STREET])
    recipe = make_recipe(tmp_path, [{"root": "set"}], data__on_bad=on_bad)
    found = audit(recipe, roles=["target"], strict=False)
    (problem,) = found.refused("skip")
    assert problem.whole_set and problem.what.startswith(
        "has ids that its table does not map in 2 of 4 samples (14 in 2): the table is not that of these files."
    )
    assert [path.name for path in found.sets["target"][0].labels] == ["s0.png", "s3.png"]
    with pytest.raises(DataError, match=r"in 2 of 4 samples (.|\n)*does not fit its files; data.on_bad: skip does not"):
        audit(recipe, roles=["target"])


@pytest.mark.parametrize(
    ("samples", "odd", "refused"), [(1, 1, False), (4, 1, False), (4, 2, True), (300, 3, False), (300, 4, True)]
)
def test_how_many_unmapped_ids_are_too_many(tmp_path, samples, odd, refused):
    files = tuple(tmp_path / f"{i}.png" for i in range(samples))
    tally = Tally(Pairs(Dataset(format="camvid"), "a set", files, files), CAMVID)
    for position in range(samples):
        unmapped = {"14": 1} if position < odd else {}
        tally.add(position, SampleCheck(np.ones(256, np.int64), unmapped=unmapped))
    assert any(problem.whole_set and problem.error for problem in tally.report("source").problems) == refused


@pytest.mark.fault("a set whose labels are stored in two ways, with on_bad: skip", "refused; they make two data sets")
def test_labels_of_two_kinds_are_no_damage(make_recipe, tmp_path, write_set):
    write_set(tmp_path / "set", [STREET] * 4)
    for i in (1, 2):
        Image.fromarray(STREET.astype(np.uint16)).save(tmp_path / f"set/labels/s{i}.png")
    with pytest.raises(DataError, match=r"stored otherwise than .* in 2 of 4 samples: describe files of two kinds"):
        audit(make_recipe(tmp_path, [{"root": "set"}], data__on_bad="skip"), roles=["target"])
    Image.fromarray(STREET.astype(np.uint8)).save(tmp_path / "set/labels/s2.png")
    found = audit(make_recipe(tmp_path, [{"root": "set"}], data__on_bad="skip"), roles=["target"])
    assert len(found.sets["target"][0]) == 3


@pytest.mark.fault("a set in which no sample can be used", "refused; the reason comes first, no list of classes")
def test_a_set_without_pixels_does_not_list_all_classes(make_recipe, tmp_path, write_set):
    write_set(tmp_path / "set", [np.full((8, 12), 99)])
    found = audit(make_recipe(tmp_path, [{"root": "set"}]), roles=["target"], strict=False)
    assert "classes without a pixel" not in found.table()
    lines = found.table().splitlines()
    assert lines[-1].startswith("  error: ") and "1 samples, 0 used" in lines[-2]
