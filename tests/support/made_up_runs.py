"""Run folders made up of records alone: without data, weights, or a step of training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hrs_keras.evaluation.counts import ImageCounts, count
from hrs_keras.evaluation.image_file import recording
from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.evaluation.run import images_file, scores_file
from hrs_keras.evaluation.scores import Scores
from hrs_keras.labels import IGNORE_LABEL, LabelSpace, own_label_space
from hrs_keras.predict.views import View
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.training.log_file import LogFile
from support.tiny import BASE

CLASSES = ("road", "sky", "car")
STEPS = 600


def write_run(
    folder: Path,
    images: Sequence[ImageCounts],
    classes: Sequence[str] = CLASSES,
    *,
    recipe: Mapping[str, Any] | None = None,
    scored: bool = True,
) -> Path:
    """A finished run whose best weights are of step 600, evaluated on ``images``.

    Args:
        folder: the run folder.
        images: from :func:`image`.
        classes: the recipe's.
        recipe: further keys of the recipe, dotted -> value.
        scored: ``hrs evaluate`` was there, too.
    """
    folder.mkdir(parents=True)
    space = own_label_space(tuple(classes))
    (folder / "recipe.yaml").write_text(_recipe(folder, classes, recipe or {}))
    best = folder / "checkpoints/best"
    best.mkdir(parents=True)
    (best / f"step-{STEPS}.index").touch()
    result = evaluation(images, space)
    for step, part in ((0, 0.1), (300, 0.5), (STEPS, 1.0)):
        means = {name: part * mean for name, mean in result["mean_iou"].items()}
        write(folder / f"evaluations/step_{step:07d}.json", {"step": step, **result, "mean_iou": means})
    baselines = {"untrained": 0.011, f"'{classes[0]}' everywhere": 0.123}
    miou = next(iter(result["mean_iou"].values()))
    write(folder / "result.json", {"step": STEPS, "miou": miou, **result, "baselines": baselines, "saved_model": None})
    write(folder / "audit.json", audit(classes))
    write(folder / "environment.json", {"versions": {"hrs-keras": "1.2"}, "python": "3.11.7", "platform": "Linux"})
    if scored:
        write_scores(folder, images, space)
    return folder


def _recipe(folder: Path, classes: Sequence[str], more: Mapping[str, Any]) -> str:
    unread = [{"images": "a/*", "labels": "b/*", "ids": {0: classes[0]}}]
    values: dict[str, Any] = {f"data.{role}": unread for role in ("source", "target", "validation")}
    values |= {"data.classes": list(classes), "data.root": "/no/such/folder", "encoder.weights": None}
    values |= {"encoder.preprocessing": "unit", "encoder.heads": "random", "train.steps": STEPS, "name": "made-up"}
    values |= {"encoder.width": 0.0625, "encoder.fc": 16, "data.size": [32, 64]}
    given = [f"{key}={json.dumps(value)}" for key, value in (values | dict(more)).items()]
    return load_recipe(BASE, given).to_yaml()


def write(path: Path, value: object) -> None:
    """Write JSON, and make the folders for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def image(name: str, label: Any, ids: Any, classes: int = len(CLASSES), sure: float = 0.7) -> ImageCounts:
    """The counts of an image: ``label`` and ``ids`` are rows of train ids, 255 = ignore."""
    label, ids = np.array(label), np.array(ids)
    height, width = label.shape
    return ImageCounts(name, 0, (height, width), count(label, ids, np.full(label.shape, sure, np.float32), classes))


def random_images(number: int, classes: int = len(CLASSES), seed: int = 0) -> list[ImageCounts]:
    """So many images of 16x32 pixels, of which those that come later are more often wrong."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(number):
        label = rng.integers(0, classes, (4, 8)).repeat(4, 0).repeat(4, 1)
        label[:2] = IGNORE_LABEL
        wrong = rng.random(label.shape) < 0.1 + 0.7 * n / number
        ids = np.where(wrong, rng.integers(0, classes, label.shape), np.where(label == IGNORE_LABEL, 0, label))
        made.append(image(f"val/a_{n:06d}.png", label, ids, classes))
    return made


def evaluation(images: Sequence[ImageCounts], space: LabelSpace) -> dict[str, Any]:
    """What a validation on these images is recorded as, without its step."""
    matrix = np.sum([one.counts.confusion for one in images], axis=0)
    return Evaluation(matrix, space, len(images)).to_dict()


def audit(classes: Sequence[str], problems: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """An audit in which the class numbered n has n + 1 pixels of a thousand, and the first has the rest."""
    pixels = {name: n + 1 for n, name in enumerate(classes)}
    pixels[classes[0]] += 1000 - sum(pixels.values())
    of = {"samples": 9, "pixels": pixels, "ignored": 5, "bad": [], "absent": []}
    roles = ("source", "target", "validation")
    sets = [{"role": role, "name": f"folder {role}", **of, "problems": []} for role in roles]
    sets[-1]["problems"] = list(problems)
    return {"datasets": sets, "samples_used": {role: [9] for role in roles}}


def write_scores(folder: Path, images: Sequence[ImageCounts], space: LabelSpace) -> None:
    """What ``hrs evaluate`` leaves for these images."""
    about = {"on": "validation", "step": STEPS, "model": None, "view": asdict(View()), "overrides": [], "data": []}
    file = scores_file(folder / "evaluations", about)
    with recording(images_file(file), about | {"classes": space.classes, "images": len(images)}) as record:
        for one in images:
            record(one)
    write(file, about | Scores.of(images, space).to_dict())


def write_selection(folder: Path, last: Mapping[str, float], first: float = 0.5) -> None:
    """A log and records of a selection: of each image the mean H after the last step, and ``first`` at the beginning.

    Of every class as much is selected as of all.
    """
    (folder / "log.csv").unlink(missing_ok=True)
    classes = yaml.safe_load((folder / "recipe.yaml").read_text())["data"]["classes"]
    mean = float(np.mean(list(last.values())))
    log = LogFile(folder / "log.csv")
    for step, share in ((50, first), (STEPS, mean)):
        log.append({"step": step, "selected": share, **{f"selected/{name}": share for name in classes}})
    for step, images in ((0, dict.fromkeys(last, first)), (STEPS, last)):
        found = {name: {"H": value, "H_p": value} for name, value in images.items()}
        write(folder / f"selection/step_{step:07d}.json", {"step": step, "images": found})
