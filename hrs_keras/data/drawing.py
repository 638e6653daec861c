"""Which sample stands at a position of the endless sequence that the batches of a domain are cut from.

It follows from the seed and the position alone, so that no state has to be saved. The data sets of a domain are one
pool of samples, or with ``weight`` each is a pool of its own. Pools take the positions in turns (:func:`_in_turns`),
and turn ``t`` of a pool with ``n`` samples is entry ``t % n`` of the permutation of epoch ``t // n``; or with rare
class sampling a sample that contains the class which is drawn for turn ``t``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import gcd

import numpy as np
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.rare_classes import RareClassDraws, describe, rare_class_draws
from hrs_keras.data.streams import streams
from hrs_keras.recipe.schema import Recipe

Order = Callable[[tf.Tensor], tf.Tensor]
"""A position, or a turn (int64 scalar) -> a sample, counted from the first of the first data set (int64 scalar)."""

# The two domains draw different random numbers.
_STREAMS = {"source": 0, "target": 1}


def key_of(recipe: Recipe, domain: str) -> int:
    """The seed of all that is drawn for a domain: one of its own, from -2**31 to 2**32.

    That of ``unlabelled``, which came later, is negative: the seeds of the others stay what they were.
    """
    return -1 - recipe.seed if domain == "unlabelled" else recipe.seed * len(_STREAMS) + _STREAMS[domain]


def temperature_of(recipe: Recipe, domain: str) -> float | None:
    """The temperature of rare class sampling in a domain; None where images are not drawn by their classes."""
    sampling = recipe.data.rare_class_sampling
    return {"source": sampling.source, "target": sampling.target}.get(domain)


def order_of(recipe: Recipe, domain: str, sets: Sequence[Pairs]) -> Order:
    """The order in which a run reads the samples of a domain.

    Args:
        recipe: the run's.
        domain: source, target or unlabelled.
        sets: its samples, from :func:`hrs_keras.data.streams.streams`.
    """
    key, temperature = key_of(recipe, domain), temperature_of(recipe, domain)
    pools = pools_of(sets)
    if temperature is None and len(pools) == 1:
        return partial(sample_number, count=sum(map(len, sets)), key=key)
    orders: list[Order] = []
    for number, pool in enumerate(pools):
        if temperature is None:
            orders.append(partial(sample_number, count=len(pool[0]), key=_derived(key, number)))
        else:
            orders.append(_for_classes(rare_class_draws(domain, pool, temperature), _derived(key, number)))
    if len(pools) == 1:
        return orders[0]
    return _in_turns(orders, [len(pairs) for pairs in sets], _whole(_weights(sets)), key)


def pools_of(sets: Sequence[Pairs]) -> list[list[Pairs]]:
    """The data sets of a domain in groups whose samples are drawn together: all of them, or with weights each alone."""
    return [[pairs] for pairs in sets] if len(sets) == len(_weights(sets)) > 1 else [list(sets)]


def _weights(sets: Sequence[Pairs]) -> list[float]:
    return [pairs.dataset.weight for pairs in sets if pairs.dataset.weight is not None]


def describe_drawing(recipe: Recipe, sets: Mapping[str, Sequence[Pairs]]) -> list[str]:
    """What is to be known of how a run draws its samples, in lines; none where all are drawn alike.

    Args:
        recipe: the run's.
        sets: role -> its samples, from :func:`hrs_keras.audit`.

    Raises:
        DataError: see :func:`hrs_keras.data.rare_classes.rare_class_draws`.
    """
    lines, drawn_from = [], streams(sets)
    read = {domain for phase in recipe.phases for domain in phase.domains}
    for domain in ("target", "unlabelled"):
        if (count := sum(map(len, drawn_from[domain]))) and domain not in read:
            lines.append(f"{count} real images without labels are not read: nothing in this method learns from them")
    for domain in (domain for phase in recipe.phases for domain in phase.domains):
        if temperature := temperature_of(recipe, domain):
            for number, pool in enumerate(pools := pools_of(drawn_from[domain])):
                title = domain if len(pools) == 1 else f"{domain}.{number}"
                draws = rare_class_draws(domain, pool, temperature)
                lines.append(describe(title, draws, pool, recipe.data.label_space.classes))
    return lines


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


def _for_classes(draws: RareClassDraws, key: int) -> Order:
    """At each turn draw a class, and then one of the samples that contain it."""
    ends = tf.constant(np.cumsum(draws.probabilities)[:-1], tf.float64)
    counts = [len(samples) for samples in draws.samples]
    samples, count = tf.constant(np.concatenate(draws.samples), tf.int64), tf.constant(counts, tf.float64)
    first = tf.constant(np.cumsum([0, *counts])[:-1], tf.int64)

    def order(turn: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.constant(key, tf.int64), turn])
        of_class, of_sample = tf.unstack(tf.random.stateless_uniform([2], seed, dtype=tf.float64))
        drawn = tf.searchsorted(ends, [of_class], side="right")[0]
        return samples[first[drawn] + tf.cast(of_sample * count[drawn], tf.int64)]

    return order


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
    return int(np.random.SeedSequence([key % 2**64, number]).generate_state(1)[0])
