"""What is suspicious in whole data sets, of which every single file is in order.

All are warnings: a set may be meant to be like that. The thresholds are wide of what sets of street scenes hold, so
that a warning is worth reading.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hrs_keras.data.palettes import describe_difference
from hrs_keras.data.report import DatasetAudit, Problem
from hrs_keras.labels import IGNORE
from hrs_keras.recipe.dataset import Dataset

MOSTLY_IGNORED = 0.5
"""Share of ignored pixels. CamVid and CARLA ignore 0.03, Cityscapes 0.07. Tags of a later CARLA that are read as label
ids of Cityscapes ignore 0.8. Coarse polygons and scribbles, which leave much out, may be meant."""

COMMON = 0.01
"""Share of a domain's labelled pixels from which a class is common: about half of the classes of CamVid and Cityscapes
have more. That the other domain has none of it is unlikely then. A rarer class may be missing in any small set."""


@dataclass(frozen=True)
class AuditedSet:
    """A data set of a recipe.

    Attributes:
        title: how the recipe knows it, such as ``source.0``.
        dataset: its description.
        report: what the audit found in it.
    """

    title: str
    dataset: Dataset
    report: DatasetAudit

    @property
    def synthetic(self) -> bool:
        """Its domain: source sets are synthetic, all others real."""
        return self.report.role == "source"

    @property
    def possible(self) -> set[str]:
        """The classes that its ids can give."""
        return set(self.dataset.table().values()) - {IGNORE}

    @property
    def found(self) -> set[str]:
        """The classes that have pixels."""
        return {name for name, count in self.report.pixels.items() if count}

    def warning(self, what: str) -> Problem:
        """A warning about the whole set."""
        return Problem(self.report.name, what, error=False, whole_set=True)


def suspicions(sets: Sequence[AuditedSet]) -> list[list[Problem]]:
    """The warnings for each of the data sets of a recipe, in their order."""
    return [
        [*_of_one(one), *_of_missing_classes(one, sets), *_of_palettes(one, sets[:position])]
        for position, one in enumerate(sets)
    ]


def _of_one(one: AuditedSet) -> Iterator[Problem]:
    total = sum(one.report.pixels.values()) + one.report.ignored
    if len(one.found) == 1 and len(one.possible) > 1:
        yield one.warning(
            f"has no class but {one.found.pop()!r}, though its ids could give {len(one.possible)}: are the labels what"
            " encoding, channel and ids say?"
        )
    if total and one.possible and one.report.ignored > MOSTLY_IGNORED * total:
        share = 100 * one.report.ignored / total
        yield one.warning(f"is mostly ignored ({share:.1f} % of the pixels): do its ids fit the files?")


def _of_missing_classes(one: AuditedSet, sets: Sequence[AuditedSet]) -> Iterator[Problem]:
    """Classes that are common in the other domain, and that no set of this one has."""
    here = {name for other in sets if other.synthetic == one.synthetic for name in other.found}
    there = [other for other in sets if other.synthetic != one.synthetic]
    missing = [
        f"{name!r} ({'real' if one.synthetic else 'synthetic'} sets: {100 * share:.1f} %)"
        for name, share in _shares(there).items()
        if share >= COMMON and name in one.possible - here
    ]
    if missing and one.found:
        yield one.warning(f"has no pixel of {', '.join(missing)}, though its ids could give it: do they fit the files?")


def _shares(sets: Iterable[AuditedSet]) -> dict[str, float]:
    """Class -> its share of all labelled pixels."""
    pixels: Counter[str] = Counter()
    for one in sets:
        pixels.update(one.report.pixels)
    return {name: count / max(1, pixels.total()) for name, count in pixels.items()}


def _of_palettes(one: AuditedSet, earlier: Iterable[AuditedSet]) -> Iterator[Problem]:
    """Palettes that differ from those of another set with the same ids."""
    for other in earlier:
        if other.dataset.table() == one.dataset.table() and (found := _palette_difference(one, other)):
            yield found


def _palette_difference(one: AuditedSet, other: AuditedSet) -> Problem | None:
    for index, mine in one.report.palette.items():
        theirs = other.report.palette.get(index, mine)
        if difference := describe_difference(index, mine, theirs):
            sets = f"{other.title} and {one.title}"
            what = f"{difference}: do the indices of {sets} stand for the same classes, as their ids say?"
            return Problem(mine[1], what, error=False, whole_set=True)
    return None
