"""The selection check: whether a run selects the source images that somebody marked less than the others."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict
from scipy import stats

from hrs_keras.errors import CheckpointError, DataError, reason
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import parse_json, read_json

MAPS = ("H", "H_p", "H_r", "H_i")
"""The selection maps that are checked: all levels together, then the pixel, region and image level (Eqs. 2 to 5)."""


class MapCheck(BaseModel):
    """One selection map in flagged and in other images.

    Attributes:
        flagged, others: mean over the images of the map's mean over an image's valid pixels, in [0, 1].
        auc: the share of the pairs of another image and a flagged one in which the other image has the larger mean,
            ties counting half: the area under the ROC curve. 0.5 is no relation, 1 a perfect one.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    flagged: float | None
    others: float | None
    auc: float | None


class CheckRecord(BaseModel):
    """The selection check after one step.

    Attributes:
        step: of training.
        H, H_p, H_r, H_i: the maps of the levels that the system has.
        flagged, others: how many images were compared.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    step: int
    H: MapCheck | None = None
    H_p: MapCheck | None = None
    H_r: MapCheck | None = None
    H_i: MapCheck | None = None
    flagged: int
    others: int

    def map(self, name: str) -> MapCheck | None:
        """The check of one of :data:`MAPS`; None where the system has no such level."""
        return getattr(self, name)


def read_marks(check: SelectionCheck, data_root: str | Path) -> dict[str, bool]:
    """Image name without suffix -> whether the image is flagged.

    Raises:
        DataError: the file cannot be read, or a line has no id or no mark, or repeats an id; names file and line.
    """
    path = Path(data_root) / check.marks
    marks: dict[str, bool] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"selection_check.marks: cannot read {path}: {reason(error)}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, mark = _mark(line, check, f"{path}, line {number}")
        if name in marks:
            raise DataError(f"{path}, line {number}: {check.id} {name!r} again; an image has one mark")
        marks[name] = mark
    return marks


def _mark(line: str, check: SelectionCheck, where: str) -> tuple[str, bool]:
    try:
        entry = parse_json(line)
    except ValueError as error:
        raise DataError(f"{where} is not valid JSON: {error}") from None
    found = entry if isinstance(entry, dict) else {}
    for key, kind, what in ((check.id, str, "a text"), (check.flag, bool, "true or false")):
        if not isinstance(found.get(key), kind):
            raise DataError(f"{where}: {key!r} wants {what}, found {json.dumps(found.get(key))}")
    return found[check.id], found[check.flag]


def check_selection(run: RunFolder, check: SelectionCheck, data_root: str | Path) -> list[CheckRecord]:
    """Compare the flagged images with the others after each validation of a run, in the order of the steps.

    Args:
        run: a run that recorded its selection.
        check: where the marks are.
        data_root: the folder that the marks' file is relative to.

    Raises:
        CheckpointError: the run recorded nothing.
        DataError: the marks cannot be read, or they do not fit the images that the run recorded.
    """
    marks = read_marks(check, data_root)
    records = [read_json(path) for path in sorted(run.selection.glob("step_*.json"))]
    if not records:
        raise CheckpointError(
            f"{run.selection} holds nothing for selection_check; remove {run.path} to run with train.selection_images"
        )
    try:
        return [_record(record["step"], record["images"], marks) for record in records]
    except DataError as error:
        raise DataError(f"selection_check: {Path(data_root) / check.marks}: {error}") from None


def _record(step: int, images: Mapping[str, Mapping[str, float]], marks: Mapping[str, bool]) -> CheckRecord:
    flagged: list[Mapping[str, float]] = []
    others: list[Mapping[str, float]] = []
    stems: dict[str, str] = {}
    for image, means in images.items():
        stem = PurePosixPath(image).stem
        if stem not in marks:
            raise DataError(f"no line marks {image}; add one with the id {stem!r}")
        if stem in stems:
            raise DataError(f"{stems[stem]} and {image} share the id {stem!r}; a mark cannot tell them apart")
        stems[stem] = image
        (flagged if marks[stem] else others).append(means)
    for group, what in ((flagged, "has the flag"), (others, "is without the flag")):
        if not group:
            raise DataError(f"of the {len(images)} images that the run recorded none {what}: nothing to compare")
    maps: dict[str, Any] = {
        name: _compare([means[name] for means in flagged], [means[name] for means in others]) for name in flagged[0]
    }
    return CheckRecord.model_validate({"step": step, **maps, "flagged": len(flagged), "others": len(others)})


def _compare(flagged: list[float], others: list[float]) -> MapCheck:
    # U counts the pairs in which the other image has the larger mean, ties as half. Its p value is not used, so it
    # need not be exact.
    more = stats.mannwhitneyu(others, flagged, method="asymptotic").statistic
    return MapCheck(
        flagged=statistics.fmean(flagged),
        others=statistics.fmean(others),
        auc=float(more) / (len(flagged) * len(others)),
    )
