"""Evaluating a run's weights on its validation or test set."""

from pathlib import Path

from hrs_keras.data.audit import audit
from hrs_keras.errors import RecipeError
from hrs_keras.evaluation.evaluator import evaluate
from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.recipe.data import EVALUATED_ON
from hrs_keras.recipe.reading import differences
from hrs_keras.runs.data import warn_of_other_data
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter


def evaluate_run(
    run_dir: str | Path,
    *,
    which: str = "best",
    on: str = "validation",
    overrides: list[str] | None = None,
    write_ids: str | Path | None = None,
) -> Evaluation:
    """Evaluate a run's weights on its validation or test set.

    Args:
        run_dir: the run folder.
        which: ``"best"`` or ``"last"``.
        on: ``"validation"`` or ``"test"``, the data sets of the recipe to evaluate on.
        overrides: ``key=value`` changes to the recipe's data, such as ``data.root=...``.
        write_ids: a folder for the predictions as label-id PNGs.

    Raises:
        RecipeError: an override changes more than which data is read, or the recipe has no such data sets.
        HRSError: see :func:`load_segmenter`, :func:`hrs_keras.audit` and
            :func:`hrs_keras.evaluation.evaluator.evaluate`.
    """
    run = RunFolder(Path(run_dir))
    recipe = run.recipe(overrides)
    for change in differences(run.recipe(), recipe):
        if not change.startswith("data.") or change.startswith(("data.classes:", "data.classes.")):
            raise RecipeError(f"{change}: an evaluation can change the keys below data (but not data.classes) only")
    if on not in EVALUATED_ON:
        raise RecipeError(f"a run is evaluated on {' or '.join(EVALUATED_ON)}, not on {on!r}")
    if not recipe.datasets(on):
        raise RecipeError(f"the recipe of {run.path} has no data.{on}; give it, such as data.{on}='[{{format: ...}}]'")
    segmenter, _ = load_segmenter(run, which)
    found = audit(recipe, roles=[on])
    warn_of_other_data(run, recipe, found)
    return evaluate(recipe, segmenter, found.sets[on], Path(write_ids) if write_ids else None)
