"""Label maps as files: which folders there are, what is stored in them, and what cannot be written."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from hrs_keras.errors import HRSError
from hrs_keras.labels import CAMVID, CITYSCAPES
from hrs_keras.media.label_maps import FileIdWriter, LabelMap, LabelMapFolders, file_ids

IDS = np.array([[0, 10, 255], [3, 3, 3]], np.uint8)
IMAGE = np.full((2, 3, 3), 100, np.uint8)
WITHOUT_FILE_IDS = dataclasses.replace(CITYSCAPES, raw_ids=None)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (CITYSCAPES, {"ids", "colour", "overlay"}),
        (WITHOUT_FILE_IDS, {"train_ids", "colour", "overlay"}),
        (None, {"train_ids"}),
    ],
)
def test_folders_say_what_is_in_them(tmp_path, space, expected):
    folders = LabelMapFolders(tmp_path / "out", space)
    folders.make()
    folders.write("x", LabelMap(IDS, IMAGE))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in folders.paths} == expected
    ids = np.asarray(Image.open(tmp_path / f"out/{min(expected - {'colour', 'overlay'})}/x.png"))
    assert ids.tolist() == ([[7, 23, 255], [12, 12, 12]] if space is CITYSCAPES else IDS.tolist())


def test_confidence_and_probabilities(tmp_path):
    confidence = np.array([[0.0, 0.25, 0.5], [0.75, 0.998, 1.0]], np.float32)
    probabilities = np.full((2, 3, 11), 0.5, np.float16)
    predicted = LabelMap(IDS, IMAGE, confidence, probabilities)
    for kind in ("png", "npy"):
        folders = LabelMapFolders(tmp_path / kind, CAMVID, kind, probabilities=True)
        folders.make()
        folders.write("x", predicted)
    assert np.asarray(Image.open(tmp_path / "png/confidence/x.png")).tolist() == [[0, 64, 128], [191, 254, 255]]
    found = np.load(tmp_path / "npy/confidence/x.npy"), np.load(tmp_path / "png/probabilities/x.npy")
    for array, expected in zip(found, (confidence, probabilities), strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_overlays_are_image_and_colours_half_and_half(tmp_path):
    """Exactly, before they become JPEG files, which keep their colours at full resolution."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (3, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    ids = random.integers(0, 11, (3, 4), np.uint8).repeat(16, 0).repeat(16, 1)
    half = (image.astype(float) + np.array(CAMVID.palette)[ids]) / 2
    folders = LabelMapFolders(tmp_path, CAMVID)
    folders.make()
    contents = folders.contents(LabelMap(ids, image))
    assert np.abs(contents["overlay"] - half).max() <= 0.5
    folders.store("x", contents)
    with Image.open(tmp_path / "overlay/x.jpg") as stored:
        assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (64, 48))
        assert {component[1:3] for component in stored.layer} == {(1, 1)}
        assert np.abs(np.asarray(stored) - half).max() < 8


@pytest.mark.parametrize(("width", "suffix"), [(65_500, "jpg"), (65_501, "png")])
def test_overlays_that_are_longer_than_a_jpeg_can_be(tmp_path, width, suffix):
    folders = LabelMapFolders(tmp_path, CAMVID)
    folders.make()
    folders.write("x", LabelMap(np.zeros((1, width), np.uint8), np.zeros((1, width, 3), np.uint8)))
    assert [path.name for path in (tmp_path / "overlay").iterdir()] == [f"x.{suffix}"]
    with Image.open(tmp_path / f"overlay/x.{suffix}") as stored:
        assert stored.size == (width, 1)


def test_what_a_label_map_lacks_is_named(tmp_path):
    for folders, missing in (
        (LabelMapFolders(tmp_path, CAMVID), "image"),
        (LabelMapFolders(tmp_path, None, "png"), "confidence"),
        (LabelMapFolders(tmp_path, None, probabilities=True), "probabilities"),
    ):
        with pytest.raises(ValueError, match=f"the {missing} of a label map"):
            folders.contents(LabelMap(IDS))


def test_file_ids():
    assert file_ids(IDS, CITYSCAPES).tolist() == [[7, 23, 255], [12, 12, 12]]
    assert file_ids(IDS, WITHOUT_FILE_IDS).tolist() == IDS.tolist()


def test_ids_of_camvid_are_its_own(tmp_path):
    path = FileIdWriter(tmp_path, CAMVID).write("x", np.array([[0, 10]], np.uint8))
    assert path == tmp_path / "x.png" and np.asarray(Image.open(path)).tolist() == [[0, 10]]


def test_file_ids_of_a_label_space_without_them(tmp_path):
    with pytest.raises(HRSError, match="the label space 'cityscapes' has no file ids"):
        FileIdWriter(tmp_path / "out", WITHOUT_FILE_IDS)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HRSError, match=r"cannot write .*file/out: Not a directory"):
        FileIdWriter(tmp_path / "file/out", CAMVID)
    with pytest.raises(HRSError, match=r"cannot write .*file/out/train_ids: Not a directory"):
        LabelMapFolders(tmp_path / "file/out", None).make()


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    folders = LabelMapFolders(tmp_path, None)
    folders.make()
    (tmp_path / "train_ids/x.png").mkdir()
    (tmp_path / "train_ids/x.png/file").touch()
    with pytest.raises(HRSError, match=r"cannot write .*train_ids/x\.png: Is a directory"):
        folders.write("x", LabelMap(IDS))
    assert [path.name for path in (tmp_path / "train_ids").iterdir()] == ["x.png"]
