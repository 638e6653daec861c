"""How many labels of real images the systems of a table learn from."""

from fractions import Fraction

from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.schema import Recipe

_LARGEST = 1000  # denominator: 0.333 is 333/1000, not a third


def target_labels(recipe: Recipe) -> str:
    """``"all"``, ``"none"``, a share such as ``"1/8"`` or a count, of each target set where they differ.

    It follows from ``data.labelled`` and the sets' ``subset``: a subset leaves images out, and their labels with them.
    """
    if not recipe.data.has_target_labels:
        return "none"
    amounts = dict.fromkeys(_of_set(recipe, dataset) for dataset in recipe.data.target)
    return ", ".join(amounts)


def _of_set(recipe: Recipe, dataset: Dataset) -> str:
    labelled, subset = recipe.data.labelled, dataset.subset
    if isinstance(labelled, int):
        return str(labelled)
    kept, used = (Fraction(n).limit_denominator(_LARGEST) if isinstance(n, float) else 1 for n in (labelled, subset))
    if isinstance(subset, int):
        return str(max(1, round(kept * subset)))
    return "all" if kept * used == 1 else str(kept * used)
