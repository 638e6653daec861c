"""The CSV file: that it gives back what was written, whole or not at all."""

import csv
import os

import numpy as np
import pytest

from hrs_keras.errors import HRSError
from hrs_keras.ranking.table import writing_table

HOSTILE = [
    "plain.png",
    'quo"te, comma.png',
    "line\nbreak\r\nand\rmore.png",
    os.fsdecode(b"not \xff utf-8.png"),
    " # .png",
    "=1+1",
    "ü€😀.png",
    "1e3",
]


def test_hostile_names_survive(tmp_path):
    with writing_table(tmp_path / "new/t.csv", ["name", 'a "b", c']) as write:
        for number, name in enumerate(HOSTILE):
            write({"name": name, 'a "b", c': number / 3})
    with open(tmp_path / "new/t.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        header, *rows = csv.reader(file, quoting=csv.QUOTE_NONNUMERIC)
    assert header == ["name", 'a "b", c'] and [name for name, _ in rows] == HOSTILE
    np.testing.assert_allclose([value for _, value in rows], np.arange(len(HOSTILE)) / 3, rtol=1e-5)
    assert b"not \xff utf-8.png" in (tmp_path / "new/t.csv").read_bytes()


def test_what_stands_there(tmp_path):
    with writing_table(tmp_path / "t.csv", ["a", "b", "c", "d"]) as write:
        write({"a": "x", "b": 2 / 3, "c": 7, "d": None})
        write({"a": "y", "b": 1e-9, "c": 0, "d": 0.0})
    assert (tmp_path / "t.csv").read_text() == '"a","b","c","d"\n"x",0.666667,7,""\n"y",1e-09,0,0.0\n'


@pytest.mark.fault("`hrs rank` is interrupted, or an image breaks while it runs", "no half table; an older one stays")
def test_whole_or_not_at_all(tmp_path):
    (tmp_path / "t.csv").write_text("older")
    with pytest.raises(ZeroDivisionError), writing_table(tmp_path / "t.csv", ["a"]) as write:
        write({"a": 1})
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["t.csv"] and (tmp_path / "t.csv").read_text() == "older"


@pytest.mark.fault("`hrs rank --out` below a file", "exit code 2; it is named")
def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HRSError, match=r"cannot write .*file/t\.csv"), writing_table(tmp_path / "file/t.csv", ["a"]):
        pass
