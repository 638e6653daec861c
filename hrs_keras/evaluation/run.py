"""Evaluating a run's weights on its validation set."""

from pathlib import Path

from hrs_keras.data.audit import audit
from hrs_keras.errors import RecipeError
from hrs_keras.evaluation.evaluator import evaluate
from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.recipe.reading import differences
from hrs_keras.runs.data import warn_of_other_data
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter


def evaluate_run(
    run_dir: str | Path, *, which: str = "best", overrides: list[str] | None = None, write_ids: str | Path | None = None
) -> Evaluation:
    """Evaluate a run's weights on its validation set.

    Args:
        which: ``"best"`` or ``"last"``.
        overrides: ``key=value`` changes to the recipe's data, such as ``data.root=...``.
        write_ids: a folder for the predictions as label-id PNGs.

    Raises:
        RecipeError: an override changes more than which data is read.
        HRSError: see :func:`load_segmenter`, :func:`hrs_keras.audit` and
            :func:`hrs_keras.evaluation.evaluator.evaluate`.
    """
    run = RunFolder(Path(run_dir))
    recipe = run.recipe(overrides)
    for change in differences(run.recipe(), recipe):
        if not change.startswith("data.") or change.startswith(("data.classes:", "data.classes.")):
            raise RecipeError(f"{change}: an evaluation can change the keys below data (but not data.classes) only")
    segmenter, _ = load_segmenter(run, which)
    found = audit(recipe, roles=["validation"])
    warn_of_other_data(run, recipe, found)
    return evaluate(recipe, segmenter, found.sets["validation"], Path(write_ids) if write_ids else None)
