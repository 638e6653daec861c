"""The wheel as a user gets it: built, installed into an environment of its own, used from an empty folder."""

import json
import zipfile

import pytest
from support.paths import REPOSITORY

import hrs_keras


def test_what_the_wheel_holds(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    recipes = {f"hrs_keras/{path.relative_to(REPOSITORY)}" for path in (REPOSITORY / "recipes").rglob("*.yaml")}
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "hrs_keras").rglob("*.py*")}
    modules = {name for name in modules if "__pycache__" not in name}
    templates = (REPOSITORY / "hrs_keras/report/templates").iterdir()
    modules |= {str(path.relative_to(REPOSITORY)) for path in templates}
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
    assert run("hrs", "toy-city", *city).stdout == "data/toy_city\n"
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


@pytest.mark.fault("an installed wheel where a recipe is not found", "says where it was looked for")
def test_a_missing_base_says_where_it_was_looked_for(run, environment, tmp_path):
    (tmp_path / "own.yaml").write_text("extends: bass.yaml\n")
    refused = run("hrs", "train", "own.yaml")
    assert refused.returncode == 2
    assert "cannot read the recipe bass.yaml (extended by" in refused.stderr
    assert "hrs_keras/recipes (listed by `hrs recipes`)" in refused.stderr
    assert str(environment) in refused.stderr
