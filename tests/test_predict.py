"""Predictions for files."""

import numpy as np
import pytest
from PIL import Image

from hrs_keras.cli import main
from hrs_keras.errors import DataError, HRSError
from hrs_keras.labels import CITYSCAPES
from hrs_keras.predict import find_images, predict_run


def noise(path, height, width):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


def test_files_and_folders(finished, tmp_path, capsys):
    one = noise(tmp_path / "one.png", 40, 50)
    noise(tmp_path / "many/a.jpg", 33, 77)
    noise(tmp_path / "many/b.PNG", 64, 64)
    (tmp_path / "many/broken.png").write_bytes(b"no image")
    (tmp_path / "many/notes.txt").touch()
    code = main(["predict", str(finished), str(one), "--out", str(tmp_path / "out"), str(tmp_path / "many"), str(one)])
    assert code == 3
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if "broken.png" in line and line.startswith("hrs: skipped")]
    sizes = {"one": (50, 40), "a": (77, 33), "b": (64, 64)}
    for kind, mode in (("ids", "L"), ("colour", "RGB"), ("overlay", "RGB")):
        assert {path.stem for path in (tmp_path / "out" / kind).iterdir()} == set(sizes)
        for stem, size in sizes.items():
            with Image.open(tmp_path / "out" / kind / f"{stem}.png") as image:
                assert (image.size, image.mode) == (size, mode)
    ids = np.asarray(Image.open(tmp_path / "out/ids/one.png"))
    colour = np.asarray(Image.open(tmp_path / "out/colour/one.png"))
    overlay = np.asarray(Image.open(tmp_path / "out/overlay/one.png")).astype(int)
    palette = dict(zip(CITYSCAPES.raw_ids, CITYSCAPES.palette, strict=True))
    assert set(np.unique(ids)) <= set(palette)
    assert colour[7, 9].tolist() == list(palette[ids[7, 9]])
    image = np.asarray(Image.open(one)).astype(int)
    assert np.abs(2 * overlay - image - colour).max() <= 1


def test_all_readable(finished, tmp_path):
    assert predict_run(finished, [noise(tmp_path / "x.jpg", 20, 20)], tmp_path / "out", which="last") == []


def test_inputs_that_make_no_sense(tmp_path):
    noise(tmp_path / "a/x.png", 8, 8)
    noise(tmp_path / "b/x.jpg", 8, 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"a/x\.png and .*b/x\.jpg would both be written as x\.png"):
        find_images([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(DataError, match="holds no image"):
        find_images([tmp_path / "empty"])
    with pytest.raises(DataError, match="missing does not exist"):
        find_images([tmp_path / "missing"])
    assert find_images([tmp_path / "a", tmp_path / "a/x.png"]) == [tmp_path / "a/x.png"]


def test_out_that_cannot_be_written(finished, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HRSError, match="cannot write"):
        predict_run(finished, [noise(tmp_path / "x.png", 8, 8)], tmp_path / "file")
