"""Whether a run still has its data: what is recorded, what is refused, and what is kept when other data is accepted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hrs_keras.data.audit import audit
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.errors import CheckpointError, DataError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.data import DataCheck, read_data_record, warn_of_other_data
from hrs_keras.runs.folder import RunFolder

SKY, ROAD = 0, 3  # of CamVid's ids


@pytest.fixture
def recipe(tmp_path, write_set, make_recipe, monkeypatch) -> Callable[..., Recipe]:
    """Four target pairs in ``data/real``, whose labels have 512 pixels of two classes each, and two to validate on."""
    monkeypatch.chdir(tmp_path)
    halves = np.repeat([[SKY] * 32 + [ROAD] * 32], 32, axis=0)
    write_set(tmp_path / "data/real", [halves] * 4)
    write_set(tmp_path / "data/val", [halves] * 2)

    def make(**changes) -> Recipe:
        places = {"name": "one", "runs": "runs"} | changes
        return make_recipe(Path("data"), [{"root": "real"}], validation=[{"root": "val"}], **places)

    return make


def check(recipe: Recipe, fresh: bool = False) -> DataCheck:
    return DataCheck(RunFolder(recipe.run_dir), recipe, audit(recipe), fresh)


@pytest.fixture
def begun(recipe) -> RunFolder:
    """A run that has taken 60 steps."""
    run = RunFolder(recipe().run_dir)
    run.claim(recipe())
    check(recipe()).note(0, ended=False)
    (run.checkpoints / "last").mkdir(parents=True)
    (run.checkpoints / "last/step-60.index").touch()
    return run


def add(folder: str, name: str, of: str = "data/val", number: int = 0) -> None:
    for kind in ("images", "labels"):
        shutil.copy(f"{of}/{kind}/s{number}.png", f"data/{folder}/{kind}/{name}.png")


def remove(folder: str, name: str) -> None:
    for kind in ("images", "labels"):
        Path(f"data/{folder}/{kind}/{name}.png").unlink()


def relabel(path: str, pixels: int) -> None:
    """Some of the sky becomes road."""
    label = np.asarray(Image.open(path)).copy()
    label.flat[np.flatnonzero(label == SKY)[:pixels]] = ROAD
    Image.fromarray(label).save(path)


def test_what_is_recorded(recipe, begun):
    record = read_data_record(begun)
    assert [one.title for one in record.sets] == ["target.0", "validation.0"] and record.earlier == ()
    target = record.sets[0]
    assert target.found == 4 and target.ignored == 0
    assert {name: count for name, count in target.pixels.items() if count} == {"sky": 4 * 1024, "road": 4 * 1024}
    paths = [Path(f"data/real/images/s{i}.png").stat() for i in range(4)]
    assert target.images == [(f"images/s{i}.png", s.st_size, s.st_mtime_ns) for i, s in enumerate(paths)]
    assert [name for name, *_ in target.labels] == [f"labels/s{i}.png" for i in range(4)]
    audited = json.loads(begun.audit_file.read_text())
    assert audited == audit(recipe()).to_dict()


def test_equal_data_is_recorded_once(recipe, begun):
    before = {path: path.stat().st_mtime_ns for path in (begun.data_file, begun.audit_file)}
    for ended in (False, True):
        check(recipe()).note(60, ended)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.fault("files of a run's data are removed before it goes on", "refused; their number and names are told")
def test_removed(recipe, begun):
    remove("real", "s3")
    with pytest.raises(DataError) as caught:
        check(recipe())
    message = str(caught.value)
    assert message.startswith("runs/one was trained for 60 steps on other data:\n  target.0: 1 file removed")
    assert "(images/s3.png); 1 file removed (labels/s3.png)" in message
    assert "name=NAME" in message and "data.on_change=accept" in message and "--fresh" not in message


@pytest.mark.fault("files are added to a run's data before it goes on", "refused; their number and names are told")
def test_added(recipe, begun):
    for number in range(4):
        add("val", f"s9{number}", of="data/real")
    with pytest.raises(DataError, match=r"validation\.0: 4 files added \(images/s90\.png, .*s92\.png, \.\.\.\); 4 f"):
        check(recipe())


@pytest.mark.fault("a label of a run's data is changed before it goes on", "refused; file or class is named")
def test_changed(recipe, begun):
    relabel("data/real/labels/s1.png", 100)
    with pytest.raises(DataError, match=r"target\.0: 1 file changed \(labels/s1\.png\)"):
        check(recipe())


def test_a_label_of_the_same_length(recipe, begun):
    """Ids that are stored without compression."""
    for file in sorted(Path("data/real/labels").iterdir()):
        Image.open(file).save(file, compress_level=0)
    begun.data_file.unlink()
    begun.audit_file.unlink()
    check(recipe()).note(60, ended=False)
    label = Path("data/real/labels/s1.png")
    size, pixels = label.stat().st_size, np.asarray(Image.open(label)).copy()
    pixels[:10, :10] = ROAD
    Image.fromarray(pixels).save(label, compress_level=0)
    assert label.stat().st_size == size
    with pytest.raises(DataError, match=r"target\.0: labels have changed \(sky 3996 pixels, 4096 before, road 4196 p"):
        check(recipe())


def test_what_is_not_used_plays_no_part(recipe, begun, save):
    """An image without a label and, with on_bad: skip, one with a label that cannot be used."""
    save(Path("data/real/images/orphan.png"), np.zeros((32, 64, 3)))
    add("real", "bad")
    Path("data/real/labels/bad.png").write_bytes(b"no PNG")
    begun.check(recipe(data__on_bad="skip"))  # such a recipe goes on with the run
    check(recipe(data__on_bad="skip"))


def test_another_time_alone_is_told(recipe, begun, capsys):
    Path("data/real/images/s1.png").touch()
    Path("data/val/labels/s0.png").touch()
    check(recipe())
    said = capsys.readouterr().out
    assert "2 files of the data have another time than when runs/one began" in said and "(images/s1.png, for" in said


def test_moved_data_is_the_same(recipe, begun):
    Path("data").rename("moved")
    check(recipe(data__root="moved")).note(60, ended=False)
    assert read_data_record(begun).earlier == ()


def test_prepared_data_is_the_same_as_its_files(recipe, begun, tmp_path):
    prepare_data(recipe(), tmp_path / "prepared")
    prepared = recipe(data__prepared=str(tmp_path / "prepared"), data__root="/nowhere")
    check(prepared)
    begun.data_file.unlink()
    check(prepared).note(60, ended=False)
    check(recipe())
    remove("real", "s0")
    check(prepared)
    with pytest.raises(DataError, match=r"images/s0\.png"):
        check(recipe())


def test_a_subset_of_other_files_is_other_data(recipe, begun):
    begun.data_file.unlink()
    begun.audit_file.unlink()
    few = recipe()
    few.data.target[0].subset = 2
    check(few).note(60, ended=False)
    used = {name for name, *_ in read_data_record(begun).sets[0].images}
    assert len(used) == 2
    spare = min({f"images/s{i}.png" for i in range(4)} - used)
    remove("real", Path(spare).stem)
    with pytest.raises(DataError, match=r"target\.0: 1 file removed .*1 file added") as caught:
        check(few)
    assert spare not in str(caught.value)


@pytest.mark.parametrize("step", [0, 60])
def test_accepted(recipe, begun, capsys, step):
    if not step:  # it was cut off before the first checkpoint, and has nothing to do with the old data
        shutil.rmtree(begun.checkpoints)
        begun.evaluations.mkdir()
        begun.evaluation_file(0).write_text("{}")
    old = read_data_record(begun)
    remove("real", "s3")
    changed = recipe(data__on_change="accept") if step else recipe()
    check(changed).note(step, ended=False)
    record = read_data_record(begun)
    assert [len(one.images) for one in record.sets] == [3, 2]
    assert json.loads(begun.audit_file.read_text())["datasets"][0]["samples"] == 3
    if step:
        assert (
            "warning: runs/one was trained for 60 steps on other data:\n  target.0: 1 file" in capsys.readouterr().out
        )
        (earlier,) = record.earlier
        assert earlier.until_step == 60 and earlier.sets == old.sets
        check(recipe()).note(80, ended=False)
        assert read_data_record(begun) == record
    else:
        assert record.earlier == () and not begun.evaluation_file(0).exists()


@pytest.mark.fault("a finished run is started again, and its data has changed", "refused; its records stay")
def test_a_finished_run_keeps_its_record(recipe, begun):
    before = [path.read_bytes() for path in (begun.data_file, begun.audit_file)]
    remove("real", "s0")
    with pytest.raises(DataError, match="was trained for 60 steps on other data"):
        check(recipe())
    assert [path.read_bytes() for path in (begun.data_file, begun.audit_file)] == before


def test_a_fresh_run_takes_any_data(recipe, begun):
    remove("real", "s0")
    begun.data_file.write_bytes(b"damaged")
    check(recipe(), fresh=True)


@pytest.mark.fault("a run is evaluated after its images have changed", "a warning that names them")
def test_an_evaluation_on_other_images_is_told(recipe, begun, capsys):
    def warned(of: Recipe) -> str:
        warn_of_other_data(begun, of, audit(of, roles=["validation"]))
        return capsys.readouterr().out.partition("warning: ")[2]

    remove("real", "s3")  # is not evaluated on
    assert warned(recipe()) == ""
    remove("val", "s1")
    says = "runs/one read other data than there is now:\n  validation.0: 1 file removed (images/s1.png)"
    assert warned(recipe()).startswith(says)
    other = recipe()
    other.data.validation[0].root = "real"  # by intention
    assert warned(other) == ""


@pytest.mark.fault("a run's record of its data is damaged", "one message that names the file")
def test_a_damaged_record(recipe, begun):
    begun.data_file.write_bytes(begun.data_file.read_bytes().replace(b"s3.png", b"s4.png", 1))
    with pytest.raises(CheckpointError, match=r"data\.json is damaged"):
        check(recipe())


# ---- of an earlier version, which kept the audit alone -----------------------------------------------------------


def test_the_first_resume_of_an_old_run_records_its_data(recipe, begun):
    begun.data_file.unlink()
    audited = begun.audit_file.read_bytes()
    check(recipe()).note(60, ended=True)
    assert not begun.data_file.exists()
    check(recipe()).note(60, ended=False)
    assert len(read_data_record(begun).sets[0].images) == 4 and begun.audit_file.read_bytes() == audited


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda: remove("real", "s3"), r"target\.0: 3 samples where there were 4"),
        (lambda: relabel("data/val/labels/s0.png", 24), r"validation\.0: labels have changed \(sky 2024 pixels, 2048"),
    ],
    ids=["removed", "changed"],
)
def test_what_an_old_run_knew_is_compared(recipe, begun, damage, says):
    begun.data_file.unlink()
    damage()
    with pytest.raises(DataError, match=says):
        check(recipe())
    check(recipe(data__on_change="accept")).note(60, ended=False)
    (earlier,) = read_data_record(begun).earlier
    assert earlier.sets[0].images is None and earlier.sets[0].found == 4
