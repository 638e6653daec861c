"""Which sample stands at a position of the endless sequence that the batches of a domain are cut from.

It follows from the seed and the position alone, so that no state has to be saved. The data sets of a domain are one
pool of samples, or with ``weight`` each is a pool of its own. Pools take the positions in turns (:func:`_in_turns`),
and turn ``t`` of a pool with ``n`` samples is entry ``t % n`` of the permutation of epoch ``t // n``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import gcd

import numpy as np
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.recipe.schema import Recipe

Order = Callable[[tf.Tensor], tf.Tensor]
"""A position, or a turn (int64 scalar) -> a sample, counted from the first of the first data set (int64 scalar)."""

# The two domains draw different random numbers.
_STREAMS = {"source": 0, "target": 1}


def key_of(recipe: Recipe, domain: str) -> int:
    """The seed of all that is drawn for a domain, below 2**32."""
    return recipe.seed * len(_STREAMS) + _STREAMS[domain]


def order_of(recipe: Recipe, domain: str, sets: Sequence[Pairs]) -> Order:
    """The order in which a run reads the samples of a domain.

    Args:
        recipe: the run's.
        domain: source or target.
        sets: its samples, from :func:`hrs_keras.audit`.
    """
    key = key_of(recipe, domain)
    weights = [pairs.dataset.weight for pairs in sets]
    if len(sets) == 1 or None in weights:
        return partial(sample_number, count=sum(map(len, sets)), key=key)
    pools = [partial(sample_number, count=len(pairs), key=_derived(key, n)) for n, pairs in enumerate(sets)]
    return _in_turns(pools, [len(pairs) for pairs in sets], _whole(weights), key)


def sample_number(position: tf.Tensor, count: int, key: int) -> tf.Tensor:
    """The sample at a position of the endless sequence, in which each epoch holds every sample once, in random order.

    Args:
        position: int64 scalar.
        count: number of samples.
        key: seed of the order.

    Returns:
        int64 scalar in [0, count).
    """
    epoch, entry = position // count, position % count
    seed = tf.stack([tf.constant(key, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(entry, seed, tf.constant(count - 1, tf.int64))


def _in_turns(pools: Sequence[Order], counts: Sequence[int], turns: Sequence[int], key: int) -> Order:
    """Have pools take turns: in every round of ``sum(turns)`` positions each has so many, in random order.

    Args:
        pools: the order of each pool's samples, which are numbered from 0.
        counts: how many samples each has.
        turns: how many of the turns of a round each has.
        key: seed of the order of turns.
    """
    first_turn, first_sample = (np.cumsum([0, *each]) for each in (turns, counts))
    ends = tf.constant(first_turn[1:], tf.int64)

    def order(position: tf.Tensor) -> tf.Tensor:
        turn = sample_number(position, int(first_turn[-1]), key)  # of this round
        rounds = position // int(first_turn[-1])

        def of_pool(number: int) -> tf.Tensor:
            return first_sample[number] + pools[number](rounds * turns[number] + turn - first_turn[number])

        which = tf.searchsorted(ends, [turn], side="right")[0]
        return tf.switch_case(which, [partial(of_pool, number) for number in range(len(pools))])

    return order


def _whole(weights: Sequence[float]) -> list[int]:
    """The smallest whole numbers in the proportion of weights, which have three decimals at most."""
    thousandths = [round(1000 * weight) for weight in weights]
    return [number // gcd(*thousandths) for number in thousandths]


def _derived(key: int, number: int) -> int:
    """One of any number of seeds, below 2**32, that follow from a seed and have nothing in common with it."""
    return int(np.random.SeedSequence([key, number]).generate_state(1)[0])
