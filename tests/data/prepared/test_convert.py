"""What is stored, whatever the number of jobs, and what keeps a sample or a shard from being stored."""

import hashlib
import os
import resource
import signal

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.prepared_folders import SMALL, Slow, contents, manifest_of

from hrs_keras.data.audit import audit
from hrs_keras.data.prepared import convert
from hrs_keras.data.prepared.plan import make_plan
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.errors import DataError, HRSError

pytestmark = pytest.mark.slow


def test_any_reader_finds_what_numpy_computes(tmp_path, save, make_recipe):
    """Halved to 32 x 64: bilinear takes the mean of 2 x 2 pixels, nearest neighbour the lower right of them."""
    rng = np.random.default_rng(1)
    image, label = rng.integers(0, 256, (64, 128, 3)), rng.choice([3, 8, 11], (64, 128))
    save(tmp_path / "set/images/one.png", image)
    save(tmp_path / "set/labels/one.png", label)
    recipe = make_recipe(tmp_path, [{"root": "set"}], train__batch_size=1)
    prepare(recipe, tmp_path / "out")
    form = {key: tf.io.FixedLenFeature([], tf.string) for key in ("image", "label", "name")}
    form |= {key: tf.io.FixedLenFeature([], tf.int64) for key in ("height", "width")}

    def records(role):
        (file,) = (tmp_path / "out").glob(f"{role}-0-*.tfrecord")
        return [tf.io.parse_single_example(one, form) for one in tf.data.TFRecordDataset(str(file))]

    (found,) = records("target")
    assert (found["name"].numpy(), int(found["height"]), int(found["width"])) == (b"one.png", 32, 64)
    stored = np.frombuffer(found["image"].numpy(), np.uint8).reshape(32, 64, 3)
    mean = image.reshape(32, 2, 64, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(stored, np.round(mean))
    ids = np.where(label == 11, 255, label)  # CamVid's ids are its train ids, but for void
    np.testing.assert_array_equal(np.frombuffer(found["label"].numpy(), np.uint8).reshape(32, 64), ids[1::2, 1::2])

    (found,) = records("validation")
    assert found["image"].numpy() == (tmp_path / "set/images/one.png").read_bytes()
    (tmp_path / "label.png").write_bytes(found["label"].numpy())
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "label.png")), ids)
    assert (int(found["height"]), int(found["width"])) == (64, 128)


def test_the_manifest_says_what_there_is(prepared):
    manifest = manifest_of(prepared)
    assert sorted(contents(prepared)) == sorted(
        ["manifest.json", *(shard["file"] for stored in manifest["sets"] for shard in stored["shards"])]
    )
    for stored in manifest["sets"]:
        assert stored["samples"] == len(stored["images"]) == (3 if stored["role"] == "validation" else 4)
        assert (
            sum(len(shard["lengths"]) for shard in stored["shards"]) == stored["samples"] == stored["audit"]["samples"]
        )
        for shard in stored["shards"]:
            data = (prepared / shard["file"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])
    assert len(manifest["sets"][0]["shards"]) == 4
    assert manifest["sets"][2]["images"][0][0].startswith("cityscapes/leftImg8bit/train/")


def test_jobs_do_not_show(city_recipe, prepared, tmp_path):
    prepare(city_recipe(), tmp_path / "one", shard_mib=SMALL, jobs=1)
    assert contents(tmp_path / "one") == contents(prepared)


def test_more_jobs_than_cpus(tmp_path, write_set, make_recipe, monkeypatch):
    jobs = os.cpu_count() + 2
    write_set(tmp_path / "set", [np.full((32, 64), 1)] * (jobs + 2))
    slow, load = Slow(lambda number: number), convert.training_loader

    def loader(*args):
        return lambda n: load(*args)(tf.ensure_shape(tf.numpy_function(slow, [n], tf.int64, stateful=False), []))

    monkeypatch.setattr(convert, "training_loader", loader)
    prepare(make_recipe(tmp_path, [{"root": "set"}]), tmp_path / "out", jobs=jobs)
    assert slow.most == jobs


@pytest.mark.fault("a file that changes while it is prepared", "an error that names it; no shard is left of it")
def test_a_file_that_changes_meanwhile(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "fingerprint", lambda path: (1, 2))
    with pytest.raises(DataError, match=r"s0\.png was changed while it was prepared"):
        prepare(colours(), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tfrecord*"))


@pytest.mark.fault("a file that goes while it is prepared", "an error that names it")
def test_a_file_that_cannot_be_read_any_more(colours, tmp_path, monkeypatch):
    """The error names the file and says why, without the names of TensorFlow's iterators."""
    label = tmp_path / "set/labels/s0.png"
    monkeypatch.setattr(
        "hrs_keras.data.prepared.prepare.make_plan", lambda *args: (make_plan(*args), label.unlink())[0]
    )
    with pytest.raises(DataError) as caught:
        prepare(colours(), tmp_path / "out")
    image = tmp_path / "set/images/s0.png"
    assert str(caught.value) == (
        f"{image} and {label} cannot be converted ({label}; No such file or directory); were they changed since the"
        " audit?"
    )


@pytest.mark.fault("a disk that fills while data is prepared", "one message; the same command goes on later")
def test_a_disk_that_is_full(city_recipe, prepared, tmp_path):
    """A limit on the size of files stands for it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    audit(city_recipe())  # its cache is written
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, before[1]))
        with pytest.raises(HRSError, match=r"cannot write .*out"):
            prepare(city_recipe(), tmp_path / "out", shard_mib=SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list((tmp_path / "out").glob("*.partial")) and not list((tmp_path / "out").glob("*.tfrecord"))
    prepare(city_recipe(), tmp_path / "out", shard_mib=SMALL)
    assert contents(tmp_path / "out") == contents(prepared)
