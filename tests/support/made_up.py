"""Experiments over three classes, and made-up results for their runs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hrs_keras.experiments.grid import Cell, Experiment, load_experiment
from hrs_keras.experiments.results import RunResult
from hrs_keras.experiments.statistics import Measurements
from support.tiny import BASE

CLASSES = ("road", "sky", "car")
RECIPE = f"""
extends: {BASE}
data:
  classes: [road, sky, car]
  source: [&set {{images: a/*, labels: b/*, ids: {{0: road}}}}]
  target: [*set]
  validation: [*set]
encoder: {{weights: null}}
train: {{steps: 600}}
"""
SYSTEMS = {
    "fcn": "set: {data.source: [], method.source_weighting: none, method.gan: false}",
    "joint": "set: {method.source_weighting: plain, method.gan: false}",
    "ours": "set: {method.gan: false}",
    "gan": "set: {}",
}
AMOUNTS = """
axes:
  - title: labels
    cells:
      - {name: 1/8, value: 0.125, set: {data.target.0.subset: 0.125}}
      - {name: 1/2, value: 0.5, set: {data.target.0.subset: 0.5}}
      - {name: full, value: 1.0}
"""
GATE = "gate: {all_labels: {data.target.0.subset: null}}"
CHECK = "selection_check: {marks: marks.jsonl, id: name, flag: odd}"
ENVIRONMENT = {
    "versions": {"hrs-keras": "1.2", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6", "pillow": "12.0"},
    "python": "3.11.7",
    "platform": "Linux",
    "cpus": 1,
    "git": {"commit": "0123456789abcdef", "modified": False},
}


def experiment(
    folder: Path, text: str = "", systems: Sequence[str] = ("fcn", "joint", "ours"), **more: str
) -> Experiment:
    """``FOLDER/table.yaml`` with seeds 0 to 2; ``more`` gives a system further keys: ``fcn="published: 60.5"``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(RECIPE)
    rows = [f"  - {{name: {name}, title: {name.upper()}, {SYSTEMS[name]}, {more.get(name, '')}}}" for name in systems]
    seeds = "" if "seeds:" in text else "seeds: [0, 1, 2]\n"
    file = folder / "table.yaml"
    file.write_text(f"title: A table\nrecipe: recipe.yaml\n{seeds}systems:\n" + "\n".join(rows) + f"\n{text}\n")
    return load_experiment(file)


def evaluation(step: int, miou: float, iou: Mapping[str, float | None] | None = None) -> dict[str, Any]:
    """A validation in which every class has the mean's IoU, but for ``iou``."""
    return {
        "step": step,
        "images": 101,
        "mean_iou": {"3": miou},
        "pixel_accuracy": 0.9,
        "iou": dict.fromkeys(CLASSES, miou) | dict(iou or {}),
    }


def result(cell: Cell, last: float, **changes: Any) -> dict[str, Any]:
    """A run's result as its file holds it: mean IoU 0.01 at step 0, ``last`` at step 600, and halfway half of it."""
    return {
        "name": cell.name,
        "digest": cell.digest,
        "recipe": cell.recipe.to_dict(),
        "environment": ENVIRONMENT,
        "class_shares": {
            "source": {"road": 0.5, "sky": 0.3, "car": 0.2},
            "target": {"road": 0.5, "sky": 0.15, "car": 0.35},
        },
        "parameters": {"encoder": 1000},
        "steps": 600,
        "seconds_per_step": 0.5,
        "cpu_seconds_per_step": None,
        "evaluations": [evaluation(0, 0.01), evaluation(300, last / 2), evaluation(600, last)],
        "best": {"step": 600, "miou": last},
        "log": [],
        "selection_check": None,
    } | changes


def results(of: Experiment, **miou: Mapping[int, float]) -> dict[str, dict[str, Any]]:
    """``results(experiment, fcn={seed: miou})``: digest -> result, for experiments without axes."""
    cells = [cell for cell in of.cells() if cell.seed in miou.get(cell.system, {})]
    return {cell.digest: result(cell, miou[cell.system][cell.seed]) for cell in cells}


def amounts(folder: Path, more: str = "") -> tuple[Experiment, dict[str, dict[str, Any]]]:
    """An experiment with one axis, and results: FCN 40, 44 / 50, 54 / 60, 64; joint 2 and 4 points more at full."""
    text = f"seeds: [0, 1]\nbaseline: fcn\n{more}{AMOUNTS}"
    published = "published: {1/8: 33.3, full: 44.0}"
    made = experiment(folder, text, systems=["fcn", "joint"], fcn=published)
    means = {"1/8": 0.4, "1/2": 0.5, "full": 0.6}
    found = {}
    for cell in made.cells():
        if cell.system == "fcn":
            found[cell.digest] = result(cell, means[cell.cells[0]] + 0.04 * cell.seed)
        elif cell.cells[0] == "full":
            found[cell.digest] = result(cell, (0.62, 0.68)[cell.seed])
    return made, found


def gated(folder: Path, gate: str = GATE, axes: str = "") -> Experiment:
    """FCN and joint training, 600 steps, evaluated every 150, with a gate; on an eighth of the labels without axes."""
    few = "" if axes else "data.target.0.subset: 0.125, "
    given = f"set: {{{few}train.validate_every: 150}}"
    return experiment(folder, f"baseline: fcn\n{given}\n{gate}\n{axes}", systems=["fcn", "joint"])


def check(step: int, shift: float) -> dict[str, Any]:
    """A made-up record of the selection check, without the region and image level."""
    numbers = {"flagged": 0.25 + shift, "others": 0.5 + shift, "auc": 0.75 + shift}
    return {"step": step, "H": numbers, "H_p": numbers | {"auc": None}, "flagged": 3, "others": 5}


def checked(folder: Path) -> tuple[Experiment, dict[str, dict[str, Any]]]:
    """An experiment with two checked runs and one that was collected without."""
    made = experiment(folder, CHECK, systems=["joint", "ours"])
    found = results(made, joint={0: 0.5}, ours={0: 0.5, 1: 0.5, 2: 0.5})
    for value, shift in zip(list(found.values())[1:3], (0.0, 0.1), strict=True):
        value["selection_check"] = [check(300, shift), check(0, 0.0)]
    return made, found


def parsed(found: Mapping[str, dict[str, Any]]) -> dict[str, RunResult]:
    """The results as ``read_results`` gives them."""
    return {digest: RunResult.parse(value, digest, "write a better test") for digest, value in found.items()}


def measurements(of: Experiment, found: Mapping[str, dict[str, Any]]) -> Measurements:
    """An experiment with made-up results."""
    return Measurements(of, parsed(found))


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, its header first and without the line below that."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [found[0], *found[2:]]


def section(report: str, heading: str) -> str:
    """The text below a heading of a report."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", report, re.M | re.S)[1]
