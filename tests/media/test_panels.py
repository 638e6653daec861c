"""Class colours, computed by hand, and panels of pictures."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from hrs_keras.labels import CAMVID, CITYSCAPES, own_label_space
from hrs_keras.media.painting import blend, colourise, to_uint8
from hrs_keras.media.panels import adapted_panel, prediction_panel, save_figure, selection_panel


def test_colourise():
    assert colourise(np.array([[0, 13], [10, 255]]), CITYSCAPES).tolist() == [
        [[128, 64, 128], [0, 0, 142]],  # road, car
        [[70, 130, 180], [0, 0, 0]],  # sky, ignored
    ]


def test_blend():
    image = np.full((1, 2, 3), 100, np.uint8)
    colour = np.array([200, 0, 101])
    assert blend(image, colour, 0.5).tolist() == [[[150, 50, 100]] * 2]  # 100.5 rounds to even
    assert blend(image, colour, np.array([[0.0, 1.0]])).tolist() == [[[100, 100, 100], [200, 0, 101]]]


def test_to_uint8():
    assert to_uint8(np.array([-1.0, 0.0, 1.0, 2.0])).tolist() == [0, 128, 255, 255]
    assert [to_uint8(np.float32(v / 127.5 - 1)) for v in range(256)] == list(range(256))


def test_selection_panel_paints_what_is_selected():
    images = np.full((1, 1, 2, 3), 100, np.uint8)
    panel = selection_panel(images, {"H": np.array([[[0.0, 1.0]]])}, ["$a_b$"])
    assert panel.columns == ["image", "H"]
    [row] = panel.rows
    assert row.captions == ["$a_b$", "mean 0.50"]
    image, painted = row.pictures
    assert image.tolist() == images[0].tolist()
    # Not selected: 35 % of the brightness. Selected: 45 % of (255, 40, 40) over the image.
    assert painted.tolist() == [[[35, 35, 35], [170, 73, 73]]]


def test_adapted_panel():
    before, after = np.zeros((2, 1, 2, 3), np.uint8), np.full((2, 1, 2, 3), 9, np.uint8)
    panel = adapted_panel(before, after, ["a", "b"])
    assert (panel.columns, panel.legend) == (["image", "adapted"], ())
    assert [([picture.max() for picture in row.pictures], row.captions) for row in panel.rows] == [
        ([0, 9], ["a", ""]),
        ([0, 9], ["b", ""]),
    ]


@pytest.mark.slow
def test_panels_are_drawn(tmp_path):
    images = np.zeros((2, 32, 64, 3), np.uint8)
    labels = np.full((2, 32, 64), 255)
    labels[1, :, :32] = 3
    predictions = {"prediction": np.full((2, 32, 64), 3)}
    panel = prediction_panel(images, labels, predictions, CAMVID, ["$a_b", "b"])
    panel.save(tmp_path / "p/x.png", "heading", {"made-of": "a"})
    panel.save(tmp_path / "other.png", "another heading")
    selection_panel(images, {"H": np.ones((2, 32, 64))}, ["a", "b"]).save(tmp_path / "x.png", "heading")
    three, two = (np.asarray(Image.open(tmp_path / name)).shape[1] for name in ("p/x.png", "x.png"))
    assert 1.3 * two < three < 1.6 * two  # columns
    with Image.open(tmp_path / "p/x.png") as first, Image.open(tmp_path / "other.png") as second:
        assert first.info["made-of"] == "a" and "made-of" not in second.info
        assert first.size == second.size and np.any(np.asarray(first) != np.asarray(second))


def test_agreement_counts_labelled_pixels_only():
    labels = np.array([[[3, 3, 255, 255]], [[255] * 4]])
    guess = np.array([[[3, 0, 3, 3]]] * 2)
    images = np.zeros((2, 1, 4, 3), np.uint8)
    panel = prediction_panel(images, labels, {"guess": guess}, CAMVID, ["a", "b"])
    assert panel.columns == ["image", "ground truth", "guess"]
    assert [row.captions[-1] for row in panel.rows] == ["50 % of pixels right", "nothing labelled"]
    assert [label for label, _ in panel.legend] == [*CAMVID.classes, "ignored"]


# ---- texts ----------------------------------------------------------------------------------------------------------

NO_FORMULA = "toll $2^$"  # two dollar signs, and between them no formula that Matplotlib could read


@pytest.mark.fault("dollar signs in the name of a class, system or file", "pictures show the name as it is")
@pytest.mark.parametrize("usetex", [False, True])  # as a user's matplotlibrc may say
def test_texts_are_no_formulas(tmp_path, usetex):
    space = own_label_space((NO_FORMULA, "_background_"))
    images, labels = np.zeros((1, 32, 64, 3), np.uint8), np.zeros((1, 32, 64), int)
    with matplotlib.rc_context({"text.usetex": usetex}):
        panel = prediction_panel(images, labels, {NO_FORMULA: labels}, space, [NO_FORMULA])
        panel.save(tmp_path / "x.png", NO_FORMULA)
        figure = Figure()
        axes = figure.subplots()
        axes.set(title=NO_FORMULA, xlabel=NO_FORMULA, ylabel=NO_FORMULA, xscale="log")
        axes.set_xticks([1, 2, 3], [NO_FORMULA, "$a$", "_b"])
        save_figure(figure, tmp_path / "y.png", dpi=20)
    assert [text.get_text() for text in axes.get_xticklabels()] == [NO_FORMULA, "$a$", "_b"]
    shown = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert len(shown) >= 5 and not any(text.get_parse_math() or text.get_usetex() for text in shown)


def test_letters_that_the_font_lacks_are_drawn_without_a_word(tmp_path, recwarn):
    images = np.zeros((1, 32, 64, 3), np.uint8)
    adapted_panel(images, images, ["道路"]).save(tmp_path / "x.png", "🚗")
    assert (tmp_path / "x.png").is_file() and not list(recwarn)


@pytest.mark.fault("an image whose file name is not UTF-8", "pictures show the bytes as escapes")
def test_texts_that_no_font_has(tmp_path):
    images = np.zeros((1, 32, 64, 3), np.uint8)
    adapted_panel(images, images, ["s\udcff"]).save(tmp_path / "x.png", "heading")
    assert (tmp_path / "x.png").is_file()
