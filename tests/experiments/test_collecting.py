"""What is kept of a finished run, from hand-written run folders."""

import json

import pytest
from support.tiny import recipe

from hrs_keras.data.inventory import SetInventory
from hrs_keras.errors import CheckpointError, RecipeError
from hrs_keras.experiments.collecting import collect
from hrs_keras.experiments.grid import settings_digest
from hrs_keras.experiments.result_files import write_result
from hrs_keras.experiments.results import RunResult
from hrs_keras.runs.data import DataRecord, EarlierData


def test_what_is_kept(run):
    result = collect(run, None, "data").to_dict()
    kept = {"images": 3, "pixel_accuracy": 0.5}
    assert result == {
        "name": "ours-s0",
        "digest": settings_digest(recipe("train.steps=8")),
        "recipe": recipe("name=ours-s0", "train.steps=8").to_dict(),
        "environment": {
            "versions": {"keras": "3"},
            "python": "3.11",
            "cpus": 2,
            "git": None,
            "earlier": [{"versions": {"keras": "2"}}],
        },
        "class_shares": {"source": {"sky": 0.5, "pole": 0.5}, "target": {"sky": 1.0, "pole": 0.0}},
        "parameters": {"encoder": 12},
        "steps": 8,
        "seconds_per_step": 0.2,
        "cpu_seconds_per_step": 0.6,
        "evaluations": [
            {"step": 0, "mean_iou": {"11": 0.125}, "iou": {"sky": 0.25, "pole": None}, **kept},
            {"step": 4, "mean_iou": {"11": 0.5}, "iou": {"sky": 0.25, "pole": 0.25}, **kept},
            {"step": 8, "mean_iou": {"11": 0.375}, "iou": {"sky": 0.25, "pole": 0.5}, **kept},
        ],
        "best": {"step": 4, "miou": 0.5},
        "log": [
            {"step": 2, "loss/target": 1.5, "selected": 0.5, "selected/sky": None},
            {"step": 4, "loss/target": 1.25, "selected": 0.25, "selected/sky": 0.75},
            {"step": 6, "loss/target": None, "selected": 0.25, "selected/sky": 0.5},
            {"step": 8, "loss/target": 1.0, "selected": 0.25, "selected/sky": 0.5},
        ],
        "selection_check": None,
    }
    assert all(isinstance(row["step"], int) for row in result["log"])


def test_the_samples_that_were_read_are_kept(run):
    def one(role: str, size: int) -> SetInventory:
        files = [("a.png", size, 1), ("b.png", size, 1)]
        counts = {"found": 3, "pixels": {"sky": 5}, "ignored": 0}
        return SetInventory(role=role, position=0, images=files, labels=files, **counts)

    sets, others = (one("target", 7), one("validation", 8)), (one("target", 9), one("validation", 8))
    run.data_file.write_bytes(DataRecord(sets=sets).to_bytes())
    kept = collect(run, None, "data").to_dict()["data"]
    assert [(part["role"], part["position"], part["samples"], part["until_step"]) for part in kept] == [
        ("target", 0, 2, None), ("validation", 0, 2, None),
    ]  # fmt: skip
    assert [part["digest"] for part in kept] == [of.digest for of in sets] and len({*(p["digest"] for p in kept)}) == 2
    record = DataRecord(sets=others, earlier=(EarlierData(until_step=4, sets=sets),))
    run.data_file.write_bytes(record.to_bytes())
    later = collect(run, None, "data").to_dict()["data"]
    assert [part["until_step"] for part in later] == [4, 4, None, None]
    assert [part["digest"] == before["digest"] for part, before in zip(later[2:], later, strict=False)] == [False, True]


@pytest.mark.fault("a run whose number of steps was changed is to be a result of an experiment", "refused")
def test_a_run_that_was_made_longer_is_no_result(run):
    run.note(0, {"settings": ["train.steps: 2 -> 4"]})  # before the first
    run.note(2, {"settings": ["name: a -> b"]})
    collect(run, None, "data")
    run.note(4, {"settings": ["train.log_every: 1 -> 2", "train.steps: 4 -> 8"]})
    with pytest.raises(CheckpointError, match=r"another number of steps after step 4 \(train\.steps: 4 -> 8\)"):
        collect(run, None, "data")


def test_the_evaluation_of_the_test_images_is_kept(run, tmp_path):
    done = json.loads(run.result_file.read_text())
    scores = {"images": 2, "pixel_accuracy": 0.75, "mean_iou": {"11": 0.25}, "iou": {"sky": 0.25, "pole": None}}
    tested = {"step": 4, **scores, "rule": "...", "confusion_matrix": [[1]]}
    run.result_file.write_text(json.dumps(done | {"test": tested}))
    result = collect(run, None, "data")
    assert result.to_dict()["test"] == {"step": 4, **scores}
    assert result.evaluation("test").mean_iou == {"11": 0.25}
    again = RunResult.parse(json.loads(write_result(tmp_path / "results", result).read_text()), "", "")
    assert again == result


@pytest.mark.fault("a result without the numbers of its test images", "the report is refused and names the result")
def test_results_without_test_images_report_none(run):
    with pytest.raises(CheckpointError, match="result ours-s0 holds no evaluation of its test images; remove its file"):
        collect(run, None, "data").evaluation("test")


def test_durations_may_be_missing(run):
    run.log_file.write_text("step,seconds_per_step\n8,nan\n")
    assert collect(run, None, "data").seconds_per_step is None
    run.log_file.write_text("step,seconds_per_step\n4,1.0\n8,2.0\n")
    assert collect(run, None, "data").seconds_per_step == 1.5
    environment = json.loads(run.environment_file.read_text())
    del environment["cpus"]
    run.environment_file.write_text(json.dumps(environment))
    assert collect(run, None, "data").environment.cpus is None


def damage_unfinished(run):
    run.result_file.unlink()


def damage_last_evaluation(run):
    run.evaluation_file(8).unlink()


def damage_evaluation(run):
    run.evaluation_file(4).write_text("{")


def damage_log(run):
    run.log_file.write_text("step,selected\n2,half\n")


def damage_log_row(run):
    run.log_file.write_text("step,selected\n2\n")


def damage_log_away(run):
    run.log_file.unlink()


def damage_result(run):
    run.result_file.write_text("{}")


def damage_evaluation_kind(run):
    run.evaluation_file(4).write_text("[]")


def damage_log_steps(run):
    run.log_file.write_text("selected\n1\n")


def damage_environment_away(run):
    run.environment_file.unlink()


def damage_audit_away(run):
    run.audit_file.unlink()


def damage_nesting(run):
    run.result_file.write_text("[" * 100_000)


@pytest.mark.fault("a finished run whose records are damaged", "an error that names the run")
@pytest.mark.parametrize(
    "damage, says",
    [
        (damage_result, "are damaged .*'parameters'.*; remove .* to make the run again"),
        (damage_evaluation_kind, "are damaged .*; remove .* to make the run again"),
        (damage_log_steps, "are damaged .*'step'.*; remove .* to make the run again"),
        (damage_environment_away, r"are damaged: environment\.versions: .*; remove .* to make the run again"),
        (damage_audit_away, "are damaged: class_shares: .*; remove .* to make the run again"),
        (damage_nesting, r"result\.json is damaged"),
        (damage_unfinished, "has no result.json: the run is not finished"),
        (damage_last_evaluation, "lacks the evaluation at the last step, 8"),
        (damage_evaluation, "step_0000004.json is damaged"),
        (damage_log, "log.csv is damaged"),
        (damage_log_row, "log.csv is damaged"),
        (damage_log_away, "log.csv is damaged"),
    ],
)
def test_damaged_runs(run, damage, says):
    damage(run)
    with pytest.raises(CheckpointError, match=says):
        collect(run, None, "data")


def test_runs_of_an_older_recipe(run):
    run.recipe_file.write_text("name: x\n")
    with pytest.raises(RecipeError, match="missing"):
        collect(run, None, "data")
