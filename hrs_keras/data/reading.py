"""Taking samples from a pipeline so that one which cannot be read is told by the name of its file.

TensorFlow's decoders do not know which file they decode. Samples arrive in a known order, however: when one fails,
those that may be it are checked as the audit checks them, the likely ones first. While all can be read, this costs
nothing.
"""

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import tensorflow as tf

from hrs_keras.data.check import check_image, check_sample
from hrs_keras.data.decode import IdMap
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.report import Problem
from hrs_keras.data.samples import validation_loader
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.threads import read_ahead

log = logging.getLogger(__name__)

T = TypeVar("T")

# No fault of a file: memory ran out, or another worker has gone.
_OTHER = (
    tf.errors.ResourceExhaustedError,
    tf.errors.CancelledError,
    tf.errors.AbortedError,
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
)


class Sample(NamedTuple):
    """A sample of a data set.

    Attributes:
        pairs: the data set.
        number: of the sample in it.
    """

    pairs: Pairs
    number: int


Suspects = Callable[[int], Iterable[Sample]]
"""How many items were taken -> the samples that the next item may be made of, the likely ones first."""


def read(items: Iterable[T], recipe: Recipe, suspects: Suspects) -> Iterator[T]:
    """Iterate over what a pipeline of this package gives.

    Args:
        items: samples or batches.
        recipe: whose data they are.
        suspects: whom to ask when an item cannot be read.

    Raises:
        DataError: a sample cannot be read, or its label has another size than its image; the message names the file.
    """
    iterator, taken = iter(items), 0
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        except _OTHER:
            raise
        except tf.errors.OpError as error:
            # What a Python function raises, such as that a prepared record is damaged, arrives as text.
            if told := re.search(r"DataError: (.*)", error.message):
                raise DataError(told[1]) from None
            if problem := _culprit(recipe, suspects(taken)):
                raise DataError(
                    f"{problem.file}: {problem.what}. It was sound when the data was audited: it has changed since"
                ) from None
            raise
        yield item
        taken += 1


def in_order(sets: Sequence[Pairs], numbers: Sequence[int] | None = None, at_a_time: int = 1) -> Suspects:
    """For samples that are read once each, one after the other.

    Args:
        sets: the samples of one role.
        numbers: those that are read, numbered through all sets; None for all.
        at_a_time: how many make up an item.
    """

    def suspects(taken: int) -> list[Sample]:
        samples = samples_of(sets)
        chosen = samples if numbers is None else [samples[number] for number in numbers]
        begin = taken * at_a_time
        return chosen[begin:] + chosen[:begin]

    return suspects


def samples_of(sets: Sequence[Pairs]) -> list[Sample]:
    """The samples of several data sets, numbered through all of them."""
    return [Sample(pairs, number) for pairs in sets for number in range(len(pairs))]


def _culprit(recipe: Recipe, suspects: Iterable[Sample]) -> Problem | None:
    """The first of these samples that cannot be read, or not as the audit accepts it; None if all can be read."""
    log.info("a sample cannot be read; looking for its file")
    threads = os.cpu_count() or 1
    checks = (partial(_what_is_wrong, recipe, sample) for sample in suspects)
    with read_ahead(checks, ahead=2 * threads, threads=threads) as problems:
        return next(filter(None, problems), None)


def _what_is_wrong(recipe: Recipe, sample: Sample) -> Problem | None:
    pairs, number = sample
    image = pairs.images[number]
    if pairs.records is None:
        if pairs.hidden and pairs.hidden[number]:
            found = check_image(image, pairs.dataset)
        else:
            ids = IdMap(pairs.dataset, recipe.data.label_space)
            found = check_sample(image, pairs.labels[number], pairs.dataset, ids)
        return next((problem for problem in found.problems if problem.error), None)
    try:
        validation_loader(recipe, [pairs])(tf.constant(number, tf.int64))
    except tf.errors.OpError as error:
        shard = pairs.records[number].shard
        return Problem(printable(image), f"cannot be read as it was prepared in {shard} ({reason(error)})")
    return None
