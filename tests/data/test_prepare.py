"""Preparing data: what is stored, that training cannot tell it from the files, and whatever can go wrong on the way."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import stat
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.paths import REPOSITORY
from support.processes import start
from support.tiny_run import write_recipe

from hrs_keras.cli.main import main
from hrs_keras.data import pipeline
from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import training_batches, training_images, validation_images
from hrs_keras.data.prepared import convert
from hrs_keras.data.prepared.convert import NOTED
from hrs_keras.data.prepared.manifest import sealed, unsealed
from hrs_keras.data.prepared.plan import make_plan
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.prepared.prepare import verify_data as verify
from hrs_keras.data.records import reading
from hrs_keras.errors import DataError, HRSError
from hrs_keras.evaluation.run import evaluate_run
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.system import storage
from hrs_keras.system.files import lock
from hrs_keras.training.run import train

SMALL = 0.02  # MiB: one or two samples of the toy city a shard


@pytest.fixture(scope="module")
def city_recipe(city, tmp_path_factory):
    """Overrides -> the tiny recipe over the toy city: two sources, palette and 16-bit labels, enlargement."""
    file = write_recipe(tmp_path_factory.mktemp("recipe"), city)
    return lambda *overrides: load_recipe(file, overrides)


@pytest.fixture(scope="module")
def prepared(city_recipe, tmp_path_factory):
    """The toy city, prepared in many shards. Only to be read."""
    folder = tmp_path_factory.mktemp("prepared") / "city"
    prepare(city_recipe(), folder, shard_mib=SMALL)
    return folder


@pytest.fixture
def copy(prepared, tmp_path):
    """A copy of :func:`prepared`, to change."""
    return Path(shutil.copytree(prepared, tmp_path / "copy"))


@pytest.fixture
def few(tmp_path, write_set, make_recipe):
    """A recipe of two images to train on and two others, of which no two fit into a shard."""
    for name in ("a", "b"):
        write_set(tmp_path / name, [np.random.default_rng(i).integers(0, 11, (150, 160)) for i in range(2)])
    target, validation = ([{"root": name}] for name in ("a", "b"))
    return make_recipe(tmp_path, target, validation=validation, data__size=[64, 64])


def contents(folder: Path) -> dict[str, str]:
    """File name -> hash, less the lock."""
    files = [path for path in folder.iterdir() if path.name != "lock"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def manifest_of(folder: Path) -> dict:
    return unsealed((folder / "manifest.json").read_bytes())


def from_folder(recipe, folder):
    """The same recipe, reading prepared data, and no files: they are said to lie where nothing is."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"prepared": str(folder)})})


def assert_same_data(raw, other):
    """Audit, every batch and every validation image are the same bit for bit."""
    a, b = audit(raw), audit(other)
    assert a.datasets == b.datasets
    names = [[[str(path) for path in pairs.images] for sets in x.sets.values() for pairs in sets] for x in (a, b)]
    assert names[0] == names[1]
    streams = []
    for recipe, found in ((raw, a), (other, b)):
        numbers = range(sum(map(len, found.sets["target"])))
        streams.append(
            [
                *training_batches(recipe, found.sets),
                *training_images(recipe, found.sets["target"], numbers),
                *validation_images(recipe, found.sets["validation"]),
            ]
        )
    assert len(streams[0]) > len(numbers)
    for expected, found in zip(*streams, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, expected, found)


# ---- the same data ---------------------------------------------------------------------------------------------


def test_training_cannot_tell(city_recipe, prepared):
    assert_same_data(city_recipe(), from_folder(city_recipe(), prepared))
    # What decides nothing that is stored may change freely.
    changes = ["seed=5", "train.batch_size=3", "data.subset_seed=7", "data.on_bad=skip", "data.augment.flip=false"]
    changes += ["data.target.0.subset=3", "data.source.0.subset=0.5", "data.validation.0.subset=2"]
    assert_same_data(city_recipe(*changes), from_folder(city_recipe(*changes), prepared))


def test_a_run_ends_the_same(city_recipe, prepared, tmp_path):
    short = ["train.steps=3", "train.validate_every=3", "train.checkpoint_every=3", "train.log_every=1"]
    places_ = [f"runs={tmp_path}/runs", f"saved_models={tmp_path}/models"]
    runs = []
    for name, where in (("raw", []), ("prepared", ["data.root=/nowhere", f"data.prepared={prepared}"])):
        recipe = city_recipe(*short, *places_, f"name={name}", *where)
        runs.append(train(recipe, export=False).run_dir)
    weights, losses, records = [], [], []
    for run in runs:
        reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints/last")))
        names = [name for name in reader.get_variable_to_shape_map() if "/network/" in name]
        weights.append({name: reader.get_tensor(name).tolist() for name in names})
        head, *rows = [line.split(",") for line in (run / "log.csv").read_text().splitlines()]
        kept = [i for i, key in enumerate(head) if key.startswith(("loss/", "selected", "gradient"))]
        losses.append([[row[i] for i in kept] for row in rows])
        files = sorted([*run.glob("evaluations/*"), *run.glob("selection/*")])
        assert len(files) == 4
        records.append([json.loads(file.read_text()) for file in files])
    assert weights[0] == weights[1] and len(weights[0]) > 20
    assert losses[0] == losses[1] and len(losses[0]) == 3
    assert records[0] == records[1]
    out = [tmp_path / "ids-raw", tmp_path / "ids-prepared"]
    where = ([], ["data.root=/nowhere", f"data.prepared={prepared}"])
    found = [evaluate_run(runs[0], overrides=w, write_ids=o).to_dict() for w, o in zip(where, out, strict=True)]
    assert found[0] == found[1] and found[0]["images"] == 3
    assert contents(out[0]) == contents(out[1]) and len(contents(out[0])) == 3


@pytest.fixture
def colours(tmp_path, save, make_recipe):
    """Overrides -> a recipe of images with colour labels and a crop, JPEG among them, of which one is broken."""
    rng = np.random.default_rng(0)
    for i in range(5):
        pixels = rng.integers(0, 256, (40, 70, 3))
        save(tmp_path / f"set/images/s{i}.{'jpg' if i == 3 else 'png'}", pixels)
        codes = np.array([(128, 64, 128), (0, 0, 0), (0, 0, 142)])
        save(tmp_path / f"set/labels/s{i}.png", codes[rng.integers(0, 3, (40, 70))])
    (tmp_path / "set/labels/s1.png").write_bytes(b"broken")
    ids = {"128,64,128": "road", "0,0,0": "ignore", "0,0,142": "car"}
    one = {"root": "set", "images": "images/*", "encoding": "colours", "ids": ids, "crop": {"rows": [3, 37]}}

    def make(**changes):
        settings = {"data__augment": {"scale": [1.2, 1.7], "flip": True, "colour": 0.3}, "data__on_bad": "skip"}
        return make_recipe(tmp_path, [one], [one, one], **{"train__steps": 5} | settings | changes)

    return make


def test_colours_crop_and_a_sample_left_out(colours, tmp_path):
    prepare(colours(), tmp_path / "out")
    assert_same_data(colours(), from_folder(colours(), tmp_path / "out"))
    manifest = manifest_of(tmp_path / "out")
    assert [(s["role"], s["position"], s["samples"]) for s in manifest["sets"]] == [
        ("source", 0, 4), ("source", 1, 4), ("target", 0, 4), ("validation", 0, 4),
    ]  # fmt: skip
    assert manifest["conversion"]["stored_size"] == "as in the files"
    (problem,) = manifest["sets"][0]["audit"]["problems"]
    assert "s1.png" in problem["file"] and manifest["sets"][0]["audit"]["bad"] == [1]
    # Strictness is the audit's, as it is with files.
    with pytest.raises(DataError, match=r"s1\.png"):
        audit(from_folder(colours(data__on_bad="error"), tmp_path / "out"))
    with pytest.raises(DataError, match=r"s1\.png"):
        prepare(colours(data__on_bad="error"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


# ---- what is stored --------------------------------------------------------------------------------------------


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


class Slow:
    """A function that takes a while, and how many of its calls were under way at a time, at most."""

    def __init__(self, real):
        self.real, self.now, self.most, self.changing = real, 0, 0, threading.Lock()

    def __call__(self, *args):
        with self.changing:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.1)
        with self.changing:
            self.now -= 1
        return self.real(*args)


def test_more_jobs_than_cpus(tmp_path, write_set, make_recipe, monkeypatch):
    jobs = os.cpu_count() + 2
    write_set(tmp_path / "set", [np.full((32, 64), 1)] * (jobs + 2))
    slow, load = Slow(lambda number: number), convert.training_loader

    def loader(*args):
        return lambda n: load(*args)(tf.ensure_shape(tf.numpy_function(slow, [n], tf.int64, stateful=False), []))

    monkeypatch.setattr(convert, "training_loader", loader)
    prepare(make_recipe(tmp_path, [{"root": "set"}]), tmp_path / "out", jobs=jobs)
    assert slow.most == jobs


def test_reads_over_a_network(city_recipe, prepared, monkeypatch):
    """More of them than there are CPUs are under way; from a local disk, no more than before."""
    remote = "ram://reads/city"
    tf.io.gfile.makedirs(remote)
    for path in prepared.iterdir():
        storage.write_whole(f"{remote}/{path.name}", path.read_bytes())
    cpus = os.cpu_count()
    monkeypatch.setattr(pipeline, "_REMOTE_READS", cpus + 2)
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
    with pytest.raises(DataError, match=r"data\.root: the folder ram://none does not exist; give"):
        audit(city_recipe("data.root=ram://none"))
    with pytest.raises(DataError, match=r"the data set folder ram://raw/none does not exist"):
        audit(city_recipe("data.root=ram://raw", "data.target.0.root=none"))


# ---- interruptions ---------------------------------------------------------------------------------------------


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_at_any_write(when, few, tmp_path, monkeypatch):
    """Whether a process ends just before or just after a file gets its name, nothing half is taken for whole."""
    real, published = storage.publish, []

    def prepare_until(folder, end):
        """Publish so many files at most; kept in ``published``."""
        published.clear()

        def publish(place):
            published.append(Path(place).name)
            if len(published) == end and when == "before":
                raise _Killed
            real(place)
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
from hrs_keras.data import convert

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
    """A preparation that was killed when all its shards were noted, and its shard to damage."""
    manifest = manifest_of(copy)
    for stored in manifest["sets"]:
        for shard in stored["shards"]:
            note = {key: shard.pop(key) for key in NOTED}
            (copy / f"{shard['file']}.json").write_bytes(sealed(note))
    (copy / "plan.json").write_bytes(sealed(manifest))
    (copy / "manifest.json").unlink()
    return copy, min(copy.glob("target-*.tfrecord"))


def assert_made_anew(begun, city_recipe, prepared, monkeypatch, capsys):
    """That one shard is, and it is said."""
    folder, shard = begun
    published = []
    monkeypatch.setattr(storage, "publish", lambda place, real=storage.publish: (published.append(place), real(place)))
    prepare(city_recipe(), folder, shard_mib=SMALL)
    assert published == [str(shard), f"{shard}.json", str(folder / "manifest.json")]
    assert f"made anew, because they or their notes are damaged: {shard.name}\n" in capsys.readouterr().out
    assert contents(folder) == contents(prepared)


def test_a_shard_that_was_damaged_in_between(begun, city_recipe, prepared, monkeypatch, capsys):
    damage(begun[1])
    assert_made_anew(begun, city_recipe, prepared, monkeypatch, capsys)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"bytes": 1}', "other lengths"])
def test_a_damaged_note(begun, city_recipe, prepared, monkeypatch, capsys, text):
    note = begun[1].with_suffix(".tfrecord.json")
    if text == "other lengths":
        text = note.read_text().replace('"lengths": [', '"lengths": [1')
    note.write_text(text)
    assert_made_anew(begun, city_recipe, prepared, monkeypatch, capsys)


def test_files_are_on_the_disk_before_they_have_their_names(tmp_path, monkeypatch):
    """A power cut cannot be had here; the order of calls can."""
    calls = []

    def fsync(file):
        found = os.fstat(file if isinstance(file, int) else file.fileno())
        calls.append("folder" if stat.S_ISDIR(found.st_mode) else found.st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda *args: (calls.append("renamed"), replace(*args))[1])
    storage.write_whole(str(tmp_path / "file"), b"12345")
    assert calls == [5, "renamed", "folder"]


def test_a_file_that_changed_in_between(city, tmp_path, monkeypatch, capsys):
    moved = Path(shutil.copytree(city, tmp_path / "city"))
    recipe, folder = load_recipe(write_recipe(tmp_path, moved)), tmp_path / "out"
    real = storage.publish

    def publish(place):
        real(place)
        if "target" in place:
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
    """Copies have other times: a whole folder is mended from them if they give the same bytes, and only then."""
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
    with pytest.raises(DataError, match=rf"{shard.name}, made anew, is not what it was: its files have changed"):
        prepare(recipe, folder)
    assert not shard.exists()


def manifest_time(folder: Path, file: Path) -> int:
    images = [image for stored in json.loads((folder / "plan.json").read_text())["sets"] for image in stored["images"]]
    return next(when for name, _, when in images if Path(name).name == file.name)


def test_a_file_that_changes_meanwhile(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "fingerprint", lambda path: (1, 2))
    with pytest.raises(DataError, match=r"s0\.png was changed while it was prepared"):
        prepare(colours(), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tfrecord*"))


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


# ---- damage ----------------------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_damage_is_found_and_mended(city_recipe, prepared, copy, capsys):
    recipe = from_folder(city_recipe(), copy)
    shard = sorted(copy.glob("target-*"))[0]
    damage(shard)
    with pytest.raises(DataError, match=rf"{shard.name} has other contents"):
        verify(city_recipe(), copy)
    sets = audit(recipe).sets
    with pytest.raises(DataError, match=rf"record 0 of .*{shard.name} is damaged"), reading():
        list(training_batches(recipe, sets))
    shard.unlink()
    with pytest.raises(DataError, match=r"cannot read record 0 of .*No such file"), reading():
        list(training_batches(recipe, sets))
    sorted(copy.glob("source-*"))[0].write_bytes(b"short")
    with pytest.raises(DataError, match=r"2 of the 15 shards.*(?s:.*)bytes.*(?s:.*)is missing"):
        verify(city_recipe(), copy)
    prepare(city_recipe(), copy, shard_mib=SMALL)
    assert contents(copy) == contents(prepared)
    assert verify(city_recipe(), copy) == 15
    capsys.readouterr()


def test_damage_stops_a_run_with_a_message(city_recipe, copy, tmp_path, capfd):
    for shard in copy.glob("validation-*"):
        damage(shard)
    file = Path(city_recipe().runs).parent / "tiny.yaml"
    words = [f"data.prepared={copy}", f"runs={tmp_path}", "train.pictures=0", "name=x"]
    assert main(["train", str(file), *words]) == 2
    assert re.search(r"hrs: record 0 of .*validation-0-00000.* is damaged", capfd.readouterr().err)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"format": "hrs-prepared", "version": 1}'])
def test_a_manifest_that_is_none(city_recipe, copy, text):
    (copy / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"manifest\.json was edited or damaged .*prepare the data again"):
        audit(from_folder(city_recipe(), copy))


def test_a_manifest_of_another_version(city_recipe, copy):
    (copy / "manifest.json").write_bytes(sealed(manifest_of(copy) | {"version": 9}))
    with pytest.raises(DataError, match=r"manifest\.json is of .*9.*prepare the data again"):
        audit(from_folder(city_recipe(), copy))


EDITS = {
    "a key gone": lambda stored: stored.pop("audit"),
    "a shard gone": lambda stored: stored["shards"].pop(),
    "shards in another order": lambda stored: stored["shards"].reverse(),
    "fewer records": lambda stored: [stored["shards"][0][key].pop() for key in ("lengths", "crc32")],
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
def test_an_edited_manifest(city_recipe, copy, edit, name):
    """Whoever reads it refuses it: samples must not silently be others."""
    manifest = json.loads((copy / "manifest.json").read_text())
    EDITS[edit](manifest["sets"][2])
    (copy / "manifest.json").unlink()
    (copy / name).write_text(json.dumps(manifest))
    readers = [
        lambda: audit(from_folder(city_recipe(), copy)),
        lambda: verify(city_recipe(), copy),
        lambda: prepare(city_recipe(), copy, shard_mib=SMALL),
    ]
    for read in readers if name == "manifest.json" else readers[::2]:
        with pytest.raises(DataError, match=rf"{name} was edited or damaged .*prepare the data again in another"):
            read()


# ---- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "data.augment.scale=[1, 1]",
            r"data.size \(as in .* enlarges\): as in the files was prepared, the recipe wants \[32, 64\]",
        ),
        ("data.target.0.crop.rows=[0, 32]", r"data\.target\.0\.crop\.rows.* was prepared, the recipe wants"),
        ("data.target.0.split=val", r"data\.target\.0\.split: train was prepared, the recipe wants val"),
        ("data.source=[{format: gtav}]", "data.source: 2 data sets prepared, the recipe wants 1 data set"),
        ("data.validation.0.root=other", r"data\.validation\.0\.root: cityscapes was prepared, .* wants other"),
    ],
)
def test_another_recipe(city_recipe, prepared, change, message):
    recipe = from_folder(city_recipe(change), prepared)
    with pytest.raises(DataError, match=message):
        audit(recipe)
    if "validation" not in change:
        audit(recipe, roles=["validation"])  # an evaluation reads nothing else
    with pytest.raises(DataError, match=message):
        verify(recipe, prepared)


@pytest.fixture
def without_source(city, tmp_path):
    """The tiny recipe with recipes/systems/fcn.yaml laid over: it reads no source."""
    return load_recipe([write_recipe(tmp_path, city), REPOSITORY / "recipes/systems/fcn.yaml"])


def test_a_recipe_that_reads_fewer_data_sets(
    without_source, city_recipe, prepared, copy, tmp_path, monkeypatch, capsys
):
    recipe = from_folder(without_source, copy)
    assert_same_data(without_source, recipe)
    assert list(audit(recipe).sets) == ["source", "target", "validation"] and not audit(recipe).sets["source"]
    assert verify(recipe, copy) == 15
    short = {"steps": 2, "validate_every": 2, "checkpoint_every": 2, "pictures": 0}
    recipe = recipe.model_copy(
        update={
            "train": recipe.train.model_copy(update=short),
        }
    )
    assert (train(recipe, export=False).run_dir / "log.csv").exists()
    prepare(without_source, copy, shard_mib=SMALL)
    assert "is prepared already" in capsys.readouterr().out
    for shard in copy.glob("target-*"):
        shard.unlink()
    prepare(without_source, copy, shard_mib=SMALL)
    assert contents(copy) == contents(prepared)

    def publish(place, real=storage.publish):
        real(place)
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "publish", publish)
    with pytest.raises(KeyboardInterrupt):
        prepare(city_recipe(), tmp_path / "begun", shard_mib=SMALL)
    monkeypatch.undo()
    with pytest.raises(DataError, match="begun for a recipe that reads more data sets than this one"):
        prepare(without_source, tmp_path / "begun", shard_mib=SMALL)


def test_another_size(few, tmp_path):
    prepare(few, tmp_path / "out")
    data = few.data.model_copy(update={"size": (64, 96)})
    with pytest.raises(DataError, match=r"data\.size .*: \[64, 64\] was prepared, the recipe wants \[64, 96\]"):
        audit(from_folder(few.model_copy(update={"data": data}), tmp_path / "out"))


def test_samples_of_any_size_are_kept_at_their_own(tmp_path, save, make_recipe):
    """Where the recipe enlarges at random, a sample is resized but once: from its own size."""
    rng = np.random.default_rng(2)
    for i, (height, width) in enumerate([(64, 128), (50, 70), (96, 40)]):
        save(tmp_path / f"set/images/{i}.png", rng.integers(0, 256, (height, width, 3)))
        save(tmp_path / f"set/labels/{i}.png", rng.choice([3, 8], (height, width)))
    one = [{"root": "set", "crop": {"rows": [2, 50], "columns": None}}]
    recipe = make_recipe(tmp_path, one, train__batch_size=3, train__steps=2, data__augment={"scale": [1.0, 1.5]})
    prepare(recipe, tmp_path / "out", shard_mib=(48 * 128 + 48 * 70) * 4 / 2**20)
    assert [s["stop"] for s in manifest_of(tmp_path / "out")["sets"][0]["shards"]] == [2, 3]
    assert_same_data(recipe, from_folder(recipe, tmp_path / "out"))


def test_another_id_table(colours, tmp_path):
    prepare(colours(), tmp_path / "out")
    recipe = from_folder(colours(), tmp_path / "out")
    recipe.data.target[0].ids["0,0,142"] = "tree"
    with pytest.raises(DataError, match=r"data\.target\.0\.ids\.0,0,142: car was prepared, the recipe wants tree"):
        audit(recipe)


def test_a_folder_of_somebody_elses(city_recipe, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataError, match=r"not empty and holds nothing that .*thesis\.tex"):
        prepare(city_recipe(), tmp_path)
    with pytest.raises(DataError, match="holds no prepared data"):
        audit(from_folder(city_recipe(), tmp_path))
    with pytest.raises(DataError, match="holds no prepared data"):
        audit(from_folder(city_recipe(), tmp_path / "nowhere"))
    with pytest.raises(HRSError, match=r"cannot (write|list) .*thesis\.tex"):
        prepare(city_recipe(), tmp_path / "thesis.tex" / "out")


def test_files_of_others_stay(city_recipe, copy):
    for name in ("mine.partial", "mine.tfrecord.json", "target-0-00000-of-00004.tfrecord.partial"):
        (copy / name).touch()
    prepare(city_recipe(), copy)
    assert {path.name for path in copy.glob("*.partial")} == {"mine.partial"}
    assert (copy / "mine.tfrecord.json").exists()


def test_one_process_at_a_time(city_recipe, copy):
    (copy / "lock").touch()
    with open(copy / "lock") as file:
        assert lock(file)
        with pytest.raises(DataError, match="another process prepares"):
            prepare(city_recipe(), copy, shard_mib=SMALL)
    prepare(city_recipe(), copy, shard_mib=SMALL)


def test_a_disk_that_is_full(city_recipe, prepared, tmp_path):
    """A limit on the size of files stands for it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    audit(city_recipe())  # its cache is written
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, before[1]))
        with pytest.raises(HRSError, match=r"cannot write .*out"):
            prepare(city_recipe(), tmp_path / "out", shard_mib=SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list((tmp_path / "out").glob("*.partial")) and not list((tmp_path / "out").glob("*.tfrecord"))
    prepare(city_recipe(), tmp_path / "out", shard_mib=SMALL)
    assert contents(tmp_path / "out") == contents(prepared)


def test_a_disk_that_is_too_small(city_recipe, prepared, tmp_path, monkeypatch, capsys):
    """What will be written is known well enough, also of what is left to do."""
    size = sum(shard.stat().st_size for shard in prepared.glob("*.tfrecord"))
    free = SimpleNamespace(free=int(0.9 * size))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    out = tmp_path / "out"
    with pytest.raises(HRSError, match=r"out has no room: about 0\.00 GiB are to be written, 0\.00 GiB are free"):
        prepare(city_recipe(), out, shard_mib=SMALL)
    assert not list(out.glob("*.tfrecord*"))
    free.free = int(1.1 * size)
    prepare(city_recipe(), out)
    assert f"about 0.00 GiB will be written to {out}, 0.00 GiB are free" in capsys.readouterr().out
    shards = sorted(out.glob("*.tfrecord"))
    shards[0].unlink()
    free.free = shards[1].stat().st_size * 2
    prepare(city_recipe(), out)
    assert contents(out) == contents(prepared)


def test_the_command(city_recipe, copy, tmp_path, capsys):
    file = str(Path(city_recipe().runs).parent / "tiny.yaml")
    assert main(["prepare", file]) == 2
    assert "--to FOLDER is missing" in capsys.readouterr().err
    assert main(["prepare", file, "--to", str(copy), "--jobs", "0"]) == 2
    assert "--jobs wants a whole number of at least 1, found 0" in capsys.readouterr().err
    assert main(["prepare", file, "--to", str(copy), "--shard-size", "-1"]) == 2
    assert "--shard-size wants" in capsys.readouterr().err
    assert main(["prepare", file, f"data.prepared={copy}", "--verify"]) == 0
    assert "all 15 shards" in capsys.readouterr().out
    assert main(["prepare", file, "--to", str(tmp_path / "none"), "--verify"]) == 2
    assert "run `hrs prepare` first" in capsys.readouterr().err


def test_versions_that_decode_otherwise(city_recipe, copy):
    manifest = manifest_of(copy)
    manifest["made_with"]["pillow"] = "1.0"
    (copy / "manifest.json").write_bytes(sealed(manifest))
    prepare(city_recipe(), copy, shard_mib=SMALL)  # whole: nothing is decoded
    next(copy.glob("target-*")).unlink()
    with pytest.raises(DataError, match=r"begun with .*'pillow': '1\.0'"):
        prepare(city_recipe(), copy, shard_mib=SMALL)
