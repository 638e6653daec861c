"""Which differences of two recipes decide a run's numbers."""

import pytest
from support.tiny import recipe

from hrs_keras.recipe.comparing import NO_OUTCOME, SEEN_IN_DATA, compare

OTHER = {
    "name": "other",
    "runs": "/mnt/runs",
    "saved_models": "models",
    "data.root": "/mnt/data",
    "data.prepared": "/mnt/prepared",
    "data.on_bad": "skip",
    "data.on_change": "accept",
    "train.log_every": "3",
    "train.checkpoint_every": "3",
    "train.checkpoint_minutes": "3.5",
    "train.keep_checkpoints": "9",
    "train.pictures": "0",
    "train.selection_images": "0",
}


def test_every_key_of_the_list_is_tried_below():
    assert set(OTHER) == {*NO_OUTCOME, *SEEN_IN_DATA}


@pytest.mark.parametrize("key", OTHER)
def test_what_decides_no_number(key):
    changes = compare(recipe(), recipe(f"{key}={OTHER[key]}"))
    assert changes.numbers == changes.steps == [] and len(changes.free) == 1
    assert changes.free[0].startswith(f"{key}: ") and changes.free[0].endswith(f" -> {OTHER[key]}") and changes


@pytest.mark.parametrize(
    "override",
    ["seed=1", "data.subset_seed=3", "train.validate_every=3", "data.target.0.root=elsewhere", "train.batch_size=2"],
)
def test_what_decides_numbers(override):
    changes = compare(recipe(), recipe(override))
    assert [line.partition(":")[0] for line in changes.numbers] == [override.partition("=")[0]]
    assert changes.all == changes.numbers


def test_the_number_of_steps_decides_those_to_come():
    changes = compare(recipe("train.steps=8"), recipe("train.steps=16", "name=x"))
    assert changes.numbers == [] and changes.steps == ["train.steps: 8 -> 16"] and len(changes.free) == 1
    assert not compare(recipe(), recipe())


def test_a_file_may_be_spelt_in_another_way(tmp_path, monkeypatch):
    def with_weights(file: object):
        full = ["encoder.width=1", "encoder.fc=4096", "encoder.preprocessing=caffe"]
        return recipe(*full, f"encoder.weights={file}")

    monkeypatch.chdir(tmp_path)
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.h5").symlink_to("a.h5")
    for other in (tmp_path / "a.h5", "./a.h5", "link.h5"):
        assert compare(with_weights("a.h5"), with_weights(other)).numbers == []
    for other in ("b.h5", "gone.h5", "imagenet", "null"):
        assert len(compare(with_weights("a.h5"), with_weights(other)).numbers) == 1
