"""The page of two runs side by side."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hrs_keras.data.audit import usable_samples
from hrs_keras.data.pipeline import whole_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.errors import CheckpointError, HRSError, printable
from hrs_keras.evaluation.bootstrap import PairedInterval
from hrs_keras.evaluation.image_file import ImageFile
from hrs_keras.predict.model import load_model
from hrs_keras.predict.views import Predictor, likeliest
from hrs_keras.recipe.comparing import compare
from hrs_keras.recipe.schema import Recipe
from hrs_keras.report.charts import Axes, Estimate, Series, estimate_chart, line_chart
from hrs_keras.report.differences import Changed, class_differences, compare_images
from hrs_keras.report.measuring import Measured, measure
from hrs_keras.report.page import percent, points, render, render_within, write_page
from hrs_keras.report.pictures import Encoded, Picture, prediction_pictures
from hrs_keras.report.records import Records, mean_iou
from hrs_keras.report.verdict import FEW_IMAGES
from hrs_keras.runs.data import recipe_on_other_data


def report_pair(one: str | Path, other: str | Path, out: str | Path, overrides: Sequence[str] = ()) -> Path:
    """Write the page of two runs side by side, which were evaluated on the same images.

    Args:
        one, other: run folders; differences are other - one.
        out: the file.
        overrides: ``key=value`` changes to the data of both, such as ``data.root=...``.

    Returns:
        The path of the page.

    Raises:
        RecipeError: an override changes more than which data is read.
        CheckpointError: one is no run folder, was not evaluated yet, or they have other classes or other images.
        HRSError: images cannot be evaluated, or the page cannot be written.
    """
    runs = [Records.of(Path(one)), Records.of(Path(other))]
    _refuse_different(runs)
    recipe = recipe_on_other_data(runs[0].folder, overrides, "a page")
    measured = [_measured(records, overrides) for records in runs]
    files = [ImageFile(one.images) for one in measured if one.images]
    changed, interval = compare_images(runs, files)
    strips, why = _strips(runs, changed, recipe)
    context = _context(runs, measured, interval) | {"no_pictures": why}

    def fill(encoded: list[list[Encoded]]) -> str:
        return render("pair.html", **context, changed=list(zip(changed, encoded, strict=False)))

    write_page(Path(out), render_within(fill, strips))
    return Path(out)


def _refuse_different(runs: Sequence[Records]) -> None:
    first, second = runs
    for records in runs:
        if records.shown is None:
            raise CheckpointError(
                f"{printable(records.folder.path)} was not evaluated yet; there is nothing to compare"
            )
    ours, theirs = (records.recipe.data.label_space.classes for records in runs)
    if ours != theirs:
        raise CheckpointError(
            f"{printable(first.folder.path)} and {printable(second.folder.path)} have other classes: they cannot be"
            " compared"
        )
    if first.shown_on != second.shown_on:
        raise CheckpointError(
            f"{printable(first.folder.path)} is evaluated on {first.shown_on} images, {printable(second.folder.path)}"
            f" on {second.shown_on} images: they cannot be compared"
        )


def _measured(records: Records, overrides: Sequence[str]) -> Measured:
    found = measure(records, overrides)
    if found.images is None:
        raise HRSError(f"{printable(records.folder.path)}: {found.why} Two runs are compared image by image")
    return found


def _strips(runs: Sequence[Records], changed: Sequence[Changed], recipe: Recipe) -> tuple[list[list[Picture]], str]:
    """Image, label, and what both runs predict of each image; without any, why."""
    try:
        sets, numbers = usable_samples(recipe, runs[0].shown_on), [one.number for one in changed]
        predictors = [Predictor(load_model(records.folder.path)) for records in runs]
        drawn = []
        for image, label in read(whole_images(recipe, sets, numbers), recipe, in_order(sets, numbers)):
            strip: list[Picture] = []
            for title, predictor in zip(("first run", "second run"), predictors, strict=True):
                ids = likeliest(predictor(image.numpy()[np.newaxis])[0])
                pictures = prediction_pictures(image.numpy(), label.numpy(), ids, recipe.data.label_space)
                strip = strip or pictures[:2]
                strip.append(Picture(title, pictures[2].pixels, photo=False))
            drawn.append(strip)
    except HRSError as error:
        return [], str(error)
    return drawn, ""


def _context(runs: Sequence[Records], measured: Sequence[Measured], interval: PairedInterval) -> dict[str, Any]:
    first, second = runs
    shown = [records.shown or {} for records in runs]
    mious = [mean_iou(one) for one in shown]
    names = [printable(records.folder.path.name) for records in runs]
    difference = None if None in mious else (mious[1] or 0.0) - (mious[0] or 0.0)
    bounds = None if np.isnan(interval.mean[0]) else interval.mean
    rows = []
    for name, miou, one in zip(names, mious, measured, strict=True):
        low, high = next(iter((one.scores or {})["interval"]["mean_iou"].values()))
        rows.append(Estimate(name, _points(miou), _points(low), _points(high), text=f"{percent(miou)} %"))
    low, high = bounds or (None, None)
    apart = [Estimate("second less first", _points(difference), _points(low), _points(high), text=points(difference))]
    curves = [
        Series(name, [(one["step"], 100 * miou) for one in records.evaluations if (miou := mean_iou(one)) is not None])
        for name, records in zip(names, runs, strict=True)
    ]
    changes = compare(first.recipe, second.recipe)
    return {
        "title": f"{names[0]} and {names[1]}",
        "names": names,
        "paths": [shlex.quote(str(records.folder.path)) for records in runs],
        "on": first.shown_on,
        "images": shown[0]["images"],
        "mious": mious,
        "difference": difference,
        "bounds": bounds,
        "beyond_chance": bounds is not None and bounds[0] * bounds[1] > 0,
        "interval": interval,
        "values": estimate_chart(rows, "mean IoU of both, in per cent"),
        "apart": estimate_chart(apart, "difference in points of mean IoU", include=(0,), line=0),
        "classes": class_differences(runs, interval),
        "palette": list(zip(first.recipe.data.label_space.classes, first.recipe.data.label_space.palette, strict=True)),
        "curves": line_chart(curves, Axes("step", "mean IoU, validation, %"), "mean IoU through training, of both"),
        "doubts": _doubts(runs),
        "changes": [printable(change) for change in (*changes.numbers, *changes.steps)],
    }


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _doubts(runs: Sequence[Records]) -> list[str]:
    """What forbids to conclude from the difference."""
    first, second = runs
    found = ["One run each: another seed moves both. Several seeds of each, which an experiment makes, can tell."]
    if first.recipe.seed != second.recipe.seed:
        found.append(f"The seeds differ ({first.recipe.seed} and {second.recipe.seed}), so that luck is not the same.")
    if first.recipe.train.steps != second.recipe.train.steps:
        found.append(f"The numbers of steps differ ({first.recipe.train.steps} and {second.recipe.train.steps}).")
    if first.recipe.datasets("target") != second.recipe.datasets("target"):
        found.append("They were trained on other real images.")
    for records in runs:
        if records.result is None:
            found.append(f"{printable(records.folder.path.name)} is not finished.")
    images = (first.shown or {}).get("images", 0)
    if images < FEW_IMAGES:
        found.append(f"Only {images} images were evaluated.")
    if first.shown_on == "validation":
        found.append("Both had their weights chosen by the very images that the numbers are of.")
    return found
