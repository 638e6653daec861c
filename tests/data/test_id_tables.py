"""Ranges, `others` and `raw` of an id table: the same in the audit, training, evaluation and a prepared folder."""

import json

import numpy as np
import pytest
from PIL import Image

from hrs_keras.data.audit import audit, usable_samples
from hrs_keras.data.pipeline import training_images, validation_images
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import DataError

# Instance ids of 16 bits: the class, 3 or 8, times 1000, and the instance; 7 and 9 are others.
INSTANCES = np.full((32, 64), 3000, np.uint16)
INSTANCES[:, 32:] = np.arange(8000, 8032)
INSTANCES[0, :3] = (7005, 7006, 9001)
CLASSES = np.where(INSTANCES // 1000 == 3, 3, 8)  # road and car of CamVid
TABLE = {"bits": 16, "raw": "id // 1000", "ids": {"road": 3, "car": 8, "others": "ignore"}}


@pytest.fixture
def instances(tmp_path, write_set):
    """A folder with a set of two pairs."""
    folder = write_set(tmp_path / "set", [INSTANCES % 256] * 2)
    for name in ("s0.png", "s1.png"):
        Image.fromarray(INSTANCES).save(folder / "labels" / name)
    return tmp_path


def described(make_recipe, root, **fields):
    return make_recipe(root, [{"root": "set", **TABLE, **fields}])


def test_the_audit_counts_what_others_maps(make_recipe, instances):
    report = audit(described(make_recipe, instances)).datasets[0]
    assert (report.pixels["road"], report.pixels["car"], report.ignored) == (2 * (1024 - 3), 2 * 1024, 6)
    assert (report.others, report.common_others) == (6, ["7", "9"])
    assert "  ids that only `others` of its table maps: 0.15 % of the pixels (7, 9)" in report.summary("target.0", 2)
    assert DatasetAudit.from_json(json.dumps(report.to_dict()).encode()) == report


def test_others_may_be_a_class(make_recipe, instances):
    table = {"raw": None, "ids": {"road": "3000..3999", "car": "8000..8031", "others": "tree"}}
    report = audit(described(make_recipe, instances, **table)).datasets[0]
    assert (report.pixels["tree"], report.ignored, report.others) == (6, 0, 6)
    assert report.common_others == ["7005", "7006", "9001"]


def test_an_audit_without_others_is_stored_without_them(make_recipe, instances):
    ids = {"road": 3, "car": 8, "ignore": [7, 9]}
    stored = audit(described(make_recipe, instances, ids=ids)).datasets[0].to_dict()
    assert set(stored) == {"role", "name", "samples", "pixels", "class_pixels", "ignored", "problems", "bad"}


@pytest.mark.fault(
    "ids that neither the table nor `others` maps", "refused; told as `raw` makes them, with their pixels"
)
def test_what_no_entry_maps_is_told_as_the_table_has_it(make_recipe, instances):
    recipe = described(make_recipe, instances, ids={"road": 3, "car": 8})
    with pytest.raises(DataError, match=r"3 pixels have ids that the id table does not map: 7, 9\n"):
        audit(recipe, roles=["target"])


@pytest.mark.slow
def test_training_evaluation_and_prepared_folders_read_the_same(make_recipe, instances, tmp_path):
    recipe = described(make_recipe, instances)
    expected = CLASSES.copy()
    expected[0, :3] = 255
    prepare_data(recipe, tmp_path / "out")
    prepared = described(make_recipe, instances).model_copy(
        update={"data": recipe.data.model_copy(update={"prepared": str(tmp_path / "out")})}
    )
    for one in (recipe, prepared):
        for role, images in (("target", training_images), ("validation", validation_images)):
            (_, label), _ = images(one, usable_samples(one, role), [0, 1])
            np.testing.assert_array_equal(label, expected)


@pytest.mark.fault(
    "a prepared folder, and another `raw` or `others` since", "refused; the key and both values are named"
)
def test_a_folder_that_was_prepared_with_another_table(make_recipe, instances, tmp_path):
    prepare_data(described(make_recipe, instances), tmp_path / "out")
    now = {"raw": "id // 100", "ids": {"road": 3, "car": 8, "others": "sky"}}
    with pytest.raises(DataError) as caught:
        audit(make_recipe(instances, [{"root": "set", **TABLE, **now}], data__prepared=str(tmp_path / "out")))
    assert "data.target.0.raw: id // 1000 was prepared, the recipe wants id // 100" in str(caught.value)
    assert "data.target.0.ids.others: ignore was prepared, the recipe wants sky" in str(caught.value)
