"""The parts of a run's page: its headline, what was selected, and what trust rests on."""

import re
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from hrs_keras.errors import printable
from hrs_keras.report.advice import last_quarter
from hrs_keras.report.charts import Axes, Estimate, Series, estimate_chart, line_chart
from hrs_keras.report.page import percent
from hrs_keras.report.records import Records, mean_iou
from hrs_keras.report.selecting import SHARE_AXES, ClassSelection, by_class, shares_by_step
from hrs_keras.report.verdict import Reference, doubts, find_fcn, problems


@dataclass(frozen=True)
class Headline:
    """Is it good?

    Attributes:
        miou: mean IoU over all classes in [0, 1]; None if nothing was evaluated.
        bounds: of its interval; None if it has none.
        baselines: what knows nothing, or FCN -> its mean IoU on the same images.
        fcn: the run of FCN among them.
        on_validation: mean IoU on the validation images where the page is about test images.
        doubts: what forbids to trust it.
        chart: the number beside the others.
    """

    miou: float | None
    bounds: tuple[float, float] | None
    baselines: dict[str, float]
    fcn: Reference | None
    on_validation: float | None
    doubts: list[str]
    chart: Markup


def headline(records: Records, scores: dict[str, Any] | None) -> Headline:
    """The number of a run beside what it has to be compared with.

    Args:
        records: of the run.
        scores: of the images one by one, if they are there.
    """
    shown, result, tested = records.shown, records.result, records.shown_on == "test"
    miou, bounds = mean_iou(shown) if shown else None, None
    if scores and None not in (found := next(iter(scores["interval"]["mean_iou"].values()))):
        bounds = (found[0], found[1])
    fcn = find_fcn(records) if records.recipe.method.reads_source and shown else None
    baselines = dict(result["baselines"]) if result and not tested else _first_step(records) if not result else {}
    rows = [Estimate(_named(name), 100 * value, text=f"{percent(value)} %") for name, value in baselines.items()]
    if fcn:
        name = f"FCN, real images alone ({printable(fcn.run.path.name)})"
        rows.append(Estimate(name, 100 * fcn.miou, text=f"{percent(fcn.miou)} %"))
    if miou is not None:
        low, high = (100 * bounds[0], 100 * bounds[1]) if bounds else (None, None)
        rows.append(Estimate("this run", 100 * miou, low, high, text=f"{percent(miou)} %", strong=True))
    return Headline(
        miou,
        bounds,
        {_named(name): value for name, value in baselines.items()},
        fcn,
        result["miou"] if result and tested else None,
        doubts(records, scores) if shown else [],
        estimate_chart(rows, "mean IoU in per cent, beside what it has to be compared with", include=(0,)),
    )


def _first_step(records: Records) -> dict[str, float]:
    """What the network had before its first step, as ``result.json`` will call it; empty if that is not on record."""
    name = "at the first step" if records.recipe.train.init_from else "untrained"
    found = next((mean_iou(one) for one in records.evaluations if one["step"] == 0), None)
    return {} if found is None else {name: found}


def _named(baseline: str) -> str:
    """A baseline's name in ``result.json`` -> as a page has it."""
    everywhere = re.fullmatch(r"'(.*)' everywhere", baseline)
    if everywhere:
        return f"predicting {everywhere[1]} everywhere"
    return {"untrained": "the untrained network", "at the first step": "the network at the first step"}.get(
        baseline, baseline
    )


@dataclass(frozen=True)
class Selection:
    """What was selected?

    Attributes:
        selects: whether the run learns a selection.
        reads_source: whether it reads source images at all.
        begun, ended: share of the source pixels selected in the first and the last steps logged; None if not logged.
        chart: the shares through training.
        classes: those that are selected least first.
        step: of the last record of single images; None without one.
        images: how many images it has.
    """

    selects: bool
    reads_source: bool
    begun: float | None
    ended: float | None
    chart: Markup
    classes: list[ClassSelection]
    step: int | None
    images: int


def selection(records: Records) -> Selection:
    """What a run selected of its source images."""
    method, logged = records.recipe.method, [row["selected"] for row in records.log if "selected" in row]
    last = records.selection[-1] if records.selection else None
    return Selection(
        method.selects,
        method.reads_source,
        logged[0] if logged else None,
        logged[-1] if logged else None,
        line_chart(shares_by_step(records), SHARE_AXES, "share of the source pixels selected, by step"),
        by_class(records) if method.selects else [],
        last["step"] if last else None,
        len(last["images"]) if last else 0,
    )


@dataclass(frozen=True)
class Trust:
    """Can it be trusted?

    Attributes:
        curve: mean IoU through training.
        rising: mean IoU that the last quarter of the steps gained, in [0, 1]; None if not known.
        reliability: confidence against accuracy.
        calibration_error: in [0, 1]; None if not known.
        too_sure: whether the mean confidence is above the accuracy.
        warnings: of the audit: (of, what).
        facts: what the run is, and what it was made with.
    """

    curve: Markup
    rising: float | None
    reliability: Markup
    calibration_error: float | None
    too_sure: bool
    warnings: list[tuple[str, str]]
    facts: list[tuple[str, str]]


def trust(records: Records, scores: dict[str, Any] | None) -> Trust:
    """What the trust in a run rests on.

    Args:
        records: of the run.
        scores: of the images one by one, if they are there.
    """
    known = [(one["step"], 100 * miou) for one in records.evaluations if (miou := mean_iou(one)) is not None]
    curve = line_chart(
        [Series("mean IoU", known)], Axes("step", "mean IoU, validation, %", (0.0, 0.0)), "mean IoU through training"
    )
    bins = [one for one in scores["calibration"]["bins"] if one["pixels"]] if scores else []
    total = sum(one["pixels"] for one in bins)
    surplus = sum(one["pixels"] * (one["confidence"] - one["accuracy"]) for one in bins)
    return Trust(
        curve,
        last_quarter(records),
        _reliability(bins),
        scores["calibration"]["expected_error"] if scores and total else None,
        surplus > 0,
        [(f"data.{one['role']}, {one['file']}", one["what"]) for one in problems(records)],
        _facts(records),
    )


def _reliability(bins: list[dict[str, Any]]) -> Markup:
    points = [(100 * one["confidence"], 100 * one["accuracy"]) for one in bins]
    series = [Series("this run", points), Series("as sure as right", [(0, 0), (100, 100)], faint=True)]
    axes = Axes("confidence, %", "of these pixels right, %", (0, 100), (0, 100))
    return line_chart(series, axes, "confidence against the share of right pixels") if points else Markup("")


def _facts(records: Records) -> list[tuple[str, str]]:
    recipe, made = records.recipe, records.environment or {}
    git, used = (
        made.get("git"),
        ", ".join(f"{records.samples(role)} {role}" for role in recipe.roles if records.samples(role)),
    )
    versions = made.get("versions", {})
    height, width = recipe.data.size
    facts = {
        "steps": f"{recipe.train.steps} of batch {recipe.train.batch_size}, images of {height}x{width}",
        "weights shown": "" if records.best_step is None else f"of step {records.best_step}, the best validation",
        "seed": f"{recipe.seed}; {'' if recipe.deterministic else 'not '}deterministic. Others give other numbers",
        "images": used,
        "encoder": f"{recipe.encoder.family}, weights: {recipe.encoder.weights}",
        "made with": ", ".join(
            f"{name} {versions[name]}" for name in ("hrs-keras", "tensorflow", "keras", "numpy") if versions.get(name)
        ),
        "on": ", ".join(
            filter(
                None,
                [
                    f"Python {made['python']}" if "python" in made else "",
                    made.get("platform", ""),
                    *made.get("gpus", []),
                ],
            )
        ),
        "commit": f"{git['commit']}{', with changes' if git.get('modified') else ''}" if git else "",
        "recipe digest": recipe.digest(),
        "data digests": ", ".join(f"{one.title} {one.digest}" for one in records.data.sets) if records.data else "",
    }
    return [(name, printable(what)) for name, what in facts.items() if what]
