"""The files in which runs, exports, results and prepared folders are recorded, damaged anywhere."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties.strategies import anywhere, cases, damaged, json_values, snapshot, with_value
from support.paths import REPOSITORY, TESTS

from hrs_keras.data.audit_cache import read_cached
from hrs_keras.data.prepared.folder import read_manifest
from hrs_keras.data.prepared.manifest import sealed, unsealed
from hrs_keras.data.records import Record, read_record, records_of
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import CheckpointError, DataError, HRSError
from hrs_keras.experiments.collecting import collect
from hrs_keras.experiments.result_files import read_results
from hrs_keras.experiments.results import RunResult
from hrs_keras.export.record import read_record as read_export
from hrs_keras.labels import LabelSpace
from hrs_keras.media.label_maps import file_ids
from hrs_keras.media.painting import colourise
from hrs_keras.predict.model import load_model
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.runs.folder import RunFolder
from hrs_keras.training.outcome import finish

OLD = TESTS / "old_formats"
RUN = OLD / "runs/old"
EXPORT = OLD / "saved_models/old/1/assets.extra/hrs.json"
PREPARED = OLD / "prepared"
RESULT = min((REPOSITORY / "docs/results/runs").glob("*.json"), key=lambda path: path.stat().st_size)
SOME_MEAN = ("evaluations", 0, "mean_iou")
RECORDS = ["result.json", "audit.json", "environment.json", "recipe.yaml", "log.csv", "evaluations/step_0000003.json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def run(folder: Path) -> RunFolder:
    """A copy of a finished run."""
    shutil.copytree(RUN, folder / "run")
    return RunFolder(folder / "run")


def written(file: Path) -> st.SearchStrategy[bytes]:
    """What a file may have become: damaged, or, if it is JSON, valid with any value at any place."""
    contents = file.read_bytes()
    return edited_or_damaged(contents) if file.suffix == ".json" else damaged(contents)


def edited_or_damaged(contents: bytes) -> st.SearchStrategy[bytes]:
    """The same for JSON."""
    tree = json.loads(contents)
    edited = anywhere(tree, json_values).map(lambda change: with_value(tree, *change)) | json_values
    return damaged(contents) | edited.map(lambda value: json.dumps(value).encode())


def answer(ask: Callable[[], Any], names: Path, kind: type[HRSError] = HRSError) -> Any:
    """What is answered; None for a refusal that names the file or its folder and can be printed."""
    try:
        return ask()
    except kind as error:
        assert str(names) in str(error) and len(str(error)) < 10_000, error
        str(error).encode()
        return None


# ---- experiments -------------------------------------------------------------------------------------------------


@pytest.mark.fault("a stored result of an experiment that is damaged or edited anywhere", "refused, and named; or read")
@cases(120)
@given(contents=written(RESULT))
@example(contents=json.dumps(with_value(json.loads(RESULT.read_bytes()), SOME_MEAN, {"road": 0.5})).encode())
@example(contents=json.dumps(with_value(json.loads(RESULT.read_bytes()), (*SOME_MEAN, "11"), 1e308)).encode())
def test_results(folder, contents):
    (folder / "results").mkdir(exist_ok=True)
    file = folder / "results/result.json"
    file.write_bytes(contents)
    found = answer(lambda: read_results(file.parent), file, CheckpointError)
    if found:
        (result,) = found.values()
        for which in ("last", "best"):
            answer(lambda which=which: result.evaluation(which), Path(result.name), CheckpointError)
        for evaluation in result.evaluations:  # what tables and curves rely on
            assert evaluation.mean_iou.keys() == {"11"} and len(evaluation.iou) == 11
            assert all(0 <= value <= 1 for value in evaluation.mean_iou.values() if value is not None)
        assert result.checks is not None and RunResult.parse(result.to_dict(), "", "") == result


@pytest.mark.slow
@pytest.mark.fault(
    "a finished run with a record that is damaged or edited anywhere", "an error that names the run; or its result"
)
@cases(80)
@given(change=st.sampled_from(RECORDS).flatmap(lambda name: st.tuples(st.just(name), written(RUN / name))))
def test_collecting_a_run(run, change):
    name, contents = change
    file = run.path / name
    file.write_bytes(contents)
    before = snapshot(run.path)
    try:
        answer(lambda: collect(run, None, "data"), run.path)
        assert snapshot(run.path) == before
    finally:
        shutil.copy(RUN / name, file)


# ---- training that goes on ---------------------------------------------------------------------------------------


@pytest.mark.fault(
    "the result.json of a finished run damaged or edited anywhere", "an error that names it; or the outcome"
)
@cases(50)
@given(contents=written(RUN / "result.json"))
def test_finishing_again(run, contents):
    run.result_file.write_bytes(contents)
    session = SimpleNamespace(folder=run, recipe=load_recipe(RUN / "recipe.yaml"))
    try:
        outcome = answer(lambda: finish(session, export=False), run.result_file, CheckpointError)
        assert outcome is None or f"{100 * outcome.miou:.2f}{outcome.step:d}"
    finally:
        shutil.copy(RUN / "result.json", run.result_file)


HISTORY = [{"step": 3, "settings": ["train.steps: 6 -> 9"]}, {"step": 6, "data": "other"}]


@pytest.mark.fault("the history of a run damaged or edited anywhere", "an error that names it; or kept")
@cases(40)
@given(contents=edited_or_damaged(json.dumps(HISTORY).encode()))
def test_the_history_is_noted(run, contents):
    run.history_file.write_bytes(contents)
    try:
        before = answer(run.history, run.history_file, CheckpointError)
        if before is not None:
            run.note(9, {"settings": []})
            assert run.history() == [*before, {"step": 9, "settings": []}]
        answer(lambda: collect(run, None, "data"), run.path)
    finally:
        run.history_file.unlink()


@pytest.mark.fault(
    "the environment.json of a run that goes on damaged or edited anywhere", "an error that names it; or kept"
)
@cases(40)
@given(contents=written(RUN / "environment.json"))
def test_the_environment_is_noted(run, contents):
    run.environment_file.write_bytes(contents)
    try:
        answer(run.note_environment, run.environment_file)
    finally:
        shutil.copy(RUN / "environment.json", run.environment_file)


@pytest.mark.fault(
    "the recipe.yaml of a run that goes on damaged anywhere", "an error that names it; or it is the same"
)
@cases(30)
@given(contents=written(RUN / "recipe.yaml"))
def test_a_run_is_taken_up(run, contents):
    recipe = run.recipe()
    run.recipe_file.write_bytes(contents)
    before = snapshot(run.path)
    try:
        answer(lambda: run.check(recipe), run.path)
        assert snapshot(run.path) == before
    finally:
        shutil.copy(RUN / "recipe.yaml", run.recipe_file)


# ---- exports -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("an export whose hrs.json is damaged or edited anywhere", "refused, and named")
@cases(100)
@given(contents=written(EXPORT))
def test_the_record_of_an_export(folder, contents):
    version = folder / "model/1"
    (version / "assets.extra").mkdir(parents=True, exist_ok=True)
    (version / "saved_model.pb").touch()  # so that what is right is refused, too, and no network takes its time
    (version / "assets.extra/hrs.json").write_bytes(contents)
    assert answer(lambda: load_model(version), version, CheckpointError) is None
    if record := answer(lambda: read_export(version), version, CheckpointError):
        space = LabelSpace.from_dict(record["label_space"])
        every = np.arange(len(space.classes), dtype=np.uint8)
        assert colourise(every, space).shape == (len(every), 3) and file_ids(every, space).dtype == np.uint8


# ---- prepared folders --------------------------------------------------------------------------------------------

MANIFEST = unsealed((PREPARED / "manifest.json").read_bytes())


def resealed(change: tuple) -> bytes:
    """A manifest with another value somewhere, and the hash of that."""
    changed = with_value(MANIFEST, *change)
    try:
        return sealed(changed)
    except (TypeError, ValueError):
        return b""


@pytest.mark.fault(
    "the manifest of a prepared folder damaged anywhere, or edited", "refused, and named; or it says the same"
)
@cases(100)
@given(contents=damaged((PREPARED / "manifest.json").read_bytes()) | anywhere(MANIFEST, json_values).map(resealed))
def test_manifests(folder, contents):
    (folder / "manifest.json").write_bytes(contents)
    manifest = answer(lambda: read_manifest(str(folder)), folder / "manifest.json", DataError)
    if manifest is not None:
        assert json.loads(manifest.to_bytes()).keys() == MANIFEST.keys() | {"sha256_of_the_rest"}


def shards() -> list[tuple[Path, list[Record]]]:
    """The old prepared folder's files, and the records in them."""
    notes = [shard for one in MANIFEST["sets"] for shard in one["shards"]]
    return [(PREPARED / n["file"], records_of(str(PREPARED / n["file"]), n["lengths"], n["crc32"])) for n in notes]


@st.composite
def damaged_shards(draw: st.DrawFn) -> tuple[bytes, Record]:
    path, records = draw(st.sampled_from(shards()))
    return draw(damaged(path.read_bytes())), draw(st.sampled_from(records))


@pytest.mark.fault(
    "a shard of a prepared folder that is cut off or has bytes changed", "an error that names it; or the same sample"
)
@cases(100)
@given(case=damaged_shards())
def test_shards(folder, case):
    contents, record = case
    shard = folder / "shard"
    shard.write_bytes(contents)
    found = answer(lambda: read_record(record._replace(shard=str(shard))), shard, DataError)
    assert found in (None, read_record(record))


AUDIT = DatasetAudit("target", "folder x (train)", 3, {"road": 5, "sky": 0}, 7)


@pytest.mark.fault("an audit in the cache that is damaged anywhere", "made anew")
@cases(60)
@given(contents=damaged(json.dumps(AUDIT.to_dict()).encode()) | json_values.map(lambda v: json.dumps(v).encode()))
def test_cached_audits(folder, contents):
    (folder / "audit").write_bytes(contents)
    found = read_cached(folder / "audit")
    assert found is None or DatasetAudit.from_json(json.dumps(found.to_dict()).encode()) == found
