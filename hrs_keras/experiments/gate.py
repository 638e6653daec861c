"""The gate of an experiment: what has to hold in its own setting before its table is a test of the method's claim.

The claim is that selected synthetic images make up for labels that are missing. A table says something of it only where
labels are what is missing, and neither steps nor a network that can learn the classes.
"""

from typing import Annotated, Any

from pydantic import AfterValidator

from hrs_keras.errors import RecipeError
from hrs_keras.experiments.sections import Changes
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.types import NonNegative, Section


def _of_the_labels(changes: dict[str, Any]) -> dict[str, Any]:
    if not changes:
        raise ValueError(
            "changes nothing; wants what gives the baseline all labels, such as data.target.0.subset: null"
        )
    for key in changes:
        if key.split(".")[:2] != ["data", "target"] and key != "data.labelled":
            raise ValueError(
                f"changes {key}; it gives the baseline all labels, so beside data.labelled it may change data.target"
                " alone"
            )
    return changes


class Gate(Section):
    """Three conditions on the baseline, each on the mean over the seeds.

    Attributes:
        all_labels: ``{dotted.key: value}`` below ``data.target``, or ``data.labelled``, which gives the baseline all
            labels. It is laid over everything else, overrides of the command line included.
        labels: points of mIoU that all labels gain the baseline at least: labels are short.
        last_quarter: points of mIoU that the last quarter of the steps gains the baseline; it has to be less: the
            baseline is trained out.
        every_class: IoU of each class in per cent, of the baseline with all labels; it has to be more: the network can
            learn the classes.
    """

    all_labels: Annotated[Changes, AfterValidator(_of_the_labels)]
    labels: NonNegative = 3.0
    last_quarter: NonNegative = 1.0
    every_class: NonNegative = 10.0


def three_quarters(recipe: Recipe) -> int:
    """The step at which three quarters of a run are done, after which it is validated.

    Raises:
        RecipeError: there is no such step, or no validation after it.
    """
    steps, every = recipe.train.steps, recipe.train.validate_every
    if steps % 4:
        raise RecipeError(
            f"gate: train.steps: {steps} cannot be divided into quarters; set it to a multiple of 4, such as"
            f" {4 * -(-steps // 4)}"
        )
    step = 3 * steps // 4
    if step % every:
        parts = next(number for number in range(-(-step // every), step + 1) if step % number == 0)
        raise RecipeError(
            f"gate: train.validate_every: {every} leaves three quarters of the {steps} steps without an evaluation; set"
            f" it to a divisor of {step}, such as {step // parts}"
        )
    return step
