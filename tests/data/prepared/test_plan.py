"""What is planned: for which files, in how many bytes, with which versions; and what no longer fits the plan."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from support.prepared_folders import SMALL, contents, manifest_of

from hrs_keras.data.prepared.manifest import sealed
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.prepared.verify import verify_data as verify
from hrs_keras.errors import DataError, HRSError
from hrs_keras.system import storage


@pytest.mark.slow
@pytest.mark.fault("a disk that is too small for the prepared data", "told before the first shard is written")
def test_a_disk_that_is_too_small(city_recipe, prepared, tmp_path, monkeypatch, capsys):
    """What will be written is known well enough, also of what is left to do."""
    size = sum(shard.stat().st_size for shard in prepared.glob("*.tfrecord"))
    free = SimpleNamespace(free=int(0.9 * size))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    out = tmp_path / "out"
    no_room = rf"out has no room: about {size / 2**20:.2f} MiB are to be written, {0.9 * size / 2**20:.2f} MiB are free"
    with pytest.raises(HRSError, match=no_room):
        prepare(city_recipe(), out, shard_mib=SMALL)
    assert not list(out.glob("*.tfrecord*"))
    free.free = int(1.1 * size)
    prepare(city_recipe(), out)
    assert f" MiB will be written to {out}, {1.1 * size / 2**20:.2f} MiB are free" in capsys.readouterr().out
    shards = sorted(out.glob("*.tfrecord"))
    shards[0].unlink()
    free.free = shards[1].stat().st_size * 2
    prepare(city_recipe(), out)
    assert contents(out) == contents(prepared)


@pytest.mark.fault(
    "a prepared folder to repair with another version of TensorFlow or Pillow", "refused, as it may decode otherwise"
)
def test_versions_that_decode_otherwise(city_recipe, copy):
    manifest = manifest_of(copy)
    manifest["made_with"]["pillow"] = "1.0"
    (copy / "manifest.json").write_bytes(sealed(manifest))
    prepare(city_recipe(), copy, shard_mib=SMALL)  # whole: nothing is decoded
    next(copy.glob("target-*")).unlink()
    with pytest.raises(DataError, match=r"begun with .*'pillow': '1\.0'"):
        prepare(city_recipe(), copy, shard_mib=SMALL)


def test_a_folder_with_more_data_sets_than_the_recipe_reads(without_source, prepared, copy, capsys):
    assert verify(without_source, copy) == 15
    prepare(without_source, copy, shard_mib=SMALL)
    assert "is prepared already" in capsys.readouterr().out
    for shard in copy.glob("target-*"):
        shard.unlink()
    prepare(without_source, copy, shard_mib=SMALL)
    assert contents(copy) == contents(prepared)


def test_a_begun_folder_with_more_data_sets_than_the_recipe_reads(without_source, city_recipe, tmp_path, monkeypatch):
    def publish(path, real=storage.publish):
        real(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "publish", publish)
    with pytest.raises(KeyboardInterrupt):
        prepare(city_recipe(), tmp_path / "begun", shard_mib=SMALL)
    monkeypatch.undo()
    with pytest.raises(DataError, match="begun for a recipe that reads more data sets than this one"):
        prepare(without_source, tmp_path / "begun", shard_mib=SMALL)


@pytest.mark.fault(
    "data that changed while its preparation was interrupted", "refused; what came, went and changed is told"
)
def test_files_that_came_went_or_changed_their_size(few, tmp_path, save):
    folder = tmp_path / "out"
    prepare(few, folder)
    label, added = tmp_path / "a/labels/s1.png", tmp_path / "a/images/s2.png"
    save(tmp_path / "a/labels/s2.png", np.zeros((150, 160)))
    save(added, np.zeros((150, 160, 3)))
    with pytest.raises(DataError, match=r"there are other files now \(a/images/s2\.png, for one\); prepare"):
        prepare(few, folder)
    for path in (added, tmp_path / "a/labels/s2.png", tmp_path / "a/images/s1.png", label):
        path.unlink()
    with pytest.raises(DataError, match=r"there are other files now \(a/images/s1\.png, for one\)"):
        prepare(few, folder)
    save(tmp_path / "a/images/s1.png", np.zeros((150, 160, 3)))
    save(label, np.zeros((150, 160)))
    with pytest.raises(DataError, match=r"a/images/s1\.png has changed since \(\d+ bytes, now \d+\)"):
        prepare(few, folder)
