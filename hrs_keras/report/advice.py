"""What to do next: rules, each of which looks at one number of a run."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrs_keras.data.leaks import tells_leak
from hrs_keras.report.failures import ClassRow, Leak
from hrs_keras.report.records import Records, mean_iou
from hrs_keras.report.verdict import collapsed, never_predicted, problems, shared_images

MOST = 5
"""Suggestions on a page: of more none is followed."""

RISING = 0.01
"""What the last quarter of the steps gains where more are worth it: the same as in the gate of experiments."""

RARE = 0.01
"""Share of the labelled pixels below which a class is rare."""

LEAKY, UNSURE, WIDE, WAITING, BLURRED = 0.01, 0.05, 0.06, 0.2, 0.6


@dataclass(frozen=True)
class Suggestion:
    """Something to do.

    Attributes:
        what: to do, as a short sentence.
        why: the number that says so.
        command: that does it; empty if there is none.
    """

    what: str
    why: str
    command: str = ""


@dataclass(frozen=True)
class Findings:
    """What the rules look at.

    Attributes:
        records: of the run.
        scores: of the images one by one, if they are there.
        classes: those that cost most first.
        leaks: those that cost most first.
    """

    records: Records
    scores: dict[str, Any] | None
    classes: Sequence[ClassRow]
    leaks: Sequence[Leak]

    @property
    def recipe_file(self) -> str:
        """The run's recipe, as a word of a command line."""
        return shlex.quote(str(self.records.folder.recipe_file))

    def another(self, name: str) -> str:
        """The words that give a run another name than this one has."""
        return f"name={self.records.recipe.name}-{name}"


def suggestions(findings: Findings) -> list[Suggestion]:
    """At most :data:`MOST` suggestions, the most pressing first."""
    found = [one for rule in _RULES for one in rule(findings)]
    return found[:MOST]


def last_quarter(records: Records) -> float | None:
    """How much mean IoU the last quarter of the steps gained on the validation images; None if that is not known."""
    known = [(one["step"], miou) for one in records.evaluations if (miou := mean_iou(one)) is not None]
    if not known:
        return None
    end, last = known[-1]
    before = [miou for step, miou in known if 0 < step <= 0.75 * end]
    return last - before[-1] if before else None


def _shared(findings: Findings) -> Iterator[Suggestion]:
    if count := len(shared_images(findings.records)):
        yield Suggestion(
            "Take the shared images out of the evaluation, with `except: FILE` of its data set.",
            f"{count} images are both trained and evaluated on.",
        )


def _collapse(findings: Findings) -> Iterator[Suggestion]:
    if why := collapsed(findings.records):
        yield Suggestion(
            "Train with all source pixels alike, and see whether selecting is missed at all.",
            why,
            f"hrs train {findings.recipe_file} systems/joint {findings.another('joint')}",
        )


def _rising(findings: Findings) -> Iterator[Suggestion]:
    gain, steps = last_quarter(findings.records), findings.records.recipe.train.steps
    if findings.records.result and gain is not None and gain >= RISING:
        yield Suggestion(
            "Train for longer.",
            f"The last quarter of the steps gained {100 * gain:.1f} points of mean IoU.",
            f"hrs train {findings.recipe_file} train.steps={2 * steps} {findings.another('longer')}",
        )


def _from_scratch(findings: Findings) -> Iterator[Suggestion]:
    encoder = findings.records.recipe.encoder
    if encoder.weights is None and findings.records.recipe.train.init_from is None:
        yield Suggestion(
            "Begin with pretrained weights: `hrs recipes` lists the encoders that have some.",
            f"All weights of this encoder ({encoder.family}) began at random (encoder.weights: null).",
        )


def _rare(findings: Findings) -> Iterator[Suggestion]:
    rare = [row for row in findings.classes if row.trained is not None and row.trained < RARE and (row.iou or 0) < 0.5]
    if rare and rare[0].cost and rare[0].trained is not None:
        row = rare[0]
        yield Suggestion(
            f"Label more real images that hold {row.name}.",
            f"It has {100 * rare[0].trained:.2f} % of the labelled pixels of the real images and an IoU of"
            f" {100 * (row.iou or 0):.1f} %, which costs {100 * rare[0].cost:.1f} points of mean IoU.",
        )


def _leak(findings: Findings) -> Iterator[Suggestion]:
    if findings.leaks and findings.leaks[0].gain >= LEAKY:
        leak = findings.leaks[0]
        yield Suggestion(
            f"Look at where {leak.label} is taken for {leak.prediction}: are both labelled alike in all data sets?",
            f"{100 * leak.share:.0f} % of its pixels are. Right, they would add {100 * leak.gain:.1f} points.",
            f"hrs look {findings.recipe_file}",
        )


def _never(findings: Findings) -> Iterator[Suggestion]:
    if names := never_predicted(findings.records.shown):
        yield Suggestion(
            f"Give more pixels to classes that are never predicted, or leave them out: {', '.join(names)}.",
            f"{len(names)} of {len(findings.classes)} classes are never predicted.",
        )


def _no_test(findings: Findings) -> Iterator[Suggestion]:
    if findings.records.shown_on == "validation":
        count = (findings.records.shown or {}).get("images", 0)
        yield Suggestion(
            "Keep images for data.test that nothing is chosen by.",
            f"All {count} images of this number had a part in the choice of the weights.",
        )


def _warned(findings: Findings) -> Iterator[Suggestion]:
    if told := [one for one in problems(findings.records) if not tells_leak(one["what"])]:
        yield Suggestion(
            "Read what the audit says of the data.",
            f"It has {len(told)} warning{'s'[: len(told) > 1]}.",
            f"hrs audit {findings.recipe_file}",
        )


def _wide(findings: Findings) -> Iterator[Suggestion]:
    if not findings.scores:
        return
    low, high = next(iter(findings.scores["interval"]["mean_iou"].values()))
    if low is not None and high is not None and high - low > WIDE:
        yield Suggestion(
            "Label more images to evaluate on.",
            f"The interval of mean IoU is {100 * (high - low):.1f} points wide: smaller differences cannot be seen.",
        )


def _blurred(findings: Findings) -> Iterator[Suggestion]:
    if not findings.scores:
        return
    boundary = next(iter(findings.scores["mean_boundary_iou"].values()))
    whole = mean_iou(findings.scores)
    if boundary is not None and whole and boundary < BLURRED * whole:
        height, width = findings.records.recipe.data.size
        yield Suggestion(
            "Train at a larger data.size: outlines are lost.",
            f"Boundary IoU is {100 * boundary:.1f} %, mean IoU {100 * whole:.1f} %, at {height}x{width} pixels.",
        )


def _unsure(findings: Findings) -> Iterator[Suggestion]:
    error = findings.scores["calibration"]["expected_error"] if findings.scores else None
    if error is not None and error > UNSURE:
        yield Suggestion(
            "Do not take its confidence for a probability.",
            f"The two differ by {100 * error:.1f} points on average (expected calibration error).",
        )


def _waiting(findings: Findings) -> Iterator[Suggestion]:
    waits = [row["input_wait"] for row in findings.records.log if "input_wait" in row]
    if waits and float(np.median(waits)) > WAITING:
        yield Suggestion(
            "Convert the files once, so that steps do not wait for them.",
            f"{100 * float(np.median(waits)):.0f} % of the time of a step went by waiting for input.",
            f"hrs prepare {findings.recipe_file} --to FOLDER",
        )


_RULES: Sequence[Callable[[Findings], Iterator[Suggestion]]] = (
    _shared,
    _collapse,
    _never,
    _rising,
    _from_scratch,
    _leak,
    _rare,
    _no_test,
    _warned,
    _wide,
    _blurred,
    _unsure,
    _waiting,
)
"""In the order of what is most pressing."""
