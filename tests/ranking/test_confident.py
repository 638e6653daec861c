"""Confident learning, against a table worked by hand (Northcutt et al. 2021, Eq. 1 and 2)."""

import numpy as np
import tensorflow as tf

from hrs_keras.ranking.confident import contradicted, self_confidence, thresholds

LABEL = [[0, 0, 1, 1, 1, 255]]
PROBABILITIES = [[[0.9, 0.1, 0.0], [0.3, 0.7, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.0, 1.0, 0.0]]]


def test_thresholds_are_a_class_mean_confidence_in_its_own_labels():
    """(0.9 + 0.3) / 2 and (0.4 + 0.8 + 0.6) / 3; the ignored pixel counts nowhere, and no pixel is labelled 2."""
    total, pixels = self_confidence(tf.constant(LABEL), tf.constant(PROBABILITIES))
    np.testing.assert_allclose(total, [1.2, 1.8, 0.0], rtol=1e-6)
    np.testing.assert_array_equal(pixels, [2, 3, 0])
    np.testing.assert_allclose(thresholds(total.numpy(), pixels.numpy())[:2], [0.6, 0.6])


def test_a_label_is_contradicted_where_another_class_is_as_sure_as_usual():
    """Of the two wrong predictions p_1 = 0.7 and p_0 = 0.6 reach their thresholds; of the right ones none counts."""
    found = contradicted(tf.constant(LABEL), tf.constant(PROBABILITIES), tf.constant([0.6, 0.6, 2.0]))
    np.testing.assert_array_equal(found, [[False, True, True, False, False, False]])


def test_a_wrong_prediction_that_is_less_sure_than_usual_contradicts_nothing():
    found = contradicted(tf.constant(LABEL), tf.constant(PROBABILITIES), tf.constant([0.7, 0.75, 2.0]))
    assert not np.any(found)


def test_an_unlikely_class_may_contradict_by_its_own_measure():
    """Class 2 is never surer than 0.1: with 0.2 it is likelier than usual, though class 0 is likelier still."""
    one = tf.constant([[[0.5, 0.3, 0.2]]])
    np.testing.assert_array_equal(contradicted(tf.constant([[0]]), one, tf.constant([0.9, 0.9, 0.1])), [[True]])
    np.testing.assert_array_equal(contradicted(tf.constant([[0]]), one, tf.constant([0.5, 0.9, 0.1])), [[False]])


def test_a_class_without_labels_contradicts_nothing():
    limits = thresholds(np.zeros(2), np.zeros(2))
    assert not np.any(contradicted(tf.constant([[0]]), tf.constant([[[0.0, 1.0]]]), tf.constant(limits)))
