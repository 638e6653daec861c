"""Distances and agreements, against brute force."""

import numpy as np
import pytest

from hrs_keras.ranking.real import NEAREST, RealImages

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(7, 5)).astype(np.float32)
GRADIENTS = RNG.normal(size=(7, 11)).astype(np.float32)
REAL = RealImages.of(zip(FEATURES, GRADIENTS, strict=True))


def cosine(one, other):
    one, other = one.astype(float), other.astype(float)
    return np.dot(one, other) / np.sqrt(np.dot(one, one) * np.dot(other, other))


def test_distance_is_the_mean_to_the_nearest():
    image = RNG.normal(size=5).astype(np.float32)
    distances = sorted(1 - cosine(image, other) for other in FEATURES)
    assert REAL.distance(image) == pytest.approx(sum(distances[:3]) / 3, abs=1e-12) and NEAREST == 3
    assert REAL.distance(10 * image) == pytest.approx(REAL.distance(image))


def test_a_real_image_is_not_compared_with_itself():
    distances = sorted(1 - cosine(FEATURES[2], other) for number, other in enumerate(FEATURES) if number != 2)
    assert REAL.distance(FEATURES[2], own=2) == pytest.approx(sum(distances[:3]) / 3, abs=1e-12)
    mean = np.delete(GRADIENTS, 2, axis=0).mean(axis=0)
    assert REAL.agreement(GRADIENTS[2], own=True) == pytest.approx(cosine(GRADIENTS[2], mean), abs=1e-6)


def test_fewer_real_images_than_nearest_ones():
    two = RealImages.of(zip(FEATURES[:2], GRADIENTS[:2], strict=True))
    assert two.distance(FEATURES[3]) == pytest.approx(
        np.mean([1 - cosine(FEATURES[3], other) for other in FEATURES[:2]])
    )


def test_agreement_is_with_the_mean_gradient():
    image = RNG.normal(size=11).astype(np.float32)
    assert REAL.agreement(image) == pytest.approx(cosine(image, GRADIENTS.mean(axis=0)), abs=1e-6)
    assert REAL.agreement(-image) == pytest.approx(-REAL.agreement(image))


def test_what_is_not_defined_is_none():
    """Without a direction there is no angle; an agreement of 0 would say something else."""
    assert REAL.agreement(np.zeros(11, np.float32)) is None
    assert REAL.distance(np.zeros(5, np.float32)) is None
    only = RealImages.of([(FEATURES[0], GRADIENTS[0])])
    assert only.distance(FEATURES[0], own=0) is None and only.agreement(GRADIENTS[0], own=True) is None
    still = RealImages.of([(FEATURES[0], np.zeros(11, np.float32))])
    assert still.agreement(GRADIENTS[0]) is None
