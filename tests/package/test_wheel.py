"""The wheel as a user gets it: built, installed into an environment of its own, used from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.paths import REPOSITORY

import hrs_keras

SOURCES = ["hrs_keras", "recipes", "setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because setuptools leaves files beside the sources."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, source / name)
    words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built), str(source)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True, text=True)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it needs is read from this interpreter's environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    words = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True, text=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A plain path: the .pth files over there, such as that of an editable installation, are not read.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def run(environment: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """``run(program, *words)``: a program of the environment, in an empty folder."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def start(program: str, *words: object) -> subprocess.CompletedProcess:
        command = [str(environment / "bin" / program), *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=600)

    return start


def test_what_the_wheel_holds(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    recipes = {f"hrs_keras/{path.relative_to(REPOSITORY)}" for path in (REPOSITORY / "recipes").rglob("*.yaml")}
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "hrs_keras").rglob("*.py*")}
    modules = {name for name in modules if "__pycache__" not in name}
    assert {*recipes, *modules, "hrs_keras/py.typed"} == {name for name in held if ".dist-info/" not in name}


def test_commands_in_an_empty_folder(run, environment, tmp_path):
    where = run("python", "-c", "import hrs_keras; print(hrs_keras.__file__)").stdout
    assert where.startswith(str(environment)), where
    assert run("hrs", "--version").stdout == f"hrs-keras {hrs_keras.__version__}\n"
    listed = run("hrs", "recipes").stdout.splitlines()
    assert len(listed) == len(list((REPOSITORY / "recipes").rglob("*.yaml")))
    assert run("hrs", "recipes", "copy", "systems/joint").stdout == "joint.yaml\n"
    assert (tmp_path / "joint.yaml").read_bytes() == (REPOSITORY / "recipes/systems/joint.yaml").read_bytes()


TINY = ["data.size=[32, 64]", "encoder.width=0.0625", "encoder.fc=16", "encoder.weights=null", "train.batch_size=1",
        "train.steps=2", "train.pictures=0"]  # fmt: skip


@pytest.mark.slow
def test_training_from_an_empty_folder(run, tmp_path):
    """A packaged recipe and part by their names; and a recipe of one's own that extends the packaged ``base.yaml``."""
    city = ["--size", 64, 128, "--gtav", 2, "--synthia", 2, "--train", 2, "--val", 1]
    assert run("hrs", "toy-city", "data/toy_city", *city).stdout == "data/toy_city\n"
    trained = run("hrs", "train", "toy_city", "systems/joint.yaml", *TINY)
    assert trained.returncode == 0, trained.stderr
    assert json.loads((tmp_path / "runs/toy_city-joint/result.json").read_text())
    assert (tmp_path / "saved_models/toy_city-joint/1/saved_model.pb").is_file()

    (tmp_path / "own.yaml").write_text(
        "extends: base.yaml\n"
        "data:\n"
        "  root: data/toy_city\n"
        "  source: [{format: gtav}]\n"
        "  target: [{format: cityscapes}]\n"
        "  validation: [{format: cityscapes, split: val}]\n"
    )
    audited = run("hrs", "audit", "own.yaml", "systems/joint.yaml")
    assert audited.returncode == 0, audited.stderr


def test_a_missing_base_says_where_it_was_looked_for(run, environment, tmp_path):
    (tmp_path / "own.yaml").write_text("extends: bass.yaml\n")
    refused = run("hrs", "train", "own.yaml")
    assert refused.returncode == 2
    assert "cannot read the recipe bass.yaml (extended by" in refused.stderr
    assert "hrs_keras/recipes (listed by `hrs recipes`)" in refused.stderr
    assert str(environment) in refused.stderr
