"""Collecting the result of a finished run from its run folder."""

import csv
import math
import statistics
from pathlib import Path
from typing import Any

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.experiments.results import RunResult
from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.experiments.selection_check import check_selection
from hrs_keras.recipe.comparing import STEPS
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.data import read_data_record
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import read_json

_TIMES = ("seconds_per_step", "cpu_seconds_per_step")
_OF_THE_MACHINE = (*_TIMES, "images_per_second", "input_wait", "memory/host", "memory/gpu")


def collect(run: RunFolder, check: SelectionCheck | None, data_root: str | Path) -> RunResult:
    """All that tables and curves need of a finished run.

    Args:
        run: its ``result.json`` is there.
        check: marks to compare the selection with; they are read only where the run selects.
        data_root: the folder that the marks' file is relative to.

    Raises:
        HRSError: the run is not finished or its records are damaged, or the marks do not fit its images.
    """
    damaged, fix = f"the records of {run.path} are damaged", f"remove {run.path} to make the run again"
    try:
        found = _collect(run, check, data_root)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, HRSError):
            raise
        raise CheckpointError(f"{damaged} ({error!r}); {fix}") from None
    return RunResult.parse(found, damaged, fix)


def _collect(run: RunFolder, check: SelectionCheck | None, data_root: str | Path) -> dict[str, Any]:
    recipe, done = run.recipe(), read_json(run.result_file)
    if done is None:
        raise CheckpointError(f"{run.path} has no result.json: the run is not finished")
    _refuse_raised(run)
    evaluations = _evaluations(run, recipe)
    log, times = _log(run.log_file)
    selects = recipe.method.selects
    return {
        "name": recipe.name,
        "digest": settings_digest(recipe),
        "recipe": recipe.to_dict(),
        "environment": _environment(run),
        "class_shares": _class_shares(read_json(run.audit_file) or {"datasets": []}),
        "parameters": done["parameters"],
        "steps": recipe.train.steps,
        **times,
        "evaluations": evaluations,
        "best": {"step": done["step"], "miou": done["miou"]},
        **({"test": _kept(done["test"])} if "test" in done else {}),
        "log": log,
        "selection_check": check_selection(run, check, data_root) if check and selects else None,
    } | _data(run)


def _refuse_raised(run: RunFolder) -> None:
    """Raise a CheckpointError for a run whose number of steps was changed on its way."""
    for entry in run.history():
        changed = [line for line in entry.get("settings", ()) if line.startswith(f"{STEPS}:")]
        if changed and entry["step"]:  # after steps that had other rates
            raise CheckpointError(
                f"{run.path} went on with another number of steps after step {entry['step']} ({changed[0]}), and so"
                " with another learning rate than a run of its recipe; move the folder away to make the run again"
            )


def _data(run: RunFolder) -> dict[str, Any]:
    """``{"data": [...]}``: which samples the run read; nothing of a run that did not note it."""
    record = read_data_record(run)
    if record is None:
        return {}
    stages = [*((one.sets, one.until_step) for one in record.earlier), (record.sets, None)]
    return {
        "data": [
            {
                "role": one.role,
                "position": one.position,
                "samples": len(one.images or ()),
                "digest": one.digest,
                "until_step": until,
            }
            for sets, until in stages
            for one in sets
        ]
    }


def _evaluations(run: RunFolder, recipe: Recipe) -> list[dict[str, Any]]:
    """The validations in the order of the steps, without their confusion matrices."""
    found = [read_json(path) for path in sorted(run.evaluations.glob("step_*.json"))]
    if not found or found[-1]["step"] != recipe.train.steps:
        raise CheckpointError(
            f"{run.evaluations} lacks the evaluation at the last step, {recipe.train.steps}; remove {run.path} to make"
            " the run again"
        )
    return [_kept(evaluation) for evaluation in found]


def _kept(evaluation: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in evaluation.items() if key not in ("confusion_matrix", "rule")}


def _environment(run: RunFolder) -> dict[str, Any]:
    found = read_json(run.environment_file) or {}
    for stage in (found, *found.get("earlier", [])):
        stage.pop("command", None)  # it says no more than the run's name does, but where files were on the machine
    return {"cpus": None} | found


def _class_shares(audited: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Role -> class -> share of the labelled pixels of the role's data sets (all files, not the subset alone)."""
    shares = {}
    for role in dict.fromkeys(dataset["role"] for dataset in audited["datasets"]):
        counts = [dataset["pixels"] for dataset in audited["datasets"] if dataset["role"] == role]
        total = sum(sum(pixels.values()) for pixels in counts)
        shares[role] = {name: sum(pixels[name] for pixels in counts) / max(1, total) for name in counts[0]}
    return shares


def _log(file: Path) -> tuple[list[dict[str, float | None]], dict[str, float | None]]:
    """The rows of a run's log without learning rates and times, and the medians of the times."""
    try:
        with open(file, newline="", encoding="utf-8") as text:
            rows = [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(text)]
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{file} is damaged: {error}; remove {file.parent} to make the run again") from None
    kept = [{key: value for key, value in row.items() if _is_kept(key)} | {"step": row["step"]} for row in rows]
    return kept, {name: _median([row.get(name) for row in rows]) for name in _TIMES}


def _is_kept(key: str) -> bool:
    return key not in _OF_THE_MACHINE and not key.startswith("learning_rate/")


def _median(values: list[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def _number(text: str) -> float | None:
    return value if math.isfinite(value := float(text)) else None
