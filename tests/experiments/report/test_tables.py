"""The main tables of a report, cell by cell, from made-up results."""

import pytest
from support import made_up, tiny
from support.made_up import AMOUNTS, CLASSES, SYSTEMS, amounts, evaluation, measurements, result, results, rows, section

from hrs_keras.experiments.grid import load_experiment
from hrs_keras.experiments.report import details, notes, tables
from hrs_keras.experiments.report.leaderboard import boards
from hrs_keras.experiments.report.report import write_report
from hrs_keras.experiments.target_labels import target_labels

# ---- the main table ------------------------------------------------------------------------------------------------


def test_main_table_by_hand(tmp_path):
    text = "baseline: fcn\nreference: The Paper\npublished_only: [{title: 'Others | more', published: 61.0}]"
    experiment = made_up.experiment(
        tmp_path,
        text,
        fcn="published: 60.5",
        ours="seeds: [0, 1, 2, 3]",
        joint="published: 62.0",
    )
    found = results(
        experiment, fcn={0: 0.5, 1: 0.52, 2: 0.54}, joint={0: 0.51, 1: 0.54}, ours={0: 0.53, 1: 0.54, 2: 0.58, 3: 0.61}
    )
    # The best checkpoints of fcn are those of step 300, one point better than the last.
    for cell in experiment.cells():
        if cell.system == "fcn":
            last = found[cell.digest]["evaluations"][-1]["mean_iou"]["3"]
            found[cell.digest]["evaluations"][1] = evaluation(300, last + 0.01)
            found[cell.digest]["best"] = {"step": 300, "miou": last + 0.01}
    assert rows(tables.main_table(measurements(experiment, found))) == [
        ["system", "runs", "rank", "mIoU, 3 classes", "difference to FCN", "best checkpoint", "published"],
        # 50, 52, 54: standard deviation 2
        ["FCN", "3", "3", "52.0 ± 2.0", "baseline", "53.0 ± 2.0", "60.5"],
        # 51, 54: sqrt(4.5). Differences 1 and 2: 1.5 ± 12.706 * sqrt(0.5) / sqrt(2) = 1.5 ± 6.353
        ["JOINT", "2 of 3", "2", "52.5 ± 2.1", "+1.5 [-4.9, 7.9]", "52.5 ± 2.1", "62.0"],
        # 53, 54, 58, 61: squared deviations from 56.5 add up to 41; sqrt(41 / 3) = 3.70.
        # Differences at seeds 0 to 2: 3, 2, 4: 3 ± 4.303 * 1 / sqrt(3) = 3 ± 2.484
        ["OURS", "4", "1", "56.5 ± 3.7", "+3.0 [0.5, 5.5] (3 pairs)", "56.5 ± 3.7", ""],
        ["Others \\| more", "", "", "", "", "", "61.0"],
    ]


def test_what_has_not_been_run_is_empty(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn")
    found = results(experiment, joint={1: 0.5})
    assert rows(tables.main_table(measurements(experiment, found))) == [
        ["system", "runs", "rank", "mIoU, 3 classes", "difference to FCN", "best checkpoint"],
        ["FCN", "", "", "", "", ""],
        ["JOINT", "1 of 3", "1", "50.0", "", "50.0"],
        ["OURS", "", "", "", "", ""],
    ]


def test_without_a_baseline_there_are_no_differences_and_the_best_may_be_tabulated(tmp_path):
    experiment = made_up.experiment(tmp_path, "checkpoint: best\nseeds: [0]", systems=["fcn"])
    (cell,) = experiment.cells()
    found = result(cell, 0.4, best={"step": 300, "miou": 0.2})
    measured = measurements(experiment, {cell.digest: found})
    assert rows(tables.main_table(measured)) == [
        ["system", "runs", "rank", "mIoU, 3 classes", "last checkpoint"],
        ["FCN", "1", "1", "20.0", "40.0"],
    ]


ON_TEST = """
seeds: [0, 1]
checkpoint: best
evaluate_on: test
baseline: fcn
set: {data.test: [{images: a/*, labels: b/*, ids: {0: road}}]}
"""


def test_numbers_of_the_test_images_by_hand(tmp_path):
    experiment = made_up.experiment(tmp_path, ON_TEST, systems=["fcn", "joint"])
    found = results(experiment, fcn={0: 0.5, 1: 0.52}, joint={0: 0.6, 1: 0.6})
    for value, tested in zip(found.values(), (0.4, 0.42, 0.41, 0.45), strict=True):
        value["test"] = evaluation(600, tested, {"sky": 0.125}) | {"images": 40}
    measured = measurements(experiment, found)
    assert rows(tables.main_table(measured)) == [
        ["system", "runs", "rank", "test mIoU, 3 classes", "difference to FCN", "validation mIoU"],
        # 40, 42: sqrt(2)
        ["FCN", "2", "2", "41.0 ± 1.4", "baseline", "51.0 ± 1.4"],
        # Differences 1 and 3: 2 ± 12.706 * sqrt(2) / sqrt(2)
        ["JOINT", "2", "1", "43.0 ± 2.8", "+2.0 [-10.7, 14.7]", "60.0 ± 0.0"],
    ]
    assert rows(details.class_table(measured))[1] == ["FCN", "41.0", "12.5", "41.0"]
    number, spread, *_ = notes.main_notes(measured)
    assert "on 40 test images" in number and "in whose choice the test images had no part" in number
    assert spread.endswith("Validation mIoU: the same weights on the images that chose them.")
    report = write_report(experiment, made_up.parsed(found), tmp_path / "out").read_text()
    assert "it was in none. On the test images." in section(report, "IoU of each class")
    assert "is left out. On the validation images." in section(report, "Through training")


def test_equal_means_share_a_rank_and_small_differences_have_no_negative_zero(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn\nseeds: [0]")
    found = results(experiment, fcn={0: 0.5}, joint={0: 0.5}, ours={0: 0.4998})
    table = rows(tables.main_table(measurements(experiment, found)))
    assert [row[2] for row in table[1:]] == ["1", "1", "3"]
    assert [row[4] for row in table[1:]] == ["baseline", "+0.0", "+0.0"]


def test_every_named_mean_is_tabulated(tmp_path):
    (tmp_path / "city.yaml").write_text("data: {classes: cityscapes}\n")
    systems = [f"  - {{name: {name}, recipe: city.yaml, {made_up.SYSTEMS[name]}}}" for name in ("fcn", "joint")]
    made_up.experiment(tmp_path)
    file = tmp_path / "city_table.yaml"
    file.write_text("title: t\nrecipe: recipe.yaml\nseeds: [0]\nsystems:\n" + "\n".join(systems) + "\n")
    experiment = load_experiment(file)
    cell = experiment.cells()[0]
    found = result(cell, 0.5)
    found["evaluations"][-1]["mean_iou"] = {"19": 0.5, "16": 0.55, "13": None}
    measured = measurements(experiment, {cell.digest: found})
    table = rows(tables.main_table(measured))
    assert table[0] == ["system", "runs", "rank", "mIoU, 19 classes", "16 classes", "13 classes", "best checkpoint"]
    assert table[1] == ["fcn", "1", "1", "50.0", "55.0", "", "50.0"]


# ---- with axes -----------------------------------------------------------------------------------------------------


def test_axis_tables_by_hand(tmp_path):
    experiment, found = amounts(tmp_path, "published_only: [{title: Others, published: {1/2: 70.25}}]\n")
    one = next(digest for digest, value in found.items() if value["name"].startswith("fcn-1_2-s1"))
    del found[one]
    (heading, table), (differences, second) = tables.axis_tables(measurements(experiment, found))
    assert (heading, differences) == ("mIoU, 3 classes, by labels", "Difference to FCN, by labels")
    assert rows(table) == [
        ["system", "1/8", "1/2", "full"],
        # 40 and 44: the standard deviation is sqrt(8)
        ["FCN", "42.0 ± 2.8 (2)", "50.0 (1 of 2)", "62.0 ± 2.8 (2)"],
        ["FCN, published", "33.3", "", "44.0"],
        ["JOINT", "", "", "65.0 ± 4.2 (2)"],
        ["Others, published", "", "70.25", ""],
    ]
    # Differences 2 and 4: 3 ± 12.706 * sqrt(2) / sqrt(2)
    assert rows(second) == [["system", "1/8", "1/2", "full"], ["JOINT", "", "", "+3.0 [-9.7, 15.7]"]]


def test_further_axes_are_sections(tmp_path):
    """A baseline that is alone has no table of differences."""
    sizes = "  - {title: size, cells: [{name: small, set: {data.size: [32, 64]}}, {name: big}]}"
    text = "seeds: [0]\nbaseline: fcn" + AMOUNTS + sizes
    experiment = made_up.experiment(tmp_path, text, systems=["fcn"], fcn="published: {full: 44.0}")
    places = {"small": 0.1, "big": 0.2}
    found = {cell.digest: result(cell, places[cell.cells[1]]) for cell in experiment.cells()}
    measured = measurements(experiment, found)
    small, big = tables.axis_tables(measured)
    assert (small[0], big[0]) == (
        "mIoU, 3 classes, by labels, size: small",
        "mIoU, 3 classes, by labels, size: big",
    )
    assert rows(small[1])[1:] == [["FCN", "10.0 (1)", "10.0 (1)", "10.0 (1)"]]
    assert rows(big[1])[1:] == [["FCN", "20.0 (1)", "20.0 (1)", "20.0 (1)"], ["FCN, published", "", "", "44.0"]]
    assert rows(details.class_table(measured))[0:3] == [
        ["system", "labels", "size", *CLASSES],
        ["FCN", "1/8", "small", "10.0", "10.0", "10.0"],
        ["FCN", "1/8", "big", "20.0", "20.0", "20.0"],
    ]


# ---- labels of real images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "all"),
        (["data.labelled=1.0"], "all"),
        (["data.labelled=none"], "none"),
        (["data.labelled=0.125"], "1/8"),
        (["data.labelled=0.1"], "1/10"),
        (["data.labelled=1"], "1"),
        (["data.labelled=46"], "46"),
        (["data.target.0.subset=0.125"], "1/8"),
        (["data.target.0.subset=11"], "11"),
        (["data.labelled=0.25", "data.target.0.subset=0.5"], "1/8"),
        (["data.labelled=0.25", "data.target.0.subset=44"], "11"),
        (["data.labelled=5", "data.target.0.subset=44"], "5"),
        (["data.target=[]", "data.unlabelled=[photos]"], "none"),
    ],
)
def test_how_many_labels_a_recipe_learns_from(overrides, words):
    assert target_labels(tiny.recipe(*overrides)) == words


def test_a_column_says_from_how_many_labels_systems_learn_where_they_differ(tmp_path):
    experiment = made_up.experiment(tmp_path, "baseline: fcn\nset: {data.target.0.subset: 8}")
    assert rows(tables.main_table(measurements(experiment, {})))[0][1] == "runs"  # all from 8
    hiding = SYSTEMS["ours"].replace("}", ", data.labelled: none}")
    changed = experiment.path.read_text().replace(SYSTEMS["ours"], hiding)
    experiment.path.write_text(changed)
    measured = measurements(load_experiment(experiment.path), {})
    table = rows(tables.main_table(measured))
    assert [row[:3] for row in table] == [
        ["system", "target labels", "runs"],
        ["FCN", "8", ""],
        ["JOINT", "8", ""],
        ["OURS", "none", ""],
    ]
    (board,) = boards(measured)
    assert {place.title: place.labels for place in board.places} == {"FCN": "8", "JOINT": "8", "OURS": "none"}
