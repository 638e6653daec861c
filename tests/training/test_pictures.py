"""Colours by hand, and the pictures a run leaves."""

import numpy as np
from PIL import Image

from hrs_keras.labels import CAMVID, CITYSCAPES
from hrs_keras.media import panels
from hrs_keras.media.painting import blend, colourise, to_uint8
from hrs_keras.media.panels import prediction_panel, selection_panel


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


def grid(monkeypatch, draw) -> list:
    """The shapes of the grids, and pictures, that a drawing function asks for."""
    seen = []
    monkeypatch.setattr(panels, "_panel", lambda path, columns, rows, *_: seen.append((columns, rows)))
    draw()
    return seen[0]


def test_selection_panel_paints_what_is_selected(tmp_path, monkeypatch):
    images = np.full((1, 1, 2, 3), 100, np.uint8)
    maps = {"H": np.array([[[0.0, 1.0]]])}
    columns, rows = grid(monkeypatch, lambda: selection_panel(tmp_path / "x.png", images, maps, ["$a_b$"], "heading"))
    assert columns == ["image", "H"]
    (image, painted), captions = rows[0]
    assert captions == ["$a_b$", "mean 0.50"]
    assert image.tolist() == images[0].tolist()
    # Not selected: 35 % of the brightness. Selected: 45 % of (255, 40, 40) over the image.
    assert painted.tolist() == [[[35, 35, 35], [170, 73, 73]]]


def test_panels_are_drawn(tmp_path):
    images = np.zeros((2, 32, 64, 3), np.uint8)
    labels = np.full((2, 32, 64), 255)
    labels[1, :, :32] = 3
    prediction_panel(
        tmp_path / "p/x.png", images, labels, {"prediction": np.full((2, 32, 64), 3)}, CAMVID, ["$a_b", "b"], "heading"
    )
    selection_panel(tmp_path / "x.png", images, {"H": np.ones((2, 32, 64))}, ["a", "b"], "heading")
    three, two = (np.asarray(Image.open(tmp_path / name)).shape[1] for name in ("p/x.png", "x.png"))
    assert 1.3 * two < three < 1.6 * two  # columns


def test_agreement_counts_labelled_pixels_only(monkeypatch, tmp_path):
    labels = np.array([[[3, 3, 255, 255]], [[255] * 4]])
    guess = np.array([[[3, 0, 3, 3]]] * 2)
    images = np.zeros((2, 1, 4, 3), np.uint8)
    columns, rows = grid(
        monkeypatch,
        lambda: prediction_panel(tmp_path / "x.png", images, labels, {"guess": guess}, CAMVID, ["a", "b"], "heading"),
    )
    assert columns == ["image", "ground truth", "guess"]
    assert [captions[-1] for _, captions in rows] == ["50 % of pixels right", "nothing labelled"]


def test_a_run_leaves_its_pictures(finished):
    for folder in ("predictions", "selection"):
        files = sorted((finished / "figures" / folder).iterdir())
        assert [file.name for file in files] == [f"step_{step:07d}.png" for step in (0, 4, 8)]
        for file in files:
            with Image.open(file) as image:
                assert min(image.size) > 200 and len(np.unique(np.asarray(image.convert("L")))) > 50
