"""The page of one run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrs_keras.errors import HRSError, printable, reason
from hrs_keras.evaluation.image_file import ImageFile
from hrs_keras.predict.views import NO_MEMORY
from hrs_keras.report.advice import Findings, suggestions
from hrs_keras.report.drawing import predicted, selected
from hrs_keras.report.examples import Example, choose
from hrs_keras.report.failures import class_rows, confusion, largest_leaks
from hrs_keras.report.measuring import Measured, measure
from hrs_keras.report.page import render, render_within, write_page
from hrs_keras.report.pictures import Encoded, Picture
from hrs_keras.report.records import Records
from hrs_keras.report.sections import headline, selection, trust
from hrs_keras.report.selecting import SelectedImage, extremes
from hrs_keras.runs.data import recipe_on_other_data

LEAKS = 10
"""How many leaks of the confusion matrix are told as sentences."""


@dataclass(frozen=True)
class ReportOptions:
    """What :func:`report_run` makes the page of.

    Attributes:
        out: the file; None for ``report.html`` in the run folder.
        overrides: ``key=value`` changes to the recipe's data, such as ``data.root=...``.
    """

    out: str | Path | None = None
    overrides: Sequence[str] = ()


def report_run(run_dir: str | Path, options: ReportOptions | None = None) -> Path:
    """Write the page of a run.

    It shows what the run folder holds, finished or not, and evaluates the images one by one if ``hrs evaluate`` has
    not. What is missing, such as data that has moved, the page says.

    Args:
        run_dir: the run folder.
        options: see :class:`ReportOptions`.

    Returns:
        The path of the page.

    Raises:
        CheckpointError: this is no run folder, or a record in it is damaged.
        RecipeError: an override changes more than which data is read.
        HRSError: the page cannot be written.
    """
    options = options or ReportOptions()
    records = Records.of(Path(run_dir))
    recipe_on_other_data(records.folder, options.overrides, "a page")  # refused before the work
    out = Path(options.out) if options.out else records.folder.report_file
    page = _page(records, options)
    write_page(out, page)
    return out


def _page(records: Records, options: ReportOptions) -> str:
    shown, measured = records.shown, Measured(None, None)
    lacking = list(records.missing)
    if shown:
        measured = measure(records, options.overrides)
        lacking += [measured.why] if measured.why else []
    rows = _class_rows(records, measured)
    leaks = largest_leaks(shown, LEAKS) if shown else []
    examples, drawn = _examples(records, measured, options, lacking)
    most, least = extremes(records)
    maps = _maps(records, [*most, *least], options, lacking)
    compared = headline(records, measured.scores)
    context = {
        "title": records.recipe.name,
        "run": printable(records.folder.path),
        "records": records,
        "shown": shown,
        "scores": measured.scores,
        "headline": compared,
        "classes": rows,
        "confusion": confusion(shown, rows) if shown else None,
        "leaks": leaks,
        "selection": selection(records),
        "trust": trust(records, measured.scores),
        "suggestions": suggestions(Findings(records, measured.scores, rows, leaks)),
        "missing": lacking,
        "quoted": shlex.quote(str(records.folder.path)),
        "fcn": shlex.quote(str(compared.fcn.run.path)) if compared.fcn else "",
        "recipe_file": shlex.quote(str(records.folder.recipe_file)),
    }
    strips = [*maps.values(), *drawn]

    def fill(encoded: list[list[Encoded]]) -> str:
        of_maps = dict(zip(maps, encoded, strict=False))
        of_examples = list(zip(examples, encoded[len(maps) :], strict=False))
        shown_maps = [
            (title, [(image, of_maps[image.record]) for image in images if image.record in of_maps])
            for title, images in (("Most selected", most), ("Least selected", least))
        ]
        left_out = len(strips) - len(encoded) if encoded else 0
        return render("run.html", **context, examples=of_examples, maps=shown_maps, left_out=left_out)

    return render_within(fill, strips)


def _class_rows(records: Records, measured: Measured) -> list[Any]:
    shown, space = records.shown, records.recipe.data.label_space
    if shown is None:
        return []
    shares = {role: records.class_shares(role) for role in ("source", "target")}
    return class_rows(shown, space.palette, measured.scores, shares)


def _examples(
    records: Records, measured: Measured, options: ReportOptions, lacking: list[str]
) -> tuple[list[Example], list[list[Picture]]]:
    """The images to be shown and their pictures; without any ``lacking`` is told why."""
    if measured.images is None:
        return [], []
    counted = ImageFile(measured.images)
    examples = choose(counted, counted.about["images"], counted.about["classes"])
    try:
        recipe = recipe_on_other_data(records.folder, options.overrides, "a page")
        numbers = [example.number for example in examples]
        drawn = list(predicted(recipe, records.folder.path, records.shown_on, numbers))
    except (HRSError, *NO_MEMORY) as error:
        lacking.append(f"No images are shown: {reason(error)}")
        return examples, []
    return examples, drawn


def _maps(
    records: Records, images: Sequence[SelectedImage], options: ReportOptions, lacking: list[str]
) -> dict[str, list[Picture]]:
    """Name of a source image -> its pictures; without any ``lacking`` is told why."""
    if not images:
        return {}
    try:
        recipe = recipe_on_other_data(records.folder, options.overrides, "a page")
        return selected(recipe, records.folder.path, [image.record for image in images])
    except (HRSError, *NO_MEMORY) as error:
        lacking.append(f"No source images are shown: {reason(error)}")
        return {}
