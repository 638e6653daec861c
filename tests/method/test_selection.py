"""Eq. 3 and 4: which source pixels are selected, and how much each counts."""

import numpy as np
import pytest
import tensorflow as tf
from support import reference

from hrs_keras.method import selection

IGNORE = 255
SIZE = (16, 32)
LEVEL_SIZES = {"pixel": SIZE, "region": (2, 4), "image": (1, 1)}


def random_scores(seed, channels, levels=("pixel", "region", "image"), batch=3):
    rng = np.random.default_rng(seed)
    scores = {}
    for level in levels:
        # Skewed, and each image and channel at its own height, so that sharing a threshold would show.
        score = rng.uniform(0, 1, (batch, *LEVEL_SIZES[level], channels)) ** 2
        scores[level] = (score + rng.uniform(-0.3, 0.3, (batch, 1, 1, channels))).astype("float32")
    return scores


def as_map(rows):
    return np.array(rows, "float32")[None, :, :, None]


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("threshold", ["mean", "median"])
@pytest.mark.parametrize("level", ["pixel", "region", "image"])
def test_binary_map_agrees_with_reference(level, threshold, channels):
    scores = random_scores(0, channels, batch=4)[level]
    result = selection.binary_map(tf.constant(scores), level, threshold)
    assert result.dtype == tf.float32
    expected = reference.binary_map(scores, level, threshold)
    assert 0 < expected.mean() < 1  # both values occur, so the comparison says something
    np.testing.assert_array_equal(result, expected)


def test_mean_is_the_default_threshold_and_median_selects_more_of_a_skewed_map():
    scores = tf.constant(as_map([[0.0, 0.1, 0.2, 0.25, 0.9]]))  # mean 0.29, median 0.2
    by_mean, by_median = [0, 0, 0, 0, 1], [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(np.ravel(selection.binary_map(scores, "pixel")), by_mean)
    np.testing.assert_array_equal(np.ravel(selection.binary_map(scores, "pixel", "mean")), by_mean)
    np.testing.assert_array_equal(np.ravel(selection.binary_map(scores, "pixel", "median")), by_median)


@pytest.mark.parametrize("rows", [[[0.1, 0.2, 0.8, 0.9]], [[0.1, 0.2], [0.8, 0.9]]])
def test_median_of_an_even_number_of_positions_selects_the_upper_half(rows):
    result = selection.binary_map(tf.constant(as_map(rows)), "region", "median")
    np.testing.assert_array_equal(np.ravel(result), [0, 0, 1, 1])


def test_threshold_belongs_to_one_image_and_one_channel():
    # Each row of four is one (image, channel). Over the batch or the channels together, mean and median would
    # be far above the low ones and far below the high ones.
    low, high = [0.01, 0.02, 0.03, 0.04], [0.91, 0.93, 0.92, 0.94]
    scores = np.array([[low, high], [high, low]], "float32")  # image, channel, position
    scores = scores.reshape(2, 2, 2, 2).transpose(0, 2, 3, 1)
    for threshold in ("mean", "median"):
        result = np.array(selection.binary_map(tf.constant(scores), "region", threshold))
        result = result.transpose(0, 3, 1, 2).reshape(2, 2, 4)
        upper_low, upper_high = [0, 0, 1, 1], [0, 1, 0, 1]
        np.testing.assert_array_equal(result, [[upper_low, upper_high], [upper_high, upper_low]])


@pytest.mark.parametrize("threshold", ["mean", "median"])
def test_image_level_threshold_is_one_half_and_strict(threshold):
    scores = np.array([0.49, 0.5, 0.51, 1.0], "float32").reshape(4, 1, 1, 1)
    result = selection.binary_map(tf.constant(scores), "image", threshold)
    np.testing.assert_array_equal(np.ravel(result), [0, 0, 1, 1])


@pytest.mark.parametrize("threshold", ["mean", "median"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_map_selects_nothing(value, threshold):
    scores = tf.fill([1, 8, 8, 1], value)
    np.testing.assert_array_equal(selection.binary_map(scores, "pixel", threshold), np.zeros((1, 8, 8, 1)))


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("threshold", ["mean", "median"])
@pytest.mark.parametrize(
    "levels",
    [("pixel", "region", "image"), ("pixel", "region"), ("region", "image"), ("pixel",), ("image",)],
)
def test_hierarchical_map_agrees_with_reference(levels, threshold, channels):
    scores = random_scores(1, channels, levels)
    result = selection.hierarchical_map({k: tf.constant(v) for k, v in scores.items()}, SIZE, threshold)
    assert result.dtype == tf.float32 and result.shape == (3, *SIZE, channels)
    np.testing.assert_allclose(result, reference.hierarchical_map(scores, SIZE, threshold), atol=1e-6)
    # n levels can only vote 0, 1/n, ..., 1
    votes = np.array(result) * len(levels)
    np.testing.assert_allclose(votes, np.round(votes), atol=1e-5)


def hand_scores():
    pixel = [[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]]  # mean 0.5
    region = [[0.2, 0.6]]  # mean 0.4, covers columns 0-1 and 2-3
    return {
        # The second image is a tenth of the first: same maps, if each image has its own threshold.
        "pixel": np.concatenate([as_map(pixel), 0.1 * as_map(pixel)]),
        "region": np.concatenate([as_map(region), 0.1 * as_map(region)]),
        "image": np.concatenate([as_map([[0.7]]), as_map([[0.3]])]),
    }


def test_hierarchical_map_by_hand_takes_the_values_0_third_two_thirds_1():
    result = selection.hierarchical_map({k: tf.constant(v) for k, v in hand_scores().items()}, (2, 4))
    first = [[1 / 3, 1 / 3, 1, 1], [1 / 3, 2 / 3, 2 / 3, 1]]  # the image level votes 1
    second = [[0, 0, 2 / 3, 2 / 3], [0, 1 / 3, 1 / 3, 2 / 3]]  # the image level votes 0
    np.testing.assert_allclose(result[..., 0], [first, second], atol=1e-6)


def test_a_subset_of_levels_is_averaged_over_its_own_number():
    scores = {k: tf.constant(v) for k, v in hand_scores().items()}
    single = selection.hierarchical_map({"pixel": scores["pixel"]}, (2, 4))
    np.testing.assert_array_equal(single[0, ..., 0], [[0, 0, 1, 1], [0, 1, 0, 1]])
    two = selection.hierarchical_map({k: scores[k] for k in ("pixel", "region")}, (2, 4))
    np.testing.assert_allclose(two[0, ..., 0], [[0, 0, 1, 1], [0, 0.5, 0.5, 1]], atol=1e-6)


def test_upsampling_repeats_values_without_blending():
    scores = as_map([[0.9, 0.1], [0.2, 0.8]])
    result = selection.hierarchical_map({"region": tf.constant(scores)}, (6, 4))
    expected = [[1, 1, 0, 0]] * 3 + [[0, 0, 1, 1]] * 3
    np.testing.assert_array_equal(result[0, ..., 0], expected)


@pytest.mark.parametrize("threshold", ["mean", "median"])
def test_no_gradient_reaches_the_scores(threshold):
    scores = {k: tf.constant(v) for k, v in random_scores(2, 1).items()}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(scores)
        maps = {k: selection.binary_map(v, k, threshold) for k, v in scores.items()}
        total = tf.reduce_sum(selection.hierarchical_map(scores, SIZE, threshold))
        # Proof that the tape would have noticed a path to every level.
        direct = sum(tf.reduce_sum(v) for v in scores.values())
    for level, score in scores.items():
        zero = tf.UnconnectedGradients.ZERO
        assert np.all(tape.gradient(total, score, unconnected_gradients=zero) == 0)
        assert np.all(tape.gradient(maps[level], score, unconnected_gradients=zero) == 0)
        assert np.all(tape.gradient(direct, score) == 1)


@pytest.mark.parametrize("channels", [1, 5])
def test_hierarchical_map_in_a_graph_with_unknown_batch_size(channels):
    scores = random_scores(3, channels)
    signature = {k: tf.TensorSpec([None, *v.shape[1:]], tf.float32) for k, v in scores.items()}
    compiled = tf.function(lambda s: selection.hierarchical_map(s, SIZE), input_signature=[signature])
    result = compiled({k: tf.constant(v) for k, v in scores.items()})
    np.testing.assert_allclose(result, reference.hierarchical_map(scores, SIZE), atol=1e-6)


def test_class_channel_of_a_shared_map_is_the_only_channel():
    shared = np.random.default_rng(4).uniform(0.1, 1, (2, 3, 4, 1)).astype("float32")
    labels = np.random.default_rng(5).integers(0, 5, (2, 3, 4)).astype("int32")
    result = selection.class_channel(tf.constant(shared), tf.constant(labels))
    np.testing.assert_array_equal(result, shared[..., 0])


def test_class_channel_by_hand_picks_the_channel_of_the_pixels_own_class():
    channels = np.array([[[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9], [1.0, 1.0, 1.0]]]], "float32")
    labels = np.array([[[2, 0, 1, IGNORE]]], "int32")
    result = selection.class_channel(tf.constant(channels), tf.constant(labels))
    np.testing.assert_array_equal(result, np.array([[[0.3, 0.4, 0.8, 0.0]]], "float32"))


def test_class_channel_with_19_classes_and_ignored_pixels():
    rng = np.random.default_rng(6)
    channels = rng.uniform(0.1, 1, (2, 6, 8, 19)).astype("float32")
    labels = rng.integers(0, 19, (2, 6, 8)).astype("int32")
    labels[rng.uniform(size=labels.shape) < 0.3] = IGNORE
    result = np.array(selection.class_channel(tf.constant(channels), tf.constant(labels)))
    for pixel in np.ndindex(labels.shape):
        assert result[pixel] == (0 if labels[pixel] == IGNORE else channels[pixel][labels[pixel]])
