"""The page of an experiment: the numbers of its report, as one HTML file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hrs_keras.errors import CheckpointError, DataError
from hrs_keras.experiments.grid import Experiment
from hrs_keras.experiments.report.curves import means_by_step
from hrs_keras.experiments.report.details import (
    TIMES,
    by_system,
    check_steps,
    check_values,
    checked_rows,
    class_means,
    label,
    time_of,
)
from hrs_keras.experiments.report.gate import verdict
from hrs_keras.experiments.report.leaderboard import boards
from hrs_keras.experiments.report.notes import main_notes, missing_runs
from hrs_keras.experiments.report.side_by_side import missing, predict_samples
from hrs_keras.experiments.report.tables import miou, spread
from hrs_keras.experiments.results import RunResult
from hrs_keras.experiments.sections import PublishedRow, System
from hrs_keras.experiments.selection_check import MAPS
from hrs_keras.experiments.statistics import Measurements, summarise
from hrs_keras.media.painting import colourise
from hrs_keras.report.charts import Axes, Estimate, Series, estimate_chart, line_chart
from hrs_keras.report.page import render, render_within, write_page
from hrs_keras.report.pictures import Encoded, Picture, reduced, reduced_ids
from hrs_keras.report.verdict import FEW_IMAGES


def write_experiment_page(experiment: Experiment, results: Mapping[str, RunResult], out: Path, runs: Path) -> Path:
    """Write the page of an experiment; missing results leave their places empty.

    Args:
        experiment: from ``load_experiment``.
        results: digest -> result; those of other experiments are left aside.
        out: the file.
        runs: the folder with the run folders, for ``experiment.pictures``.

    Returns:
        The path of the page.

    Raises:
        HRSError: the cells' label spaces differ, a result lacks what the tables want, or the page cannot be written.
    """
    measured = Measurements(experiment, results)
    titles, strips, why = _pictures(measured, runs)
    context = _context(measured) | {"no_pictures": inline(why)}

    def fill(encoded: list[list[Encoded]]) -> str:
        return render("experiment.html", **context, pictures=list(zip(titles, encoded, strict=False)))

    write_page(out, render_within(fill, strips))
    return out


def _context(measured: Measurements) -> dict[str, Any]:
    experiment, found = measured.experiment, boards(measured)
    baseline = next((one.title for one in experiment.systems if one.name == experiment.baseline), None)
    return {
        "title": experiment.title,
        "file": experiment.path.name,
        "stem": experiment.path.stem,
        "experiment": experiment,
        "measure": miou(experiment),
        "baseline": baseline,
        "boards": found,
        "verdict": verdict(measured),
        "doubts": _doubts(measured),
        "classes": list(zip(measured.space.classes, measured.space.palette, strict=True)),
        "heat": [(", ".join(label(row)), class_means(measured, row)) for row in by_system(measured) if row.results],
        "curves": _curves(measured),
        "checks": _checks(measured),
        "costs": _costs(measured),
        "times": [title for key, title in TIMES.items() if _is_timed(measured, key)],
        "published": _published(experiment),
        "reference": experiment.reference,
        "notes": [inline(note) for note in main_notes(measured)],
    }


def _doubts(measured: Measurements) -> list[str]:
    """What forbids to conclude from the tables."""
    experiment, said, lacking = measured.experiment, verdict(measured), missing_runs(measured)
    found = [said] if said and not said.startswith("This table tests the claim") else []
    found += [lacking] if lacking else []
    single = [", ".join(label(row)) for row in measured.rows.values() if len(row.results) == 1]
    if single:
        found.append(f"One seed alone, so that no difference can be told from chance: {'; '.join(single)}.")
    images = {result.evaluation(experiment.reported).images for result in measured.found}
    if images and min(images) < FEW_IMAGES:
        found.append(f"Only {min(images)} images were evaluated.")
    if experiment.checkpoint == "best" and experiment.evaluate_on == "validation":
        found.append("The weights were chosen by the very images that the numbers are of.")
    return found


def _curves(measured: Measurements) -> list[tuple[str, Markup]]:
    """(cells, mean IoU on the validation images through training of each system) of each choice of cells."""
    drawn = []
    for cells in measured.combinations():
        series = []
        for (_, where), row in measured.rows.items():
            steps = sorted(means_by_step(row, measured).items()) if where == cells else []
            points = [(step, found.mean) for step, values in steps if (found := summarise(values))]
            band = [(step, min(values), max(values)) for step, values in steps]
            if points:
                series.append(Series(row.system.title, points, band=band))
        chart = line_chart(series, Axes("step", "mean IoU, validation, %"), "mean IoU through training, of each system")
        drawn.append((", ".join(cells), chart))
    return [(cells, chart) for cells, chart in drawn if chart]


def _checks(measured: Measurements) -> Markup:
    """The AUC of each map after the last step that was checked, each seed a dot; empty without a check."""
    rows = []
    for row in checked_rows(measured):
        step = check_steps(row)[-1]
        for name in MAPS:
            if found := summarise(values := check_values(row, step, name, "auc")):
                title = f"{', '.join(label(row))}: {name}, step {step}"
                rows.append(Estimate(title, found.mean, dots=values, text=spread(found, digits=2)))
    return estimate_chart(rows, "AUC of the maps after the last step", include=(0, 1), line=0.5)


def _is_timed(measured: Measurements, key: str) -> bool:
    return any(getattr(result, key) is not None for result in measured.found)


def _costs(measured: Measurements) -> list[tuple[str, list[float | None], int]]:
    """(system and cells, seconds of each kind, trainable parameters of all players) of each row that was run."""
    times = [key for key in TIMES if _is_timed(measured, key)]
    return [
        (
            ", ".join(label(row)),
            [time_of(row, key) for key in times],
            sum(next(iter(row.results.values())).parameters.values()),
        )
        for row in by_system(measured)
        if row.results
    ]


def _published(experiment: Experiment) -> list[tuple[str, str]]:
    """(row, its published numbers) of each row that has some."""
    found = []
    rows: list[System | PublishedRow] = [*experiment.systems, *experiment.published_only]
    for one in rows:
        if isinstance(one.published, dict):
            found.append((one.title, ", ".join(f"{name}: {value}" for name, value in one.published.items())))
        elif one.published is not None:
            found.append((one.title, str(one.published)))
    return found


def _pictures(measured: Measurements, runs: Path) -> tuple[list[str], list[list[Picture]], str]:
    """Names of images, each beside its label and what the systems predict; and without any, why."""
    if not measured.experiment.pictures:
        return [], [], ""
    if why := missing(measured, runs):
        return [], [], f"{why}."
    try:
        shown = predict_samples(measured, runs)
    except (CheckpointError, DataError) as error:  # the tables are of use without the pictures
        return [], [], str(error)
    strips = []
    for n, image in enumerate(shown.images):
        small = reduced(image)

        def painted(title: str, ids: Any, size: tuple[int, ...] = small.shape[:2]) -> Picture:
            return Picture(title, colourise(reduced_ids(ids.astype("uint8"), size), measured.space), photo=False)

        predicted = [painted(title, ids[n]) for title, ids in shown.predicted.items()]
        strips.append([Picture("image", small), painted("label", shown.labels[n]), *predicted])
    return shown.titles, strips, ""


_MARKS = re.compile(r"\\([\\`*<>\[\]&~#$_|])|`([^`]*)`|\*\*(.+?)\*\*")


def inline(text: str) -> Markup:
    """A sentence of the Markdown report as HTML: code, bold text and escaped letters are all that it has."""
    parts: list[Markup | str] = []
    end = 0
    for found in _MARKS.finditer(text):
        parts.append(text[end : found.start()])
        letter, code, bold = found.groups()
        parts.append(
            letter
            if letter is not None
            else Markup("<code>{}</code>").format(code)
            if code is not None
            else Markup("<b>{}</b>").format(bold)
        )
        end = found.end()
    return Markup("").join([*parts, text[end:]])
