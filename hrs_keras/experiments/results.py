"""Results: what is kept of a finished run."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hrs_keras.errors import CheckpointError
from hrs_keras.experiments.selection_check import CheckRecord


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
