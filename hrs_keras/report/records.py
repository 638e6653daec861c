"""What a run folder holds for its page, as far as it is there: nothing of it is computed anew."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hrs_keras.errors import CheckpointError, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.data import DataRecord, read_data_record
from hrs_keras.runs.evaluation_record import EvaluationRecord
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.series import newest_first, step_of
from hrs_keras.system.files import list_folder, read_json


class _Evaluated(EvaluationRecord):
    """An evaluation of a step, as far as a page relies on it."""

    step: int
    confusion_matrix: list[list[int]]


class _Result(_Evaluated):
    """``result.json``, as far as a page relies on it."""

    miou: float
    baselines: dict[str, float]
    test: _Evaluated | None = None


class _Selection(BaseModel):
    """A record of what is selected of single source images, as far as a page relies on it."""

    step: int
    images: dict[str, dict[str, float]]


class _Audited(BaseModel):
    """An audited data set, as far as a page relies on it."""

    role: str
    name: str
    samples: int
    pixels: dict[str, int]
    ignored: int
    problems: list[dict[str, Any]]


class _Audit(BaseModel):
    """``audit.json``, as far as a page relies on it."""

    datasets: list[_Audited]
    samples_used: dict[str, list[int]]


@dataclass(frozen=True)
class Records:
    """The records of one run.

    Attributes:
        folder: the run's.
        recipe: what was run.
        result: ``result.json``; None of a run that is not finished.
        evaluations: on the validation images, in the order of the steps.
        log: rows of ``log.csv``, numbers that are finite alone.
        selection: mean H of single source images, in the order of the steps.
        audit: ``audit.json``, or None.
        data: ``data.json``, or None of a run of before there was one.
        environment: ``environment.json``, or None.
        steps_taken: how many steps the newest checkpoint has.
        best_step: of the best checkpoint; None if there is none.
    """

    folder: RunFolder
    recipe: Recipe
    result: dict[str, Any] | None
    evaluations: list[dict[str, Any]]
    log: list[dict[str, float]]
    selection: list[dict[str, Any]]
    audit: dict[str, Any] | None
    data: DataRecord | None
    environment: dict[str, Any] | None
    steps_taken: int
    best_step: int | None

    @classmethod
    def of(cls, path: Path) -> "Records":
        """Read a run folder.

        Raises:
            CheckpointError: it is no run folder, or a record in it is damaged; the file is named.
        """
        folder = RunFolder(path)
        recipe = folder.recipe()
        return cls(
            folder=folder,
            recipe=recipe,
            result=read_json(folder.result_file, _Result),
            evaluations=list(_in_order(folder.evaluations, _Evaluated)),
            log=read_log(folder.log_file),
            selection=list(_in_order(folder.selection, _Selection)),
            audit=read_json(folder.audit_file, _Audit),
            data=read_data_record(folder),
            environment=read_json(folder.environment_file, dict[str, Any]),
            steps_taken=folder.steps_taken,
            best_step=next((step_of(path) for path in newest_first(folder.checkpoints / "best")), None),
        )

    @property
    def shown(self) -> dict[str, Any] | None:
        """The evaluation that the page is about: of the test images if there are any, else of the validation images.

        Of a run that is not finished it is the best validation so far; None before the first.
        """
        if self.result:
            return self.result.get("test") or self.result
        taken = [one for one in self.evaluations if mean_iou(one) is not None]
        return max(taken, key=lambda one: mean_iou(one) or 0.0, default=None)

    @property
    def shown_on(self) -> str:
        """``"test"`` or ``"validation"``: which images :attr:`shown` is of."""
        return "test" if self.result and self.result.get("test") else "validation"

    def class_shares(self, role: str) -> dict[str, float]:
        """Class -> its share of the labelled pixels of all files of a role, in [0, 1]; empty if that is not known."""
        counts = [one["pixels"] for one in (self.audit or {"datasets": []})["datasets"] if one["role"] == role]
        total = sum(sum(pixels.values()) for pixels in counts)
        return {name: sum(pixels[name] for pixels in counts) / total for name in counts[0]} if total else {}

    def samples(self, role: str) -> int | None:
        """How many samples of a role the run uses; None if that is not known."""
        used = self.audit["samples_used"].get(role) if self.audit else None
        return None if used is None else sum(used)

    @property
    def missing(self) -> list[str]:
        """What the page cannot show, as far as a record is not there: one sentence each."""
        lacking = {
            "result.json: the run is not finished": self.result is None,
            "evaluations/: no validation yet": not self.evaluations,
            "log.csv: no losses and no shares selected": not self.log,
            "audit.json: no shares of classes, no warnings": self.audit is None,
            "data.json: which files were used is not on record": self.data is None,
            "environment.json: what it was made with is not on record": self.environment is None,
        }
        return [what for what, is_so in lacking.items() if is_so]


def mean_iou(evaluation: dict[str, Any]) -> float | None:
    """Mean IoU over all classes, in [0, 1]; None where it is undefined."""
    return next(iter(evaluation["mean_iou"].values()))


def _in_order(folder: Path, shape: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """What ``step_*.json`` in a folder hold, in the order of the steps."""
    for name in sorted(list_folder(folder)):
        if name.startswith("step_") and name.endswith(".json"):
            yield read_json(folder / name, shape)


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a ``log.csv``, each without the numbers that are not finite; none if there is no such file.

    Raises:
        CheckpointError: it cannot be read or is damaged.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file, strict=True)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise CheckpointError(f"{path} is damaged: {reason(error)}; remove it, or bring it back") from None
    return [{name: value for name, value in row.items() if math.isfinite(value)} for row in rows]
