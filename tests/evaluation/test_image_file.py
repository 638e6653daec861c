"""The file with the counts of each image: what is written is read again, whatever the images are called."""

import json
import os
from dataclasses import asdict

import numpy as np
import pytest

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.evaluation.counts import Counts, ImageCounts, count
from hrs_keras.evaluation.image_file import ImageFile, recording

CLASSES = ["road", "car", "sky"]
HOSTILE = [
    "plain.png",
    "a/b c.png",
    "\"quoted\" 'and' <img onerror=alert(1)>.png",
    "line\nbreak\r\ttab\x00.png",
    os.fsdecode(b"latin-1 caf\xe9 \xff.png"),
    "caf\u00e9 \u8857 \U0001f600 \u2028.png",
    "\\u0041{}[],:.png",
    "",
]


def image(seed: int, name: str) -> ImageCounts:
    rng = np.random.default_rng(seed)
    label, ids = rng.integers(0, 3, (2, 10, 12))
    label[0] = 255
    return ImageCounts(name, seed % 2, (10, 12), count(label, ids, rng.random((10, 12)).astype(np.float32), 3))


def write(path, images: list[ImageCounts], number: int | None = None) -> None:
    with recording(path, {"classes": CLASSES, "images": len(images) if number is None else number}) as record:
        for one in images:
            record(one)


def assert_same(found: list[ImageCounts], expected: list[ImageCounts]) -> None:
    assert [(one.name, one.data_set, one.size) for one in found] == [(o.name, o.data_set, o.size) for o in expected]
    for one, other in zip(found, expected, strict=True):
        for kind, array in asdict(other.counts).items():
            read = getattr(one.counts, kind)
            np.testing.assert_array_equal(read, array)
            assert read.dtype == array.dtype


@pytest.mark.fault(
    "images whose names have quotes, tags, line breaks or bytes that are not UTF-8, in the counts of each image",
    "escaped; read back as they were",
)
def test_a_round_trip(tmp_path):
    images = [image(number, name) for number, name in enumerate(HOSTILE)]
    write(tmp_path / "new/x.images.jsonl", images)
    file = ImageFile(tmp_path / "new/x.images.jsonl")
    for _ in range(2):  # as often as wanted
        assert_same(list(file), images)
    assert file.about["classes"] == CLASSES and file.about["boundary_ratio"] == 0.02
    lines = (tmp_path / "new/x.images.jsonl").read_bytes().splitlines()
    assert len(lines) == 1 + len(HOSTILE) and all(line.isascii() for line in lines)
    assert os.listdir(tmp_path / "new") == ["x.images.jsonl"]


def test_rows_say_what_the_first_line_says_they_do(tmp_path):
    label, ids = np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 2]])
    sure = np.array([[0.9, 0.5, 1.0, 0.3]], np.float32)
    write(tmp_path / "x.jsonl", [ImageCounts("x.png", 0, (1, 4), count(label, ids, sure, 3))])
    about, line = map(json.loads, (tmp_path / "x.jsonl").read_text().splitlines())
    assert line["confusion"] == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert about["rows"]["confusion"] == ["label", "prediction", "pixels"]
    assert line["components"] == [[0, 0, 1, 0, 2, 1], [1, 0, 1, 1, 1, 1]]
    assert line["confidence"] == [[7, 1, 0, 0.5], [13, 1, 1, pytest.approx(0.9)], [14, 1, 1, 1]]
    assert line["boundary"] == [[0, 1, 2, 1], [1, 1, 1, 2]]
    for kind, names in about["rows"].items():
        assert all(len(row) == len(names) for row in line[kind])


@pytest.mark.fault("an evaluation that breaks off", "the counts of an earlier one stay; nothing half written is left")
def test_the_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.jsonl"
    write(path, [image(0, "first")])
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), recording(path, {"classes": CLASSES, "images": 1}) as record:
        record(image(1, "second"))
        raise KeyboardInterrupt
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.jsonl"]


def test_two_at_once_do_not_mix(tmp_path):
    path = tmp_path / "x.jsonl"
    with (
        recording(path, {"classes": CLASSES, "images": 1}) as one,
        recording(path, {"classes": CLASSES, "images": 1}) as other,
    ):
        one(image(0, "one"))
        other(image(1, "other"))
    assert [found.name for found in ImageFile(path)] == ["one"]  # the last to be finished, and whole


@pytest.mark.fault("a folder for an evaluation's counts that cannot be written", "one message that names the file")
def test_where_it_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HRSError, match=r"cannot write .*file/x\.jsonl"):
        write(tmp_path / "file/x.jsonl", [])


@pytest.mark.fault("a damaged file of each image's counts", "refused; the line is named")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [b"junk", *lines[1:]], "is damaged in line 1"),
        (lambda lines: [], "is damaged in line 1"),
        (lambda lines: lines[1:], "is no file of evaluated images"),
        (lambda lines: [lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]], "is no file of evaluated"),
        (lambda lines: [b"[]", *lines[1:]], "is no file of evaluated images"),
        (lambda lines: [*lines[:2], lines[2][:-20]], "is damaged in line 3"),
        (lambda lines: lines[:2], "line 2: it ends after 1 of 2 images"),
        (lambda lines: [*lines, lines[2]], "line 4: it ends after 3 of 2 images"),
        (lambda lines: [*lines[:2], b"{}"], "is damaged in line 3"),
        (lambda lines: [*lines[:2], b'"text"'], "is damaged in line 3"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"confusion":[[0', b'"confusion":[[-1')], "in line 3"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"confusion":[[0', b'"confusion":[[3')], "in line 3"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"boundary":[[0', b'"boundary":[[0,0')], "in line 3"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"size":[10', b'"size":[10,3')], "in line 3"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"confidence":[[0', b'"confidence":[[NaN')], "in line 3"),
    ],
)  # fmt: skip
def test_damage_is_told(tmp_path, change, message):
    path = tmp_path / "x.jsonl"
    write(path, [image(0, "one"), image(1, "two")])
    path.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in change(path.read_bytes().splitlines(True))))
    with pytest.raises(CheckpointError, match=message):
        list(ImageFile(path))


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot open .*x\.jsonl: No such file"):
        ImageFile(tmp_path / "x.jsonl")


def test_counts_add_up():
    one, other = image(0, "a").counts, image(1, "b").counts
    both = one + other
    assert (both.confusion == one.confusion + other.confusion).all() and both.confusion.sum() == 2 * 9 * 12
    assert (Counts.none(3) + one).confidence.tolist() == one.confidence.tolist()
