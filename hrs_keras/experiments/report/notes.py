"""The notes below the tables of an experiment: what a number is, what is missing, and what it was made with."""

import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from hrs_keras.evaluation.metrics import ABSENT_RULE
from hrs_keras.experiments.grid import Experiment
from hrs_keras.experiments.report.tables import has_published
from hrs_keras.experiments.results import Environment, RunResult, Stage
from hrs_keras.experiments.statistics import Measurements

PACKAGES = ("tensorflow", "keras", "numpy", "hrs-keras")
"""The packages whose versions may change a number."""

_BEST = "the validation that was best of all during training"
_CHOSEN = {
    "validation": f"{_BEST}, chosen by the very images reported on",
    "test": f"{_BEST}, in whose choice the test images had no part",
}
"""Images that the numbers are of -> what the best checkpoint is."""

_PATHS = ("data.root", "data.prepared", "runs", "saved_models")


def main_notes(measured: Measurements) -> list[str]:
    """The notes of the main table, one sentence or more each."""
    found = measured.found_with_gate
    notes = [_number(measured), _spread(measured), missing_runs(measured), *_other_data(found), _encoders(measured)]
    notes += _made_with(found)
    return [note for note in [*notes, _command(measured.experiment)] if note]


def _number(measured: Measurements) -> str:
    experiment, found = measured.experiment, measured.found
    steps = _listed({result.steps for result in found})
    last = "after the last step" + (f" ({steps})" if steps else "")
    weights = f"of {_CHOSEN[experiment.evaluate_on]}" if experiment.checkpoint == "best" else last
    images = _listed({result.evaluation(experiment.reported).images for result in found})
    on = f" on {images} {experiment.evaluate_on} images" if images else ""
    space = "" if measured.space.name == "own" else f" of {measured.space.name}"
    return (
        f"mIoU: mean IoU in per cent over the {len(measured.space.classes)} classes{space}{on}, at the labels' own"
        f" resolution, from one confusion matrix over the set; with the weights {weights}. In it {ABSENT_RULE}."
    )


def on_images(experiment: Experiment, images: str) -> str:
    """A sentence that says which images a section is of; nothing where all are of the validation images."""
    return f" On the {images} images." if experiment.evaluate_on == "test" else ""


def _listed(values: Iterable[int]) -> str:
    """``600``; ``600 or 1200`` where cells differ; nothing without results."""
    return " or ".join(map(str, sorted(values)))


def _spread(measured: Measurements) -> str:
    experiment = measured.experiment
    text = "± is the sample standard deviation over the runs, which differ in their seed."
    if experiment.axes:
        text += " In parentheses: the number of runs."
    if experiment.baseline:
        text += (
            " Differences are means over the seeds that both systems were run with, of the difference at the same seed;"
            " in brackets the two-sided 95 % Student-t interval of that mean, uncorrected for the number of"
            " comparisons."
        )
    if not experiment.axes:
        text += f" {_beside(experiment)}."
    if has_published(experiment) and experiment.reference:
        text += f" Published: the numbers printed in {experiment.reference}."
    return text


def _beside(experiment: Experiment) -> str:
    """What the last column of the main table is."""
    if experiment.evaluate_on == "test":
        return "Validation mIoU: the same weights on the images that chose them"
    if experiment.checkpoint == "best":
        return "Last checkpoint: that of the last step"
    return f"Best checkpoint: {_CHOSEN['validation']}"


def missing_runs(measured: Measurements) -> str:
    """A sentence that says how many runs have no result; empty if all have one."""
    # Systems with equal recipes in a cell share a run.
    rows = [*measured.rows.values(), *measured.all_labels.values()]
    planned = {cell.digest for row in rows for cell in row.planned.values()}
    missing = len(planned) - len(measured.found_with_gate)
    if not missing:
        return ""
    what = "Nothing has been run yet" if missing == len(planned) else f"{missing} of {len(planned)} runs are missing"
    return f"{what}; the command below runs what is missing."


def _encoders(measured: Measurements) -> str:
    """Which encoders the networks have, and from what weights they start."""
    rows: dict[str, list[str]] = {}
    for row in measured.rows.values():
        for encoder in {cell.recipe.encoder.describe(): None for cell in row.planned.values()}:
            rows.setdefault(encoder, []).append(", ".join((row.system.title, *row.cells)))
    if len(rows) == 1:
        return f"Encoder: {next(iter(rows))}."
    listed = [f"{encoder} ({'; '.join(of)})" for encoder, of in rows.items()]
    return f"Encoders: {'. '.join(listed)}."


def _made_with(found: list[RunResult]) -> list[str]:
    """One note if all results were made alike; else one for each group, the largest first, with its runs' names."""
    groups: dict[str, list[str]] = {}
    for result in found:
        groups.setdefault(setting(result.environment), []).append(result.name)
    if len(groups) < 2:
        return [f"Made with {made_with}." for made_with in groups]
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    (commonest, names), *others = ordered
    notes = [f"**Not all of these results were made alike.** Made with {commonest}: {_runs(len(names))}."]
    for made_with, names in others:
        listed = ", ".join(f"`{name}`" for name in sorted(names))
        notes.append(f"Made with {made_with}: {_runs(len(names))}, {listed}.")
    return notes


def _other_data(found: list[RunResult]) -> list[str]:
    """A note for each data set of which not all results read the same samples, although their recipes name the same."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for result in found:
        for (title, described), what in _samples_read(result).items():
            groups.setdefault((title, described), {}).setdefault(what, []).append(result.name)
    notes = []
    for (title, _), runs in groups.items():
        if len(runs) > 1:
            (commonest, names), *others = sorted(runs.items(), key=lambda group: (-len(group[1]), group[0]))
            notes.append(
                f"**Not all of these results are of the same data.** data.{title}: {commonest} in"
                f" {_runs(len(names))}; "
                + "; ".join(f"{what} in {', '.join(f'`{name}`' for name in sorted(of))}" for what, of in others)
                + "."
            )
    return notes


def _samples_read(result: RunResult) -> dict[tuple[str, str], str]:
    """(``target.0``, what decides its samples in the recipe) -> the samples that were read, in words."""
    read: dict[tuple[str, str], list[str]] = {}
    data = result.recipe["data"]
    for one in result.data or []:
        chosen = [data[one.role][one.position], data["subset_seed"], data["on_bad"], data["classes"]]
        if one.role == "target":
            chosen.append(data.get("labelled", "all"))  # hidden labels are no part of what was read
        until = "" if one.until_step is None else f" until step {one.until_step}"
        title = f"{one.role}.{one.position}"
        read.setdefault((title, json.dumps(chosen)), []).append(f"{one.samples} samples ({one.digest}){until}")
    return {key: ", then ".join(stages) for key, stages in read.items()}


def _runs(count: int) -> str:
    return f"{count} run{'s'[: count > 1]}"


def setting(environment: Environment) -> str:
    """An environment in words: package versions, CPUs, GPUs and the commit, which may change a number or a duration.

    A run that was continued in another environment than it was begun in has several; they are given in their order.
    """
    # The number of CPUs is noted once, when a run ends.
    stages = [*environment.earlier, environment]
    described = [_setting(stage, environment.cpus if stage.cpus is None else stage.cpus) for stage in stages]
    return ", continued with ".join(dict.fromkeys(described))


def _setting(stage: Stage, cpus: int | None) -> str:
    versions = [f"{name} {stage.versions.get(name) or '(unknown)'}" for name in PACKAGES]
    cores = "an unknown number of CPUs" if cpus is None else f"{cpus} CPU{'s'[: cpus != 1]}"
    cores += "".join(f", {stage.gpus.count(name)} {name}" for name in dict.fromkeys(stage.gpus))
    commit = "no known commit"
    if stage.git:
        commit = f"commit {stage.git.commit[:12]}" + (" with changes" if stage.git.modified else "")
    return f"{', '.join(versions)}; {cores}; {commit}"


def _command(experiment: Experiment) -> str:
    # Paths differ from reader to reader, and must not change the report.
    overrides = [text for text in experiment.overrides if text.partition("=")[0] not in _PATHS]
    return f"Made by `{shlex.join(['hrs', 'experiment', _shown(experiment.path), 'data.root=DATA', *overrides])}`."


def _shown(path: Path) -> str:
    """Relative to the working folder if the file is below it: a report must not depend on whose machine made it."""
    relative = os.path.relpath(path)
    return Path(path).as_posix() if relative.startswith("..") else Path(relative).as_posix()


def check_note(measured: Measurements) -> str:
    """What the selection check compares, and which runs that learn a selection have none; empty without a check."""
    check = measured.experiment.selection_check
    if check is None:
        return ""
    rows = [row for row in measured.rows.values() if row.learns_selection]
    results = {result.digest: result for row in rows for result in row.results.values()}
    records = [record for result in results.values() for record in result.checks]
    without = sorted(f"`{result.name}`" for result in results.values() if not result.checks)
    notes = []
    if records:
        flagged, others = (
            _listed({record.flagged for record in records}),
            _listed({record.others for record in records}),
        )
        notes.append(
            f"Mean of the maps over a source image, averaged over the {flagged} images with `{check.flag}` in"
            f" `{check.marks}` (flagged) and over the {others} without (others), and over the runs. AUC: of all pairs"
            " of an image without the flag and one with it, the share in which the first has the larger mean, ties"
            " counting half: 0.5 is no relation, 1 a perfect one; ± is the sample standard deviation over the runs."
        )
    if without:
        notes.append(f"Collected without a check: {', '.join(without)}; remove these results to collect them again.")
    return " ".join(notes)


def cost_note(measured: Measurements) -> str:
    """What the cost table's numbers are."""
    baseline = " The ratio is to the baseline in the same cells." if measured.experiment.baseline else ""
    return (
        "Seconds a step: median over the intervals that a run logged, then over the runs; comparable only between runs"
        " on one machine with the same number of CPUs, and seconds that are not CPU seconds only where nothing else"
        f" kept it busy.{baseline} Parameters: trainable weights of each player."
    )


AMOUNTS = (
    "Lines: mean over the runs. Bars: sample standard deviation. Small dots: single runs. Systems are set apart a"
    " little sideways. Dashed, with open markers: published."
)
CLASSES = "Per cent, mean over the runs in which the class was in labels or predictions; `-`: it was in none."
TRAINING = "Lines: mean over the runs. Bands: from the lowest run to the highest. The untrained network is left out."
SHARE = (
    "Mean weight of the valid source pixels in the first and the last interval of steps that was logged, ± the sample"
    " standard deviation over the runs. Systems that count every pixel fully are left out."
)
