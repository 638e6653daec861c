"""Folders whose paths TensorFlow takes for patterns."""

import os
import tempfile

import pytest
import tensorflow as tf

from hrs_keras.errors import HRSError
from hrs_keras.system.literal_paths import SPECIAL, UnreadableError, check_literal, read_literally

NAMES = [
    "exp[1]",
    "exp?",
    "exp*",
    "exp[!0]",
    r"exp\1",
    r"e\xp[12] (copy) *",
    "[",
    "[]]",
    "ex{p}1",
    "exp\n1",
    "exp1 ü'%s",
]
NEIGHBOUR = "exp1"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write(folder, value):
    tf.train.Checkpoint(x=tf.Variable(value)).write(str(folder / "step-1"))


def value(folder):
    return float(tf.train.load_checkpoint(str(folder / "step-1")).get_tensor("x/.ATTRIBUTES/VARIABLE_VALUE"))


def restored(folder):
    x = tf.Variable(0.0)
    tf.train.Checkpoint(x=x).read(str(folder / "step-1")).assert_consumed()
    return float(x)


@pytest.mark.fault("a model in a folder with `[`, `]`, `?`, `*` or `\\` in its path", "it is read like any other")
@pytest.mark.parametrize("name", NAMES)
def test_what_lies_there_is_read_and_not_what_matches(tmp_path, temporary, name):
    folder = tmp_path / name
    write(tmp_path / NEIGHBOUR, 1.0)
    write(folder, 2.0)
    files = sorted(path.name for path in folder.iterdir())
    assert read_literally(folder, value) == read_literally(folder, restored) == 2
    assert read_literally(folder.parent, lambda parent: value(parent / NEIGHBOUR)) == 1
    assert not list(temporary.iterdir()) and sorted(path.name for path in folder.iterdir()) == files


def test_a_path_that_is_not_utf8(tmp_path, temporary):
    write(tmp_path / "made", 2.0)
    folder = (tmp_path / "made").rename(tmp_path / os.fsdecode(b"exp\xff"))
    assert read_literally(folder, value) == read_literally(folder, restored) == 2


def test_a_relative_path(tmp_path, temporary, monkeypatch):
    write(tmp_path / "exp[1]", 2.0)
    monkeypatch.chdir(tmp_path)
    (folder,) = (path.relative_to(tmp_path) for path in tmp_path.glob("exp*"))
    assert read_literally(folder, restored) == 2


@pytest.mark.parametrize("character", sorted(SPECIAL))
def test_tensorflow_still_takes_them_for_patterns(tmp_path, character):
    """Were it not so any more, ``read_literally`` could go."""
    folder = tmp_path / f"exp{character}1]"
    write(folder, 2.0)
    neighbour = tmp_path / {"[": "exp1", "\\": "exp1]"}.get(character, "exp21]")
    neighbour.mkdir()
    (neighbour / "file").touch()
    assert str(neighbour / "file") in tf.io.gfile.glob(str(folder / "file"))


@pytest.mark.parametrize("name", ["plain", "exp[1]"])
def test_what_cannot_be_read_is_told_by_its_own_path(tmp_path, temporary, name):
    folder = tmp_path / name
    write(folder, 2.0)
    (data,) = folder.glob("step-1.data*") if name == "plain" else tmp_path.glob("exp*/step-1.data*")
    data.unlink()
    with pytest.raises(UnreadableError) as caught:
        read_literally(folder, restored)
    assert str(data) in str(caught.value) and str(temporary) not in str(caught.value)
    assert not list(temporary.iterdir())


@pytest.mark.fault(
    "such a folder, and a folder for temporary files where no link can be made",
    "refused before the first step; the message names TMPDIR",
)
def test_where_no_link_can_be_made(tmp_path, monkeypatch):
    folder = tmp_path / "exp[1]"
    for temporary in (tmp_path / "[t]", tmp_path / "missing"):
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        (tmp_path / "[t]").mkdir(exist_ok=True)
        with pytest.raises(HRSError, match=r"exp\[1\]: TensorFlow takes \[ in a path for a pattern.* Set TMPDIR"):
            check_literal(folder)
        check_literal(tmp_path / "plain")
