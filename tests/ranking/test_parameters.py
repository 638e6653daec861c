"""A renderer's own parameters: reading them, and the means by them."""

import json

import pytest

from hrs_keras.errors import DataError
from hrs_keras.ranking.images import ImageName
from hrs_keras.ranking.means import Means
from hrs_keras.ranking.parameters import groups_of, read_parameters

IMAGES = [ImageName("images/00001.jpg", 0), ImageName("images/00002.jpg", 0), ImageName("x/last.one.png", 1)]


def write(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_images_are_known_by_path_file_name_or_stem(tmp_path):
    rows = [
        {"id": "last.one", "n": 3},
        {"id": "00002.jpg", "n": 2},
        {"id": "other"},
        {"id": "images/00001.jpg", "n": 1},
    ]
    found = read_parameters(write(tmp_path / "m.jsonl", rows), "id", IMAGES)
    assert found == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_csv_and_json_lines_say_the_same(tmp_path):
    (tmp_path / "m.CSV").write_text(
        '\ufefffile,light,haze\n00001,"dusk, ""late""",0.5\n00002,,1\nlast.one,clear,1e-2\n'
    )
    from_csv = groups_of(read_parameters(tmp_path / "m.CSV", "file", IMAGES))
    rows = [("00001", 'dusk, "late"', 0.5), ("00002", None, 1), ("last.one", "clear", 0.01)]
    lines = write(tmp_path / "m.jsonl", [dict(zip(("file", "light", "haze"), row, strict=True)) for row in rows])
    assert from_csv == groups_of(read_parameters(lines, "file", IMAGES))
    assert from_csv[0]["light"] == [['dusk, "late"'], ["(none)"], ["clear"]]
    assert from_csv[0]["haze"] == [["0.5"], ["1"], ["0.01"]]


def test_a_name_that_is_not_utf_8_is_found(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"id,n\nb\xff.png,7\n")
    assert read_parameters(tmp_path / "m.csv", "id", [ImageName("a/b\udcff.png", 0)]) == [{"n": "7"}]


@pytest.mark.fault(
    "`hrs rank --join` a file that is damaged or whose ids fit no image, or two",
    "exit code 2 before the first image; says which line or image",
)
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("m.jsonl", '{"id": "00001"}\n{"id": "00002"}', "last.one.png or last.one (by 'id'); it has '00001'"),
        ("m.jsonl", "", "notes nothing of images/00001.jpg"),
        ("m.jsonl", '{"name": "00001"}\n', "line 1 has no 'id' to name its image"),
        ("m.jsonl", '{"id": "1"}\n\n{"id": 1}\n', "line 3 notes '1' again"),
        ("m.jsonl", "id,haze\n", "line 1 is not valid JSON"),
        ("m.jsonl", "[1]\n", "line 1 wants an object"),
        ("m.csv", "id,haze\n1,2,3\n", "line 2 has another number of values"),
        ("m.csv", "id,haze\n1\n", "line 2 has another number of values"),
        ("m.csv", 'id\n"1"2"\n', "cannot read"),
        ("none.csv", None, "cannot read"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="--join") as caught:
        read_parameters(tmp_path / name, "id", IMAGES)
    assert says in str(caught.value) and name in str(caught.value)


def test_two_images_of_one_id(tmp_path):
    lines = write(tmp_path / "m.jsonl", [{"id": "a"}])
    with pytest.raises(DataError, match=r"x/a\.png and y/a\.png are both 'a'"):
        read_parameters(lines, "id", [ImageName("x/a.png", 0), ImageName("y/a.png", 0)])


def test_groups():
    """Few numbers are groups of their own, many become quarters; lists put an image in several; mappings are spread."""
    noted = [
        {"few": n % 3, "many": n / 10, "light": "dusk" if n else None, "ops": ["a", "b"][: n % 3], "flag": n > 5,
         "same": 1, "text": f"t{n}", "weird.wall": "x" if n == 4 else None}
        for n in range(40)
    ]  # fmt: skip
    grouped, left_out = groups_of(noted)
    assert left_out == ["text"] and list(grouped) == ["few", "many", "light", "ops", "flag", "weird.wall"]
    assert grouped["few"][:3] == [["0"], ["1"], ["2"]]
    assert [grouped["many"][n] for n in (0, 9, 10, 39)] == [["0 to 0.9"], ["0 to 0.9"], ["1 to 1.9"], ["3 to 3.9"]]
    assert grouped["light"][:2] == [["(none)"], ["dusk"]]
    assert grouped["ops"][:3] == [["(none)"], ["a"], ["a", "b"]]
    assert grouped["flag"][0] == ["false"] and grouped["weird.wall"][4] == ["x"]


def test_a_mapping_is_spread_out(tmp_path):
    lines = write(tmp_path / "m.jsonl", [{"id": "a", "weird": {"wall": "x", "sun": {"power": 2}}}])
    assert read_parameters(lines, "id", [ImageName("a.png", 0)]) == [{"weird.wall": "x", "weird.sun.power": 2}]


def test_quarters_with_many_equal_numbers():
    grouped, _ = groups_of([{"haze": max(0, n - 20)} for n in range(40)])
    assert sorted({group for (group,) in grouped["haze"]}) == ["0 to 0", "1 to 9", "10 to 19"]


def test_means_by_hand():
    grouped = {
        "light": [["dusk"], ["clear"], ["dusk"], ["dusk"]],
        "ops": [["a", "b"], ["b"], ["a"], ["a"]],
        "n": [["10"], ["9"], ["9"], ["10 to 20"]],
    }
    means = Means(grouped, ["match", "distance"])
    for number, (match, distance) in enumerate([(0.1, 1.0), (0.2, None), (0.6, 3.0), (0.2, None)]):
        means.add(number, {"match": match, "distance": distance, "name": "x"})
    rows = {(row["parameter"], row["value"]): (row["images"], row["match"], row["distance"]) for row in means.rows()}
    assert list(rows) == [
        ("light", "clear"),
        ("light", "dusk"),
        ("ops", "a"),
        ("ops", "b"),
        ("n", "9"),
        ("n", "10"),
        ("n", "10 to 20"),
    ]
    assert rows["light", "dusk"] == (3, pytest.approx(0.3), pytest.approx(2.0))
    assert rows["light", "clear"] == (1, pytest.approx(0.2), None)
    assert rows["ops", "b"] == (2, pytest.approx(0.15), pytest.approx(1.0))
