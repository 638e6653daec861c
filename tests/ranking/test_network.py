"""What the networks say of an image, against plain TensorFlow and NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import tiny

from hrs_keras.models import build_networks
from hrs_keras.ranking.network import RankingNetwork
from hrs_keras.ranking.real import RealImages
from hrs_keras.runs.loading import Selecting

SIZE = (32, 64)
NO_LIMITS = np.full(tiny.CLASSES, 2, np.float32)


def built(*overrides):
    recipe = tiny.recipe("encoder.dropout=0.5", *overrides, size=SIZE)
    networks = build_networks(recipe)
    return networks, RankingNetwork(recipe, Selecting(networks.segmenter, networks.weighting, 0))


@pytest.fixture(scope="module")
def shared():
    return built()


@pytest.fixture(scope="module")
def per_class():
    return built("method.channels=per_class", "method.levels=[region, image]")


def samples(count, ignored=0.2):
    return [(image[0], label[0]) for image, label in (tiny.domain(seed, 1, SIZE, ignored) for seed in range(count))]


def gradient_by_keras(segmenter, image, label):
    """Keras' own cross-entropy over the valid pixels, and a tape that watches every variable; the score heads' part."""
    variables = segmenter.trainable_variables
    with tf.GradientTape() as tape:
        logits = tf.reshape(segmenter(image[np.newaxis], training=False)["logits"], [-1, tiny.CLASSES])
        valid = label.ravel() != tiny.IGNORE
        losses = keras.losses.sparse_categorical_crossentropy(
            label.ravel()[valid], tf.boolean_mask(logits, valid), from_logits=True
        )
        loss = tf.reduce_mean(losses)
    heads = [(v, g) for v, g in zip(variables, tape.gradient(loss, variables), strict=True) if "score" in v.path]
    assert len(heads) == 6  # a kernel and a bias each
    order = {"32": 0, "16": 1, "8": 2}
    heads.sort(key=lambda one: order[one[0].path.split("score")[1].split("/")[0]])  # stable: kernels stay before biases
    return np.concatenate([g.numpy().ravel() for _, g in heads])


@pytest.mark.slow
def test_gradient_agreement(shared):
    """Cosines of what Keras gives for each image with the mean over others, by NumPy."""
    networks, ranking = shared
    *real, image = samples(4)
    expected = [gradient_by_keras(networks.segmenter, *one) for one in (*real, image)]
    told = [ranking.real(*one) for one in real]
    own = ranking.describe(*image, NO_LIMITS)["gradient"].numpy()
    np.testing.assert_allclose(own, expected[-1], rtol=1e-4, atol=1e-6)
    mean = np.mean(expected[:-1], axis=0)
    cosine = np.dot(expected[-1], mean) / np.linalg.norm(expected[-1]) / np.linalg.norm(mean)
    agreement = RealImages.of((f.numpy(), g.numpy()) for f, g in told).agreement(own)
    assert agreement == pytest.approx(cosine, abs=1e-5) and abs(cosine) < 1


def test_features_are_the_encoders_deepest_averaged(shared):
    networks, ranking = shared
    (image, label), *_ = samples(1)
    expected = networks.segmenter(image[np.newaxis], training=False)["features"].numpy().mean(axis=(0, 1, 2))
    np.testing.assert_allclose(ranking.real(image, label)[0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ranking.describe(image, label, NO_LIMITS)["features"], expected, rtol=1e-4, atol=1e-6)


def maps_by_numpy(networks, image, labels):
    """Level -> M_k and 1[M_k > threshold] at the image's size, [H, W] each: the channel of the pixel's own class."""
    probabilities = tf.nn.softmax(networks.segmenter(image[np.newaxis], training=False)["logits"])
    scores, maps = {}, {}
    for level, network in networks.weighting.items():
        m = network(probabilities).numpy()[0]
        limit = 0.5 if level == "image" else m.astype(np.float64).mean(axis=(0, 1))
        channel = np.where(labels == tiny.IGNORE, 0, labels) if m.shape[-1] > 1 else np.zeros_like(labels)
        for kind, value in ((scores, m), (maps, (m > limit).astype(np.float32))):
            large = value.repeat(SIZE[0] // m.shape[0], 0).repeat(SIZE[1] // m.shape[1], 1)
            kind[level] = np.take_along_axis(large, channel[..., np.newaxis], -1)[..., 0]
    return scores, maps


@pytest.mark.parametrize("kind", ["shared", "per_class"])
def test_layout_match(kind, request):
    networks, ranking = request.getfixturevalue(kind)
    (image, label), *_ = samples(1)
    scores, maps = maps_by_numpy(networks, image, label)
    valid = label != tiny.IGNORE
    told = ranking.describe(image, label, NO_LIMITS)
    assert float(told["H"]) == pytest.approx(np.mean(list(maps.values()), axis=0)[valid].mean(), abs=1e-5)
    for level, score in scores.items():
        assert float(told[level]) == pytest.approx(score[valid].mean(), abs=1e-5)


def test_confidence_contradictions_and_shares(shared):
    networks, ranking = shared
    (image, label), *_ = samples(1)
    probabilities = tf.nn.softmax(networks.segmenter(image[np.newaxis], training=False)["logits"])[0].numpy()
    valid = label != tiny.IGNORE
    told = ranking.describe(image, label, np.zeros(tiny.CLASSES, np.float32))
    assert float(told["confidence"]) == pytest.approx(probabilities.max(axis=-1)[valid].mean(), abs=1e-5)
    # With thresholds of 0 every wrong prediction contradicts.
    assert float(told["contradicted"]) == pytest.approx((probabilities.argmax(-1) != label)[valid].mean(), abs=1e-5)
    np.testing.assert_array_equal(told["pixels"], np.bincount(label[valid], minlength=tiny.CLASSES))


def test_an_image_without_labels_has_no_means(shared):
    _, ranking = shared
    (image, _), *_ = samples(1)
    told = ranking.describe(image, np.full(SIZE, tiny.IGNORE, np.int32), NO_LIMITS)
    assert np.isnan(told["confidence"]) and np.isnan(told["H"]) and not np.any(told["gradient"])
