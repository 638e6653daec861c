"""Palette PNGs whose palettes differ: they are read by their colours, or the audit says that they differ."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hrs_keras.data.audit import audit
from hrs_keras.errors import DataError

# CamVid ids: 0 sky, 3 road.
COLOURS = {0: (70, 130, 180), 3: (128, 64, 128), 8: (64, 0, 128)}
BY_COLOUR = {"encoding": "colours", "ids": {"70,130,180": "sky", "128,64,128": "road", "64,0,128": "car"}}
BY_INDEX = {"encoding": "palette", "ids": {0: "sky", 1: "road", 2: "car"}}
LABEL = np.full((8, 12), 3)
LABEL[:2] = 0  # 24 pixels of sky, 72 of road


@pytest.fixture
def packed(write_set):
    """``packed(folder, [[0, 3], [3, 0]])``: LABEL as a palette PNG for each list, which is the palette's order."""

    def write(folder: Path, orders: list[list[int]]) -> Path:
        write_set(folder, [LABEL] * len(orders))
        for i, order in enumerate(orders):
            image = Image.fromarray(np.vectorize(order.index)(LABEL).astype(np.uint8))
            image.putpalette([part for raw in order for part in COLOURS[raw]])
            image.save(folder / f"labels/s{i}.png")
        return folder

    return write


def report(make_recipe, data: Path, description: dict, **options):
    recipe = make_recipe(data.parent, [{"root": data.name, **description}], **options)
    return audit(recipe, roles=["target"], strict=False).datasets[0]


@pytest.mark.parametrize("other", [[3, 0], [8, 3, 0]])
def test_colours_are_counted_whatever_the_palettes(make_recipe, tmp_path, packed, other):
    data = packed(tmp_path / "set", [[0, 3], other])
    found = report(make_recipe, data, BY_COLOUR)
    assert {name: count for name, count in found.pixels.items() if count} == {"sky": 2 * 24, "road": 2 * 72}
    assert found.problems == [] and found.palette == {}


@pytest.mark.fault(
    "palette labels (encoding: palette) in which one index has another colour from file to file",
    "refused by audit, train and prepare, also with on_bad: skip; two files that differ are named",
)
@pytest.mark.parametrize("on_bad", ["error", "skip"])
def test_palettes_that_differ(make_recipe, tmp_path, packed, on_bad):
    data = packed(tmp_path / "set", [[0, 3], [0, 3], [3, 0], [3, 0]])
    found = report(make_recipe, data, BY_INDEX)
    (problem,) = found.problems
    assert problem.error and problem.whole_set and problem.file == str(data / "labels/s2.png") and found.bad == []
    assert (
        problem.what.startswith(
            f"has the colour 128,64,128 at index 0 of its palette, {data}/labels/s0.png has 70,130,180. 2 labels differ"
        )
        and "set encoding: colours" in problem.what
    )
    recipe = make_recipe(tmp_path, [{"root": "set", **BY_INDEX}], data__on_bad=on_bad)
    with pytest.raises(DataError, match=r"labels/s2.png: has the colour .*(.|\n)*on_bad: skip does not help"):
        audit(recipe)


def test_palettes_may_differ_where_no_pixel_is(make_recipe, tmp_path, packed):
    found = report(make_recipe, packed(tmp_path / "set", [[0, 3], [0, 3, 8]]), BY_INDEX)
    assert found.problems == [] and found.pixels["sky"] == 48
    assert found.palette == {
        "0": ("70,130,180", f"{tmp_path}/set/labels/s0.png"),
        "1": ("128,64,128", f"{tmp_path}/set/labels/s0.png"),
    }


def test_only_the_crop_counts(make_recipe, tmp_path, packed, save):
    """A bar of another colour beside the crop, as some cameras' files have, is no difference."""
    data = packed(tmp_path / "set", [[0, 3], [0, 3]])
    image = Image.open(data / "labels/s1.png")
    palette = image.getpalette()
    palette[:3] = (1, 2, 3)
    image.putpalette(palette)
    image.save(data / "labels/s1.png")
    cropped = {**BY_INDEX, "crop": {"rows": [2, 8]}}
    found = [report(make_recipe, data, description).problems for description in (BY_INDEX, cropped)]
    assert [[problem.error for problem in problems].count(True) for problems in found] == [1, 0]
