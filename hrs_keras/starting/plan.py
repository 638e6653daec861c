"""Which data sets a recipe gets: which samples of which folder teach, choose the weights, and test."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hrs_keras.recipe.data import EVALUATED_ON, ROLES, TRAINED_ON
from hrs_keras.starting.examining import Examined, Part
from hrs_keras.starting.splitting import split


@dataclass(frozen=True)
class DataSet:
    """A data set of a recipe.

    Attributes:
        role: source, target, validation or test.
        folder: that its samples lie in.
        part: of the folder.
        split: what stands for ``{split}`` in its patterns; None where they have none.
        samples: its images and labels.
        only: why its images are listed in a file of their own; None if they are all that its patterns find.
    """

    role: str
    folder: Examined
    part: Part
    split: str | None
    samples: Sequence[tuple[str, str]]
    only: str | None = None

    @property
    def left_out(self) -> list[str]:
        """Labels that the pattern of the images matches, too: they lie beside them."""
        labels = {label for _, label in self.samples}
        return [] if self.only else [name for name in self.part.orphans if name in labels]


def plan(folders: Mapping[str, Examined]) -> list[DataSet]:
    """The data sets of a recipe, in its order.

    All samples of a folder are its role's. But where folders within are called after splits (``train``, ``val``,
    ``test``), a folder of real images gives its role the split of that name, and one to train on also the other roles,
    if they have no folder of their own. Where there are no validation images then, the real images are split at random.

    Args:
        folders: role -> what its folder holds.
    """
    sets = [
        one for role, folder in folders.items() for part in folder.parts for one in _sets(role, folder, part, folders)
    ]
    if not any(one.role == "validation" for one in sets):
        sets = [part for one in sets for part in _split(one, folders)]
    return sorted(sets, key=lambda one: ROLES.index(one.role))


def _sets(role: str, folder: Examined, part: Part, given: Collection[str]) -> Iterator[DataSet]:
    splits = part.group.splits()
    if not splits or (role == "source" and not part.layout):
        yield DataSet(role, folder, part, None, [*part.group.samples.values()])
        return
    own = "train" if role in TRAINED_ON else role
    wanted = {role: splits.get(own, next(iter(splits.values())))}
    if role == "target" and own in splits:
        wanted |= {other: name for other, name in splits.items() if other in EVALUATED_ON and other not in given}
    for other, name in wanted.items():
        yield DataSet(other, folder, part, name, [*part.group.of_split(name).samples.values()])


def _split(one: DataSet, given: Collection[str]) -> list[DataSet]:
    """The only real images, split into those to train on, to validate on and, if no others are given, to test on."""
    group = one.part.group.of_split(one.split) if one.split else one.part.group
    found = split(group, with_test="test" not in given) if one.role == "target" else None
    if found is None:
        return [one]
    return [
        replace(one, role=role, samples=[group.samples[gaps] for gaps in own], only=found.why)
        for role, own in found.parts.items()
    ]


def target_images(sets: Sequence[DataSet]) -> list[Path]:
    """The real images that are trained on."""
    return [one.folder.listing.path(image) for one in sets if one.role == "target" for image, _ in one.samples]
