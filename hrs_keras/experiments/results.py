"""Results: what is kept of a finished run, one JSON file each, found again by the digest of the run's settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.experiments.selection_check import CheckRecord
from hrs_keras.labels import LabelSpace
from hrs_keras.recipe.reading import parse_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.files import read_json, write_json, writing


class _Part(BaseModel):
    """A part of a result. Keys that this version does not know are kept as they are.

    The fields stand in the order in which they are written.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Git(_Part):
    """The checkout that a run was made with: its commit, and whether tracked files were changed."""

    commit: str
    modified: bool


class Stage(_Part):
    """What some of a run's steps were made with.

    Attributes:
        cpus: how many the process had; None if that is not known.
        versions: package -> version; None for a package that was not installed.
        python, platform: as Python's ``platform`` module tells them.
        gpus: the names of those in use; none is also what runs before they were noted have.
        git: None outside of a checkout.
    """

    cpus: int | None = None
    versions: dict[str, str | None]
    python: str | None = None
    platform: str | None = None
    gpus: list[str] = Field(default_factory=list)
    git: Git | None = None


class Environment(Stage):
    """What a run's last steps were made with, and in ``earlier`` what those before were, if with something else."""

    earlier: list[Stage] = Field(default_factory=list)


class Evaluation(_Part):
    """An evaluation of the network after ``step`` steps.

    Attributes:
        images: how many it was evaluated on.
        mean_iou: subset of the classes, named by its size -> mean IoU in [0, 1]; None where it is undefined.
        pixel_accuracy: the share of the labelled pixels that are right.
        iou: class -> IoU in [0, 1]; None for a class that is in neither labels nor predictions.
    """

    step: Count
    images: Count
    mean_iou: Annotated[dict[str, Share | None], Field(min_length=1)]
    pixel_accuracy: Share | None = None
    iou: dict[str, Share | None]


class UsedSet(_Part):
    """The samples of one data set that a run read.

    Attributes:
        role, position: which of the recipe's data sets.
        samples: how many.
        digest: of their names and sizes, and of the pixels of each class.
        until_step: the step after which other samples took their place; None if none did.
    """

    role: str
    position: int
    samples: int
    digest: str
    until_step: int | None = None


class Best(_Part):
    """The best validation's step and mean IoU."""

    step: Count
    miou: Share | None = None


class LogRow(_Part):
    """What a run logged at ``step`` of the steps since the row before: losses, gradient norms, shares selected."""

    __pydantic_extra__: dict[str, float | None] = Field(init=False)
    step: Count

    @property
    def values(self) -> dict[str, float | None]:
        """What was logged, by name; None for a number that was not finite."""
        return self.__pydantic_extra__


class RunResult(_Part):
    """What is kept of a finished run.

    Attributes:
        name: of the run, and of its folder.
        digest: of the recipe; see :func:`~hrs_keras.experiments.grid.settings_digest`.
        recipe: all settings, as the version that made the run had them.
        class_shares: role -> class -> its share of the labelled pixels of all files (not of the subset alone).
        parameters: player -> how many trainable weights it has.
        steps: of training.
        seconds_per_step, cpu_seconds_per_step: medians over the intervals logged; None if none was timed.
        evaluations: on the validation images, in the order of the steps; the last is of the last step.
        test: of the best checkpoint on the test images; None of a recipe without any.
        log: in the order of the steps, without what says more of the machine than of the run.
        selection_check: None if the run was collected without one, or selects nothing.
        data: the samples that the run read; None of a run that an earlier version made.
    """

    name: str
    digest: str
    recipe: dict[str, Any]
    environment: Environment
    class_shares: Annotated[dict[str, dict[str, Share]], Field(min_length=1)]
    parameters: dict[str, Count]
    steps: Count
    seconds_per_step: float | None
    cpu_seconds_per_step: float | None
    evaluations: Annotated[list[Evaluation], Field(min_length=1)]
    best: Best
    test: Evaluation | None = None
    log: list[LogRow]
    selection_check: list[CheckRecord] | None
    data: list[UsedSet] | None = None

    @classmethod
    def parse(cls, found: Mapping[str, Any], where: str, fix: str) -> "RunResult":
        """Validate what JSON holds.

        Raises:
            CheckpointError: it is no result: ``WHERE: KEY: WHAT IS WRONG; FIX``.
        """
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise CheckpointError(f"{where}: {key}: {first['msg'].lower()}; {fix}") from None

    def to_dict(self) -> dict[str, Any]:
        """The result as its file holds it."""
        return self.model_dump(exclude_unset=True)

    @property
    def checks(self) -> list[CheckRecord]:
        """The selection check after each validation, in the order of the steps; empty without a check."""
        return sorted(self.selection_check or [], key=lambda record: record.step)

    def evaluation(self, which: str) -> Evaluation:
        """An evaluation that tables have.

        Args:
            which: ``"last"`` or ``"best"``, the last step's or the best checkpoint's on the validation images; or
                ``"test"``, the best checkpoint's on the test images.

        Raises:
            CheckpointError: the result does not hold it.
        """
        if which == "test":
            return self._tested()
        step = self.best.step if which == "best" else max(found.step for found in self.evaluations)
        for evaluation in self.evaluations:
            if evaluation.step == step:
                return evaluation
        raise CheckpointError(
            f"the result {self.name} holds no evaluation of step {step}, its {which} checkpoint; remove its file and"
            " collect it again from its run folder"
        )

    def mean_iou(self, step: int) -> float | None:
        """Mean IoU over all classes on the validation images after a step, in [0, 1]; None if there is none."""
        found = [next(iter(evaluation.mean_iou.values())) for evaluation in self.evaluations if evaluation.step == step]
        return found[0] if found else None

    def _tested(self) -> Evaluation:
        if self.test is None:
            raise CheckpointError(
                f"the result {self.name} holds no evaluation of its test images; remove its file and collect it again"
                " from its run folder"
            )
        return self.test


def write_result(folder: Path, result: RunResult) -> Path:
    """Write a result to ``FOLDER/NAME.json``, whole or not at all.

    Raises:
        HRSError: it cannot be written.
    """
    path = folder / f"{result.name}.json"
    with writing(path):
        write_json(path, result.to_dict())
    return path


def read_results(folder: str | Path) -> dict[str, RunResult]:
    """Digest -> result, of all ``*.json`` in a folder; empty if there is no such folder.

    Raises:
        CheckpointError: a file is damaged, is no result, or holds a recipe that does not give its digest; or two files
            are of the same settings.
    """
    files: dict[str, Path] = {}
    results = {}
    for path in sorted(Path(folder).glob("*.json")):
        found = read_json(path)
        digest = found.get("digest") if isinstance(found, dict) else None
        if not isinstance(digest, str) or "recipe" not in found:
            raise CheckpointError(
                f"{path} is no result of a run; a folder of results holds nothing else: move the file away"
            )
        if digest in files:
            raise CheckpointError(f"{files[digest]} and {path} are results of the same settings; remove one of them")
        recipe = _refuse_stale(path, digest, found["recipe"])
        fix = "move it away; the same command then collects or makes the run again"
        result = RunResult.parse(found, f"{path} is damaged", fix)
        if step := _lacks_classes(result, recipe.data.label_space):
            raise CheckpointError(f"{path} is damaged: {step} has not the classes of its recipe; {fix}")
        files[digest], results[digest] = path, result
    return results


def _lacks_classes(result: RunResult, space: LabelSpace) -> str | None:
    """The key of the first evaluation that has other means than its label space, or other classes than the first."""
    evaluations = {f"evaluations.{position}": found for position, found in enumerate(result.evaluations)}
    for key, found in (evaluations | ({"test": result.test} if result.test else {})).items():
        if found.mean_iou.keys() != space.subsets.keys() or found.iou.keys() != result.evaluations[0].iou.keys():
            return key
    return None


def _refuse_stale(path: Path, digest: str, recipe: Any) -> Recipe:
    """See that a result's recipe still gives its digest: otherwise it is not known which settings made its numbers."""
    fix = "move the file away; the same command then makes the run again"
    try:
        parsed = parse_recipe(recipe, f"the recipe in {path}")
        now = settings_digest(parsed)
    except HRSError as error:
        raise CheckpointError(f"{error}\nIt was edited, or made by another version of hrs-keras; {fix}") from None
    if now != digest:
        raise CheckpointError(
            f"{path} says that its digest is {digest}, but its recipe gives {now}: it was edited, or made by another"
            f" version of hrs-keras; {fix}"
        )
    return parsed
