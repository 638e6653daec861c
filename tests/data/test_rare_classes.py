"""Rare class sampling, against Eq. 10 and 11 of DAFormer written out, and how often images really are drawn."""

import numpy as np
import pytest
import tensorflow as tf
from support.prepared_folders import from_folder

from hrs_keras.data.audit import audit
from hrs_keras.data.drawing import describe_drawing, order_of
from hrs_keras.data.pipeline import training_batches
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.data.rare_classes import class_probabilities, class_shares, rare_class_draws
from hrs_keras.errors import DataError

ROAD, CAR, PERSON = 3, 8, 9  # of CamVid's classes
PIXELS = 32 * 64
DRAWS = 4000


def label(**pixels: int) -> np.ndarray:
    """32x64 pixels of road, but for so many of others."""
    flat = np.full(PIXELS, ROAD)
    begin = 0
    for name, count in pixels.items():
        flat[begin : begin + count] = {"car": CAR, "person": PERSON, "ignore": 11}[name]
        begin += count
    return flat.reshape(32, 64)


@pytest.fixture
def recipe_of(tmp_path, write_set, make_recipe):
    """Six images of which all have road, 1 to 4 have car and 4 has a person; ``more`` is the set of another source."""
    cars = [0, 48, 96, 144]
    write_set(tmp_path / "game", [*(label(car=n) for n in cars), label(car=48, person=32), label(ignore=1024)])
    write_set(tmp_path / "more", [label(person=1024), label()])
    write_set(tmp_path / "real", [label(), label(person=512)])

    def make(temperature, *more, **changes):
        source = [{"root": "game"}, *more]
        changes = {"train__batch_size": 2, "train__steps": 4, "data__rare_class_sampling": temperature} | changes
        return make_recipe(tmp_path, [{"root": "real"}], source, **changes)

    return make


def by_hand(shares: dict[int, float], contain: dict[int, list[int]], temperature: float, images: int) -> np.ndarray:
    """How often each image is drawn: the formulas, one class and one image after the other."""
    total = sum(np.exp((1 - share) / temperature) for share in shares.values())
    often = np.zeros(images)
    for one, share in shares.items():
        for image in contain[one]:
            often[image] += np.exp((1 - share) / temperature) / total / len(contain[one])
    return often


def counted(recipe, domain="source", draws=DRAWS) -> np.ndarray:
    order = tf.function(order_of(recipe, domain, audit(recipe).sets[domain]))
    positions = tf.range(draws, dtype=tf.int64)
    return np.bincount(tf.map_fn(order, positions).numpy())


def assert_drawn(counts: np.ndarray, expected: np.ndarray) -> None:
    """Within five standard deviations of a binomial."""
    draws = counts.sum()
    assert len(counts) <= len(expected)
    counts = np.pad(counts, (0, len(expected) - len(counts)))
    assert (abs(counts - draws * expected) <= 5 * np.sqrt(draws * expected * (1 - expected))).all(), counts
    assert not counts[expected == 0].any()


# 11264 labelled pixels: six times 2048 without the 1024 that are ignored.
CARS, PERSONS = 48 + 96 + 144 + 48, 32
SHARES = {ROAD: (11264 - CARS - PERSONS) / 11264, CAR: CARS / 11264, PERSON: PERSONS / 11264}
CONTAIN = {ROAD: [0, 1, 2, 3, 4, 5], CAR: [1, 2, 3, 4], PERSON: [4]}


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.02, 0.5, 100])
def test_images_are_drawn_as_the_formulas_say(recipe_of, temperature):
    assert_drawn(counted(recipe_of(temperature)), by_hand(SHARES, CONTAIN, temperature, 6))


def test_probabilities_are_those_of_the_formula():
    shares = np.array([0.6, 0.3, 0.0999, 0.0001])
    expected = [np.exp((1 - f) / 0.05) / sum(np.exp((1 - g) / 0.05) for g in shares) for f in shares]
    np.testing.assert_allclose(class_probabilities(shares, 0.05), expected, rtol=1e-12)
    coldest = class_probabilities(shares, 1e-5)  # exp(1e5) is not a number that floats hold
    np.testing.assert_allclose(coldest, [0, 0, 0, 1], atol=1e-300)
    np.testing.assert_allclose(class_probabilities(shares, 1e6), 0.25, rtol=1e-5)


def test_shares_of_several_sets(recipe_of):
    """Six samples of one set count three times as much as two of another; with weights, as the weights say."""
    more = 1024 / 4096  # persons of the second set
    recipe = recipe_of(0.1, {"root": "more"})
    shares = class_shares(audit(recipe).sets["source"])
    assert shares[PERSON] == pytest.approx((6 * SHARES[PERSON] + 2 * more) / 8, rel=1e-12)
    assert shares.sum() == pytest.approx(1) and np.flatnonzero(shares).tolist() == [ROAD, CAR, PERSON]
    recipe.data.source[0].weight, recipe.data.source[1].weight = 1, 4
    assert class_shares(audit(recipe).sets["source"])[PERSON] == pytest.approx((SHARES[PERSON] + 4 * more) / 5)


@pytest.mark.slow
def test_several_sets_are_one(recipe_of):
    recipe = recipe_of(0.3, {"root": "more"})
    shares = dict(enumerate(class_shares(audit(recipe).sets["source"])))
    contain = CONTAIN | {ROAD: [*range(8)], PERSON: [4, 6]}
    assert_drawn(counted(recipe), by_hand({c: shares[c] for c in contain}, contain, 0.3, 8))


@pytest.mark.slow
def test_a_set_with_a_weight_is_sampled_for_its_own_classes(recipe_of):
    recipe = recipe_of(0.3, {"root": "more"})
    recipe.data.source[0].weight, recipe.data.source[1].weight = 3, 1
    counts = counted(recipe)
    assert counts[:6].sum() == 3 * counts[6:].sum() == DRAWS * 3 / 4
    assert_drawn(counts[:6], by_hand(SHARES, CONTAIN, 0.3, 6))
    # All images of the second set that contain a person are its first, all that contain road are both.
    assert_drawn(counts[6:], by_hand({ROAD: 0.75, PERSON: 0.25}, {ROAD: [0, 1], PERSON: [0]}, 0.3, 2))


@pytest.mark.parametrize(("pixels", "contained"), [(3, False), (4, True)])  # 0.146 and 0.195 % of 2048
def test_an_image_contains_a_class_of_which_it_has_enough(recipe_of, tmp_path, write_set, pixels, contained):
    write_set(tmp_path / "game", [label(person=pixels, car=100), label(car=100, ignore=1900)])
    recipe = recipe_of(0.01)
    draws = rare_class_draws("source", audit(recipe).sets["source"][:1], 0.01)
    taken = dict(zip(draws.classes, [own.tolist() for own in draws.samples], strict=True))
    assert taken == {ROAD: [0, 1, 2, 3, 4, 5], CAR: [0, 1, 2, 3, 4]} | (
        {PERSON: [0, 4]} if contained else {PERSON: [4]}
    )


@pytest.mark.slow
def test_a_number_is_the_sources_and_the_target_is_sampled_where_asked(recipe_of):
    assert recipe_of(0.5) == recipe_of({"source": 0.5}) and recipe_of(None) == recipe_of({})
    assert recipe_of(None).digest() == recipe_of({"source": None, "target": None}).digest() != recipe_of(0.5).digest()
    epochs = counted(recipe_of(0.05), "target", 100)
    assert epochs.tolist() == [50, 50]
    both = {ROAD: 3584 / 4096, PERSON: 512 / 4096}
    found = counted(recipe_of({"target": 0.05}), "target")
    assert_drawn(found, by_hand(both, {ROAD: [0, 1], PERSON: [1]}, 0.05, 2))


@pytest.mark.parametrize("text", ["rare_class_sampling: 0", "rare_class_sampling: {source: -1}"])
@pytest.mark.fault("a temperature that is not above 0", "refused; the key is named")
def test_temperatures_are_positive(refusal, text):
    message = refusal(text=f"  {text}\n")
    assert "data.rare_class_sampling.source: Input should be greater than 0" in message


# ---- what is kept ----------------------------------------------------------------------------------------------


def test_a_late_start_sees_the_tail(recipe_of):
    recipe = recipe_of(0.2, train__source_ratio=1.5, data__augment={"scale": [1, 2], "flip": True})
    sets = audit(recipe).sets
    whole, tail = (list(training_batches(recipe, sets, first).as_numpy_iterator()) for first in (0, 3))
    tf.nest.map_structure(np.testing.assert_array_equal, tail, whole[3:])


def test_counts_follow_the_samples_that_are_used(recipe_of, tmp_path, save):
    """Of a set with an unusable sample, which is cut to a subset; from the files, and from the cache."""
    save(tmp_path / "game/labels/s1.png", np.full((32, 64), 99))
    recipe = recipe_of(0.2, data__on_bad="skip")
    recipe.data.source[0].subset = 4
    for _ in range(2):
        (pairs,) = audit(recipe).sets["source"]
        cars = {"s0": 0, "s2": 96, "s3": 144, "s4": 48, "s5": 0}
        found = {path.stem: row[CAR] for path, row in zip(pairs.images, pairs.class_pixels, strict=True)}
        assert len(found) == 4 and found == {name: cars[name] for name in found}


def test_prepared_data_is_drawn_as_its_files_are(recipe_of, tmp_path):
    recipe = recipe_of(0.2)
    prepare_data(recipe, tmp_path / "out")
    prepared = from_folder(recipe, tmp_path / "out")
    assert counted(prepared, draws=50).tolist() == counted(recipe, draws=50).tolist()


@pytest.mark.fault(
    "`data.rare_class_sampling` with a folder that an earlier version prepared",
    "refused, with the command that prepares it again",
)
def test_what_an_earlier_version_prepared_lacks_the_counts(recipe_of):
    recipe = recipe_of(0.2)
    (pairs,) = audit(recipe).sets["source"]
    without = type(pairs)(pairs.dataset, pairs.name, pairs.images, pairs.labels)
    with pytest.raises(DataError, match=r"game.*prepare the data again, in another folder \(hrs prepare RECIPE --to"):
        describe_drawing(recipe, {"source": [without], "target": [without]})


@pytest.mark.fault("`data.rare_class_sampling` of images without labels", "refused before the first step")
def test_nothing_to_draw(recipe_of, tmp_path, write_set):
    write_set(tmp_path / "game", [label(ignore=PIXELS)] * 6)
    recipe = recipe_of(0.2)
    with pytest.raises(
        DataError, match=r"data\.rare_class_sampling\.source: no image has 0\.15 % of its pixels of any"
    ):
        describe_drawing(recipe, audit(recipe).sets)


def test_what_a_run_says_of_it(recipe_of, tmp_path, write_set):
    write_set(tmp_path / "game", [label(person=1), *(label(car=96) for _ in range(5))])
    recipe = recipe_of(0.5)
    (line,) = describe_drawing(recipe, audit(recipe).sets)
    assert line == (
        "source: images are drawn for the sake of a class: car 86 %, road 14 %; for no other: no image has 0.15 % of"
        " its pixels of pedestrian"
    )
    assert describe_drawing(recipe_of(None), audit(recipe).sets) == []
