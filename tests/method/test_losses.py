"""Eq. 1, 2, 5, 7 and 8: every loss is one value per image."""

import numpy as np
import pytest
import tensorflow as tf
from support import reference

from hrs_keras.method import losses, selection

IGNORE = 255
CLASSES = 5
IGNORED_SHARES = (0.0, 0.2, 0.9)  # a different share for each image of a batch


def random_case(seed, scale=3.0, size=(6, 8)):
    """Labels and logits of three images that differ widely in how many pixels count."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, (3, *size)).astype("int32")
    for label, share in zip(labels, IGNORED_SHARES, strict=True):
        label.flat[rng.permutation(label.size)[: round(share * label.size)]] = IGNORE
    logits = (scale * rng.normal(size=(3, *size, CLASSES))).astype("float32")
    return labels, logits


def random_votes(seed, shape):
    return (np.random.default_rng(seed).integers(0, 4, shape) / 3).astype("float32")


def loss_and_gradient(labels, logits, weights=None):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.segmentation_loss(tf.constant(labels), logits, weights)
    return loss.numpy(), tape.gradient(loss, logits).numpy()  # images do not mix, so the sum of losses serves


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_cross_entropy_agrees_with_reference(scale):
    labels, logits = random_case(0, scale)
    result = losses.cross_entropy(tf.constant(labels), tf.constant(logits))
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, reference.cross_entropy(labels, logits), rtol=1e-5, atol=1e-5)
    assert np.all(np.array(result)[labels == IGNORE] == 0)


def test_cross_entropy_by_hand():
    # Probabilities (1/2, 1/4, 1/4), (1/8, 3/4, 1/8), (1/3, 1/3, 1/3) and one pixel that does not count.
    logits = np.log([[[[2, 1, 1], [1, 6, 1], [5, 5, 5], [1, 2, 3]]]]).astype("float32")
    labels = np.array([[[0, 2, 1, IGNORE]]], "int32")
    result = losses.cross_entropy(tf.constant(labels), tf.constant(logits))
    expected = [[[0.6931472, 2.0794415, 1.0986123, 0.0]]]  # log 2, log 8, log 3
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_target_loss_agrees_with_reference_on_unevenly_ignored_images():
    labels, logits = random_case(1)
    result = losses.segmentation_loss(tf.constant(labels), tf.constant(logits))
    assert result.shape == (3,)
    np.testing.assert_allclose(result, reference.target_segmentation_loss(labels, logits), rtol=1e-5)


def test_loss_of_an_image_does_not_depend_on_the_others_in_the_batch():
    # Dividing by the valid pixels of the whole batch would pass for equal shares, but not for these.
    labels, logits = random_case(2)
    together = losses.segmentation_loss(tf.constant(labels), tf.constant(logits))
    alone = [losses.segmentation_loss(labels[i : i + 1], logits[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_source_loss_agrees_with_reference_for_a_shared_map():
    labels, logits = random_case(3)
    votes = random_votes(3, (*labels.shape, 1))
    weights = selection.class_channel(tf.constant(votes), tf.constant(labels))
    result = losses.segmentation_loss(tf.constant(labels), tf.constant(logits), weights)
    expected = reference.source_segmentation_loss(labels, logits, votes)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_source_loss_agrees_with_reference_for_a_map_per_class():
    labels, logits = random_case(4)
    votes = random_votes(4, (*labels.shape, CLASSES))
    weights = selection.class_channel(tf.constant(votes), tf.constant(labels))
    result = losses.segmentation_loss(tf.constant(labels), tf.constant(logits), weights)
    expected = reference.source_segmentation_loss(labels, logits, votes)
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, CLASSES])
def test_source_loss_from_scores_to_value_agrees_with_reference(channels):
    labels, logits = random_case(5, size=(8, 16))
    rng = np.random.default_rng(5)
    sizes = {"pixel": (8, 16), "region": (2, 4), "image": (1, 1)}
    scores = {k: rng.uniform(size=(3, *size, channels)).astype("float32") for k, size in sizes.items()}
    votes = selection.hierarchical_map({k: tf.constant(v) for k, v in scores.items()}, (8, 16))
    weights = selection.class_channel(votes, tf.constant(labels))
    result = losses.segmentation_loss(tf.constant(labels), tf.constant(logits), weights)
    expected = reference.source_segmentation_loss(labels, logits, reference.hierarchical_map(scores, (8, 16)))
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_source_loss_by_hand_divides_by_valid_pixels_not_by_the_sum_of_weights():
    logits = np.zeros((1, 2, 2, 2), "float32")  # cross-entropy log 2 = 0.6931472 everywhere
    labels = np.array([[[0, 1], [1, IGNORE]]], "int32")
    weights = np.array([[[1.0, 1 / 3], [0.0, 1.0]]], "float32")  # the last 1 lies on the ignored pixel
    result = losses.segmentation_loss(tf.constant(labels), tf.constant(logits), tf.constant(weights))
    # log 2 * (1 + 1/3 + 0) / 3. By the sum of valid weights it would be log 2, by all pixels log 2 / 3.
    np.testing.assert_allclose(result, [0.3080654], rtol=1e-5)


def test_halving_the_weights_halves_the_loss_and_no_weights_means_one():
    labels, logits = random_case(6)
    plain = losses.segmentation_loss(tf.constant(labels), tf.constant(logits))
    ones = losses.segmentation_loss(tf.constant(labels), tf.constant(logits), tf.ones(labels.shape))
    halves = losses.segmentation_loss(tf.constant(labels), tf.constant(logits), 0.5 * tf.ones(labels.shape))
    np.testing.assert_allclose(ones, plain, rtol=1e-6)
    np.testing.assert_allclose(halves, 0.5 * np.array(plain), rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_image_without_valid_pixels_has_loss_and_gradient_exactly_zero(weighted, scale):
    labels, logits = random_case(7, scale)
    labels[1] = IGNORE
    weights = tf.ones(labels.shape) if weighted else None
    loss, gradient = loss_and_gradient(labels, logits, weights)
    assert loss[1] == 0
    assert np.all(gradient[1] == 0)
    # Its neighbours in the batch are untouched.
    assert np.all(np.isfinite(loss)) and np.all(np.isfinite(gradient))
    np.testing.assert_allclose(loss, reference.target_segmentation_loss(labels, logits), rtol=1e-5)
    assert np.any(gradient[0] != 0) and np.any(gradient[2] != 0)


def test_a_batch_without_valid_pixels_has_loss_and_gradient_exactly_zero():
    _, logits = random_case(8)
    loss, gradient = loss_and_gradient(np.full((3, 6, 8), IGNORE, "int32"), logits)
    np.testing.assert_array_equal(loss, np.zeros(3))
    np.testing.assert_array_equal(gradient, np.zeros(logits.shape))


def test_gradient_agrees_with_the_formula():
    labels, logits = random_case(9)
    weights = random_votes(9, labels.shape)
    _, gradient = loss_and_gradient(labels, logits, tf.constant(weights))
    expected = reference.source_segmentation_gradient(labels, logits, weights)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)
    # Neither ignored nor unselected pixels teach anything, to the last bit.
    assert np.all(gradient[(labels == IGNORE) | (weights == 0)] == 0)


def test_gradient_agrees_with_finite_differences():
    # Differences of the float64 reference, so that their rounding does not drown the gradient.
    labels, logits = random_case(10, size=(2, 3))
    votes = random_votes(10, (*labels.shape, CLASSES))
    weights = selection.class_channel(tf.constant(votes), tf.constant(labels))
    _, gradient = loss_and_gradient(labels, logits, weights)
    step = 1e-5
    expected = np.zeros(logits.shape)
    for index in np.ndindex(logits.shape):
        up, down = logits.astype("float64"), logits.astype("float64")
        up[index] += step
        down[index] -= step
        difference = reference.source_segmentation_loss(labels, up, votes)
        difference = difference - reference.source_segmentation_loss(labels, down, votes)
        expected[index] = difference[index[0]] / (2 * step)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, CLASSES])
def test_selection_made_from_the_prediction_adds_nothing_to_the_gradient(channels):
    # In training H comes from softmax(F): if a gradient flowed through H, E could lower the loss by being
    # deselected. The gradient has to be the one with H held constant.
    labels, values = random_case(11)
    logits = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        scores = {"pixel": tf.nn.softmax(logits)[..., :channels], "image": tf.ones([3, 1, 1, channels])}
        weights = selection.class_channel(selection.hierarchical_map(scores, (6, 8)), tf.constant(labels))
        loss = losses.segmentation_loss(tf.constant(labels), logits, weights)
    held = weights.numpy()
    assert len(np.unique(held[labels != IGNORE])) > 1
    expected = reference.source_segmentation_gradient(labels, values, held)
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, rtol=1e-4, atol=1e-7)


def test_extreme_logits_give_exact_and_finite_losses_and_gradients():
    confident = [1e4, -1e4]
    logits = np.array([[[confident, confident, confident]]], "float32")
    labels = np.array([[[0, 1, IGNORE]]], "int32")
    result = losses.cross_entropy(tf.constant(labels), tf.constant(logits))
    np.testing.assert_allclose(result, [[[0.0, 2e4, 0.0]]], rtol=1e-6)
    loss, gradient = loss_and_gradient(labels, logits)
    np.testing.assert_allclose(loss, [1e4], rtol=1e-6)  # 2e4 over the two pixels that count
    np.testing.assert_allclose(gradient, [[[[0, 0], [0.5, -0.5], [0, 0]]]], atol=1e-6)


def test_segmentation_loss_in_a_graph_with_unknown_shape():
    labels, logits = random_case(12)
    signature = [tf.TensorSpec([None, None, None], tf.int32), tf.TensorSpec([None, None, None, CLASSES])]
    compiled = tf.function(losses.segmentation_loss, input_signature=signature)
    expected = reference.target_segmentation_loss(labels, logits)
    np.testing.assert_allclose(compiled(tf.constant(labels), tf.constant(logits)), expected, rtol=1e-5)


@pytest.mark.parametrize("domain", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(3, 8, 16, 1), (3, 2, 4, CLASSES), (3, 1, 1, 1)])
def test_weighting_loss_agrees_with_reference(shape, domain):
    # Beyond [0, 1] too, as a network with linear outputs may answer.
    scores = np.random.default_rng(13).uniform(-1, 2, shape).astype("float32")
    result = losses.weighting_loss(tf.constant(scores), domain)
    assert result.shape == (3,)
    np.testing.assert_allclose(result, reference.weighting_loss(scores, domain), rtol=1e-5)


def test_weighting_loss_by_hand():
    scores = tf.constant([[[[0.0], [0.25]], [[0.5], [1.25]]]])
    np.testing.assert_allclose(losses.weighting_loss(scores, 0.0), [0.5])  # (0 + 0.25 + 0.5 + 1.25) / 4
    np.testing.assert_allclose(losses.weighting_loss(scores, 1.0), [0.625])  # (1 + 0.75 + 0.5 + 0.25) / 4


def test_reconstruction_loss_agrees_with_reference():
    rng = np.random.default_rng(14)
    image, reconstruction = rng.uniform(-1, 1, (2, 3, 6, 8, 3)).astype("float32")
    result = losses.reconstruction_loss(tf.constant(reconstruction), tf.constant(image))
    assert result.shape == (3,)
    np.testing.assert_allclose(result, reference.reconstruction_loss(reconstruction, image), rtol=1e-5)


def test_reconstruction_loss_by_hand():
    image = tf.constant([[[[1.0, -1.0, 0.0], [0.5, 0.5, 0.5]]]])
    reconstruction = tf.constant([[[[-1.0, -1.0, 0.25], [0.5, 0.0, 0.75]]]])
    # (2 + 0 + 0.25 + 0 + 0.5 + 0.25) / 6
    np.testing.assert_allclose(losses.reconstruction_loss(reconstruction, image), [0.5])


@pytest.mark.parametrize("target", [0.0, 0.07, 0.95, 1.0])
def test_adversarial_loss_agrees_with_reference(target):
    logits = (4 * np.random.default_rng(15).normal(size=(3, 4, 8, 1))).astype("float32")
    result = losses.adversarial_loss(tf.constant(logits), target)
    assert result.shape == (3,)
    np.testing.assert_allclose(result, reference.adversarial_loss(logits, target), rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (3, 4, 8, 1)])
def test_adversarial_loss_takes_a_target_for_each_image_or_patch(shape):
    rng = np.random.default_rng(16)
    logits = (4 * rng.normal(size=(3, 4, 8, 1))).astype("float32")
    target = rng.uniform(size=shape).astype("float32")
    result = losses.adversarial_loss(tf.constant(logits), tf.constant(target))
    np.testing.assert_allclose(result, reference.adversarial_loss(logits, target), rtol=1e-5)


def test_adversarial_loss_by_hand():
    logits = tf.constant([[[[0.0], [np.log(3.0)]]]], tf.float32)  # D says 1/2 and 3/4
    # Real: (log 2 + log 4/3) / 2. Fake: (log 2 + log 4) / 2. Soft 0.9: nine parts real and one part fake.
    np.testing.assert_allclose(losses.adversarial_loss(logits, 1.0), [0.4904146], rtol=1e-5)
    np.testing.assert_allclose(losses.adversarial_loss(logits, 0.0), [1.0397208], rtol=1e-5)
    np.testing.assert_allclose(losses.adversarial_loss(logits, 0.9), [0.5453453], rtol=1e-5)


@pytest.mark.parametrize("target", [0.0, 0.05, 1.0])
def test_extreme_patch_logits_give_finite_losses_and_gradients(target):
    values = np.array([1e4, -1e4], "float32").reshape(2, 1, 1, 1)
    logits = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.adversarial_loss(logits, target)
    np.testing.assert_allclose(loss, [1e4 * (1 - target), 1e4 * target], rtol=1e-5)
    # sigmoid(z) - target
    gradient = tape.gradient(loss, logits)
    np.testing.assert_allclose(np.ravel(gradient), [1 - target, -target], atol=1e-6)
