"""Results as files: one JSON file each, found again by the digest of the run's settings."""

from pathlib import Path
from typing import Any

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.experiments.results import RunResult
from hrs_keras.labels import LabelSpace
from hrs_keras.recipe.reading import parse_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.files import read_json, write_json, writing


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
