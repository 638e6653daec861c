"""What a run evaluates, and when."""

from types import SimpleNamespace

import numpy as np
import pytest

from hrs_keras.errors import DataError
from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.labels import CAMVID
from hrs_keras.training import validation
from hrs_keras.training.validation import Validation

BLANK, RIGHT = np.zeros((11, 11), np.int64), np.eye(11, dtype=np.int64)


@pytest.fixture
def begin(monkeypatch):
    """A validation of 20 images, and the numbers of those that its evaluator is asked for; None is all."""
    asked = []

    def make(few=RIGHT, whole=RIGHT, init_from=None):
        def evaluator(*_):
            def evaluate(stop, numbers):
                asked.append(numbers)
                return None if stop() else Evaluation(whole if numbers is None else few, CAMVID, 20)

            return evaluate

        monkeypatch.setattr(validation, "Evaluator", evaluator)
        train = SimpleNamespace(init_from=init_from, pictures=1, selection_images=1)
        session = SimpleNamespace(
            recipe=SimpleNamespace(train=train, method=SimpleNamespace(selects=True)),
            data=SimpleNamespace(sets={"validation": [range(20)]}),
            trainer=SimpleNamespace(evaluated=None),
            distribution=SimpleNamespace(strategy=None),
            chief=False,
            stop=lambda: False,
        )
        return Validation(session, None), asked

    return make


def test_untrained_weights_are_evaluated_on_a_few_images(begin):
    validating, asked = begin()
    assert validating.run(0) and validating.run(4)
    assert asked == [[0, 3, 5, 8, 11, 14, 16, 19], None]


def test_weights_of_another_run_are_evaluated_on_all(begin):
    validating, asked = begin(init_from="runs/other")
    assert validating.run(0)
    assert asked == [None]


def test_a_few_images_without_labels_say_nothing(begin):
    validating, asked = begin(few=BLANK)
    assert validating.run(0)
    assert len(asked[0]) == 8 and asked[1] is None


def test_images_without_any_label_are_an_error(begin):
    validating, _ = begin(few=BLANK, whole=BLANK)
    with pytest.raises(DataError, match="not one labelled pixel"):
        validating.run(0)


def test_it_is_broken_off(begin):
    validating, _ = begin()
    validating._session.stop = lambda: True
    assert not validating.run(0)
