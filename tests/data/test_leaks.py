"""Images that are trained and evaluated on are found however their paths are spelt, and copies by what they hold."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.prepared_folders import from_folder, manifest_of

from hrs_keras.data.audit import audit
from hrs_keras.data.leaks import leak, shared_files
from hrs_keras.data.prepared.prepare import prepare_data


@pytest.fixture
def image(tmp_path, save) -> Path:
    return save(tmp_path / "set/a.png", np.random.default_rng(0).integers(0, 256, (40, 60, 3)))


def _elsewhere(image: Path, name: str = "b.png") -> Path:
    (image.parents[1] / "other").mkdir()
    return image.parents[1] / "other" / name


def _dots(image: Path) -> Path:
    return image.parent / ".." / image.parent.name / image.name


def _relative(image: Path) -> Path:
    return Path(os.path.relpath(image))


def _link(image: Path) -> Path:
    _elsewhere(image).symlink_to(image)
    return image.parents[1] / "other/b.png"


def _linked_folder(image: Path) -> Path:
    (image.parents[1] / "linked").symlink_to(image.parent)
    return image.parents[1] / "linked" / image.name


def _hard_link(image: Path) -> Path:
    os.link(image, other := _elsewhere(image))
    return other


def _copy(image: Path) -> Path:
    return Path(shutil.copy(image, _elsewhere(image)))


@pytest.mark.fault(
    "validation images that are trained on, under another path: links, other spellings, copies",
    "a warning that names both paths",
)
@pytest.mark.parametrize("spell", [_dots, _relative, _link, _linked_folder, _hard_link, _copy])
def test_the_same_image_under_another_path(image, spell):
    other = spell(image)
    assert str(other) != str(image)
    problem = leak([image], [other])
    assert not problem.error and problem.file == str(other)
    assert problem.what == f"is trained and validated on (also as {image}): scores will be too high"


def test_the_same_path_is_not_repeated(image):
    assert leak([image], [image]).what == "is trained and validated on: scores will be too high"


@pytest.mark.parametrize(("count", "words"), [(2, ", as is 1 more"), (3, ", as are 2 more")])
def test_how_many_there_are(tmp_path, save, count, words):
    images = [save(tmp_path / f"{i}.png", np.full((8, 8), i)) for i in range(count)]
    assert leak(images, images).what == f"is trained and validated on{words}: scores will be too high"


def test_other_images_are_none(image, save):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3))
    pixels[0, 0, 0] ^= 1
    first, second = image.with_suffix(".bmp"), image.with_name("b.bmp")
    save(first, np.random.default_rng(0).integers(0, 256, (40, 60, 3)))
    save(second, pixels)
    assert first.stat().st_size == second.stat().st_size
    assert leak([first, image], [second]) is None and leak([first], []) is None


def test_files_that_differ_only_away_from_the_middle(tmp_path):
    """The few bytes that are compared first do not decide."""
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file, end in zip(files, (b"x", b"y", b"x"), strict=True):
        file.write_bytes(bytes(100_000) + end)
    assert shared_files(files[:1], files[1:]) == {files[2]: files[0]}


def test_images_that_are_not_there_are_compared_by_path(tmp_path):
    gone, same = tmp_path / "a.png", tmp_path / "x/../a.png"
    assert shared_files([gone], [same, tmp_path / "b.png"]) == {same: gone}


@pytest.mark.parametrize("root", ["set", "../{}/set", "copies"])
def test_the_audit_warns(make_recipe, tmp_path, write_set, root):
    write_set(tmp_path / "set", [np.full((8, 12), i) for i in (0, 3, 8)])
    shutil.copytree(tmp_path / "set", tmp_path / "copies")
    recipe = make_recipe(tmp_path, [{"root": "set"}], validation=[{"root": root.format(tmp_path.name)}])
    (problem,) = audit(recipe).datasets[1].problems
    also = "" if root == "set" else r" \(also as .*\)"
    assert re.match(rf"is trained and validated on{also}, as are 2 more: ", problem.what)


def test_a_preparation_compares_the_files_and_stores_no_warning(make_recipe, tmp_path, write_set, capsys):
    """Another recipe may read other sets of the folder beside each other."""
    write_set(tmp_path / "set", [np.full((8, 12), i) for i in (0, 3, 8)])
    shutil.copytree(tmp_path / "set", tmp_path / "copies")
    recipe = make_recipe(tmp_path, [{"root": "set"}], validation=[{"root": "copies"}])
    prepare_data(recipe, tmp_path / "prepared")
    shown = capsys.readouterr().out
    assert "is trained and validated on (also as " in shown and "), as are 2 more: " in shown
    assert [one["audit"]["problems"] for one in manifest_of(tmp_path / "prepared")["sets"]] == [[], []]
    (problem,) = audit(from_folder(recipe, tmp_path / "prepared")).datasets[1].problems
    assert "trained and validated on" in problem.what
    shutil.rmtree(tmp_path / "copies")
    assert audit(from_folder(recipe, tmp_path / "prepared")).datasets[1].problems == []
