"""Which columns there are, and why not."""

import pytest
from support import tiny

from hrs_keras.errors import HRSError
from hrs_keras.ranking.columns import RANDOM, Columns, Images, random_number
from hrs_keras.ranking.images import ImageName

CLASSES = ["road", "sky"]


def columns(*overrides, labelled=True, real=3):
    return Columns.of(tiny.recipe(*overrides).method, CLASSES, Images(labelled, real))


def test_all_of_them():
    found = columns()
    assert found.names == [
        *("name", "data_set", "layout_match", "layout_match_pixel", "layout_match_region", "layout_match_image"),
        *("appearance_distance", "gradient_agreement", "label_quality", "confidence"),
        *("rarest_class", "near_duplicate_group", "random_1", "random_2", "random_3", "share/road", "share/sky"),
    ]
    assert not found.left_out
    assert [name for name, end in found.scores.items() if end == "lowest"] == ["appearance_distance"]


PLAIN = ("method.source_weighting=plain", "method.gan=false")


@pytest.mark.parametrize(
    ("overrides", "images", "left_out", "why"),
    [
        (PLAIN, {}, ["layout_match"], "no weighting networks (method.source_weighting: plain)"),
        (
            (),
            {"labelled": False},
            ["gradient_agreement", "label_quality", "rarest_class", "share/..."],
            "the images have no labels",
        ),
        ((), {"real": 0}, ["appearance_distance", "gradient_agreement"], "the only real image"),
    ],
)
def test_what_there_cannot_be_is_left_out_with_a_reason(overrides, images, left_out, why):
    found = columns(*overrides, **images)
    assert list(found.left_out) == left_out and all(why in text for text in found.left_out.values())
    assert not set(left_out) & {*found.names, *found.scores}


def test_a_map_for_each_class_wants_labels():
    found = columns("method.channels=per_class", "method.levels=[pixel]", labelled=False)
    assert "a map for each class" in found.left_out["layout_match"] and "layout_match_pixel" in found.left_out
    assert "layout_match" in columns("method.channels=per_class").scores


@pytest.mark.fault(
    "`hrs rank --by` a column that the table does not have, or that is no number",
    "exit code 2; says why, and which there are",
)
@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("layout_mach", "no such column. Did you mean 'layout_match'?"),
        ("rarest_class", "no number to rank by"),
        ("name", "no number to rank by"),
    ],
)
def test_columns_that_do_not_rank(by, says):
    with pytest.raises(HRSError, match=f"--by {by}: .*") as caught:
        columns().check(by)
    assert says in str(caught.value)


def test_a_column_that_was_left_out_says_why():
    with pytest.raises(HRSError, match=r"--by layout_match: this table has no such column: the run has no weighting"):
        columns(*PLAIN).check("layout_match")


def test_a_random_number_depends_on_the_draw_and_the_image_alone():
    images = [ImageName(name, data_set) for name in ("a", "b\udcff") for data_set in (0, 1)]
    numbers = {random_number(draw, image) for draw in RANDOM for image in images}
    assert len(numbers) == 12 and all(0 <= number < 1 for number in numbers)
    assert random_number("random_1", images[0]) == random_number("random_1", ImageName("a", 0))
    many = sorted(random_number("random_1", ImageName(str(i), 0)) for i in range(1000))
    assert max(abs(number - (i + 0.5) / 1000) for i, number in enumerate(many)) < 0.052  # Kolmogorov-Smirnov, p = 0.01
