"""Files by path or URL: the same calls for a local folder and a remote one."""

import os
import stat
from pathlib import Path

import pytest
import tensorflow as tf

from hrs_keras.system import storage


def test_files_are_on_the_disk_before_they_have_their_names(tmp_path, monkeypatch):
    """A power cut cannot be had here; the order of calls can."""
    calls = []

    def fsync(file):
        found = os.fstat(file if isinstance(file, int) else file.fileno())
        calls.append("folder" if stat.S_ISDIR(found.st_mode) else found.st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda *args: (calls.append("renamed"), replace(*args))[1])
    storage.write_whole(str(tmp_path / "file"), b"12345")
    assert calls == [5, "renamed", "folder"]


URL = "ram://storage"


@pytest.fixture(params=["local", "remote"])
def folder(request, tmp_path) -> str:
    """An existing folder: a local one, and one in TensorFlow's file system in memory."""
    path = str(tmp_path) if request.param == "local" else f"{URL}/{request.node.name}"
    tf.io.gfile.makedirs(path)
    return path


def test_a_file_is_written_listed_read_and_removed(folder):
    path = storage.join(folder, "name.bin")
    assert storage.names_in(folder) == []
    storage.write_whole(path, b"0123456789")
    assert storage.names_in(folder) == ["name.bin"] == storage.list_folder(storage.path_of(folder))
    assert storage.read(path) == b"0123456789"
    assert storage.read_at(path, 3, 4) == b"3456" and storage.read_at(path, 8, 4) == b"89"
    size, changed_ns = storage.stat(path)
    assert size == 10 and (changed_ns > 10**18 or storage.is_remote(path))  # the one in memory has no times
    storage.write_whole(path, b"other")
    assert storage.read(path) == b"other"
    storage.remove(path)
    storage.remove(path)
    assert storage.names_in(folder) == []
    with pytest.raises((OSError, tf.errors.NotFoundError)):
        storage.read_at(path, 0, 1)


def test_a_file_has_its_name_only_when_it_is_published(folder):
    path = storage.join(folder, "name.bin")
    with tf.io.gfile.GFile(storage.partial_path(path), "wb") as file:
        file.write(b"12")
    assert storage.names_in(folder) == ["name.bin.partial"]
    storage.publish(path)
    assert storage.names_in(folder) == ["name.bin"]


def test_folders(folder):
    path = storage.path_of(folder)
    assert storage.is_dir(path) and storage.exists(path)
    assert not storage.is_dir(path / "none") and not storage.exists(path / "none")
    assert storage.names_in(storage.join(folder, "none")) == []
    with pytest.raises((FileNotFoundError, tf.errors.NotFoundError)):
        storage.list_folder(path / "none")


def test_a_url_keeps_its_slashes():
    path = storage.path_of("gs://bucket/folder") / "file.png"
    assert isinstance(path, storage.RemotePath) and str(path) == os.fspath(path) == "gs://bucket/folder/file.png"
    assert storage.is_remote(path) and path.name == "file.png"
    assert str(path.relative_to(storage.path_of("gs://bucket"))) == "folder/file.png"
    assert storage.join("gs://bucket/", "a", "b") == "gs://bucket/a/b"
    assert not storage.is_remote("/data/a:b") and storage.path_of("/data") == Path("/data")


def test_a_broken_link_exists(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    assert storage.exists(tmp_path / "link") and not storage.is_dir(tmp_path / "link")
