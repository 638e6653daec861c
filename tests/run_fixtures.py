"""A tiny run over the toy city that several test files read. A pytest plugin: fixtures only."""

import shutil
from pathlib import Path

import pytest
from tiny_run import start, write_recipe


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy city of 4 + 4 synthetic and 4 + 3 real images of 64x128 pixels."""
    from hrs_keras.toy_city import ToyCity, generate

    return generate(tmp_path_factory.mktemp("city") / "toy", ToyCity((64, 128), gtav=4, synthia=4, train=4, val=3))


@pytest.fixture(scope="session")
def finished(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of an uninterrupted ``hrs train``. Only to be read."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = write_recipe(folder, city)
    process = start("-m", "hrs_keras.cli", "train", recipe, cache=folder / "cache")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (folder / "out.txt").write_text(out)
    (folder / "err.txt").write_text(err)
    return folder / "runs/tiny"


@pytest.fixture
def recipe_file(city: Path, tmp_path: Path) -> Path:
    """The recipe of :func:`finished` for a run of the test's own."""
    return write_recipe(tmp_path, city)


@pytest.fixture
def copied(finished: Path, city: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to change; its recipe file is ``tiny.yaml`` in the folder above ``runs``."""
    write_recipe(tmp_path, city)
    run = tmp_path / "runs/tiny"
    shutil.copytree(finished, run)
    shutil.copytree(finished.parents[1] / "saved_models", tmp_path / "saved_models")
    for file in ("recipe.yaml", "result.json"):
        text = (run / file).read_text()
        (run / file).write_text(text.replace(str(finished.parents[1]), str(tmp_path)))
    return run
