"""Files and folders that appear whole: the order of what is done, and what is left after an error."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import REPOSITORY

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.system.files import (
    folder_to_publish,
    partial_path,
    publish,
    read_json,
    write_json,
    write_text,
    write_whole,
    writing,
)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """What reaches the disk, and what is renamed, in order; a power cut cannot be had here, the order of calls can."""
    seen = []
    fsync, replace = os.fsync, Path.replace

    def synced(file):
        found = os.fstat(file if isinstance(file, int) else file.fileno())
        (path,) = (path for path in (tmp_path, *tmp_path.rglob("*")) if os.path.samestat(path.stat(), found))
        seen.append(("synced", f"{path.name}/" if path.is_dir() else path.name))
        fsync(file)

    def renamed(path, target):
        seen.append(("renamed", Path(target).name))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    return seen


# ---- files ---------------------------------------------------------------------------------------------------------


def test_a_file_has_reached_the_disk_before_it_gets_its_name_and_the_name_after_it(calls, tmp_path):
    write_whole(tmp_path / "x", lambda file: file.write(b"abc"))
    assert calls == [("synced", "x.partial"), ("renamed", "x"), ("synced", f"{tmp_path.name}/")]
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and (tmp_path / "x").read_bytes() == b"abc"


def test_a_file_that_need_not_last_is_whole_all_the_same(calls, tmp_path):
    write_whole(tmp_path / "x", lambda file: file.write(b"abc"), durable=False)
    assert calls == [("renamed", "x")]


@pytest.mark.fault("an error while a file is written", "the old file stays, nothing half is left")
@pytest.mark.parametrize("when", ["written", "synced", "renamed"])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, when):
    path = tmp_path / "x"
    path.write_text("old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when != "written":
        monkeypatch.setattr(*{"synced": (os, "fsync"), "renamed": (Path, "replace")}[when], full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, full if when == "written" else lambda file: file.write(b"new"))
    assert [file.name for file in tmp_path.iterdir()] == ["x"] and path.read_text() == "old"


@pytest.mark.fault("an interrupt while a file is written", "nothing half is left")
def test_an_interrupt_leaves_nothing(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "x", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_json_may_hold_names_that_are_not_utf8(tmp_path):
    value = {os.fsdecode(b"\xff.png"): 0.5}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", dict[str, float]) == value == read_json(tmp_path / "a.json")
    with pytest.raises(CheckpointError, match="is damaged"):
        read_json(tmp_path / "a.json", dict[str, str])


def test_json_comes_back(tmp_path):
    path = tmp_path / "new/folder/x.json"
    assert read_json(path) is None
    write_json(path, {"ä": [1, None, 0.1]})
    assert read_json(path) == {"ä": [1, None, 0.1]} and path.read_bytes().endswith(b"\n")
    assert [file.name for file in path.parent.iterdir()] == ["x.json"]


def test_the_partial_name_stands_beside_the_file(tmp_path):
    assert partial_path(tmp_path / "a.b.csv") == tmp_path / "a.b.csv.partial"


@pytest.mark.parametrize("name", ["x" * 247, "x" * 248, "x" * 255, "é" * 127])
def test_a_name_may_be_as_long_as_file_systems_take(tmp_path, name):
    others = {partial_path(tmp_path / f"{letter}{name[1:]}") for letter in "abc"}
    assert len(others) == 3 and all(path.name.endswith(".partial") for path in others)
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "whole"


# ---- folders -------------------------------------------------------------------------------------------------------


def test_a_folder_and_all_in_it_have_reached_the_disk_before_it_gets_its_name(calls, tmp_path):
    with folder_to_publish(tmp_path) as partial:
        (partial / "deep").mkdir()
        (partial / "one").write_text("1")
        (partial / "deep/two").write_text("2")
        publish(partial, tmp_path / "final")
    assert calls[-2:] == [("renamed", "final"), ("synced", f"{tmp_path.name}/")]
    assert sorted(calls[:2]) == [("synced", "one"), ("synced", "two")]  # the files first,
    assert sorted(calls[2:-2]) == [("synced", f"{partial.name}/"), ("synced", "deep/")]  # then their names
    assert (tmp_path / "final/deep/two").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["final"]
    assert stat.S_IMODE((tmp_path / "final").stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_nothing_is_left_of_a_folder_that_could_not_be_filled(tmp_path, error):
    with pytest.raises(error), folder_to_publish(tmp_path / "new") as partial:
        (partial / "half").write_text("half")
        raise error
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.fault("a folder that is to appear where one is", "one that holds something is not replaced")
def test_an_empty_folder_is_replaced_and_one_that_holds_something_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious").write_text("precious")
    with folder_to_publish(tmp_path) as partial:
        (partial / "new").touch()
        with pytest.raises(OSError, match="not empty"):
            publish(partial, tmp_path / "full")
        publish(partial, tmp_path / "empty")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious"]
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["new"]
    assert {path.name for path in tmp_path.iterdir()} == {"full", "empty"}


@pytest.mark.fault("a folder that is to be made below a file", "an error; the file stays")
def test_a_folder_in_what_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), folder_to_publish(tmp_path / "file"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- errors --------------------------------------------------------------------------------------------------------


def test_an_error_names_what_was_to_be_written_and_the_file_if_that_lies_elsewhere(tmp_path):
    for file, elsewhere in ((tmp_path / "run/x", ""), ("/other/y", r" \(/other/y\)")):
        message = rf"^cannot write {tmp_path}/run: No space left on device{elsewhere}$"
        with pytest.raises(HRSError, match=message), writing(tmp_path / "run"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))


@pytest.mark.parametrize(
    "module", ["system.files", "system.locks", "system.signals", "serving.client", "serving.request", "export.runtimes"]
)
def test_what_needs_no_tensorflow_imports_none(module):
    code = (
        f"import sys, hrs_keras.{module}\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & {name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stdout + result.stderr
