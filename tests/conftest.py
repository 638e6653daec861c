"""Fixtures that several test files share."""

import fcntl
import gc
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A test may predict in a process in which others train.
os.environ["TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"] = "0"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers, and the commands that they start, share the CPUs: more threads would only wait for one another.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest
from PIL import Image
from support import tiny
from support.paths import REPOSITORY
from support.processes import hrs
from support.signal_stack import SignalStack
from support.tiny_run import write_recipe

from hrs_keras.cli import logs
from hrs_keras.errors import RecipeError
from hrs_keras.export.format import load_format
from hrs_keras.recipe.reading import load_recipe

# TensorFlow's modules and graphs are millions of objects: to go through them so often took 7 % of the time.
gc.set_threshold(5_000, 10, 10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What reads genuine data is marked so; files with slow tests come first, so that none is left alone at the end."""
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache of audits."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def signal_stack() -> SignalStack:
    """The stack that signal handlers run on, as it was before any test."""
    return SignalStack.now()


@pytest.fixture(autouse=True)
def own_signals(signal_stack: SignalStack) -> Iterator[None]:
    """What a test does to SIGTERM ends with it: the command line ignores it at its end, as would all started later.

    So does what OpenVINO does to the stack of signal handlers (:mod:`support.signal_stack`).
    """
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    signal_stack.restore()


@pytest.fixture(autouse=True)
def shown_logs() -> Iterator[None]:
    """What the package logs is on standard output, as the command line shows it, for ``capsys`` to read."""
    with logs.shown():
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with genuine data sets, which cannot be part of the repository."""
    folder = Path(os.environ.get("HRS_TEST_DATA") or REPOSITORY.parent / "shared/data")
    if not folder.is_dir():
        pytest.skip(f"needs genuine data in {folder} (or HRS_TEST_DATA=FOLDER)")
    return folder


@pytest.fixture
def save() -> Callable[[Path, Any], Path]:
    """``save(path, array)`` writes uint8 pixels [h, w] or [h, w, c] and makes the folders for it."""

    def write(path: Path, pixels: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def write_set(save: Callable) -> Callable[[Path, Sequence[Any]], Path]:
    """``write_set(folder, labels)``: images/s0.png, labels/s0.png, ...; all of image number i has the value 20 i."""

    def write(folder: Path, labels: Sequence[Any]) -> Path:
        for i, label in enumerate(map(np.asarray, labels)):
            save(folder / f"images/s{i}.png", np.full((*label.shape, 3), 20 * i))
            save(folder / f"labels/s{i}.png", label)
        return folder

    return write


@pytest.fixture
def make_recipe() -> Callable:
    """``make_recipe(root, target, source=..., validation=..., test=..., **sections)``: base.yaml with small settings.

    A data set is a mapping as in a recipe; images, labels and ids of :func:`write_set` are filled in.
    """

    def make(
        root: Path,
        target: list[dict],
        source: Sequence[dict] = (),
        validation: list[dict] | None = None,
        test: Sequence[dict] = (),
        **changes: Any,
    ):
        usual = {"images": "images/*.png", "labels": "labels/*.png", "ids": "camvid"}
        sets = {"source": source, "target": target, "validation": target if validation is None else validation}
        sets |= {"test": test} if test else {}
        values = {f"data.{role}": [usual | dataset for dataset in sets[role]] for role in sets}
        values |= {"data.root": str(root), "data.classes": "camvid", "data.size": [32, 64]}
        values |= {"method.source_weighting": "learned" if source else "none", "method.gan": bool(source)}
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        return load_recipe(tiny.BASE, [f"{key}={json.dumps(v)}" for key, v in values.items()])

    return make


@pytest.fixture
def camvid_recipe(tmp_path: Path) -> Callable[..., Path]:
    """``camvid_recipe(text)``: a complete recipe that ``text`` adds to; with ``whole=True`` it is all there is."""

    def write(text: str = "", name: str = "run.yaml", whole: bool = False) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if whole else f"extends: {tiny.BASE}\n{tiny.CAMVID}{text}")
        return path

    return write


@pytest.fixture
def refusal(camvid_recipe: Callable) -> Callable[..., str]:
    """The message with which a recipe and overrides are refused."""

    def read(*overrides: str, text: str = "") -> str:
        with pytest.raises(RecipeError) as caught:
            load_recipe(camvid_recipe(text), overrides)
        return str(caught.value)

    return read


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """``once(name, make)``: a folder that one worker of pytest-xdist has ``make`` fill and that all read."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def build(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with open(shared / f"{name}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed to fill it
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return build


# ---- a tiny run over the toy city ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def city(once: Callable) -> Path:
    """A toy city of 4 + 4 synthetic and 4 + 3 real images of 64x128 pixels."""
    from hrs_keras.toy_city import ToyCity, generate

    spec = ToyCity((64, 128), gtav=4, synthia=4, train=4, val=3)
    return once("city", lambda folder: generate(folder / "toy", spec)) / "toy"


@pytest.fixture(scope="session")
def finished(city: Path, once: Callable) -> Path:
    """The run folder of an uninterrupted ``hrs train`` that draws a picture. Only to be read."""

    def make(folder: Path) -> None:
        recipe = write_recipe(folder, city, pictures=1)
        process = hrs("train", recipe, cache=folder / "cache")
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        (folder / "out.txt").write_text(out)
        (folder / "err.txt").write_text(err)

    return once("finished", make) / "runs/tiny"


@pytest.fixture(scope="session")
def exported(finished: Path, once: Callable) -> dict[str, Path]:
    """Format -> the file of the finished run, in each that can be written here. Only to be read."""
    from support.formats import WRITABLE

    from hrs_keras.export.options import ExportOptions
    from hrs_keras.export.run import export_run

    def make(folder: Path) -> None:
        for name in WRITABLE:
            export_run(finished, ExportOptions(name, out=folder / name))

    folder = once("exported", make)
    return {name: next((folder / name / "1").glob(f"*{load_format(name).suffix}")) for name in WRITABLE}


@pytest.fixture
def recipe_file(city: Path, tmp_path: Path) -> Path:
    """The recipe of :func:`finished` for a run of the test's own."""
    return write_recipe(tmp_path, city)


@pytest.fixture
def copied(finished: Path, city: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to change; its recipe file is ``tiny.yaml`` in the folder above ``runs``."""
    write_recipe(tmp_path, city, pictures=1)
    run = tmp_path / "runs/tiny"
    shutil.copytree(finished, run)
    shutil.copytree(finished.parents[1] / "saved_models", tmp_path / "saved_models")
    for file in ("recipe.yaml", "result.json"):
        text = (run / file).read_text()
        (run / file).write_text(text.replace(str(finished.parents[1]), str(tmp_path)))
    return run
