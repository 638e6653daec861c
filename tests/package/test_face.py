"""``import hrs_keras``: how quick it is, and what its names are to a person, a program and a type checker."""

import ast
import importlib
import os
import subprocess
import sys

import pytest
from support.paths import REPOSITORY
from support.processes import start

import hrs_keras

IMPORT = """
import sys
import hrs_keras
assert not {"tensorflow", "keras", "matplotlib", "scipy", "numpy", "pydantic", "yaml"} & set(sys.modules)
import hrs_keras.recipe, hrs_keras.export.runtimes, hrs_keras.serving.client, hrs_keras.serving.request
assert not {"tensorflow", "keras", "matplotlib", "scipy"} & set(sys.modules)
"""


def test_importing_is_quick(tmp_path):
    """Nothing that takes long is imported before it is used; for recipes and REST requests not even then."""
    process = start("-c", IMPORT, cache=tmp_path)
    assert process.communicate(timeout=60) == ("", "") and process.returncode == 0


def test_all_names_are_there():
    assert {*hrs_keras.__all__, "__version__"} <= {*dir(hrs_keras)}
    for name in hrs_keras.__all__:
        assert getattr(hrs_keras, name).__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        hrs_keras.trian  # noqa: B018


def test_the_stub_names_the_same_things():
    stub = ast.parse((REPOSITORY / "hrs_keras/__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    declared = {alias.name: node.module for node in imports for alias in node.names}
    assert all(alias.asname == alias.name for node in imports for alias in node.names)  # else they are not exported
    assert declared.keys() == {*hrs_keras.__all__}
    for name, module in declared.items():
        assert getattr(importlib.import_module(module), name) is getattr(hrs_keras, name), name


PROGRAM = """
from typing_extensions import assert_type

import hrs_keras
from hrs_keras.data.audit import Audit
from hrs_keras.training.run import TrainResult

recipe = hrs_keras.load_recipe("recipes/toy_city.yaml", ["train.steps=500", "name=short"])
assert_type(recipe, hrs_keras.Recipe)
assert_type(recipe.train.steps, int)
assert_type(hrs_keras.audit(recipe), Audit)
result = hrs_keras.train(recipe)
assert isinstance(result, TrainResult)
assert_type(result.miou, float)
hrs_keras.train(17)
hrs_keras.trian(recipe)
recipe.trian
"""


@pytest.mark.slow
def test_a_users_program_is_type_checked(environment, tmp_path):
    """Against the installed wheel: what is right passes, and each of three mistakes is found."""
    (tmp_path / "program.py").write_text(PROGRAM)
    words = ["--python-executable", environment / "bin/python", "--config-file", "", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *map(str, words), "program.py"]
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    checked = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    found = [line for line in checked.stdout.splitlines() if line.startswith("program.py")]
    lines = [int(line.split(":")[1]) for line in found]
    mistakes = [number for number, text in enumerate(PROGRAM.splitlines(), 1) if "17" in text or "trian" in text]
    assert lines == mistakes, checked.stdout + checked.stderr
    assert "[arg-type]" in found[0] and "[attr-defined]" in found[1] and "[attr-defined]" in found[2]
