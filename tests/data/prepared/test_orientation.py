"""Folders of the earlier version, which stored images as they lie in their files: never mixed with upright ones."""

import numpy as np
import pytest
from PIL import Image
from support.prepared_folders import assert_same_data, contents, from_folder
from support.sample_images import turned

from hrs_keras.data import check
from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import validation_images
from hrs_keras.data.prepared.manifest import sealed, unsealed
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.reading import in_order, read
from hrs_keras.errors import DataError
from hrs_keras.system import storage

pytestmark = pytest.mark.slow

LARGE = (150, 160)  # so that each sample has a shard of its own


@pytest.fixture
def recipe(tmp_path, write_set, make_recipe):
    """Two images to train on, two to validate on."""
    for name in ("real", "val"):
        write_set(tmp_path / name, [np.random.default_rng(i).integers(0, 11, LARGE) for i in range(2)])
    return make_recipe(tmp_path, [{"root": "real"}], validation=[{"root": "val"}], data__size=[64, 64], train__steps=2)


@pytest.fixture
def photograph(tmp_path):
    """Say that the images of a set are stored upside down."""

    def orient(name: str) -> None:
        for path in (tmp_path / name / "images").iterdir():
            Image.open(path).save(path, exif=turned(3))

    return orient


def made_by_the_earlier_version(folder):
    """The folder with a plan or manifest that does not say that images were turned upright."""
    for name in ("manifest.json", "plan.json"):
        if (folder / name).exists():
            found = unsealed((folder / name).read_bytes())
            assert found["made_with"].pop("orientation") == "upright"
            (folder / name).write_bytes(sealed(found))
    return folder


def begun(recipe, folder, monkeypatch, files: int):
    """A preparation that was cut off after so many files."""
    published, real = [], storage.publish

    def publish(path):
        real(path)
        published.append(path)
        if len(published) == files:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(storage, "publish", publish)
        prepare(recipe, folder, shard_mib=0.02)
    return folder


OTHERWISE = (
    r"out was prepared by an earlier version, .*, but 2 of them, such as .*real/images/s0\.png, are turned upright now"
)


@pytest.mark.fault("a folder of an earlier version, prepared from photographs that EXIF says to turn", "refused")
def test_images_that_were_stored_otherwise(recipe, photograph, tmp_path):
    photograph("real")
    prepare(recipe, tmp_path / "out")
    audit(from_folder(recipe, tmp_path / "out"))
    older = made_by_the_earlier_version(tmp_path / "out")
    for use in (lambda: audit(from_folder(recipe, older)), lambda: prepare(recipe, older)):
        with pytest.raises(DataError, match=OTHERWISE):
            use()
    audit(from_folder(recipe, older), roles=["validation"])


def test_images_to_evaluate_on_are_stored_as_files_whatever_the_version(recipe, photograph, tmp_path):
    photograph("val")
    prepare(recipe, tmp_path / "out")
    assert_same_data(recipe, from_folder(recipe, made_by_the_earlier_version(tmp_path / "out")))


@pytest.mark.fault("a prepared label that does not fit its image turned upright, from an earlier version", "refused")
def test_a_label_drawn_on_the_stored_pixels_of_an_image_to_evaluate_on(recipe, tmp_path, monkeypatch):
    for path in (tmp_path / "val/images").iterdir():
        Image.open(path).save(path, exif=turned(6))
    monkeypatch.setattr(check, "size_problem", lambda *_: None)  # the earlier version saw nothing wrong
    prepare(recipe, tmp_path / "out")
    older = from_folder(recipe, made_by_the_earlier_version(tmp_path / "out"))
    sets = audit(older, roles=["validation"]).sets["validation"]
    with pytest.raises(DataError, match=r"val/images/s0\.png: cannot be read as it was prepared in .*another size"):
        list(read(validation_images(older, sets), older, in_order(sets)))


def test_images_that_need_no_turn_are_the_same_in_both(recipe, tmp_path, capsys):
    prepare(recipe, tmp_path / "out")
    older = made_by_the_earlier_version(tmp_path / "out")
    before = contents(older)
    next(older.glob("target-*")).unlink()
    prepare(recipe, older)
    assert contents(older) == before
    assert_same_data(recipe, from_folder(recipe, older))
    assert "earlier version" not in capsys.readouterr().out


def test_files_that_are_gone_cannot_tell(recipe, tmp_path, capsys):
    prepare(recipe, tmp_path / "out")
    older = made_by_the_earlier_version(tmp_path / "out")
    expected = audit(from_folder(recipe, older), roles=["target"])
    (tmp_path / "real/images/s1.png").unlink()
    assert audit(from_folder(recipe, older), roles=["target"]) == expected
    said = capsys.readouterr().out
    assert (
        "prepared by an earlier version" in said
        and "1 of 2 files, such as" in said
        and "s1.png, cannot be read" in said
    )


@pytest.mark.fault("a preparation that an earlier version began, of photographs that EXIF says to turn", "refused")
def test_a_preparation_goes_on_only_with_images_that_are_the_same_in_both(recipe, photograph, tmp_path, monkeypatch):
    prepare(recipe, tmp_path / "whole", shard_mib=0.02)
    older = made_by_the_earlier_version(begun(recipe, tmp_path / "older", monkeypatch, files=3))
    prepare(recipe, older)
    assert contents(older) == contents(made_by_the_earlier_version(tmp_path / "whole"))
    photograph("real")
    out = made_by_the_earlier_version(begun(recipe, tmp_path / "out", monkeypatch, files=3))
    with pytest.raises(DataError, match=OTHERWISE):
        prepare(recipe, out)
