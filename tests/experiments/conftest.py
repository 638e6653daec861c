"""A run folder by hand, for the tests of what is collected from one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.selections import CHECK, ODD, SELECTED
from support.tiny import recipe

from hrs_keras.experiments.sections import SelectionCheck
from hrs_keras.runs.folder import RunFolder

SCORES = {"images": 3, "pixel_accuracy": 0.5, "rule": "...", "confusion_matrix": [[1, 2], [3, 4]]}
LOG = """\
step,loss/target,selected,selected/sky,learning_rate/encoder,seconds_per_step,cpu_seconds_per_step
2,1.5,0.5,nan,0.001,nan,nan
4,1.25,0.25,0.75,0.0005,0.4,0.5
6,nan,0.25,0.5,0.0002,0.1,0.6
8,1.0,0.25,0.5,0,0.2,1.5
"""


@pytest.fixture
def run(tmp_path) -> RunFolder:
    """A run folder as a finished run of 8 steps leaves it, written by hand."""
    run = RunFolder(tmp_path / "runs/ours-s0")
    run.evaluations.mkdir(parents=True)
    run.recipe_file.write_text(recipe("name=ours-s0", "train.steps=8").to_yaml())
    for step, miou, pole in ((0, 0.125, None), (4, 0.5, 0.25), (8, 0.375, 0.5)):
        found = {"step": step, "mean_iou": {"11": miou}, "iou": {"sky": 0.25, "pole": pole}, **SCORES}
        run.evaluation_file(step).write_text(json.dumps(found))
    run.log_file.write_text(LOG)
    command, begun = {"command": ["/home/me/cli.py"]}, {"versions": {"keras": "2"}}
    environment = {"versions": {"keras": "3"}, "python": "3.11", "cpus": 2, "git": None, "earlier": [begun | command]}
    run.environment_file.write_text(json.dumps(environment | command))
    sets = [("source", 3, 1), ("source", 1, 3), ("target", 2, 0)]
    audited = [{"role": role, "pixels": {"sky": sky, "pole": pole}} for role, sky, pole in sets]
    run.audit_file.write_text(json.dumps({"datasets": audited}))
    done = {"step": 4, "miou": 0.5, "saved_model": None, "parameters": {"encoder": 12}, **SCORES}
    run.result_file.write_text(json.dumps(done))
    return run


@pytest.fixture
def selecting(run, tmp_path) -> Callable[..., tuple[RunFolder, SelectionCheck, Path]]:
    """``selecting(images, marks)``: the arguments of ``collect`` for a run that recorded its selection."""

    def make(images: dict = SELECTED, marks: Any = ODD):
        run.selection.mkdir()
        named = {
            f"game/train/{stem}.png": dict(zip(("H", "H_p"), means, strict=True)) for stem, means in images.items()
        }
        # The other way round by step 8.
        other = {image: {level: 1 - mean for level, mean in means.items()} for image, means in named.items()}
        for step, values in ((0, named), (8, other)):
            run.selection_file(step).write_text(json.dumps({"step": step, "images": values}))
        lines = (
            [json.dumps({"name": stem, "odd": odd}) for stem, odd in marks.items()]
            if isinstance(marks, dict)
            else marks
        )
        (tmp_path / "data/game").mkdir(parents=True)
        (tmp_path / "data/game/meta.jsonl").write_text("\n".join(lines))
        return run, CHECK, tmp_path / "data"

    return make
