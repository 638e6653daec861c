"""Is it good: the number of a run beside what it has to be compared with, and what forbids to trust it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrs_keras.data.leaks import tells_leak
from hrs_keras.errors import HRSError
from hrs_keras.report.records import Records, mean_iou
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import list_folder, read_json

FEW_IMAGES = 50
"""Of fewer images a mean IoU says little of others."""

NO_SELECTION, ALL_SELECTED = 0.01, 0.99
"""Shares of the source pixels at and beyond which a selection is one in name only."""

DIFFERENT = 0.001
"""By how much two mean IoUs of the same weights and images may differ, for rounding."""


@dataclass(frozen=True)
class Reference:
    """A finished run of FCN on the same real images.

    Attributes:
        run: its folder.
        miou: on the images that the page is about, in [0, 1].
        seed: its seed.
        steps: how many it took.
    """

    run: RunFolder
    miou: float
    seed: int
    steps: int


def find_fcn(records: Records) -> Reference | None:
    """A run beside this one that trained on the same real images alone and is evaluated on the same images.

    Of several that with the same seed is taken, and then that with the same number of steps.
    """
    recipe, found = records.recipe, []
    runs = records.folder.path.resolve().parent
    for name in sorted(list_folder(runs)):
        other = RunFolder(runs / name)
        if other.path == records.folder.path.resolve() or not _may_be_fcn(other):
            continue
        try:
            there = other.recipe()
            done = read_json(other.result_file)
        except HRSError:  # it is another run's to say what is wrong with it
            continue
        same = all(there.datasets(role) == recipe.datasets(role) for role in ("target", "validation", "test"))
        same = same and (there.data.subset_seed, there.data.classes) == (recipe.data.subset_seed, recipe.data.classes)
        shown = done.get("test") if records.shown_on == "test" else done
        if same and not there.method.reads_source and shown and (miou := mean_iou(shown)) is not None:
            found.append(Reference(other, miou, there.seed, there.train.steps))
    wanted = (recipe.seed, recipe.train.steps)
    return min(found, key=lambda one: (one.seed != wanted[0], one.steps != wanted[1]), default=None)


def _may_be_fcn(run: RunFolder) -> bool:
    """Whether it is worth reading the recipe of a run: in a stored one all keys are there."""
    try:
        return run.result_file.is_file() and "source_weighting: none" in run.recipe_file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def doubts(records: Records, scores: dict[str, Any] | None) -> list[str]:
    """What forbids to trust the number of a run, a sentence or two each; none if nothing is known to.

    Args:
        records: of the run, with an evaluation.
        scores: of the same images one by one, if they are there.
    """
    return [*_of_the_run(records), *_of_the_images(records), *_of_the_classes(records), *_of_scores(records, scores)]


def _of_the_run(records: Records) -> Iterator[str]:
    if records.result is None:
        yield (
            f"The run is not finished: {records.steps_taken} of {records.recipe.train.steps} steps are saved. The"
            " numbers are those of its best validation so far."
        )
    if (why := collapsed(records)) is not None:
        yield why


def _of_the_images(records: Records) -> Iterator[str]:
    shown, validations = records.shown or {}, sum(one["step"] > 0 for one in records.evaluations)
    if records.shown_on == "validation":
        chosen = f"the weights are the best of {validations} validations on the very images that this number is of"
        yield f"There are no test images: {chosen}, so it is too high by an unknown amount."
    if (images := shown.get("images", 0)) < FEW_IMAGES:
        yield f"Only {images} images were evaluated. Fewer than {FEW_IMAGES} say little of others."
    if count := len(shared_images(records)):
        yield f"{count} image{'s are' if count > 1 else ' is'} both trained and evaluated on: the number is too high."
    elif told := [problem["what"] for problem in problems(records) if tells_leak(problem["what"])]:
        yield f"The audit found images that are both trained and evaluated on ({told[0]})."


def _of_the_classes(records: Records) -> Iterator[str]:
    never = never_predicted(records.shown)
    if never:
        yield f"Never predicted, though it is labelled: {', '.join(never)}."
    absent = (
        [name for name, labelled in zip(records.shown["iou"], _labelled(records.shown), strict=True) if not labelled]
        if records.shown
        else []
    )
    if absent:
        yield f"In none of the images that were evaluated: {', '.join(absent)}. Of these classes nothing is known."


def _of_scores(records: Records, scores: dict[str, Any] | None) -> Iterator[str]:
    if not scores or not records.shown:
        return
    then, now = mean_iou(records.shown), mean_iou(scores)
    if then is not None and now is not None and abs(then - now) > DIFFERENT:
        yield (
            f"Evaluated again, the same weights have a mean IoU of {100 * now:.1f} %, not {100 * then:.1f} %: the"
            " files or the software have changed since."
        )
    if remark := scores["interval"]["remark"]:
        yield f"The interval of mean IoU is {remark}."


def _labelled(shown: dict[str, Any]) -> list[bool]:
    return (np.array(shown["confusion_matrix"]).sum(1) > 0).tolist()


def never_predicted(shown: dict[str, Any] | None) -> list[str]:
    """The classes that the labels of an evaluation have and its predictions do not."""
    if shown is None:
        return []
    predicted = np.array(shown["confusion_matrix"]).sum(0) > 0
    return [
        name
        for name, labelled, there in zip(shown["iou"], _labelled(shown), predicted, strict=True)
        if labelled and not there
    ]


def problems(records: Records) -> list[dict[str, Any]]:
    """The problems that the audit of a run's data found, each with its data set's ``role`` and name, ``of``."""
    datasets = (records.audit or {"datasets": []})["datasets"]
    return [{"role": one["role"], "of": one["name"], **problem} for one in datasets for problem in one["problems"]]


def shared_images(records: Records) -> set[str]:
    """Paths of images that the run's records list both for training and for the evaluation that the page shows."""
    paths: dict[str, set[str]] = {}
    for one in records.data.sets if records.data else ():
        datasets = records.recipe.datasets(one.role)
        if one.position < len(datasets):
            root = datasets[one.position].root
            paths.setdefault(one.role, set()).update(f"{root}/{file[0]}" for file in one.images or ())
    trained = paths.get("source", set()) | paths.get("target", set())
    return trained & paths.get(records.shown_on, set())


def collapsed(records: Records) -> str | None:
    """Why a learned selection is none; None if it is one, or nothing is selected."""
    if not records.recipe.method.selects:
        return None
    shares = [row["selected"] for row in records.log if "selected" in row]
    if shares and not NO_SELECTION < shares[-1] < ALL_SELECTED:
        share = f"{100 * shares[-1]:.1f} %"
        return f"The selection has collapsed: {share} of the source pixels were selected in the last steps."
    means = [one["H"] for one in records.selection[-1]["images"].values() if "H" in one] if records.selection else []
    if len(means) > 1 and float(np.std(means)) < 0.001:
        return f"The selection tells no image from another: each has a mean of {100 * means[0]:.1f} % selected."
    return None
