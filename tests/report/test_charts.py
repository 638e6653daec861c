"""Charts, and pictures within a size."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from support.html_page import Page

from hrs_keras.labels import own_label_space
from hrs_keras.report.charts import Axes, Estimate, Series, estimate_chart, line_chart, ticks
from hrs_keras.report.pictures import WIDTH, Picture, encode, prediction_pictures, selection_pictures


@pytest.mark.parametrize(
    "low, high, found",
    [(0, 100, [0, 20, 40, 60, 80, 100]), (3, 3, [3, 4]), (-1.2, 2.3, [-2, -1, 0, 1, 2, 3]), (0, 0, [0, 0.2])],
)
def test_ticks_are_round_and_reach_around(low, high, found):
    made = ticks(low, high)
    assert made[0] <= low and made[-1] >= high and len(made) >= 2
    assert made[: len(found)] == pytest.approx(found)


def test_names_in_charts_are_text():
    hostile = '<script>"'
    line = line_chart([Series(hostile, [(0, 1), (5, 2)]), Series("b", [(0, 1)])], Axes(hostile, "y"), hostile)
    forest = estimate_chart([Estimate(hostile, 1.0, 0.5, 2.0, dots=[0.7], text=hostile)], hostile, line=0)
    for chart in (line, forest):
        assert not Page(chart).all("script") and hostile in Page(chart).text()


def test_nothing_to_draw_is_nothing():
    assert line_chart([Series("a", [])], Axes("x", "y"), "t") == "" == estimate_chart([Estimate("a", None)], "t")


def decoded(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGB"))


def test_pictures_of_a_prediction():
    """Colours of classes exactly; a wrong pixel is red, an ignored one black, a right one grey."""
    space = own_label_space(("road", "sky"))
    label, ids = np.zeros((32, 64), np.uint8), np.zeros((32, 64), np.uint8)
    label[:, 32:], ids[:16] = 1, 1
    label[:, :8] = 255
    pictures = prediction_pictures(np.full((32, 64, 3), 100, np.uint8), label, ids, space)
    (row,) = encode([pictures], 1_000_000)
    assert [one.title for one in row] == ["image", "label", "prediction", "errors"]
    _, shown, predicted, _ = (decoded(one.source) for one in row)
    assert tuple(shown[0, 40]) == tuple(predicted[0, 0]) == space.palette[1]
    assert tuple(shown[0, 20]) == tuple(predicted[31, 40]) == space.palette[0]
    errors = pictures[3].pixels
    red, green, blue = errors[0, 20]
    assert red > 150 and green < 60 and blue < 60
    assert errors[0, 0].max() < 40 and len(set(errors[31, 20])) == 1


def test_a_large_image_becomes_small_and_maps_follow():
    image = np.random.default_rng(0).integers(0, 256, (400, 800, 3), np.uint8)
    pictures = selection_pictures(image, {"H": np.ones((40, 80)), "H_p": np.zeros((40, 80))})
    assert [one.pixels.shape for one in pictures] == [(160, WIDTH, 3)] * 3
    _, all_of_it, nothing = (one.pixels.astype(int) for one in pictures)
    assert all_of_it[..., 0].mean() > 100 > nothing.mean()


def test_pictures_get_smaller_before_they_get_fewer():
    noise = [Picture("a", np.random.default_rng(n).integers(0, 256, (200, WIDTH, 3), np.uint8)) for n in range(6)]
    strips = [[one] for one in noise]

    def size(rows) -> int:
        return sum(len(one.source) for row in rows for one in row)

    largest = encode(strips, 10**9)
    assert largest[0][0].size == (WIDTH, 200)
    smaller = encode(strips, size(largest) - 1)
    assert len(smaller) == 6 and smaller[0][0].size[0] < WIDTH
    smallest = size(encode(strips[:1], 1)) or size(encode(strips, size(smaller)))
    fewer = encode(strips, smallest // 6)
    assert len(fewer) < 6 and size(fewer) <= smallest // 6
    assert encode(strips, 0) == []
