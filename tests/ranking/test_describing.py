"""From what networks say to a row: here they say what the test has written down."""

import numpy as np
import pytest
import tensorflow as tf
from support import tiny

from hrs_keras.errors import NonFiniteError
from hrs_keras.ranking.columns import RANDOM, Columns, Images
from hrs_keras.ranking.describing import Describer, Looked, real_images
from hrs_keras.ranking.images import ImageName
from hrs_keras.ranking.real import RealImages

CLASSES = ["road", "car", "sky"]
COLUMNS = Columns.of(tiny.recipe("method.levels=[pixel, image]").method, CLASSES, Images(labelled=True, real=2))
NOTHING = (tf.zeros([2, 2, 3]), tf.zeros([2, 2], tf.int32))


class Scripted:
    """Says of every image the same."""

    def __init__(self, **said):
        told = {
            "features": [3.0, 4.0],
            "gradient": [0.0, 1.0],
            "hash": np.zeros(256, bool),
            "confidence": 0.75,
            "contradicted": 0.125,
            "H": 0.5,
            "pixel": 0.25,
            "image": 1.0,
        }
        self.told = {name: tf.constant(value) for name, value in (told | said).items()}

    def describe(self, image, label, limits):
        return self.told

    def real(self, image, label):
        return self.told["features"], self.told["gradient"]


def row(*, pixels=(9, 1, 1), labelled=(6.0, 2.0, 0.0), own=None, **said):
    """The row of an image with ``labelled`` pixels of each class, among images with ``pixels`` of each."""
    gradient = np.array([1.0, 1.0])
    real = RealImages.of([(np.array([1.0, 0.0]), gradient), (np.array([0.0, 1.0]), gradient)])
    looked = Looked(np.full(3, 0.5, np.float32), np.array(pixels, float))
    describer = Describer(Scripted(pixels=labelled, **said), real, looked, COLUMNS, CLASSES)
    return describer.row(ImageName("a.png", 1), NOTHING, own)


def test_a_row():
    """The unit feature (0.6, 0.8) is at 0.4 and 0.2 from the two real ones; (0, 1) at 45 degrees to (1, 1)."""
    found = row()
    assert list(found) == list(COLUMNS.names)
    assert all(0 <= found.pop(draw) < 1 for draw in RANDOM)
    assert found == {
        **{"name": "a.png", "data_set": 1, "layout_match": 0.5, "layout_match_pixel": 0.25, "layout_match_image": 1.0},
        **{"appearance_distance": pytest.approx(0.3), "gradient_agreement": pytest.approx(2**-0.5)},
        **{"label_quality": 0.875, "confidence": 0.75, "near_duplicate_group": 1},
        **{"rarest_class": "car", "share/road": 0.75, "share/car": 0.25, "share/sky": 0.0},
    }


def test_a_real_image_itself():
    """Of the real features (1, 0) and (0, 1) the second is left; its own gradient is taken out of the sum (2, 2)."""
    found = row(own=0)
    assert found["appearance_distance"] == pytest.approx(0.2)
    assert found["gradient_agreement"] == pytest.approx(1 / 5**0.5)  # of (0, 1) and (2, 1)


def test_the_rarest_class_is_rarest_in_all_images_and_present_in_this_one():
    assert row(pixels=(1, 9, 0))["rarest_class"] == "road"
    assert row(pixels=(5, 5, 5))["rarest_class"] == "road"  # of equally rare ones the first
    assert row(pixels=(9, 5, 0), labelled=(1.0, 1.0, 1.0))["rarest_class"] == "sky"


def test_an_image_that_is_ignored_everywhere():
    nan = {name: np.nan for name in ("confidence", "contradicted", "H", "pixel", "image")}
    found = row(gradient=[0.0, 0.0], labelled=[0.0, 0.0, 0.0], **nan)
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {*COLUMNS.names} - {"name", "data_set", "appearance_distance", "near_duplicate_group", *RANDOM}


@pytest.mark.fault(
    "weights that give values which are not finite, to `hrs rank`", "exit code 2; the image and the value are named"
)
@pytest.mark.parametrize("what", ["features", "gradient", "H", "confidence"])
def test_what_is_not_finite(what):
    broken = {"features": [np.nan, 0.0], "gradient": [np.inf, 0.0]}.get(what, np.nan)
    with pytest.raises(NonFiniteError, match=rf"a\.png: .* not finite \({what}\)"):
        row(**{what: broken})
    if what in ("features", "gradient"):
        with pytest.raises(NonFiniteError, match=r"real\.png: .* not finite"):
            real_images(Scripted(**{what: broken}), [("real.png", NOTHING)])
