"""What an export tells about itself."""

import itertools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, PositiveInt, model_validator

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.export.finding import find_exported
from hrs_keras.export.versions import model_versions
from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.environment import environment
from hrs_keras.system.files import read_json

log = logging.getLogger(__name__)

EXTRA = "assets.extra"
"""The folder in a version that TensorFlow Serving leaves to its users."""

RECORD = Path(EXTRA) / "hrs.json"
"""The file in a version with what it tells about itself."""


_Byte = Annotated[int, Field(ge=0, le=255)]


class _Classes(BaseModel):
    """A label space as it is stored; see :class:`hrs_keras.labels.LabelSpace`."""

    name: str
    classes: Annotated[list[str], Field(min_length=1, max_length=IGNORE_LABEL)]
    palette: list[tuple[_Byte, _Byte, _Byte]]
    subsets: dict[str, list[str]]
    raw_ids: list[_Byte] | None

    @model_validator(mode="after")
    def _one_for_each(self) -> "_Classes":
        for what, of_classes in (("colours", self.palette), ("ids", self.raw_ids)):
            if of_classes is not None and len(of_classes) != len(self.classes):
                raise ValueError(f"there are {len(self.classes)} classes and {len(of_classes)} {what}")
        return self


class _Record(BaseModel):
    """What is relied on of a record. Those of early releases do not have the classes."""

    name: str
    size: tuple[PositiveInt, PositiveInt]
    label_space: _Classes | None = None


@dataclass(frozen=True)
class Origin:
    """What an export was made from; it is stored in the export.

    Attributes:
        recipe: the run's recipe.
        step: the step of the checkpoint.
        metrics: the evaluation of that step on the validation images, as plain data; None if there is none.
        test: its evaluation on the test images; None if there is none.
    """

    recipe: Recipe
    step: int
    metrics: dict[str, Any] | None = None
    test: dict[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Plain data for the JSON file beside the weights; ``versions`` are those of Python's packages."""
        recipe, made = self.recipe, environment()
        tested = {"test": self.test} if self.test else {}
        return {
            "name": recipe.name,
            "recipe": recipe.digest(),
            "step": self.step,
            "size": recipe.data.size,
            "label_space": recipe.data.label_space.to_dict(),
            "metrics": self.metrics,
            **tested,
            "versions": made["versions"],
            "git": made["git"],
        }


def read_record(exported: Path) -> dict[str, Any]:
    """Read what an export tells about itself.

    Args:
        exported: the folder of a SavedModel, or another runtime's file, which has its record beside it.

    Raises:
        CheckpointError: it is no export of this package, or one of an early release, which did not store its classes.
    """
    folder, file = (exported.parent, exported.with_suffix(".json").name) if exported.is_file() else (exported, RECORD)
    record = read_json(folder / file, _Record)
    if record is None or record.get("label_space") is None:
        raise CheckpointError(f"{folder} has no {file} that names its classes; export the run again")
    return record


def check_same_model(folder: Path, recipe: Recipe, suffix: str = "") -> None:
    """See that a version of this recipe may lie beside the newest of a folder, which servers may watch.

    They go over to a new version by themselves, and their clients go on with the classes that they know. That the
    newest is of another recipe, with the same classes, is logged.

    Args:
        folder: of the versions; it need not exist.
        recipe: of the run to export.
        suffix: of the file that the new version will hold; empty for a SavedModel. Versions without a record tell
            nothing of themselves.

    Raises:
        HRSError: the newest version that tells its classes has others, or is in another format.
        CheckpointError: the folder cannot be read.
    """
    for number, version in sorted(model_versions(folder).items(), reverse=True):
        try:
            exported = find_exported(version)
            if exported is None:
                continue
            record = read_record(exported)
            theirs = list(record["label_space"]["classes"])
        except CheckpointError:  # damaged, or no version of ours
            continue
        their_suffix, what = (exported.suffix, exported.name) if exported.is_file() else ("", "a SavedModel")
        if their_suffix != suffix:
            raise HRSError(
                f"{folder} holds versions in another format (version {number} is {what}), which a server or a program"
                " that watches it expects. Give the run a name=NAME or saved_models=FOLDER of its own, or export it"
                " elsewhere (hrs export RUN --to FOLDER)"
            )
        ours = list(recipe.data.label_space.classes)
        for index, (their, our) in enumerate(itertools.zip_longest(theirs, ours, fillvalue="(none)")):
            if their != our:
                raise HRSError(
                    f"{folder} holds versions of another model: class {index} is {their} in version {number}, and {our}"
                    " in this run. A server that watches the folder would go over to this one by itself. Give the run a"
                    " name=NAME or saved_models=FOLDER of its own, or export it elsewhere (hrs export RUN --to FOLDER);"
                    " if it is to replace that model, move the version from there into this folder"
                )
        if (other := record.get("recipe")) != recipe.digest():
            log.info("version %d in %s is of another recipe (%s; this one %s)", number, folder, other, recipe.digest())
        return
