"""Id tables as recipes spell them: what they say, and what is refused."""

import pytest

from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.reading import load_recipe, parse_recipe


def dataset(**fields) -> Dataset:
    return Dataset(images="*", labels="*", **fields)


@pytest.mark.parametrize(
    "ids",
    [
        {0: "road", 7: "road", 8: "road", 9: "road", 26: "car", "others": "ignore"},
        {0: "road", "7..9": "road", 26: "car", "others": "ignore"},
        {"road": [0, "7..9"], "car": 26, "others": "ignore"},
        {"road": ["0", "7 .. 8", "9..9"], "car": ["26"], "others": "ignore"},
    ],
    ids=str,
)
def test_spellings_of_one_table(ids):
    table = dataset(ids=ids).table()
    listed = {raw: name for raw, name in table.items() if raw != "others"}
    assert table["others"] == "ignore" and listed.pop(0) == "road" and listed.pop(26) == "car"
    assert set(listed.values()) == {"road"} and set(listed) <= {7, 8, 9, "7..8", "7..9", "9..9"}


def test_colours_in_reverse():
    table = dataset(encoding="colours", ids={"road": ["128,64,128", "1, 2, 3"], "others": "ignore"}).table()
    assert table == {"128,64,128": "road", "1,2,3": "road", "others": "ignore"}


def test_a_class_may_be_called_others():
    assert dataset(ids={"others": [1, 2], "car": 3}).table() == {1: "others", 2: "others", 3: "car"}
    assert dataset(ids={1: "others", "others": "others"}).table() == {1: "others", "others": "others"}


def test_a_class_that_reads_as_a_number_stands_behind_its_ids():
    assert dataset(ids={1: "7", "others": "7"}).table() == {1: "7", "others": "7"}


def test_a_range_of_16_bits_is_one_entry():
    assert dataset(bits=16, ids={"road": "0..65535"}).table() == {"0..65535": "road"}


@pytest.mark.parametrize("ids", ["{road: [0, 7..9], car: 8000, others: ignore}", "{0..6: road, others: car}"])
def test_tables_are_stored_and_found_again(camvid_recipe, tmp_path, ids):
    recipe = load_recipe(camvid_recipe(), [f"data.target=[{{format: camvid, bits: 16, raw: id // 1, ids: {ids}}}]"])
    (tmp_path / "stored.yaml").write_text(recipe.to_yaml())
    stored = load_recipe(tmp_path / "stored.yaml")
    assert stored == recipe == parse_recipe(recipe.to_dict()) and stored.digest() == recipe.digest()
    assert stored.data.target[0].table() == recipe.data.target[0].table()


@pytest.mark.fault(
    "an id table that gives a raw value twice, mixes its two spellings, or has a bad range",
    "refused; the value and the place are named",
)
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("{road: [0, 7..9], car: 8}", "names 8 twice: in 7..9 and in 8"),
        ("{road: 0..9, car: 5..20}", "names 5 twice: in 0..9 and in 5..20"),
        ("{road: [3, 3]}", "names 3 twice"),
        ("{road: 3, car: '3'}", "names 3 twice"),
        ("{7..9: road, 8: car}", "names 8 twice: in 7..9 and in 8"),
        (
            "{0: road, car: 26}",
            "mixes two ways of writing a table: 0 is a raw id before its class, 'car' a",
        ),
        ("{0: road, car: []}", "mixes two ways of writing a table"),
        ("{road: []}", "gives 'road' no raw id; leave it out"),
        ("{road: 9..7}", "gives 'road' '9..7'; wants whole numbers from 0 to 255, or \"first..last\""),
        ("{road: 7-9}", "gives 'road' '7-9'; wants whole numbers"),
        ("{road: 7..256}", "gives 'road' '7..256'; wants whole numbers from 0 to 255"),
        ("{road: [1, x]}", "gives 'road' 'x'; wants whole numbers"),
        ("{road: [[1]]}", "gives 'road' [1]; wants whole numbers"),
        ("{road: 1.0}", "gives 'road' 1.0; wants whole numbers"),
        ("{road: true}", "gives 'road' True; wants whole numbers"),
        ("{road: -1}", "gives 'road' -1; wants whole numbers"),
        ("{road: car}", "has the key 'road'; wants whole numbers"),
        ("{others: ignore}", "lists no raw id beside 'others'"),
        ("{0: road, others: 5}", "gives 'others' 5; wants a class name"),
        ("{road: 0, others: cra}", "gives 'others' the class 'cra', which is not in the label space 'camvid'. Did you"),
        (
            "{roda: 0..5}",
            "gives '0..5' the class 'roda', which is not in the label space 'camvid'. Did you mean",
        ),
    ],
)
def test_tables_that_are_refused(refusal, ids, message):
    assert message in refusal(f"data.target=[{{format: camvid, ids: {ids}}}]")


@pytest.mark.fault("a range of colours, or numbers where colours are wanted", "refused")
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("{road: '1..9'}", "gives 'road' '1..9'; wants \"R,G,B\" in quotes"),
        ("{road: [7]}", "gives 'road' 7; wants \"R,G,B\" in quotes"),
        ("{road: ['1,2,3', '1,02, 3']}", "names '1,2,3' twice"),
    ],
)
def test_tables_of_colours_that_are_refused(refusal, ids, message):
    assert message in refusal(f"data.target=[{{format: camvid, encoding: colours, ids: {ids}}}]")


def test_keys_are_what_the_formula_gives():
    assert dataset(bits=16, raw="id // 1000", ids={26: "car"}).table() == {26: "car"}
    assert dataset(encoding="colours", raw="id // 1000", ids={"car": "26..33"}).table() == {"26..33": "car"}
    assert dataset(encoding="colours", raw="id & 255", ids="camvid").table()[3] == "road"


@pytest.mark.fault("an id table with values that its `raw` cannot give", "refused; the largest possible value is named")
def test_keys_that_the_formula_cannot_give(refusal):
    message = refusal("data.target=[{format: camvid, bits: 16, raw: id // 1000, ids: {66: car}}]")
    assert "target.0.ids: has the key 66; wants whole numbers from 0 to 65," in message
    message = refusal("data.target=[{format: camvid, encoding: colours, raw: id, ids: {'1,2,3': car}}]")
    assert "has the key '1,2,3'; wants whole numbers from 0 to 16777215" in message
