"""Results: what is kept of a finished run, one JSON file each, and found again by the run's settings."""

import csv
import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from scipy.stats import mannwhitneyu

from hrs_keras.errors import CheckpointError, DataError, HRSError
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.recipe.reading import parse_recipe
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import read_json, write_json, writing


class _Evaluation(BaseModel):
    step: int
    images: int
    mean_iou: Annotated[dict[str, float | None], Field(min_length=1)]
    iou: dict[str, float | None]


class _Environment(BaseModel):
    versions: dict[str, str | None]


class _Best(BaseModel):
    step: int


class _Result(BaseModel):
    """What tables and curves rely on in a result; it may hold more."""

    name: str
    environment: _Environment
    class_shares: Annotated[dict[str, dict[str, float]], Field(min_length=1)]
    parameters: dict[str, int]
    steps: int
    seconds_per_step: float | None
    cpu_seconds_per_step: float | None
    evaluations: Annotated[list[_Evaluation], Field(min_length=1)]
    best: _Best
    log: list[dict[str, float | None]]
    selection_check: list[dict[str, Any]] | None


def _check(result: Any, where: str | Path, mend: str) -> None:
    try:
        _Result.model_validate(result)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{where}: {key}: {first['msg'].lower()}; {mend}") from None


def collect(run: RunFolder, check: SelectionCheck | None, data_root: str | Path) -> dict[str, Any]:
    """All that tables and curves need of a finished run, as plain data.

    Args:
        run: its ``result.json`` is there.
        check: marks to compare the selection with; read where the run selects.
        data_root: what the marks' file is relative to.

    Raises:
        HRSError: the run is not finished or its records are damaged, or the marks do not fit its images.
    """
    mend = f"remove {run.path} to make the run again"
    try:
        result = _collect(run, check, data_root)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, HRSError):
            raise
        raise CheckpointError(f"the records of {run.path} are damaged ({error!r}); {mend}") from None
    _check(result, f"the records of {run.path} are damaged", mend)
    return result


def _collect(run: RunFolder, check: SelectionCheck | None, data_root: str | Path) -> dict[str, Any]:
    recipe, done = run.recipe(), read_json(run.result_file)
    if done is None:
        raise CheckpointError(f"{run.path} has no result.json: the run is not finished")
    evaluations = _records(run.evaluations)
    if not evaluations or evaluations[-1]["step"] != recipe.train.steps:
        raise CheckpointError(
            f"{run.evaluations} lacks the evaluation at the last step, {recipe.train.steps}; remove {run.path} to make"
            " the run again"
        )
    log, times = _log(run.log_file)
    selects = check is not None and recipe.method.source_weighting == "learned"
    environment = read_json(run.environment_file) or {}
    for stage in (environment, *environment.get("earlier", [])):
        stage.pop("command", None)  # says no more than the name does, but where things lay on the machine
    return {
        "name": recipe.name,
        "digest": settings_digest(recipe),
        "recipe": recipe.to_dict(),
        "environment": {"cpus": None} | environment,
        "class_shares": _class_shares(read_json(run.audit_file) or {"datasets": []}),
        "parameters": done["parameters"],
        "steps": recipe.train.steps,
        **times,
        "evaluations": [{k: v for k, v in e.items() if k not in ("confusion_matrix", "rule")} for e in evaluations],
        "best": {"step": done["step"], "miou": done["miou"]},
        "log": log,
        "selection_check": _compare(run, check, data_root) if selects else None,
    }


def write_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write a result to ``FOLDER/NAME.json``, whole or not at all.

    Raises:
        HRSError: it cannot be written.
    """
    path = folder / f"{result['name']}.json"
    with writing(path):
        write_json(path, result)
    return path


def read_results(folder: str | Path) -> dict[str, dict[str, Any]]:
    """Digest -> result, of all ``*.json`` in a folder; nothing if there is no such folder.

    Raises:
        HRSError: a file is damaged, is no result, holds a recipe that does not give its digest, or two are of the
            same settings.
    """
    files: dict[str, Path] = {}
    results = {}
    for path in sorted(Path(folder).glob("*.json")):
        result = read_json(path)
        digest = result.get("digest") if isinstance(result, dict) else None
        if not isinstance(digest, str) or "recipe" not in result:
            raise CheckpointError(f"{path} is no result of a run; results lie in a folder of their own: move it away")
        if digest in files:
            raise CheckpointError(f"{files[digest]} and {path} are results of the same settings; remove one of them")
        _refuse_stale(path, digest, result["recipe"])
        _check(result, f"{path} is damaged", "move it away, and it is collected or the run made again")
        files[digest], results[digest] = path, result
    return results


def _refuse_stale(path: Path, digest: str, recipe: Any) -> None:
    mend = "move the file away, and the run is made again"
    try:
        now = settings_digest(parse_recipe(recipe, f"the recipe in {path}"))
    except HRSError as error:
        raise CheckpointError(f"{error}\nIt was edited, or made by another version of hrs-keras; {mend}") from None
    if now != digest:
        raise CheckpointError(
            f"{path} says that its digest is {digest}, but its recipe gives {now}: it was edited, or made by another"
            f" version of hrs-keras; {mend}"
        )


def _class_shares(audited: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Role -> class -> share of the labelled pixels of its data sets (all files, not the subset alone)."""
    shares = {}
    for role in dict.fromkeys(dataset["role"] for dataset in audited["datasets"]):
        counts = [dataset["pixels"] for dataset in audited["datasets"] if dataset["role"] == role]
        total = sum(sum(pixels.values()) for pixels in counts)
        shares[role] = {name: sum(pixels[name] for pixels in counts) / max(1, total) for name in counts[0]}
    return shares


def _records(folder: Path) -> list[dict[str, Any]]:
    """A record a step, in the order of the steps."""
    return [read_json(path) for path in sorted(folder.glob("step_*.json"))]


_TIMES = ("seconds_per_step", "cpu_seconds_per_step")
_OF_THE_MACHINE = (*_TIMES, "images_per_second", "input_wait", "memory/host", "memory/gpu")


def _log(file: Path) -> tuple[list[dict[str, float | None]], dict[str, float | None]]:
    """The rows of a run's log less learning rates and times, and the medians of the latter."""
    try:
        with open(file, newline="", encoding="utf-8") as text:
            rows = [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(text)]
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file} is damaged: {error}; remove {file.parent} to make the run again") from None
    times = {name: [row[name] for row in rows if row.get(name) is not None] for name in _TIMES}
    kept = [
        {k: v for k, v in row.items() if k not in _OF_THE_MACHINE and not k.startswith("learning_rate/")}
        | {"step": int(row["step"])}
        for row in rows
    ]
    return kept, {name: statistics.median(values) if values else None for name, values in times.items()}


def _number(text: str) -> float | None:
    return value if math.isfinite(value := float(text)) else None


def read_marks(check: SelectionCheck, data_root: str | Path) -> dict[str, bool]:
    """Image name without suffix -> whether it is flagged.

    Raises:
        DataError: the file cannot be read or a line has no id or no mark; names file and line.
    """
    path = Path(data_root) / check.marks
    marks: dict[str, bool] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"selection_check.marks: cannot read {path}: {reason}") from None
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
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is not valid JSON: {error}") from None
    found = entry if isinstance(entry, dict) else {}
    for key, kind, what in ((check.id, str, "a text"), (check.flag, bool, "true or false")):
        if not isinstance(found.get(key), kind):
            raise DataError(f"{where}: {key!r} wants {what}, found {json.dumps(found.get(key))}")
    return found[check.id], found[check.flag]


def _compare(run: RunFolder, check: SelectionCheck, data_root: str | Path) -> list[dict[str, Any]]:
    """For each validation how H of flagged and of other images differs."""
    marks = read_marks(check, data_root)
    records = _records(run.selection)
    if not records:
        raise CheckpointError(
            f"{run.selection} holds nothing for selection_check; remove {run.path} to run with train.selection_images"
        )
    try:
        return [{"step": record["step"], **_groups(record["images"], marks)} for record in records]
    except DataError as error:
        raise DataError(f"selection_check: {Path(data_root) / check.marks}: {error}") from None


def _groups(images: Mapping[str, Mapping[str, float]], marks: Mapping[str, bool]) -> dict[str, Any]:
    flagged, others = [], []
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
    levels = {level: _difference(*([m[level] for m in group] for group in (flagged, others))) for level in flagged[0]}
    return {**levels, "flagged": len(flagged), "others": len(others)}


def _difference(flagged: list[float], others: list[float]) -> dict[str, float]:
    """Means over the images, and the area under the ROC curve of the value for "not flagged"."""
    # Pairs in which the other image has more, ties counting half. The p value, which nothing reads, is not to be exact.
    more = mannwhitneyu(others, flagged, method="asymptotic").statistic
    return {
        "flagged": statistics.fmean(flagged),
        "others": statistics.fmean(others),
        "auc": float(more) / (len(flagged) * len(others)),
    }
