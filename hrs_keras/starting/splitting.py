"""One folder of real images, split at random into images to train on, to validate on and to test on.

Images of one sequence are alike, so a sequence goes to one part as a whole: a whole folder where there are three, or
else a sequence that names tell (:mod:`hrs_keras.data.sequences`). Where there are fewer than three, blocks of
consecutive names are shuffled.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hrs_keras.data.sequences import folders_of, sequences_of
from hrs_keras.starting.pairing import Gaps, Group

_SHARE = 0.15  # of the images, for validation and for test each
_FEWEST_SEQUENCES = 3
_BLOCKS = 20
_FEWEST = 3
_FEWEST_WITH_TEST = 10


class Split(NamedTuple):
    """The parts of a folder.

    Attributes:
        parts: role (target, validation, test) -> what the gaps of its samples hold, in the order of the names.
        why: by what they were split, for the reader of a recipe.
    """

    parts: Mapping[str, Sequence[Gaps]]
    why: str


def split(group: Group, with_test: bool) -> Split | None:
    """Split a group's samples at random, with the seed 0; None if there are too few.

    Args:
        group: the samples.
        with_test: whether images to test on are wanted, too; of fewer than ten images none are taken.
    """
    samples = sorted(group.samples)
    if len(samples) < _FEWEST:
        return None
    names = ["/".join(gaps) + ".png" for gaps in samples]  # a gap may have a dot that no suffix begins with
    by_folder, by_name = _units(samples, folders_of(names)), _units(samples, sequences_of(names))
    if len(by_folder) >= _FEWEST_SEQUENCES:
        units, why = by_folder, f"by folder, of which there are {len(by_folder)}"
    elif _FEWEST_SEQUENCES <= len(by_name) <= len(samples) / 2:
        units, why = by_name, f"by sequence, as names tell them: there are {len(by_name)}"
    else:
        size = max(1, len(samples) // _BLOCKS)
        units = [samples[start : start + size] for start in range(0, len(samples), size)]
        why = "by image, for want of sequences, in blocks of consecutive names: frames of one video may be in two parts"
    wanted = ["validation", "test"] if with_test and len(samples) >= _FEWEST_WITH_TEST else ["validation"]
    return Split(_shared_out(units, wanted), why)


def _units(samples: Sequence[Gaps], keys: Sequence[str]) -> list[list[Gaps]]:
    units: dict[str, list[Gaps]] = {}
    for gaps, key in zip(samples, keys, strict=True):
        units.setdefault(key, []).append(gaps)
    return list(units.values())


def _shared_out(units: Sequence[Sequence[Gaps]], wanted: Sequence[str]) -> dict[str, list[Gaps]]:
    """Give whole units to the wanted roles, until each has its share, and the rest to the target."""
    total = sum(map(len, units))
    order = [units[position] for position in np.random.default_rng(0).permutation(len(units))]
    parts: dict[str, list[Gaps]] = {role: [] for role in ("target", *wanted)}
    for role in wanted:
        # The last unit is never given away: it is trained on.
        while len(order) > 1 and len(parts[role]) < _SHARE * total:
            parts[role] += order.pop()
    parts["target"] = [gaps for unit in order for gaps in unit]
    return {role: sorted(samples) for role, samples in parts.items() if samples}
