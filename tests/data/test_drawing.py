"""Which sample stands where: shares of data sets, and how many images of each domain a step reads."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.data.audit import audit
from hrs_keras.data.drawing import order_of
from hrs_keras.data.pipeline import suspects_of_steps, training_batches

FULL = (32, 64)
AUGMENT = {"scale": [1, 2], "flip": True, "colour": 0.3}


@pytest.fixture
def recipe_of(tmp_path, write_set, make_recipe):
    """A recipe of two synthetic sets, of four and of six samples, and five real samples; label i is all of class i."""
    for name, count in (("real", 5), ("four", 4), ("six", 6)):
        write_set(tmp_path / name, [np.full(FULL, i) for i in range(count)])

    def make(*weights, **changes):
        source = [{"root": name} for name in ("four", "six")]
        for dataset, weight in zip(source, weights, strict=False):
            dataset["weight"] = weight
        usual = {"train__batch_size": 2, "train__steps": 6}
        return make_recipe(tmp_path, [{"root": "real"}], source, **usual | changes)

    return make


def drawn(recipe, positions: int, domain: str = "source") -> list[int]:
    """Numbers of the samples at the first positions; those of the second set begin at 4."""
    order = tf.function(order_of(recipe, domain, audit(recipe).sets[domain]))
    return [int(order(tf.constant(i, tf.int64))) for i in range(positions)]


def all_batches(recipe, first_step: int = 0, context: tf.distribute.InputContext | None = None) -> list:
    return list(training_batches(recipe, audit(recipe).sets, first_step, context).as_numpy_iterator())


def test_what_is_drawn_without_weights_is_what_always_was(recipe_of):
    """The numbers are of the revision before there were weights."""
    before = [1, 6, 0, 3, 2, 4, 7, 9, 8, 5, 0, 7, 4, 1, 2, 6, 9, 5, 8, 3]
    assert drawn(recipe_of(seed=3), 20) == before
    assert drawn(recipe_of(seed=3), 10, "target") == [2, 1, 3, 0, 4, 2, 4, 0, 1, 3]


# ---- weights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weights", "turns"), [((3, 1), (3, 1)), ((0.25, 1.5), (1, 6)), ((0.7, 0.3), (7, 3))])
def test_sets_are_drawn_in_proportion_to_their_weights(recipe_of, weights, turns):
    a_round = sum(turns)
    found = drawn(recipe_of(*weights), 60 * a_round)
    for start in range(0, len(found), a_round):
        of_second = sum(number >= 4 for number in found[start : start + a_round])
        assert (a_round - of_second, of_second) == turns
    rounds = {tuple(number >= 4 for number in found[i : i + a_round]) for i in range(0, len(found), a_round)}
    assert len(rounds) > 3  # the turns are not always in the same order
    times = Counter(found)  # 60 rounds are whole epochs of 4 and of 6 samples
    assert [times[n] for n in range(10)] == [60 * turns[0] / 4] * 4 + [60 * turns[1] / 6] * 6
    first = [tuple(n for n in found[i : i + 4 * a_round] if n < 4) for i in (0, 4 * a_round)]
    assert sorted(first[0]) == sorted(first[1]) == sorted([*range(4)] * turns[0]) and first[0] != first[1]


def test_any_number_of_sets_may_have_weights(tmp_path, recipe_of, write_set, make_recipe):
    source = [{"root": name, "weight": weight} for name, weight in (("four", 1), ("six", 2), ("real", 5))]
    recipe = make_recipe(tmp_path, [{"root": "real"}], source)
    found = Counter(np.digitize(drawn(recipe, 800), [4, 10]).tolist())
    assert recipe_of and found == {0: 100, 1: 200, 2: 500}


def test_equal_weights_are_not_the_sizes(recipe_of):
    found = drawn(recipe_of(1, 1), 400)
    assert sum(number < 4 for number in found) == 200
    assert sum(number < 4 for number in drawn(recipe_of(), 400)) == 160


def test_the_weight_of_the_only_set_changes_nothing(tmp_path, recipe_of, make_recipe):
    sets = ([{"root": "six"}], [{"root": "six", "weight": 0.5}])
    one, other = (drawn(make_recipe(tmp_path, [{"root": "real"}], own), 30) for own in sets)
    assert recipe_of and one == other


def test_targets_have_weights_too(tmp_path, recipe_of, make_recipe):
    target = [{"root": "four", "weight": 1}, {"root": "six", "weight": 4}]
    recipe = make_recipe(tmp_path, target, validation=[{"root": "real"}])
    assert recipe_of and sum(n < 4 for n in drawn(recipe, 100, "target")) == 20


def test_another_seed_draws_otherwise(recipe_of):
    one, same, other = (drawn(recipe_of(2, 1, seed=seed), 60) for seed in (1, 1, 2))
    assert one == same != other


# ---- how many of each domain -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "images"), [(1, 2), (3, 6), (0.5, 1), (2.5, 5)])
def test_source_images_of_a_step(recipe_of, ratio, images):
    recipe = recipe_of(train__source_ratio=ratio)
    found = all_batches(recipe)
    assert [(len(b["source"][0]), len(b["target"][1])) for b in found] == [(images, 2)] * 6
    labels = np.concatenate([batch["source"][1][:, 0, 0] for batch in found])
    expected = [number if number < 4 else number - 4 for number in drawn(recipe, 6 * images)]
    assert labels.tolist() == expected  # the endless sequence goes on from step to step


@pytest.mark.slow
def test_a_ratio_of_one_is_as_it_was(recipe_of):
    one, other = (all_batches(recipe_of(**changes)) for changes in ({}, {"train__source_ratio": 1.0}))
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    assert recipe_of().digest() == recipe_of(train__source_ratio=1).digest()
    assert recipe_of().digest() != recipe_of(train__source_ratio=2).digest()


# ---- both, from a later step and by several workers ------------------------------------------------------------


@pytest.mark.slow
def test_a_late_start_sees_the_tail_bit_by_bit(recipe_of):
    recipe = recipe_of(2, 1, train__source_ratio=1.5, data__augment=AUGMENT)
    whole, tail = all_batches(recipe), all_batches(recipe, first_step=4)
    assert len(tail) == 2
    tf.nest.map_structure(np.testing.assert_array_equal, tail, whole[4:])


@pytest.mark.slow
def test_workers_and_replicas_share_what_one_reads(recipe_of):
    """Two workers of two replicas each: their batches together are those of one worker."""
    recipe = recipe_of(2, 1, train__batch_size=4, train__source_ratio=2, train__steps=3, data__augment=AUGMENT)
    whole, shares = all_batches(recipe), []
    for worker in range(2):
        context = tf.distribute.InputContext(2, worker, num_replicas_in_sync=4)
        batches = training_batches(recipe, audit(recipe).sets, 0, context).take(3 * 2)
        shares.append(list(batches.as_numpy_iterator()))
        assert all(len(b["source"][0]) == 2 and len(b["target"][0]) == 1 for b in shares[-1])
    for step, expected in enumerate(whole):
        parts = [part for own in shares for part in own[2 * step : 2 * step + 2]]
        together = tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
        tf.nest.map_structure(np.testing.assert_array_equal, together, expected)


def test_a_file_that_breaks_is_looked_for_among_the_samples_of_its_step(recipe_of):
    recipe = recipe_of(2, 1, train__source_ratio=1.5)
    suspects = list(suspects_of_steps(recipe, audit(recipe).sets, first_step=3)(taken=1))
    labels = [number if number < 4 else number - 4 for number in drawn(recipe, 15)[12:]]
    of_source = [sample.number for sample in suspects if sample.pairs.dataset.root != "real"]
    assert of_source[:3] == labels
