"""Batches: which sample stands where, that a late start sees the same, and that labels follow their images."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.prepared_folders import from_folder
from support.sample_images import UPRIGHT, stored, turned

from hrs_keras.data.audit import audit
from hrs_keras.data.drawing import sample_number
from hrs_keras.data.pipeline import change, training_batches, validation_images
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.recipe.data import Augment

SIZE = (32, 64)


def labels(count: int, shape=SIZE) -> list[np.ndarray]:
    return [np.full(shape, i % 11) for i in range(count)]


def batches(recipe, first_step: int = 0):
    sets = audit(recipe).sets
    return list(training_batches(recipe, sets, first_step).as_numpy_iterator())


def drawn(found, domain: str = "target") -> list[int]:
    """Numbers of the images drawn; ``write_set`` gives image number i the value 20 i."""
    values = np.concatenate([batch[domain][0][:, 0, 0, 0] for batch in found])
    return ((values + 1) * 127.5 / 20).round().astype(int).tolist()


@pytest.fixture
def recipe_of(tmp_path, write_set, make_recipe):
    """A recipe of five real and three synthetic images, batches of 2."""
    write_set(tmp_path / "real", labels(5))
    write_set(tmp_path / "game", labels(3, (20, 30)))

    def make(**changes):
        source = [{"root": "game"}]
        return make_recipe(
            tmp_path, [{"root": "real"}], source, **{"train__batch_size": 2, "train__steps": 10} | changes
        )

    return make


# ---- order -----------------------------------------------------------------------------------------------------


def test_batches_have_the_promised_form(recipe_of):
    found = batches(recipe_of(train__steps=3))
    assert len(found) == 3 and set(found[0]) == {"source", "target"}
    for images, label in found[0].values():
        assert images.shape == (2, *SIZE, 3) and images.dtype == np.float32
        assert label.shape == (2, *SIZE) and label.dtype == np.int32
    assert all(
        (label == i).all()
        for i, label in zip(drawn(found), np.concatenate([b["target"][1] for b in found]), strict=True)
    )


def test_every_epoch_is_a_permutation_of_its_own(recipe_of):
    found = batches(recipe_of(train__steps=15))
    target, source = drawn(found), drawn(found, "source")
    epochs = [tuple(target[i : i + 5]) for i in range(0, 30, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs) and len(set(epochs)) > 3
    assert all(sorted(source[i : i + 3]) == [0, 1, 2] for i in range(0, 30, 3))


@pytest.mark.slow
def test_late_start_sees_the_tail_bit_by_bit(recipe_of):
    augment = {"scale": [1, 2], "flip": True, "colour": 0.3}
    recipe = recipe_of(data__augment=augment, train__steps=6)
    whole, tail = batches(recipe), batches(recipe, first_step=4)
    assert len(tail) == 2
    for expected, found in zip(whole[4:], tail, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, found, expected)
    assert batches(recipe, first_step=6) == []


@pytest.mark.slow
def test_seed_decides_the_order_and_the_changes(recipe_of):
    one, same, other = (batches(recipe_of(seed=seed, data__augment={"scale": [1, 2]})) for seed in (1, 1, 2))
    assert drawn(one) == drawn(same) != drawn(other)
    tf.nest.map_structure(np.testing.assert_array_equal, one, same)


def test_domains_are_shuffled_apart(tmp_path, write_set, make_recipe):
    write_set(tmp_path / "a", labels(8))
    found = batches(make_recipe(tmp_path, [{"root": "a"}], [{"root": "a"}], train__steps=8))
    assert drawn(found) != drawn(found, "source")


def test_several_sources_are_drawn_in_proportion(tmp_path, write_set, make_recipe):
    write_set(tmp_path / "a", labels(4, (40, 50)))
    for path in (write_set(tmp_path / "b", labels(6)) / "labels").iterdir():  # as GTAV stores its labels
        image = Image.open(path)
        image.putpalette([77, 77, 77] * 11)
        image.save(path)
    for i in range(4):  # a palette image decodes to its index, and image number 6 + i has the value 20 (6 + i)
        Image.fromarray(np.full((40, 50, 3), 20 * (6 + i), np.uint8)).save(tmp_path / f"a/images/s{i}.png")
    source = [{"root": "b", "encoding": "palette"}, {"root": "a"}]
    found = batches(make_recipe(tmp_path, [{"root": "a"}], source, train__steps=30))
    numbers = drawn(found, "source")
    assert all(sorted(numbers[i : i + 10]) == list(range(10)) for i in (0, 10, 20))
    for number, batch in zip(numbers, found, strict=True):
        assert (batch["source"][1] == (number if number < 6 else number - 6)).all()


def test_target_alone_reads_no_source(tmp_path, write_set, make_recipe):
    write_set(tmp_path / "a", labels(2))
    assert set(batches(make_recipe(tmp_path, [{"root": "a"}], train__steps=1))[0]) == {"target"}


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_sample_number_is_a_permutation(count):
    take = tf.function(lambda position: sample_number(position, count, key=4))
    some = [int(take(tf.constant(i, tf.int64))) for i in range(min(count, 50))]
    assert len(set(some)) == len(some) and set(some) <= set(range(count))


# ---- random changes --------------------------------------------------------------------------------------------

ROWS, COLUMNS = 40, 80


def changed(augment: Augment, seed: int, size=SIZE) -> tuple[np.ndarray, np.ndarray]:
    """An image whose red is 3 x its column and whose green 6 x its row, and a label that numbers its pixels."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    image = np.stack([3 * column, 6 * row, 0 * row], -1).astype(np.uint8)
    found = change(
        tf.constant(image),
        tf.constant(row * COLUMNS + column, tf.int32),
        size,
        augment,
        tf.constant([3, seed], tf.int64),
    )
    return tuple(part.numpy() for part in found)


def places(image: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, ...]:
    """Column and row that each pixel comes from, by the image and by the label."""
    unit = (image + 1) * 127.5
    return unit[..., 0] / 3, unit[..., 1] / 6, label % COLUMNS, label // COLUMNS


@pytest.mark.parametrize("augment", [{}, {"flip": True}, {"scale": (1, 2.5)}, {"scale": (1.5, 1.5), "flip": True}])
@pytest.mark.parametrize("size", [SIZE, (64, 96)])
def test_labels_follow_their_images(augment, size):
    for seed in range(8):
        image, label = changed(Augment(**augment), seed, size)
        assert image.shape == (*size, 3) and label.shape == size and label.dtype == np.int32
        column, row, label_column, label_row = places(image, label)
        # Nearest neighbour takes a pixel at most half a pixel away from where bilinear reads.
        assert np.abs(column - label_column).max() <= 0.51 and np.abs(row - label_row).max() <= 0.51


def test_flip_mirrors_about_half():
    mirrored = [places(*changed(Augment(flip=True), seed))[2][0, 0] > COLUMNS / 2 for seed in range(60)]
    assert 15 < sum(mirrored) < 45
    image, label = changed(Augment(flip=True), mirrored.index(True))
    plain_image, plain_label = changed(Augment(), 0)
    np.testing.assert_array_equal(image, plain_image[:, ::-1])
    np.testing.assert_array_equal(label, plain_label[:, ::-1])


def test_scale_enlarges_within_bounds_and_cuts_anywhere():
    factors, tops, lefts = [], [], []
    for seed in range(40):
        _, _, column, row = places(*changed(Augment(scale=(1, 2)), seed))
        factors.append(COLUMNS / (column.max() - column.min() + 1))
        assert factors[-1] == pytest.approx(ROWS / (row.max() - row.min() + 1), rel=0.15)  # both sides alike
        tops.append(row.min())
        lefts.append(column.min())
    assert 0.95 <= min(factors) < 1.2 and 1.7 < max(factors) <= 2.1
    assert min(tops) == 0 and max(tops) > ROWS / 5 and min(lefts) == 0 and max(lefts) > COLUMNS / 5
    assert len(set(zip(tops, lefts, strict=True))) > 20


def test_colour_changes_the_image_alone():
    plain_image, plain_label = changed(Augment(), 0)
    seen = []
    for seed in range(20):
        image, label = changed(Augment(colour=0.5), seed)
        np.testing.assert_array_equal(label, plain_label)
        assert image.min() >= -1 and image.max() <= 1 and np.isfinite(image).all()
        seen.append(image.mean())
    assert np.std(seen) > 0.02 and min(seen) < plain_image.mean() < max(seen)


def test_colour_keeps_grey_grey():
    grey = tf.constant(np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 3, -1).repeat(20, 0))
    image, _ = change(grey, tf.zeros((20, 50), tf.int32), SIZE, Augment(colour=0.4), tf.constant([0, 1], tf.int64))
    assert np.ptp(image.numpy(), axis=-1).max() < 1e-5


def test_changes_invent_no_ids():
    label = tf.constant(np.random.default_rng(0).choice([0, 7, 255], (ROWS, COLUMNS)), tf.int32)
    image = tf.zeros((ROWS, COLUMNS, 3), tf.uint8)
    for seed in range(10):
        augment = Augment(scale=(1, 2), flip=True, colour=0.2)
        found = change(image, label, SIZE, augment, tf.constant([0, seed], tf.int64))[1]
        assert set(np.unique(found)) <= {0, 7, 255}


# ---- validation ------------------------------------------------------------------------------------------------


def test_validation_keeps_order_and_the_labels_own_size(tmp_path, write_set, make_recipe):
    write_set(tmp_path / "a", labels(3, (40, 50)))
    write_set(tmp_path / "b", labels(2, (20, 24)))
    crop = {"root": "b", "crop": {"rows": [4, 20], "columns": [0, 20]}}
    recipe = make_recipe(tmp_path, [{"root": "a"}], validation=[{"root": "a"}, crop])
    sets = audit(recipe).sets["validation"]
    found = list(validation_images(recipe, sets).as_numpy_iterator())
    assert all(image.shape == (*SIZE, 3) and image.dtype == np.float32 for image, _ in found)
    assert [label.shape for _, label in found] == [(40, 50)] * 3 + [(16, 20)] * 2
    assert [int(label[0, 0]) for _, label in found] == [0, 1, 2, 0, 1]
    chosen = list(validation_images(recipe, sets, [4, 1]).as_numpy_iterator())
    for (image, label), number in zip(chosen, (4, 1), strict=True):
        np.testing.assert_array_equal(image, found[number][0])
        np.testing.assert_array_equal(label, found[number][1])


# ---- orientation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [False, True])
def test_images_that_are_stored_turned_give_the_samples_of_upright_ones(tmp_path, make_recipe, save, prepared):
    """Their labels were drawn on what every viewer shows; crops count on that, too."""
    rng = np.random.default_rng(0)
    for turn in UPRIGHT:
        scene, label = rng.integers(0, 256, (48, 80, 3), np.uint8), rng.integers(0, 11, (48, 80))
        (tmp_path / "turned/images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(stored(scene, turn)).save(tmp_path / f"turned/images/{turn}.png", exif=turned(turn))
        save(tmp_path / f"upright/images/{turn}.png", scene)
        for name in ("turned", "upright"):
            save(tmp_path / name / f"labels/{turn}.png", label)
    found = []
    for name in ("turned", "upright"):
        one = {"root": name, "crop": {"rows": [5, 40], "columns": [10, 75]}}
        recipe = make_recipe(tmp_path, [one], train__steps=8, train__batch_size=1)
        if prepared and name == "turned":
            prepare_data(recipe, tmp_path / "out")
            recipe = from_folder(recipe, tmp_path / "out")
        sets = audit(recipe).sets
        evaluated = validation_images(recipe, sets["validation"]).as_numpy_iterator()
        found.append([*training_batches(recipe, sets).as_numpy_iterator(), *evaluated])
    assert len(found[0]) == 16
    tf.nest.map_structure(np.testing.assert_array_equal, *found)
