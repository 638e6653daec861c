"""A tiny run over the toy city that several test files read, and the means to make others like it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]

# Everything random is on: dropout, label noise, augmentation. 8 steps, checkpoints at 3, 6 and 8.
SETTINGS = {
    "extends": str(REPOSITORY / "recipes/base.yaml"),
    "name": "tiny",
    "data": {
        "size": [32, 64],
        "source": [{"format": "gtav"}, {"format": "synthia"}],
        "target": [{"format": "cityscapes"}],
        "validation": [{"format": "cityscapes", "split": "val"}],
        "augment": {"flip": True, "scale": [1.0, 1.3], "colour": 0.2},
    },
    "encoder": {"width": 0.0625, "fc": 16, "dropout": 0.2, "weights": None, "preprocessing": "unit"},
    "method": {
        "label_noise": 0.1,
        "weighting_width": 4,
        "generator_channels": [8, 8, 4, 4, 4, 4],
        "discriminator_channels": [4, 4, 4, 4, 4, 4],
    },
    "train": {
        "steps": 8,
        "batch_size": 2,
        "learning_rate": {"encoder": 1e-3, "weighting": 1e-3, "generator": 1e-3, "discriminator": 1e-3},
        "log_every": 2,
        "validate_every": 4,
        "checkpoint_every": 3,
    },
}


def write_recipe(folder: Path, city: Path) -> Path:
    """A recipe whose runs and exports go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"runs": str(folder / "runs"), "saved_models": str(folder / "saved_models")}
    data = SETTINGS["data"] | {"root": str(city)}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | places | {"data": data}))
    return path


def start(*command: object, cache: Path) -> subprocess.Popen:
    """Start a Python command; the audit's cache is kept apart from the user's."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )


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
