"""An interrupted preparation goes on, and ends with the same bytes; a finished one is repaired."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.prepared_folders import SMALL, contents, damage, from_folder, manifest_of
from support.processes import start
from support.tiny_run import write_recipe

from hrs_keras.cli.main import main
from hrs_keras.data.audit import audit
from hrs_keras.data.prepared.manifest import ShardNote, sealed
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.errors import DataError
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.system import storage


class _Killed(BaseException):
    pass


@pytest.mark.fault("a preparation that ends just before or after any file appears", "goes on to the same bytes")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.slow
def test_interrupted_at_any_write(when, few, tmp_path, monkeypatch):
    """Whether a process ends just before or just after a file gets its name, nothing half is taken for whole."""
    real, published = storage.publish, []

    def prepare_until(folder, end):
        """Publish so many files at most; kept in ``published``."""
        published.clear()

        def publish(path):
            published.append(Path(path).name)
            if len(published) == end and when == "before":
                raise _Killed
            real(path)
            if len(published) == end:
                raise _Killed

        monkeypatch.setattr(storage, "publish", publish)
        prepare(few, folder, shard_mib=SMALL)

    prepare_until(tmp_path / "whole", None)
    whole, order = contents(tmp_path / "whole"), [*published]
    assert len(order) == 2 + 2 * 4 and (order[0], order[-1]) == ("plan.json", "manifest.json")
    for end, last in enumerate(order, 1):
        folder = tmp_path / f"out{end}"
        with pytest.raises(_Killed):
            prepare_until(folder, end)
        assert published == order[:end]
        left = contents(folder)
        done = {*order[: end - (when == "before")]}
        assert left.keys() - done == ({f"{last}.partial"} if when == "before" else set())
        assert all(left[name] == whole[name] for name in done & whole.keys())
        if "manifest.json" not in done:
            with pytest.raises(DataError, match=r"cut off" if "plan.json" in done else r"no prepared data"):
                audit(from_folder(few, folder))
        prepare_until(folder, None)
        # A shard counts when its note is there; what counted is not written again.
        again = [name for name in order if name not in done or name + ".json" in {*order} - done]
        assert published == ([] if "manifest.json" in done else again)
        assert contents(folder) == whole


HANG = """
import sys, time
from hrs_keras.cli import main
from hrs_keras.data.prepared import convert

real, calls = convert.example, []

def example(*args):
    calls.append(args)
    if len(calls) == 6:
        print("hangs", flush=True)
        time.sleep(600)
    return real(*args)

convert.example = example
main(sys.argv[1:])
"""


@pytest.mark.fault("a preparation that is killed", "the same command goes on to the same bytes")
@pytest.mark.slow
def test_killed(city, city_recipe, tmp_path):
    """A real process, in the middle of a shard."""
    file, folder = write_recipe(tmp_path, city), tmp_path / "out"
    command = ("-c", HANG, "prepare", file, "--to", folder, "--shard-size", str(4 * SMALL))
    process = start(*command, cache=tmp_path / "cache")
    try:
        assert "hangs\n" in process.stdout, "it ended before"
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = {path.name for path in folder.iterdir()}
    assert "plan.json" in left and "manifest.json" not in left
    assert [name for name in left if name.endswith(".partial")] and [n for n in left if n.endswith(".tfrecord")]
    prepare(city_recipe(), folder)
    prepare(city_recipe(), tmp_path / "whole", shard_mib=4 * SMALL)
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.fixture
def begun(prepared, copy):
    """A folder whose preparation was killed when all its shards were noted, and one of these shards."""
    manifest = manifest_of(copy)
    for stored in manifest["sets"]:
        for shard in stored["shards"]:
            note = {key: shard.pop(key) for key in ShardNote.model_fields}
            (copy / f"{shard['file']}.json").write_bytes(sealed(note))
    (copy / "plan.json").write_bytes(sealed(manifest))
    (copy / "manifest.json").unlink()
    return copy, min(copy.glob("target-*.tfrecord"))


@pytest.fixture
def assert_written_again(begun, city_recipe, prepared, monkeypatch, capsys):
    """A function that goes on with :func:`begun`: its one damaged shard alone is written again, and it is said."""

    def check() -> None:
        folder, shard = begun
        published = []
        monkeypatch.setattr(storage, "publish", lambda path, real=storage.publish: (published.append(path), real(path)))
        prepare(city_recipe(), folder, shard_mib=SMALL)
        assert published == [str(shard), f"{shard}.json", str(folder / "manifest.json")]
        assert f"written again, because they or their notes are damaged: {shard.name}\n" in capsys.readouterr().out
        assert contents(folder) == contents(prepared)

    return check


@pytest.mark.fault("a shard damaged while a preparation is interrupted", "written anew")
def test_a_shard_that_was_damaged_in_between(begun, assert_written_again):
    damage(begun[1])
    assert_written_again()


NOT_A_NOTE = sealed({"bytes": 1})


@pytest.mark.fault("a damaged note of a finished shard", "the shard is written anew")
@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"bytes": 1}', NOT_A_NOTE.decode(), "other lengths"])
def test_a_damaged_note(begun, assert_written_again, text):
    note = begun[1].with_suffix(".tfrecord.json")
    if text == "other lengths":
        text = note.read_text().replace('"lengths": [', '"lengths": [1')
    note.write_text(text)
    assert_written_again()


@pytest.mark.fault("an image changed while a preparation is interrupted", "refused, and named")
def test_a_file_that_changed_in_between(city, tmp_path, monkeypatch, capsys):
    moved = Path(shutil.copytree(city, tmp_path / "city"))
    recipe, folder = load_recipe(write_recipe(tmp_path, moved)), tmp_path / "out"
    real = storage.publish

    def publish(path):
        real(path)
        if "target" in path:
            raise KeyboardInterrupt

    monkeypatch.setattr(storage, "publish", publish)
    command = ["prepare", str(tmp_path / "tiny.yaml"), "--to", str(folder), "--shard-size", str(SMALL)]
    assert main(command) == 130
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.undo()
    changed = sorted(moved.glob("cityscapes/leftImg8bit/train/*/*.png"))[0]
    os.utime(changed, ns=(1, 1))
    assert main(command) == 2
    assert f"{changed.relative_to(moved)} has changed since, if only its time" in capsys.readouterr().err
    os.utime(changed, ns=(manifest_time(folder, changed),) * 2)
    with pytest.raises(DataError, match=r"begun with --shard-size 0\.02, not 5.0; give that again, or leave it out"):
        prepare(recipe, folder, shard_mib=5.0)
    assert main(command[:4]) == 0
    assert manifest_of(folder)["shard_mib"] == SMALL
    assert main(command[:4]) == 0
    assert "is prepared already" in capsys.readouterr().out


def test_copied_files(city, tmp_path, capsys):
    """Copies have other times: a finished folder is repaired from them only if they give the same bytes."""
    moved = Path(shutil.copytree(city, tmp_path / "city"))
    recipe, folder = load_recipe(write_recipe(tmp_path, moved)), tmp_path / "out"
    prepare(recipe, folder, shard_mib=SMALL)
    before = contents(folder)
    image = min(moved.glob("cityscapes/leftImg8bit/train/*/*.png"))
    os.utime(image, ns=(1, 1))
    prepare(recipe, folder)
    assert f"is prepared already, of files with the same names and sizes; {image.relative_to(moved)}" in (
        capsys.readouterr().out
    )
    shard = min(folder.glob("target-0-00000*"))
    shard.unlink()
    prepare(recipe, folder)
    assert contents(folder) == before
    shard.unlink()
    size = image.stat().st_size
    pixels = np.asarray(Image.open(image)).copy()
    pixels[5, 5] ^= 1
    Image.fromarray(pixels).save(image, compress_level=9)
    image.write_bytes(image.read_bytes().ljust(size, b"\0"))
    assert image.stat().st_size == size
    with pytest.raises(DataError, match=rf"{shard.name}, written again, is not what it was: its files have changed"):
        prepare(recipe, folder)
    assert not shard.exists()


def manifest_time(folder: Path, file: Path) -> int:
    images = [image for stored in json.loads((folder / "plan.json").read_text())["sets"] for image in stored["images"]]
    return next(when for name, _, when in images if Path(name).name == file.name)
