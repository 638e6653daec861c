"""Files that are damaged, closed or changed after the audit are named by whoever reads them."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.sample_images import turned

from hrs_keras.data.audit import audit
from hrs_keras.data.pipeline import suspects_of_steps, training_batches, training_images, validation_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.errors import DataError

SHAPE = (8, 12)


@pytest.fixture
def label_of() -> np.ndarray:
    label = np.full(SHAPE, 3)
    label[:3] = 0
    return label


@pytest.fixture
def recipe(tmp_path, write_set, make_recipe, label_of):
    """Three synthetic and five real images to train on in batches of two, three to validate on."""
    for name, count in (("game", 3), ("real", 5), ("val", 3)):
        write_set(tmp_path / name, [label_of] * count)
    return make_recipe(
        tmp_path,
        [{"root": "real"}],
        source=[{"root": "game"}],
        validation=[{"root": "val"}],
        train__batch_size=2,
        train__steps=6,
    )


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _sized(path: Path, shape: tuple[int, int] = (8, 13)) -> None:
    Image.open(path).resize(shape[::-1], Image.Resampling.NEAREST).save(path)


def _lying(path: Path) -> None:
    Image.open(path).save(path, exif=turned(6))


def _foreign(path: Path) -> None:
    Image.fromarray(np.full(SHAPE, 77, np.uint8)).save(path)


IMAGE, LABEL = "images/s1.png", "labels/s1.png"
CHANGES = {
    "cut image": (IMAGE, _cut, r"cannot be decoded \(.+\)"),
    "cut label": (LABEL, _cut, r"cannot be decoded \(.+\)"),
    "empty image": (IMAGE, lambda path: path.write_bytes(b""), "is empty"),
    "empty label": (LABEL, lambda path: path.write_bytes(b""), "is empty"),
    "image gone": (IMAGE, Path.unlink, r"cannot be read \(No such file or directory\)"),
    "label gone": (LABEL, Path.unlink, r"cannot be read \(No such file or directory\)"),
    "folder for an image": (IMAGE, _folder, r"cannot be read \(Is a directory\)"),
    "folder for a label": (LABEL, _folder, r"cannot be read \(Is a directory\)"),
    "label of another size": (LABEL, _sized, r"is 8x13 \(height x width\), its image s1\.png is 8x12"),
    "image of another size": (IMAGE, _sized, r"is 8x12 \(height x width\), its image s1\.png is 8x13"),
    "label with other ids": (LABEL, _foreign, "96 pixels have ids that the id table does not map: 77"),
    "image on its side": (
        IMAGE,
        _lying,
        r"is 8x12 .* as is its image s1\.png in the file, but that is 12x8 once",
    ),
}
NAMED = {"image of another size": LABEL, "image on its side": LABEL}


@pytest.mark.fault("an image or label that is damaged, closed or changed while a run reads it", "named, exit code 2")
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_after_the_audit_is_named(recipe, tmp_path, change):
    sets = audit(recipe, roles=["validation"]).sets["validation"]
    file, spoil, message = CHANGES[change]
    spoil(tmp_path / "val" / file)
    named = tmp_path / "val" / NAMED.get(change, file)
    with pytest.raises(DataError, match=f"^{named}: {message}.* It was sound when the data was audited"):
        list(read(validation_images(recipe, sets), recipe, in_order(sets)))


@pytest.mark.parametrize("change", ["cut image", "label of another size", "label with other ids"])
def test_whoever_reads_it(recipe, tmp_path, change):
    sets = audit(recipe).sets
    file, spoil, _ = CHANGES[change]
    for name in ("game", "real", "val"):
        spoil(tmp_path / name / file)
    numbers, game, val = [0, 1, 2], sets["source"], sets["validation"]
    readers = [
        ("game|real", training_batches(recipe, sets, 2), suspects_of_steps(recipe, sets, 2)),
        ("game", training_images(recipe, game, numbers), in_order(game, numbers)),
        ("val", validation_images(recipe, val).batch(1), in_order(val, at_a_time=2)),  # a guess that is wrong
    ]
    for name, samples, suspects in readers:
        with pytest.raises(DataError, match=f"^{tmp_path}/({name})/{file}: "):
            list(read(samples, recipe, suspects))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("file", [IMAGE, LABEL])
def test_a_file_that_is_closed_after_the_audit_is_named(recipe, tmp_path, file):
    sets = audit(recipe).sets
    (tmp_path / "real" / file).chmod(0)
    with pytest.raises(DataError, match=r"s1\.png: cannot be read \(Permission denied\)"):
        list(read(training_batches(recipe, sets), recipe, suspects_of_steps(recipe, sets, 0)))


@pytest.mark.slow
def test_what_can_be_read_is_given_as_it_is(recipe):
    sets = audit(recipe).sets
    expected = list(training_batches(recipe, sets).as_numpy_iterator())
    found = list(read(training_batches(recipe, sets), recipe, suspects_of_steps(recipe, sets, 0)))
    tf.nest.map_structure(np.testing.assert_array_equal, expected, tf.nest.map_structure(lambda t: t.numpy(), found))


def test_the_samples_of_a_batch_are_suspected_first(recipe):
    """Pixels tell which they are: image number i has the value 20 i."""
    sets = audit(recipe).sets
    for step, batch in enumerate(training_batches(recipe, sets).as_numpy_iterator()):
        suspects = list(suspects_of_steps(recipe, sets, 0)(step))
        assert suspects == list(suspects_of_steps(recipe, sets, step)(0))
        for domain in ("source", "target"):
            drawn = ((batch[domain][0][:, 0, 0, 0] + 1) * 127.5 / 20).round().astype(int).tolist()
            assert [number for pairs, number in suspects[:4] if pairs is sets[domain][0]] == drawn
        assert [number for _, number in suspects[4:]] in ([0, 1, 2, 3, 4, 0, 1, 2], [0, 1, 2, 0, 1, 2, 3, 4])


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError, tf.errors.UnavailableError])
def test_no_file_is_blamed_for_what_is_none_of_its_faults(recipe, error):
    def items():
        yield 1
        raise error(None, None, "no memory")

    taken = read(items(), recipe, lambda _: pytest.fail("looked for a file"))
    assert next(taken) == 1
    with pytest.raises(error):
        next(taken)


def test_an_error_of_no_file_is_passed_on(recipe):
    def items():
        raise tf.errors.InvalidArgumentError(None, None, "a bug")
        yield

    sets = audit(recipe).sets
    with pytest.raises(tf.errors.InvalidArgumentError, match="a bug"):
        list(read(items(), recipe, in_order(sets["target"])))
