"""What forbids to trust a run, and which run of FCN it is compared with."""

import json

import pytest
from support.made_up_runs import audit, image, random_images, write, write_run, write_selection

from hrs_keras.data.inventory import SetInventory
from hrs_keras.data.leaks import leak, tells_leak
from hrs_keras.report.records import Records
from hrs_keras.report.verdict import doubts, find_fcn, shared_images
from hrs_keras.runs.data import DataRecord

FCN = {"data.source": [], "method.source_weighting": "none", "method.gan": False}


def told(run) -> str:
    return "\n".join(doubts(Records.of(run), None))


def test_a_number_that_the_weights_were_chosen_by(tmp_path):
    run = write_run(tmp_path / "one", random_images(60))
    assert told(run) == (
        "There are no test images: the weights are the best of 2 validations on the very images that this number is of,"
        " so it is too high by an unknown amount."
    )


def test_few_images(tmp_path):
    assert "Only 49 images" in told(write_run(tmp_path / "few", random_images(49)))
    assert "Only" not in told(write_run(tmp_path / "enough", random_images(50)))


def test_classes_that_are_never_predicted_or_labelled(tmp_path):
    run = write_run(tmp_path / "one", [image("a.png", [[0, 0, 2]], [[0, 0, 0]])])
    assert "Never predicted, though it is labelled: car." in told(run)
    assert "In none of the images that were evaluated: sky." in told(run)


@pytest.mark.parametrize("last, says", [(0.001, "0.1 %"), (0.999, "99.9 %")])
def test_a_collapsed_selection(tmp_path, last, says):
    run = write_run(tmp_path / "one", random_images(60))
    write_selection(run, {"a.png": last, "b.png": last})
    assert f"The selection has collapsed: {says} of the source pixels" in told(run)


def test_a_selection_that_tells_nothing_apart(tmp_path):
    run = write_run(tmp_path / "one", random_images(60))
    write_selection(run, {"a.png": 0.4, "b.png": 0.4})
    assert "tells no image from another" in told(run)
    write_selection(run, {"a.png": 0.3, "b.png": 0.5})
    assert "selection" not in told(run)


def test_images_that_the_audit_found_on_both_sides(tmp_path):
    run = write_run(tmp_path / "one", random_images(60))
    (tmp_path / "same.png").touch()
    problem = leak([tmp_path / "same.png"], [tmp_path / "same.png"])
    assert tells_leak(problem.what)
    write(run / "audit.json", audit(("road", "sky", "car"), [{"file": "x", "what": problem.what}]))
    assert "both trained and evaluated on" in told(run)


def test_images_that_the_inventory_has_on_both_sides(tmp_path):
    run = write_run(tmp_path / "one", random_images(60))
    names = {"target": ["a/1.png", "a/2.png"], "validation": ["a/2.png", "a/3.png"]}
    counts = {"position": 0, "found": 2, "pixels": {"road": 1}, "ignored": 0}
    sets = tuple(
        SetInventory(role=role, images=[(name, 10, 0) for name in of_role], **counts) for role, of_role in names.items()
    )
    (run / "data.json").write_bytes(DataRecord(sets=sets).to_bytes())
    assert shared_images(Records.of(run)) == {f"{Records.of(run).recipe.data.target[0].root}/a/2.png"}
    assert "1 image is both trained and evaluated on: the number is too high." in told(run)


def test_other_numbers_of_the_same_weights(tmp_path):
    run = write_run(tmp_path / "one", random_images(60))
    records = Records.of(run)
    (file,) = run.glob("evaluations/scores_*.json")
    scores = json.loads(file.read_text())
    assert not any("Evaluated again" in one for one in doubts(records, scores))
    scores["mean_iou"]["3"] += 0.01
    assert any("Evaluated again" in one for one in doubts(records, scores))


# ---- the run of FCN -----------------------------------------------------------------------------------------------


def test_the_run_of_fcn_beside_it(tmp_path):
    ours = write_run(tmp_path / "ours", random_images(60))
    write_run(tmp_path / "joint", random_images(60), recipe={"method.source_weighting": "plain", "method.gan": False})
    write_run(tmp_path / "other_classes", random_images(60), ("road", "sky", "bus"), recipe=FCN)
    write_run(tmp_path / "other_labels", random_images(60), recipe=FCN | {"data.subset_seed": 7})
    assert find_fcn(Records.of(ours)) is None
    write_run(tmp_path / "fcn_1", random_images(60, seed=1), recipe=FCN | {"seed": 1})
    assert find_fcn(Records.of(ours)).run.path.name == "fcn_1"
    fcn = write_run(tmp_path / "fcn_2", random_images(60, seed=2), recipe=FCN)
    found = find_fcn(Records.of(ours))
    assert (found.run.path.name, found.seed) == ("fcn_2", 0)  # the same seed before another
    assert found.miou == json.loads((fcn / "result.json").read_text())["miou"]


@pytest.mark.fault("a damaged run beside the one that `hrs report` is of", "passed over")
def test_a_damaged_run_beside_it(tmp_path):
    ours = write_run(tmp_path / "ours", random_images(60))
    fcn = write_run(tmp_path / "fcn", random_images(60), recipe=FCN)
    (fcn / "result.json").write_text("{")
    assert find_fcn(Records.of(ours)) is None
