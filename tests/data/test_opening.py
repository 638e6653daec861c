"""Opening data finds samples without decoding them; what follows from an audit is left to the audit."""

import numpy as np
import pytest

from hrs_keras.data import check
from hrs_keras.data.audit import audit, audit_opened, usable_samples
from hrs_keras.data.opening import open_data, open_files
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.errors import DataError

SKY, UNMAPPED = np.full((8, 12), 0), np.full((8, 12), 99)


@pytest.fixture
def recipe_of(make_recipe, tmp_path, write_set):
    """Changes -> a recipe whose target set has a sample that cannot be used, its second one of four."""
    write_set(tmp_path / "target", [SKY, UNMAPPED, SKY, SKY])
    write_set(tmp_path / "validation", [SKY, SKY])

    def make(subset=None, **changes):
        target = {"root": "target", "subset": subset}
        return make_recipe(tmp_path, [target], validation=[{"root": "validation"}], data__on_bad="skip", **changes)

    return make


@pytest.fixture
def decoded(monkeypatch):
    """The images that were decoded."""
    files, real = [], check.decode_image
    monkeypatch.setattr(check, "decode_image", lambda path: (files.append(path), real(path))[1])
    return files


def names(pairs):
    return [path.name for path in pairs.images]


def test_files_are_found_and_not_decoded(recipe_of, decoded):
    opened = open_data(recipe_of(subset=1), ["target", "validation"])
    assert list(opened) == ["target", "validation"]
    (target,), (validation,) = opened.values()
    assert target.audited is None
    assert names(target) == ["s0.png", "s1.png", "s2.png", "s3.png"] and len(validation) == 2
    assert open_data(recipe_of())["source"] == []
    assert decoded == []


def test_prepared_data_brings_its_audit_and_only_usable_samples(recipe_of, decoded, tmp_path):
    prepare_data(recipe_of(subset=1), tmp_path / "out")
    before = len(decoded)
    recipe = recipe_of(subset=1, data__prepared=str(tmp_path / "out"))
    (target,) = open_data(recipe, ["target"])["target"]
    assert names(target) == ["s0.png", "s2.png", "s3.png"] and len(target.records) == 3
    assert target.audited.bad == [1] and target.audited.samples == 4
    (from_files,) = open_files(recipe, ["target"])["target"]
    assert len(from_files) == 4 and from_files.records is None and from_files.audited is None
    found = audit_opened({"target": [target]}, recipe.data.label_space)
    assert found.datasets == [target.audited] and found.sets == {"target": [target]}
    assert len(decoded) == before


def test_an_audit_of_what_was_opened_cuts_nothing(recipe_of):
    recipe = recipe_of(subset=2)
    found = audit_opened(open_data(recipe), recipe.data.label_space)
    assert names(found.sets["target"][0]) == ["s0.png", "s2.png", "s3.png"]
    assert [report.role for report in found.datasets] == ["target", "validation"]
    assert len(audit(recipe).sets["target"][0]) == 2


def test_who_only_reads_gets_what_a_run_uses_whatever_a_batch_needs(recipe_of):
    recipe = recipe_of(subset=2, train__batch_size=2)
    assert usable_samples(recipe, "target") == audit(recipe).sets["target"]
    large = recipe_of(subset=2, train__batch_size=3)
    with pytest.raises(DataError, match="2 samples are too few"):
        audit(large)
    assert usable_samples(large, "target") == audit(recipe).sets["target"]
    strict = large.model_copy(update={"data": large.data.model_copy(update={"on_bad": "error"})})
    with pytest.raises(DataError, match=r"the data has 1 error:\n.*s1.png: 96 pixels have ids"):
        usable_samples(strict, "target")
    assert len(usable_samples(strict, "validation")[0]) == 2


@pytest.mark.fault("a missing folder among several", "told before anything is decoded")
def test_all_missing_folders_are_found_before_anything_is_decoded(recipe_of, decoded, tmp_path):
    (tmp_path / "validation").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"the data set folder .*validation does not exist"):
        audit(recipe_of())
    assert decoded == []
