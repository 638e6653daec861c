"""Which settings decide a run's numbers, and in which of them two recipes differ."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hrs_keras.recipe.reading import differences
from hrs_keras.recipe.schema import Recipe

NO_OUTCOME = (
    "name",
    "runs",
    "saved_models",
    "data.root",
    "data.prepared",
    "data.on_change",
    "train.log_every",
    "train.checkpoint_every",
    "train.checkpoint_minutes",
    "train.keep_checkpoints",
    "train.pictures",
    "train.selection_images",
)
"""The keys that decide no number of a run: they only say where files are, how often it reports, what pictures it draws.

Data that lies elsewhere, or was prepared, gives the same numbers; that it is the same is seen by looking at the data.
"""

SEEN_IN_DATA = ("data.on_bad",)
"""Keys that decide which samples a run reads: whether these are the same is seen by looking at the data, too."""

LISTS = ("only", "except")
"""The same of each data set: what a list says counts, not where it is."""

STEPS = "train.steps"


@dataclass(frozen=True)
class Changes:
    """In what a recipe differs from the one that a run was made with: ``key: a -> b`` for each setting.

    Attributes:
        numbers: what decides the numbers of steps that were taken already, whatever data there is.
        steps: ``train.steps``, which decides only those of steps to come; one item or none.
        free: what decides no number as long as the data is the same.
    """

    numbers: list[str]
    steps: list[str]
    free: list[str]

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def all(self) -> list[str]:
        """Every difference."""
        return [*self.numbers, *self.steps, *self.free]


def compare(before: Recipe, now: Recipe) -> Changes:
    """The differences of two recipes, sorted by what they decide."""
    free = {*NO_OUTCOME, *SEEN_IN_DATA, *_respelt(before, now)}
    found = Changes([], [], [])
    for line in differences(before, now):
        key = line.partition(":")[0]
        of_data_set = key.split(".")[-1] in LISTS and key.startswith("data.")
        (found.free if key in free or of_data_set else found.steps if key == STEPS else found.numbers).append(line)
    return found


def _respelt(before: Recipe, now: Recipe) -> Iterator[str]:
    """Keys whose value is a path, which leads to the same place: another spelling of it is no other setting."""
    if _same_place(before.encoder.weights, now.encoder.weights):
        yield "encoder.weights"
    one, other = before.train.initial, now.train.initial
    if one and other and one.which == other.which and _same_place(one.run, other.run):
        yield "train.init_from"


def _same_place(one: str | Path | None, other: str | Path | None) -> bool:
    try:
        return os.path.samefile(one or "", other or "")
    except (OSError, ValueError):  # it is gone, or no path: a name, or nothing
        return False
