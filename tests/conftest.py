"""Fixtures that several test files share."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache of audits."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


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
    """``make_recipe(root, target, source=..., validation=..., **sections)``: base.yaml with small settings.

    A data set is a mapping as in a recipe; images, labels and ids of :func:`write_set` are filled in.
    """
    from hrs_keras.recipe import load_recipe

    def make(
        root: Path,
        target: list[dict],
        source: Sequence[dict] = (),
        validation: list[dict] | None = None,
        **changes: Any,
    ):
        usual = {"images": "images/*.png", "labels": "labels/*.png", "ids": "camvid"}
        sets = {"source": source, "target": target, "validation": target if validation is None else validation}
        values = {f"data.{role}": [usual | dataset for dataset in sets[role]] for role in sets}
        values |= {"data.root": str(root), "data.classes": "camvid", "data.size": [32, 64]}
        values |= {"method.source_weighting": "learned" if source else "none", "method.gan": bool(source)}
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        return load_recipe(REPOSITORY / "recipes/base.yaml", [f"{key}={json.dumps(v)}" for key, v in values.items()])

    return make
