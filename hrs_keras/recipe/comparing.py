"""Which settings decide a run's numbers, and in which of them two recipes differ."""

import os
from dataclasses import dataclass

from hrs_keras.recipe.reading import differences, leaves
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

_FILES = ("encoder.weights",)
"""The keys whose value may be a path: another spelling of it is no other setting."""

STEPS = "train.steps"


@dataclass(frozen=True)
class Changes:
    """In what a recipe differs from the one that a run was made with: ``key: a -> b`` for each setting.

    Attributes:
        numbers: what decides the numbers of steps that were taken already.
        steps: ``train.steps``, which decides only those of steps to come; one item or none.
        free: what decides no number.
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
    free = {*NO_OUTCOME, *(key for key in _FILES if _same_file(key, before, now))}
    found = Changes([], [], [])
    for line in differences(before, now):
        key = line.partition(":")[0]
        (found.free if key in free else found.steps if key == STEPS else found.numbers).append(line)
    return found


def _same_file(key: str, *recipes: Recipe) -> bool:
    one, other = (leaves(recipe.model_dump(mode="json")).get(key) or "" for recipe in recipes)
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # it is gone, or none: a name, or nothing
        return False
