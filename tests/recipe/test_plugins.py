"""Things that a recipe chooses by name: where they are found, and what is said of those that are not fit."""

import subprocess
import sys

import pytest
from support.tiny import BASE

from hrs_keras.errors import RecipeError
from hrs_keras.recipe.plugins import Plugins

GROUP = "hrs_keras.things"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on the path with the package ``things``, of which the import is an error, and a distribution."""
    package = tmp_path / "outside_things/inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "good.py").write_text("PLUGIN = 'good'\n")
    (package / "_helper.py").write_text("raise RuntimeError('no name of its own')\n")
    (package / "broken.py").write_text("import no_such_module\n")
    (package / "empty.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("outside_things", "elsewhere")]:
        del sys.modules[name]


def distribute(folder, name, text, group=GROUP):
    """Install a distribution, as far as importlib.metadata sees: a folder with its entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{text}\n")


def things(package="outside_things.inner"):
    return Plugins("thing", package, GROUP)


def test_names_are_found_without_an_import(folder):
    assert things().names() == ["broken", "empty", "good"]
    assert "outside_things.inner" not in sys.modules


def test_only_the_module_asked_for_is_imported(folder):
    assert things().load("good") == "good"
    assert "outside_things.inner.broken" not in sys.modules


def test_entry_points_name_a_module_or_the_thing_itself(folder):
    (folder / "elsewhere.py").write_text("PLUGIN = 'module'\nthing = 'itself'\n")
    distribute(folder, "far", "a = elsewhere\nb = elsewhere:thing")
    outside = things(None)
    sys.path.insert(0, sys.path.pop(0) + "/.")  # as a path that has not been looked at yet
    assert outside.names() == ["a", "b"]
    assert (outside.load("a"), outside.load("b")) == ("module", "itself")


def test_registered_things(folder):
    found = things()
    found.register("mine", 3)
    assert found.load("mine") == 3 and "mine" in found.names()
    for name in ("mine", "good"):
        with pytest.raises(RecipeError, match=f"the thing '{name}' exists already; register yours under another name"):
            found.register(name, 4)
    found.unregister("mine")
    assert "mine" not in found.names()


@pytest.mark.fault(
    "an encoder or format from another package that cannot be imported", "refused; its module and the reason are named"
)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("goood", "unknown thing 'goood'. Did you mean 'good'?"),
        ("xyzzy", "unknown thing 'xyzzy'. Valid: broken, empty, good."),
        (["good"], "unknown thing ['good']."),
        (None, "unknown thing None."),
        ("_helper", "unknown thing '_helper'."),
        ("broken", "the thing 'broken' (the module outside_things.inner.broken) cannot be imported: ModuleNotFoundErr"),
        ("empty", "the thing 'empty' (the module outside_things.inner.empty) has no attribute PLUGIN"),
    ],
)
def test_things_that_cannot_be_had(folder, name, message):
    with pytest.raises(RecipeError) as caught:
        things().load(name)
    assert message in str(caught.value)


def test_a_thing_of_another_kind_is_refused(folder):
    found = things()
    found.register("seven", 7)
    found.register("true", bool)
    assert found.load_instance("seven", int) == 7 and found.load_class("true", int) is bool
    wanted = r"the thing 'good' \(the module outside_things.inner.good\) is 'good'; it must be "
    with pytest.raises(RecipeError, match=wanted + "an instance of builtins.int"):
        found.load_instance("good", int)
    with pytest.raises(RecipeError, match=wanted + "a class derived from builtins.int"):
        found.load_class("good", int)
    with pytest.raises(RecipeError, match="registered in this process"):
        found.load_class("seven", int)


@pytest.mark.fault("two packages that give the same name", "refused; both are named")
def test_a_name_inside_and_outside_is_refused(folder):
    (folder / "elsewhere.py").write_text("PLUGIN = 1\n")
    distribute(folder, "far", "good = elsewhere")
    with pytest.raises(RecipeError) as caught:
        things().load("good")
    assert (
        "the thing 'good' exists twice: the module outside_things.inner.good and the entry point 'elsewhere' of far"
        in (str(caught.value))
    )


def test_reading_a_recipe_imports_neither_tensorflow_nor_keras():
    code = (
        f"import sys; from hrs_keras.recipe import load_recipe; load_recipe({str(BASE.with_name('toy_city.yaml'))!r});"
        "print([m for m in ('tensorflow', 'keras', 'keras_cv') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
