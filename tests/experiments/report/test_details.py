"""The tables after the main one, cell by cell, from made-up results."""

from support import made_up
from support.made_up import checked, evaluation, measurements, result, results, rows

from hrs_keras.experiments.report import details, notes


def test_class_table_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path, systems=["fcn", "joint"])
    first, second = (cell for cell in experiment.cells()[:2])
    found = {cell.digest: result(cell, 0.5) for cell in (first, second)}
    found[first.digest]["evaluations"][-1] = evaluation(600, 0.5, {"road": 0.9, "sky": 0.2, "car": None})
    found[second.digest]["evaluations"][-1] = evaluation(600, 0.5, {"road": 0.8, "sky": None, "car": None})
    assert rows(details.class_table(measurements(experiment, found))) == [
        ["system", "road", "sky", "car"],
        ["FCN", "85.0", "20.0", "-"],
        ["JOINT", "", "", ""],
    ]


def test_cost_table_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn", systems=["fcn", "joint", "ours", "gan"])
    found = results(experiment, fcn={0: 0.5, 1: 0.5, 2: 0.5}, ours={0: 0.5, 1: 0.5}, joint={0: 0.5})
    for value, seconds in zip(found.values(), (0.4, 0.5, 0.9, 0.9996, 1.0, None), strict=True):
        value["seconds_per_step"] = seconds
        if value["name"].startswith("joint"):
            value["parameters"] = {"encoder": 1000, "generator": 5}
        if value["name"].startswith("ours"):
            value["parameters"] = {"encoder": 1234567, "weighting/pixel": 89, "generator": 5}
    head = ["system", "seconds a step", "times the baseline"]
    assert rows(details.cost_table(measurements(experiment, found))) == [
        [*head, "encoder", "weighting/pixel", "generator", "all players"],
        ["FCN", "0.500", "1.00", "1,000", "-", "-", "1,000"],
        ["JOINT", "1.00", "2.00", "1,000", "-", "5", "1,005"],
        ["OURS", "1.00", "2.00", "1,234,567", "89", "5", "1,234,661"],
        ["GAN", "", "", "", "", "", ""],
    ]
    for value, seconds in zip(found.values(), (0.8, 0.6, 0.5, 1.5, 2.0, 2.5), strict=True):
        value["cpu_seconds_per_step"] = seconds
    table = rows(details.cost_table(measurements(experiment, found)))
    assert table[0][3:5] == ["CPU seconds a step", "times the baseline"]
    assert [row[3:5] for row in table[1:]] == [["0.600", "1.00"], ["1.50", "2.50"], ["2.25", "3.75"], ["", ""]]


def test_share_table_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5}, joint={0: 0.5}, ours={0: 0.5, 1: 0.5})
    fcn, joint, one, other = found.values()
    fcn["log"] = [{"step": 50, "loss/target": 1.0}]
    joint["log"] = [{"step": 50, "selected": 1.0}]
    one["log"] = [{"step": step, "selected": share} for step, share in ((50, 0.5), (100, 0.7), (150, 0.2))]
    # Logged at other intervals; in the last no source was read.
    other["log"] = [{"step": 100, "selected": 0.6}, {"step": 150, "selected": 0.3}, {"step": 160, "selected": None}]
    assert rows(details.share_table(measurements(experiment, found))) == [
        ["system", "runs", "first steps", "selected %", "last steps", "selected %"],
        # 50 and 60, 20 and 30: sqrt(50)
        ["OURS", "2", "1 to 50, 1 to 100", "55.0 ± 7.1", "101 to 150", "25.0 ± 7.1"],
    ]
    del found[one["digest"]], found[other["digest"]]
    assert details.share_table(measurements(experiment, found)) == ""


def test_check_table_by_hand(tmp_path):
    experiment, found = checked(tmp_path)
    measured = measurements(experiment, found)
    levels = [title for name in ("H", "H_p", "H_r", "H_i") for title in (f"{name}, flagged / others", f"AUC of {name}")]
    assert rows(details.check_table(measured)) == [
        ["system", "step", "runs", *levels],
        ["OURS", "0", "2", "0.25 / 0.50", "0.75 ± 0.00", "0.25 / 0.50", "-", "-", "-", "-", "-"],
        # 0.25 and 0.35, 0.75 and 0.85: sqrt(0.005)
        ["OURS", "300", "2", "0.30 / 0.55", "0.80 ± 0.07", "0.30 / 0.55", "-", "-", "-", "-", "-"],
    ]
    note = notes.check_note(measured)
    assert "over the 3 images with `odd` in `marks.jsonl` (flagged) and over the 5 without" in note
    assert f"Collected without a check: `{list(found.values())[3]['name']}`;" in note
