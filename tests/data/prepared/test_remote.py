"""Preparing from, and in, a remote file system; TensorFlow's one in memory stands for a bucket."""

import hashlib
import os

import numpy as np
import pytest
import tensorflow as tf
from support.prepared_folders import SMALL, Slow, assert_same_data, contents, from_folder, manifest_of

from hrs_keras.data import pipeline
from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import training_batches, training_images, validation_images
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.prepared.verify import verify_data as verify
from hrs_keras.errors import DataError
from hrs_keras.system import storage


@pytest.mark.slow
def test_reads_over_a_network(city_recipe, prepared, monkeypatch):
    """More of them than there are CPUs are under way; from a local disk, no more than before."""
    remote = "ram://reads/city"
    tf.io.gfile.makedirs(remote)
    for path in prepared.iterdir():
        storage.write_whole(f"{remote}/{path.name}", path.read_bytes())
    cpus = os.cpu_count()
    monkeypatch.setattr(pipeline, "REMOTE_READS", cpus + 2)
    real = storage.read_at

    def under_way(folder):
        recipe = from_folder(city_recipe(f"train.steps={cpus + 4}"), folder)
        sets, counted = audit(recipe).sets, []
        many = [0, 1, 2, 0] * (cpus + 2)
        streams = [training_batches(recipe, sets), training_images(recipe, sets["target"], many)]
        for samples in [*streams, validation_images(recipe, sets["validation"], many)]:
            slow = Slow(real)
            monkeypatch.setattr(storage, "read_at", slow)
            list(samples)
            counted.append(slow.most)
        return counted

    assert max(under_way(prepared)) <= cpus < min(under_way(remote))


@pytest.mark.slow
def test_remote(city_recipe, prepared):
    """TensorFlow's file system in memory stands for a bucket."""
    place = "ram://bucket/city"
    prepare(city_recipe(), place, shard_mib=SMALL)
    found = {name: hashlib.sha256(storage.read(f"{place}/{name}")).hexdigest() for name in tf.io.gfile.listdir(place)}
    assert found == contents(prepared)
    assert verify(city_recipe(), place) == len(found) - 1
    assert_same_data(city_recipe(), from_folder(city_recipe(), place))
    tf.io.gfile.remove(f"{place}/manifest.json")
    with pytest.raises(DataError, match="ram://bucket/city is not empty"):
        prepare(city_recipe(), place)


@pytest.mark.slow
@pytest.mark.fault("data on a remote file system", "prepared and read as from a local one")
def test_files_on_a_remote_file_system(city, city_recipe, prepared, tmp_path):
    """The raw files lie there: audit, samples and what is prepared from them are those of the local files."""
    for path in city.rglob("*.*"):
        place = f"ram://raw/{path.relative_to(city).as_posix()}"
        tf.io.gfile.makedirs(place.rpartition("/")[0])
        storage.write_whole(place, path.read_bytes())
    local, remote = city_recipe(), city_recipe("data.root=ram://raw")
    a, b = audit(local), audit(remote)
    assert [d.pixels for d in a.datasets] == [d.pixels for d in b.datasets]
    first = b.sets["target"][0].images[0]
    assert str(first).startswith("ram://raw/cityscapes/") and first.name == a.sets["target"][0].images[0].name
    streams = (training_batches(r, x.sets) for r, x in ((local, a), (remote, b)))
    for expected, found in zip(*streams, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, expected, found)
    prepare(remote, tmp_path / "out", shard_mib=SMALL)
    shards = [contents(folder) for folder in (tmp_path / "out", prepared)]
    for one in shards:
        del one["manifest.json"]  # it has the files' times
    assert shards[0] == shards[1]
    images = [[stored["images"][0][:2] for stored in manifest_of(f)["sets"]] for f in (tmp_path / "out", prepared)]
    assert images[0] == images[1]  # names relative to data.root, and sizes
    with pytest.raises(DataError, match=r"data\.root: ram://none does not exist; give"):
        audit(city_recipe("data.root=ram://none"))
    with pytest.raises(DataError, match=r"the data set folder ram://raw/none does not exist"):
        audit(city_recipe("data.root=ram://raw", "data.target.0.root=none"))
