"""Formulas of label ids: integer arithmetic as Python does it, and nothing else."""

import re

import numpy as np
import pytest

from hrs_keras.recipe.raw_value import parse_raw_value

IDS = np.array([[0, 7, 255, 256], [999, 1000, 26001, 65535]], np.uint16)


@pytest.mark.parametrize(
    ("text", "values", "largest"),
    [
        ("id", [[0, 7, 255, 256], [999, 1000, 26001, 65535]], 65535),
        ("id // 1000", [[0, 0, 0, 0], [0, 1, 26, 65]], 65),
        ("id >> 8", [[0, 0, 0, 1], [3, 3, 101, 255]], 255),
        ("id & 255", [[0, 7, 255, 0], [231, 232, 145, 255]], 255),
        ("id % 256", [[0, 7, 255, 0], [231, 232, 145, 255]], 255),
        (" (id & 255) * 256 + (id>>8) ", [[0, 1792, 65280, 1], [59139, 59395, 37221, 65535]], 65535),
        ("id if id < 1000 else id // 1000", [[0, 7, 255, 256], [999, 1, 26, 65]], 65535),
        ("0 if id == 65535 else id - 7", [[-7, 0, 248, 249], [992, 993, 25994, 0]], 65528),
    ],
)
def test_values(text, values, largest):
    formula = parse_raw_value(text, 65535)
    computed = formula.compute(IDS)
    np.testing.assert_array_equal(computed, values)
    assert computed.dtype == np.int64 and formula.largest == largest


@pytest.mark.fault(
    "a `raw` that is anything but integer arithmetic on `id`",
    "refused, never run as Python; what is allowed is said",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id ** 2", "has 'id ** 2'; allowed are id and whole numbers with"),
        ("id / 1000", "has 'id / 1000'; allowed are"),
        ("1000 // id", "has 'id' where a number is wanted; allowed"),
        ("id // (2 - 2)", "has '2 - 2' where a number is wanted"),
        ("id // 0", "divides by 0"),
        ("id % 0", "divides by 0"),
        ("id >> 32", "shifts by 32 bits, 31 are possible"),
        ("id * 65536", "may give 4294901760; values of at most 2147483647 are possible"),
        ("id - 9999999999", "may give 9999999999"),
        ("~id", "has '~id'; allowed"),
        ("ids", "has 'ids'; allowed"),
        ("id if id else 0", "has 'id if id else 0'; allowed"),
        ("id if 0 < id < 9 else 0", "has 'id if 0 < id < 9 else 0'; allowed"),
        ("True", "has 'True'; allowed"),
        ("1.5", "has '1.5'; allowed"),
        ("__import__('os').getpid()", "has \"__import__('os').getpid()\"; allowed"),
        ("(id := 3)", "has '(id := 3)'; allowed"),
        ("", "wants a formula such as id // 1000, found ''"),
        ("id //", "wants a formula such as id // 1000, found 'id //'"),
        ("id; id", "wants a formula"),
        ("1if id", "wants a formula"),
        ("id\0", "wants a formula"),
        ("(" * 60 + "id" + ")" * 60, "wants a formula"),
        ("(" * 49 + "id", "wants a formula"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_raw_value(text, 65535)


@pytest.mark.fault("a `raw` that no label can have", "refused, with the key")
def test_a_recipe_names_the_key(refusal):
    assert "target.0.raw: has 'id / 2'; allowed are id" in refusal("data.target=[{format: camvid, raw: id / 2}]")
    assert "target.0.raw: Input should be a valid string (found 5)" in refusal("data.target=[{format: camvid, raw: 5}]")
