"""What an export tells about itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrs_keras.errors import CheckpointError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.environment import environment
from hrs_keras.system.files import read_json

EXTRA = "assets.extra"
"""The folder in a version that TensorFlow Serving leaves to its users."""

RECORD = Path(EXTRA) / "hrs.json"
"""The file in a version with what it tells about itself."""


@dataclass(frozen=True)
class Origin:
    """What an export was made from; it is stored in the export.

    Attributes:
        recipe: the run's recipe.
        step: the step of the checkpoint.
        metrics: the evaluation of that step as plain data; None if there is none.
    """

    recipe: Recipe
    step: int
    metrics: dict[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Plain data for the JSON file beside the weights; ``versions`` are those of Python's packages."""
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
    """Read what an export tells about itself (``assets.extra/hrs.json``).

    Args:
        version: the export's folder.

    Raises:
        CheckpointError: it is no export of this package, or one of an early release, which did not store its classes.
    """
    record = read_json(version / RECORD)
    if record is None or "label_space" not in record:
        raise CheckpointError(f"{version} has no {RECORD} that names its classes; export the run again")
    return record
