"""Files and folders of any name that the file system takes, in every role: they work, or there is one error."""

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from properties.strategies import cases, file_names, snapshot
from support.paths import REPOSITORY, TESTS
from support.small_trainer import SmallTrainer, values
from support.tiny import BASE, CAMVID

from hrs_keras.data.check import check_sample
from hrs_keras.data.decode import IdMap
from hrs_keras.data.finding import find_pairs
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.folder import read_manifest
from hrs_keras.errors import RecipeError, printable
from hrs_keras.experiments.result_files import read_results, write_result
from hrs_keras.experiments.results import RunResult
from hrs_keras.export.versions import model_versions, write_version
from hrs_keras.labels import own_label_space
from hrs_keras.media.images import read_image
from hrs_keras.media.inputs import find_inputs
from hrs_keras.media.label_maps import LabelMap, LabelMapFolders
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.runs.checkpoints import Checkpoints, restore_segmenter
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system import storage
from hrs_keras.system.literal_paths import is_utf8

SPACE = own_label_space(("sky", "road"))
IDS = np.arange(12, dtype=np.uint8).reshape(3, 4) % 2
MANIFEST = TESTS / "old_formats/prepared/manifest.json"
SMALLEST = min((REPOSITORY / "docs/results/runs").glob("*.json"), key=lambda path: path.stat().st_size)
RESULT = RunResult.parse(json.loads(SMALLEST.read_bytes()), "", "")
RECIPE = TESTS / "old_formats/runs/old/recipe.yaml"
KEPT = {"step-2.index", "step-2.data-00000-of-00001"}


@pytest.fixture(scope="module")
def trainer() -> SmallTrainer:
    return SmallTrainer()


@contextmanager
def beside(path: Path) -> Iterator[None]:
    """Folders beside ``path`` that it would match, if it were a pattern, and that must stay as they are."""
    names = {re.sub(r"[\[\]\\]", "", path.name), re.sub(r"\[.*\]", "1", path.name), re.sub(r"[*?]", "x", path.name)}
    neighbours = [path.with_name(name) for name in names - {path.name, "", ".", ".."}]
    for folder in (one / below for one in neighbours for below in ("images", "checkpoints/last")):
        folder.mkdir(parents=True)
        for name in ("checkpoint", "step-1.index", "step-1.data-00000-of-00001", "0.png", "result.json"):
            (folder / name).write_bytes(b"mine")
    before = [snapshot(one) for one in neighbours]
    yield
    assert [snapshot(one) for one in neighbours] == before


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], AbstractContextManager[Path]]:
    """``with place(name) as path``: nothing is there yet, and its neighbours are not touched."""
    root = tmp_path_factory.mktemp("places")

    @contextmanager
    def empty(name: str) -> Iterator[Path]:
        shutil.rmtree(root)
        root.mkdir()
        with beside(root / name):
            yield root / name

    return empty


def png(path: Path, pixels: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(file := io.BytesIO(), "PNG")
    path.write_bytes(file.getvalue())


@pytest.mark.fault("a data folder of any name", "its samples are read; or an error names it")
@cases(60)
@given(name=file_names())
def test_data_folders(place, name):
    with place(name) as folder:
        png(folder / "images/0.png", np.stack([IDS] * 3, -1))
        png(folder / "labels/0.png", IDS)
        dataset = Dataset(root=name, images="images/*", labels="labels/*", ids={0: "sky", 1: "road"})
        pairs = find_pairs(dataset, folder.parent)
        assert pairs.images == (folder / "images/0.png",)
        assert_counted(pairs)


@pytest.mark.fault("an image and a label of any name", "they are read, if they are not hidden; or an error names them")
@cases(60)
@given(stem=file_names(longest=251), encoding=st.sampled_from(["values", "palette"]))
@example(stem="\udcff", encoding="palette")
def test_samples(place, stem, encoding):
    with place("data") as folder:
        for name in {stem, "other"}:
            png(folder / f"images/{name}.png", np.stack([IDS] * 3, -1))
            png(folder / f"labels/{name}.png", IDS, palette=encoding == "palette")
        how = {"encoding": encoding, "ids": {0: "sky", 1: "road"}}
        dataset = Dataset(images="images/*.png", labels="labels/*.png", **how)
        pairs = find_pairs(dataset, folder)
        assert {path.stem for path in pairs.images} == {name for name in (stem, "other") if not name.startswith(".")}
        assert_counted(pairs)


def assert_counted(pairs: Pairs) -> None:
    """Each sample is read as it is, or named in one printable line."""
    for image, label in zip(pairs.images, pairs.labels, strict=True):
        checked = check_sample(image, label, pairs.dataset, IdMap(pairs.dataset, SPACE))
        if checked.problems:
            (problem,) = checked.problems
            assert problem.error and problem.file in (printable(image), printable(label)) and problem.what.isprintable()
            assert not is_utf8(str(image))
        else:
            assert checked.histogram[:2].tolist() == [6, 6]


@pytest.mark.fault(
    "an image to predict, of any name, and a folder of any name for its predictions",
    "it is read, and its label map written",
)
@cases(60)
@given(stem=file_names(longest=240), name=file_names())
def test_predictions(place, stem, name):
    with place(name) as out:
        image = out.parent / f"in/{stem}.png"
        png(image, np.stack([IDS] * 3, -1))
        (found,) = find_inputs([image])
        assert found == image
        assert list(find_inputs([image.parent])) == [image] if not stem.startswith(".") else True
        folders = LabelMapFolders(out, SPACE)
        folders.make()
        folders.write(image.stem, LabelMap(IDS, read_image(image, 100)))
        with Image.open(out / f"ids/{image.stem}.png") as written:
            np.testing.assert_array_equal(np.asarray(written), IDS)
        assert not list(out.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.fault("a run folder of any name", "the run is kept there, and no other folder is touched")
@cases(25)
@given(name=file_names())
@example(name="exp[1]")
@example(name="exp?")
def test_run_folders(place, trainer, name):
    with place(name) as folder:
        # Nobody can name one that is not UTF-8 in a recipe, but a run can be moved there.
        made = folder if is_utf8(name) else folder.with_name("made")
        run, recipe = RunFolder(made), load_recipe(RECIPE)
        with run.locked():
            run.claim(recipe)
            run.note_environment()
            checkpoints = Checkpoints(trainer, run.checkpoints, keep=1)
            for step in (1, 2):
                trainer.assign(step)
                checkpoints.save_now(step)
                checkpoints.save_if_best(step, step / 2)
            checkpoints.sweep()
            checkpoints.close()
        made.rename(folder)
        run = RunFolder(folder)
        if is_utf8(name):
            trainer.assign(9)
            assert Checkpoints(trainer, run.checkpoints, keep=1).restore() and trainer.values() == {2}
        trainer.assign(9)
        assert restore_segmenter(trainer.network, run.checkpoints, "best") == 2
        assert values(trainer.network.variables) == {2}
        assert run.recipe() == recipe and run.steps_taken == 2
        assert {path.name for path in (run.checkpoints / "last").glob("step-*")} == KEPT


@pytest.mark.slow
@pytest.mark.fault("a recipe of any name", "it is read, and gives its name to the run; or an error asks for name=NAME")
@cases(40)
@given(stem=file_names(longest=250))
def test_recipes(place, stem):
    with place(f"{stem}.yaml") as file:
        file.write_text(f"extends: {BASE}\n{CAMVID}", encoding="utf-8")
        child = file.with_name("child of it.yaml")
        whole = load_recipe(file, ["name=mine"])
        if is_utf8(stem):
            child.write_text(yaml.safe_dump({"extends": file.name}), encoding="utf-8")
            assert load_recipe(child, ["name=mine"]) == whole
        try:
            assert load_recipe(file).name == stem
        except RecipeError as error:
            assert "name: names a folder" in str(error) and not re.fullmatch("[A-Za-z0-9_-][A-Za-z0-9._-]*", stem)


@pytest.mark.fault("folders of any name for results, exports and prepared data", "they are written and read back")
@cases(60)
@given(name=file_names())
def test_other_folders(place, name):
    with place(name) as folder:
        folder.mkdir()
        write_result(folder, RESULT)
        assert read_results(folder) == {RESULT.digest: RESULT}
        for number in (1, 2):
            path = write_version(folder, None, lambda version: (version / "saved_model.pb").write_bytes(b"x"))
            assert path == folder / str(number) and (path / "saved_model.pb").read_bytes() == b"x"
        assert model_versions(folder) == {1: folder / "1", 2: folder / "2"}
        shutil.copy(MANIFEST, folder / "manifest.json")
        assert read_manifest(str(folder)) == read_manifest(str(MANIFEST.parent))
        (folder / "prepared").mkdir()
        file = storage.join(str(folder / "prepared"), name)
        storage.write_whole(file, b"contents")
        assert (storage.read(file), storage.read_at(file, 3, 2), storage.stat(file)[0]) == (b"contents", b"te", 8)
        assert storage.list_folder(folder / "prepared") == [name]
        storage.remove(file)
        assert storage.names_in(str(folder / "prepared")) == []
