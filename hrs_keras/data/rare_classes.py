"""How common each class is in a domain, and rare class sampling: images are drawn for the sake of a class.

Rare class sampling is that of DAFormer (Hoyer et al., CVPR 2022, Eq. 10 and 11): a class c is drawn with the
probability ``P(c) = exp((1 - f_c) / T) / sum_c' exp((1 - f_c') / T)``, where f_c is its share of the pixels, and then
one of the images that contain it, all of these alike.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hrs_keras.data.pairs import Pairs
from hrs_keras.errors import DataError

log = logging.getLogger(__name__)

CONTAINS = 0.0015
"""Share of its pixels that an image must have of a class to be drawn for it: 3000 pixels of GTAV's 1914x1052 in
DAFormer. Less than that seldom outlasts a random cut."""


class RareClassDraws(NamedTuple):
    """What rare class sampling draws from.

    Attributes:
        classes: train ids of the classes that images are drawn for.
        probabilities: [K] float64, P of each of them.
        samples: of each of them, the samples that contain it, counted through all data sets.
    """

    classes: list[int]
    probabilities: np.ndarray
    samples: list[np.ndarray]


def class_pixels(pairs: Pairs) -> np.ndarray:
    """What the audit counted in each sample: [n, C + 1] int64, pixels of each class, and last of what is ignored.

    Raises:
        DataError: the data was prepared by an earlier version, which did not keep that.
    """
    if pairs.class_pixels is None:
        raise DataError(
            f"{pairs.name}: it was prepared before the pixels of single images were kept, which"
            " data.rare_class_sampling and method.class_weights are made of; prepare the data again, in another folder"
            " (hrs prepare RECIPE --to FOLDER), or set data.prepared=null to read the files"
        )
    return np.asarray(pairs.class_pixels, np.int64)


def class_shares(sets: Sequence[Pairs]) -> np.ndarray:
    """f: the share of each class in the labelled pixels of what is drawn from data sets.

    The shares in each set, as ``hrs audit`` shows them, are averaged by how often the set is drawn from: by ``weight``,
    or by its number of samples.

    Args:
        sets: the audited data sets of a domain, or some of them.

    Returns:
        [C] float64; a set without a labelled pixel counts as one without any class.

    Raises:
        DataError: as :func:`class_pixels`.
    """
    counts = [class_pixels(pairs)[:, :-1].sum(axis=0) for pairs in sets]
    drawn = [pairs.dataset.weight or len(pairs) for pairs in sets]
    return np.average([own / max(1, own.sum()) for own in counts], axis=0, weights=drawn)


def class_probabilities(shares: np.ndarray, temperature: float) -> np.ndarray:
    """P of Eq. 11 for classes of the given shares: [K] float64 -> [K] float64."""
    rarity = (1 - shares) / temperature
    exponentials = np.exp(rarity - rarity.max())  # the largest is 1: none overflows
    return exponentials / exponentials.sum()


def rare_class_draws(title: str, sets: Sequence[Pairs], temperature: float) -> RareClassDraws:
    """The classes that images are drawn for, with their probabilities and images.

    A class takes part if at least one image contains it (:data:`CONTAINS`); others are logged.

    Args:
        title: what messages call the sets, such as ``source``.
        sets: the audited data sets that are drawn from together.
        temperature: T of Eq. 11; the smaller, the more the rarest classes prevail.

    Raises:
        DataError: no image contains any class, or as :func:`class_pixels`.
    """
    counts = np.concatenate([class_pixels(pairs) for pairs in sets])
    contained = counts[:, :-1] >= CONTAINS * np.maximum(1, counts.sum(axis=1, keepdims=True))
    classes = np.flatnonzero(contained.any(axis=0))
    if not len(classes):
        raise DataError(
            f"data.rare_class_sampling.{title}: no image has {100 * CONTAINS:g} % of its pixels of any class; set it to"
            " null"
        )
    probabilities = class_probabilities(class_shares(sets)[classes], temperature)
    return RareClassDraws(classes.tolist(), probabilities, [np.flatnonzero(contained[:, c]) for c in classes])


def describe(title: str, draws: RareClassDraws, sets: Sequence[Pairs], names: Sequence[str]) -> str:
    """For which classes images are drawn and how often, and for which that occur they are not, in a line.

    Args:
        title: what the sets are called, such as ``source``.
        draws: from :func:`rare_class_draws`, of ``sets``.
        names: of all classes.
    """
    order = np.argsort(-draws.probabilities, kind="stable")
    shares = ", ".join(f"{names[draws.classes[k]]} {100 * draws.probabilities[k]:.2g} %" for k in order)
    line = f"{title}: images are drawn for the sake of a class: {shares}"
    occurring = np.flatnonzero(class_shares(sets)).tolist()
    if left := [names[c] for c in occurring if c not in draws.classes]:
        line += f"; for no other: no image has {100 * CONTAINS:g} % of its pixels of {', '.join(left)}"
    return line
