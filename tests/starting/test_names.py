"""Names of classes from the files of annotation tools and renderers."""

import json

import pytest
from support import own_folders
from support.own_folders import text

from hrs_keras.errors import DataError
from hrs_keras.starting.listing import Listing, list_files
from hrs_keras.starting.names import find_names, read_classes


@pytest.fixture
def listing(tmp_path):
    """A folder with an image and the files that are given by name and content."""

    def make(**files: str) -> Listing:
        text(tmp_path / "set/1.png", "")
        for name, content in files.items():
            text(tmp_path / "set" / name.replace("__", "/").replace("_json", ".json").replace("_txt", ".txt"), content)
        return list_files(tmp_path / "set", "--target")

    return make


def test_cvat(listing):
    names = find_names(listing(labelmap_txt=own_folders.CVAT))
    assert names.known == {"0,0,0": "background", "70,130,180": "sky", "128,64,128": "road", "0,0,142": "car"}
    assert names.origin == "labelmap.txt"


def test_cvat_without_colours_numbers_its_lines(listing):
    assert find_names(listing(labelmap_txt="background:::\nroad:::\n")).known == {
        0: "background",
        1: "road",
    }


def test_cvat_names_may_have_colons(listing):
    assert find_names(listing(labelmap_txt="sign: left:1,2,3:part,part:action\n")).known == {"1,2,3": "sign: left"}


def test_replicator_of_all_frames(listing):
    frame = {"(0, 0, 0, 0)": {"class": "BACKGROUND"}, "(0, 0, 0, 255)": {"class": "UNLABELLED"}}
    names = find_names(
        listing(
            a__semantic_segmentation_labels_0000_json=json.dumps(frame | {"(33, 243, 3, 255)": {"class": "car"}}),
            a__semantic_segmentation_labels_0001_json=json.dumps(frame | {"(25, 82, 255, 255)": {"kind": "tree"}}),
        )
    )
    assert names.known == {"33,243,3": "car", "25,82,255": "tree"}
    assert names.doubts == {"0,0,0": ["BACKGROUND", "ignore"]}
    assert names.origin == "a/semantic_segmentation_labels_0000.json and 1 more"


def test_replicator_with_ids_whose_meaning_changes(listing):
    names = find_names(
        listing(
            semantic_segmentation_labels_0_json='{"1": {"class": "UNLABELLED"}, "2": {"class": "car"}}',
            semantic_segmentation_labels_1_json='{"1": {"class": "UNLABELLED"}, "2": {"class": "tree"}}',
        )
    )
    assert names.known == {1: "ignore"} and names.doubts == {2: ["car", "tree"]}


SOLO = {
    "annotationDefinitions": [
        {"@type": "type.unity.com/unity.solo.BoundingBox2DAnnotation", "spec": [{"label_id": 1, "label_name": "Car"}]},
        {
            "@type": "type.unity.com/unity.solo.SemanticSegmentationAnnotation",
            "id": "semantic segmentation",
            "spec": [{"label_name": "Car", "pixel_value": [0, 0, 142, 255]}],
        },
    ]
}
BEFORE_SOLO = {
    "version": "0.0.1",
    "annotation_definitions": [
        {
            "name": "semantic segmentation",
            "spec": [
                {"label_name": "Car", "pixel_value": {"r": 0.0, "g": 0.0, "b": 0.5568628, "a": 1.0}},
                {"label_name": "Road", "pixel_value": {"r": 0.5019608, "g": 0.2509804, "b": 0.5019608, "a": 1.0}},
            ],
        }
    ],
}


@pytest.mark.parametrize(
    "content, known", [(SOLO, {"0,0,142": "Car"}), (BEFORE_SOLO, {"0,0,142": "Car", "128,64,128": "Road"})]
)
def test_unity(listing, content, known):
    assert find_names(listing(x__annotation_definitions_json=json.dumps(content))).known == known


def test_a_list_of_colours(listing):
    names = find_names(listing(label_colors_txt="64 128 64\tAnimal\n192 0 128 \t Archway\n", notes_txt="64 pages"))
    assert names.known == {"64,128,64": "Animal", "192,0,128": "Archway"} and names.files == ["label_colors.txt"]


@pytest.mark.parametrize("content", ["0 0.5 0.5 1", "1 2 3 4", "300 0 0 car", "frame_0\nframe_1"])
def test_texts_that_are_no_list_of_colours(listing, content):
    assert not find_names(listing(a_txt=content)).files


def test_texts_that_cannot_be_read_name_nothing(listing, tmp_path):
    made = listing(a_txt="", b_txt="1 2 3 car")
    (tmp_path / "set/a.txt").write_bytes(b"Stra\xdfe")
    (tmp_path / "set/gone.txt").symlink_to("nowhere")
    assert find_names(list_files(made.folder, "--target")).files == ["b.txt"]


@pytest.mark.fault("a damaged file that names classes", "`hrs init` refuses it; the file and the entry are named")
@pytest.mark.parametrize(
    "name, content, says",
    [
        ("labelmap_txt", "road 1 2 3", r"labelmap\.txt: 'road 1 2 3' is no line of CVAT's, name:R,G,B:parts:actions"),
        ("labelmap_txt", "road:300,0,0::", "has a colour above 255"),
        ("semantic_segmentation_labels_0_json", "[]", "wants a mapping of ids to classes, as Replicator writes it"),
        (
            "semantic_segmentation_labels_0_json",
            '{"red": {"class": "car"}}',
            "'red': .* is not as Replicator writes it",
        ),
        ("semantic_segmentation_labels_0_json", '{"1": "car"}', "'1': 'car' is not as Replicator writes it"),
        ("semantic_segmentation_labels_0_json", "{", r"labels_0\.json is not JSON"),
        ("annotation_definitions_json", "{}", "has no colours of a semantic segmentation; was that labeler on"),
        (
            "annotation_definitions_json",
            '{"annotationDefinitions": [{"spec": [{"label_name": "a", "pixel_value": "red"}]}]}',
            "'red' is no colour of Unity's",
        ),
    ],
)
def test_damaged_files(listing, name, content, says):
    with pytest.raises(DataError, match=says):
        find_names(listing(**{name: content}))


@pytest.mark.parametrize(
    "content", ["road\n# a comment\n\n car \nroad\nignore\n", "1 2 3 road\n4 5 6 car\n", "road:1,2,3::\ncar:4,5,6::\n"]
)
def test_the_classes_of_a_run(tmp_path, content):
    assert read_classes(text(tmp_path / "classes.txt", content)) == ["road", "car"]


@pytest.mark.fault("a --classes file that is missing, binary, or names one class", "refused; the file is named")
@pytest.mark.parametrize(
    "content, says",
    [
        (None, "cannot read .*classes.txt: No such file"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"road", "names one class; wants two"),
    ],
)
def test_classes_that_cannot_be_used(tmp_path, content, says):
    if content is not None:
        (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_classes(tmp_path / "classes.txt")
