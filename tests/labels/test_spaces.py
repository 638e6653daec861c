"""Label tables against the benchmark's own script and against the tables the data sets publish."""

import pytest
from cityscapesscripts.helpers.labels import labels as cityscapes_labels

from hrs_keras.labels import CITYSCAPES, CITYSCAPES_IDS, CITYSCAPES_PALETTE, ID_TABLES, IGNORE, LABEL_SPACES

OFFICIAL = [label for label in cityscapes_labels if label.id >= 0]  # -1, the licence plate, is never drawn
EVALUATED = sorted((label for label in OFFICIAL if label.trainId not in (255, -1)), key=lambda label: label.trainId)


def test_cityscapes_ids_and_colours_are_the_official_ones():
    assert {label.name: label.id for label in OFFICIAL} == CITYSCAPES_IDS
    assert {label.id: label.color for label in OFFICIAL} == CITYSCAPES_PALETTE


def test_cityscapes_train_ids_are_the_official_ones():
    assert [label.trainId for label in EVALUATED] == list(range(19))
    assert CITYSCAPES.classes == tuple(label.name for label in EVALUATED)
    assert CITYSCAPES.palette == tuple(label.color for label in EVALUATED)
    assert CITYSCAPES.raw_ids == tuple(label.id for label in EVALUATED)


@pytest.mark.parametrize("table", ["cityscapes", "gtav"])
def test_cityscapes_and_gtav_tables_ignore_what_is_not_evaluated(table):
    expected = {label.id: label.name if label in EVALUATED else IGNORE for label in OFFICIAL}
    assert {raw: ID_TABLES[table][raw] for raw in expected} == expected
    assert set(ID_TABLES[table]) - set(expected) == ({34} if table == "gtav" else set())


def test_synthia_table_gives_the_train_ids_that_papers_use():
    # SYNTHIA id -> Cityscapes train id, as domain adaptation code has it.
    expected = {
        3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11, 17: 12, 8: 13, 18: 14, 19: 15,
        20: 16, 12: 17, 11: 18,
    }  # fmt: skip
    table = ID_TABLES["synthia"]
    assert {raw: CITYSCAPES.classes.index(name) for raw, name in table.items() if name != IGNORE} == expected
    assert {raw for raw, name in table.items() if name == IGNORE} == {0, 13, 14, 22}


def test_camvid_table():
    names = "sky, building, pole, road, pavement, tree, sign symbol, fence, car, pedestrian, bicyclist, ignore"
    assert ID_TABLES["camvid"] == dict(enumerate(names.split(", ")))


def test_carla_to_camvid_train_ids():
    classes = LABEL_SPACES["camvid"].classes
    expected = {0: 0, 1: 1, 2: 7, 4: 9, 5: 2, 6: 3, 7: 3, 8: 4, 9: 5, 10: 8, 12: 6}
    table = ID_TABLES["carla_camvid"]
    assert {raw: classes.index(name) for raw, name in table.items() if name != IGNORE} == expected
    assert {raw for raw, name in table.items() if name == IGNORE} == {3, 11}


def test_subsets_of_cityscapes():
    subsets = {name: set(classes) for name, classes in CITYSCAPES.subsets.items()}
    assert {name: len(classes) for name, classes in subsets.items()} == {"19": 19, "16": 16, "13": 13}
    assert subsets["19"] - subsets["16"] == {"terrain", "truck", "train"}
    assert subsets["16"] - subsets["13"] == {"wall", "fence", "pole"}


@pytest.mark.parametrize("space", LABEL_SPACES.values(), ids=lambda space: space.name)
def test_label_spaces_are_consistent(space):
    assert len(set(space.classes)) == len(space.classes) == len(space.palette) == len(set(space.palette))
    assert all(0 <= part <= 255 for colour in space.palette for part in colour)
    for name, subset in space.subsets.items():
        assert int(name) == len(subset) == len(set(subset)) and set(subset) <= set(space.classes)
    assert space.raw_ids is None or len(set(space.raw_ids)) == len(space.classes)


@pytest.mark.parametrize("name", ID_TABLES)
def test_id_tables_fit_a_label_space(name):
    classes = set(ID_TABLES[name].values()) - {IGNORE}
    assert classes and any(classes <= set(space.classes) for space in LABEL_SPACES.values())
