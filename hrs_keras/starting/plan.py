"""Which data sets a recipe gets: which samples of which folder teach, choose the weights, and test."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hrs_keras.recipe.data import EVALUATED_ON, ROLES, TRAINED_ON
from hrs_keras.starting.examining import Examined, Part


@dataclass(frozen=True)
class DataSet:
    """A data set of a recipe.

    Attributes:
        role: source, target, validation or test.
        folder: that its samples lie in.
        part: of the folder.
        split: what stands for ``{split}`` in its patterns; None where they have none.
        samples: how many it has.
    """

    role: str
    folder: Examined
    part: Part
    split: str | None
    samples: int


def plan(folders: Mapping[str, Examined]) -> list[DataSet]:
    """The data sets of a recipe, in its order.

    All samples of a folder are its role's. But where folders within are called after splits (``train``, ``val``,
    ``test``), a folder of real images gives its role the split of that name, and one to train on also the other roles,
    if they have no folder of their own.

    Args:
        folders: role -> what its folder holds.
    """
    sets = [
        one for role, folder in folders.items() for part in folder.parts for one in _sets(role, folder, part, folders)
    ]
    return sorted(sets, key=lambda one: ROLES.index(one.role))


def _sets(role: str, folder: Examined, part: Part, given: Collection[str]) -> Iterator[DataSet]:
    splits = part.group.splits()
    if not splits or (role == "source" and not part.layout):
        yield DataSet(role, folder, part, None, len(part.group.samples))
        return
    own = "train" if role in TRAINED_ON else role
    wanted = {role: splits.get(own, next(iter(splits.values())))}
    if role == "target" and own in splits:
        wanted |= {other: name for other, name in splits.items() if other in EVALUATED_ON and other not in given}
    for other, name in wanted.items():
        yield DataSet(other, folder, part, name, len(part.group.of_split(name).samples))


def target_images(sets: list[DataSet]) -> list[Path]:
    """The real images that are trained on."""
    images = []
    for one in sets:
        if one.role == "target":
            group = one.part.group.of_split(one.split) if one.split else one.part.group
            images += [one.folder.listing.path(image) for image, _ in group.samples.values()]
    return images
