"""A toy city and other small data sets to prepare."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.paths import REPOSITORY
from support.prepared_folders import SMALL
from support.tiny_run import write_recipe

from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.recipe.reading import load_recipe


@pytest.fixture(scope="session")
def city_recipe(city, tmp_path_factory):
    """Overrides -> the tiny recipe over the toy city: two sources, palette and 16-bit labels, enlargement."""
    file = write_recipe(tmp_path_factory.mktemp("recipe"), city)
    return lambda *overrides: load_recipe(file, overrides)


@pytest.fixture(scope="session")
def prepared(city_recipe, tmp_path_factory):
    """The toy city, prepared in many shards. Only to be read."""
    folder = tmp_path_factory.mktemp("prepared") / "city"
    prepare(city_recipe(), folder, shard_mib=SMALL)
    return folder


@pytest.fixture
def copy(prepared, tmp_path):
    """A copy of :func:`prepared`, to change."""
    return Path(shutil.copytree(prepared, tmp_path / "copy"))


@pytest.fixture
def few(tmp_path, write_set, make_recipe):
    """A recipe of two images to train on and two to validate on, so large that each gets a shard of its own."""
    for name in ("a", "b"):
        write_set(tmp_path / name, [np.random.default_rng(i).integers(0, 11, (150, 160)) for i in range(2)])
    target, validation = ([{"root": name}] for name in ("a", "b"))
    return make_recipe(tmp_path, target, validation=validation, data__size=[64, 64])


@pytest.fixture
def colours(tmp_path, save, make_recipe):
    """Changes -> a recipe with colour labels and a crop. One image is a JPEG file, and one label is broken."""
    rng = np.random.default_rng(0)
    for i in range(5):
        pixels = rng.integers(0, 256, (40, 70, 3))
        save(tmp_path / f"set/images/s{i}.{'jpg' if i == 3 else 'png'}", pixels)
        codes = np.array([(128, 64, 128), (0, 0, 0), (0, 0, 142)])
        save(tmp_path / f"set/labels/s{i}.png", codes[rng.integers(0, 3, (40, 70))])
    (tmp_path / "set/labels/s1.png").write_bytes(b"broken")
    ids = {"128,64,128": "road", "0,0,0": "ignore", "0,0,142": "car"}
    one = {"root": "set", "images": "images/*", "encoding": "colours", "ids": ids, "crop": {"rows": [3, 37]}}

    def make(**changes):
        settings = {"data__augment": {"scale": [1.2, 1.7], "flip": True, "colour": 0.3}, "data__on_bad": "skip"}
        return make_recipe(tmp_path, [one], [one, one], **{"train__steps": 5} | settings | changes)

    return make


@pytest.fixture
def without_source(city, tmp_path):
    """The tiny recipe with recipes/systems/fcn.yaml laid over it, which reads no source."""
    return load_recipe([write_recipe(tmp_path, city), REPOSITORY / "recipes/systems/fcn.yaml"])
