"""The page of two runs side by side."""

import heapq
import itertools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrs_keras.data.audit import usable_samples
from hrs_keras.data.pipeline import whole_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.errors import CheckpointError, HRSError, printable
from hrs_keras.evaluation.bootstrap import PairedInterval, paired_interval
from hrs_keras.evaluation.counts import ImageCounts
from hrs_keras.evaluation.image_file import ImageFile
from hrs_keras.evaluation.metrics import hit_and_union
from hrs_keras.predict.model import load_model
from hrs_keras.predict.views import Predictor
from hrs_keras.recipe.comparing import compare
from hrs_keras.recipe.schema import Recipe
from hrs_keras.report.charts import Axes, Estimate, Series, estimate_chart, line_chart
from hrs_keras.report.measuring import Measured, measure
from hrs_keras.report.page import percent, points, render, render_within, write_page
from hrs_keras.report.pictures import Encoded, Picture, prediction_pictures
from hrs_keras.report.records import Records, mean_iou
from hrs_keras.report.verdict import FEW_IMAGES
from hrs_keras.runs.data import recipe_on_other_data

SHOWN = 4
"""How many images are shown in which either run is better than the other."""


@dataclass(frozen=True)
class ClassDifference:
    """A class in two runs: IoU of both in [0, 1], None where it is not defined; and the interval of the difference.

    Attributes:
        name: of the class.
        colour: R, G, B in 0..255.
        one, other: the IoU in the first and in the second run.
        bounds: of the difference second - first; None where it is not known.
    """

    name: str
    colour: tuple[int, int, int]
    one: float | None
    other: float | None
    bounds: tuple[float, float] | None

    @property
    def difference(self) -> float | None:
        """Second less first."""
        return None if self.one is None or self.other is None else self.other - self.one

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.bounds is not None and self.bounds[0] * self.bounds[1] > 0


@dataclass(frozen=True)
class Changed:
    """An image in which one run is better than the other.

    Attributes:
        number: of the image, in the order of the evaluation.
        name: as text that can be shown.
        wrong: share of its labelled pixels that are wrong, in the first and in the second run.
    """

    number: int
    name: str
    wrong: tuple[float, float]


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
    changed, interval = _compare(runs, files)
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


def _both(runs: Sequence[Records], files: Sequence[ImageFile]) -> Iterator[tuple[ImageCounts, ImageCounts]]:
    """The counts of each image in both runs.

    Raises:
        CheckpointError: the images are not the same.
    """
    for one, other in itertools.zip_longest(*files):
        if one is None or other is None or (one.data_set, one.name) != (other.data_set, other.name):
            names = " and ".join(printable(records.folder.path) for records in runs)
            raise CheckpointError(f"{names} were not evaluated on the same images: they cannot be compared")
        yield one, other


def _compare(runs: Sequence[Records], files: Sequence[ImageFile]) -> tuple[list[Changed], PairedInterval]:
    """The images that have changed most, those in which the second run is better first; and the interval."""
    names: list[str] = []
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    gained: list[tuple[float, int, Changed]] = []
    lost: list[tuple[float, int, Changed]] = []
    for number, both in enumerate(_both(runs, files)):
        names.append(f"{both[0].data_set}/{both[0].name}")
        for kept, image in zip(found, both, strict=True):
            kept.append(hit_and_union(image.counts.confusion))
        pixels = int(both[0].counts.confusion.sum())
        if not pixels:
            continue
        wrong = [1 - int(image.counts.confusion.trace()) / pixels for image in both]
        gain = wrong[0] - wrong[1]
        changed = Changed(number, printable(both[0].name), (wrong[0], wrong[1]))
        for heap, value in ((gained, gain), (lost, -gain)):
            if value > 0:
                heapq.heappush(heap, (value, -number, changed))
                if len(heap) > SHOWN:
                    heapq.heappop(heap)
    one, other = (np.array(counts) for counts in found)
    interval = paired_interval(names, one, other, runs[0].recipe.data.label_space)
    return [one for heap in (gained, lost) for _, _, one in sorted(heap, reverse=True)], interval


def _strips(runs: Sequence[Records], changed: Sequence[Changed], recipe: Recipe) -> tuple[list[list[Picture]], str]:
    """Image, label, and what both runs predict of each image; without any, why."""
    try:
        sets, numbers = usable_samples(recipe, runs[0].shown_on), [one.number for one in changed]
        predictors = [Predictor(load_model(records.folder.path)) for records in runs]
        drawn = []
        for image, label in read(whole_images(recipe, sets, numbers), recipe, in_order(sets, numbers)):
            strip: list[Picture] = []
            for title, predictor in zip(("first run", "second run"), predictors, strict=True):
                ids = predictor(image.numpy()[np.newaxis])[0].argmax(axis=-1)
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
        "classes": _classes(runs, interval),
        "palette": list(zip(first.recipe.data.label_space.classes, first.recipe.data.label_space.palette, strict=True)),
        "curves": line_chart(curves, Axes("step", "mean IoU, validation, %"), "mean IoU through training, of both"),
        "doubts": _doubts(runs),
        "changes": [printable(change) for change in (*changes.numbers, *changes.steps)],
    }


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _classes(runs: Sequence[Records], interval: PairedInterval) -> list[ClassDifference]:
    """The classes, those that gained most first."""
    one, other = ((records.shown or {})["iou"] for records in runs)
    space = runs[0].recipe.data.label_space
    found = []
    for name, colour, (low, high) in zip(space.classes, space.palette, interval.by_class.tolist(), strict=True):
        bounds = None if np.isnan(low) else (low, high)
        found.append(ClassDifference(name, colour, one[name], other[name], bounds))
    return sorted(found, key=lambda row: -2.0 if row.difference is None else row.difference, reverse=True)


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
