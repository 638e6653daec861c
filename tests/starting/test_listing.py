"""Listing folders, whatever is in them."""

import os
from pathlib import Path

import pytest

from hrs_keras.errors import DataError
from hrs_keras.starting.listing import list_files


def test_images_and_texts_at_any_depth(tmp_path):
    for name in ("b/2.PNG", "a/1.jpg", "a/x/3.jpeg", "labelmap.txt", "a/.hidden.png", "@eaDir/4.png", "notes.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked").symlink_to(tmp_path / "a/x")
    listing = list_files(tmp_path, "--source")
    assert listing.images == ("a/1.jpg", "a/x/3.jpeg", "b/2.PNG", "linked/3.jpeg")
    assert listing.texts == ("labelmap.txt",)


@pytest.mark.fault("a folder for `hrs init` that is missing, a file, empty, or a URL", "refused; the option is named")
@pytest.mark.parametrize(
    "folder, says",
    [
        ("missing", "--source .*missing does not exist"),
        ("file.png", r"--source .*file\.png is not a folder"),
        ("empty", r"--source .*empty holds no image \(\.png, \.jpg, \.jpeg\)$"),
        ("other", r"of other files 2 with \.exr: convert images of other formats to PNG or JPEG"),
    ],
)
def test_folders_without_images(tmp_path, folder, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("file.png", "other/1.exr", "other/2.exr"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=says):
        list_files(tmp_path / folder, "--source")


def test_a_url():
    with pytest.raises(DataError, match="is no local folder; copy some of its files to this machine"):
        list_files(Path("gs://bucket/data"), "--target")


@pytest.mark.fault("a link to a folder that it lies in", "`hrs init` refuses it, and names it")
def test_a_circle_of_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").touch()
    (tmp_path / "a/again").symlink_to(tmp_path)
    with pytest.raises(DataError, match="a/again is a link to a folder that it lies in; remove it"):
        list_files(tmp_path, "--target")


@pytest.mark.fault("a folder that cannot be read", "`hrs init` refuses it, and names it")
def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    scandir = os.scandir

    def denied(folder):
        if str(folder).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match=r"cannot list .*/a: Permission denied"):
        list_files(tmp_path, "--target")
