"""What an export says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrs_keras.errors import CheckpointError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.environment import environment
from hrs_keras.system.files import read_json

# TensorFlow Serving leaves this folder of a version to its users.
EXTRA = "assets.extra"


RECORD = Path(EXTRA) / "hrs.json"


@dataclass(frozen=True)
class Origin:
    """What an export was made from; travels inside it.

    Attributes:
        recipe: of the run.
        step: the checkpoint's.
        metrics: its evaluation as plain data, or None if there is none.
    """

    recipe: Recipe
    step: int
    metrics: dict[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Plain data for the JSON file beside the weights."""
        recipe, made = self.recipe, environment()
        return {
            "name": recipe.name,
            "recipe": recipe.digest(),
            "step": self.step,
            "size": recipe.data.size,
            "label_space": recipe.data.label_space.to_dict(),
            "metrics": self.metrics,
            "versions": made["versions"],
            "git": made["git"],
        }


def read_record(version: Path) -> dict[str, Any]:
    """What an export says of itself (``assets.extra/hrs.json``).

    Raises:
        CheckpointError: it is no export of this package, or of a release before it said its classes.
    """
    record = read_json(version / RECORD)
    if record is None or "label_space" not in record:
        raise CheckpointError(f"{version} has no {RECORD} that names its classes; export the run again")
    return record
