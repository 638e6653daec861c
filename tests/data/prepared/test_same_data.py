"""Training and evaluation cannot tell prepared data from files."""

import json

import numpy as np
import pytest
import tensorflow as tf
from support.prepared_folders import assert_same_data, contents, from_folder, manifest_of

from hrs_keras.data.audit import audit
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.errors import DataError
from hrs_keras.evaluation.run import EvaluateOptions, evaluate_run
from hrs_keras.training.run import train


@pytest.mark.slow
def test_training_cannot_tell(city_recipe, prepared):
    assert_same_data(city_recipe(), from_folder(city_recipe(), prepared))
    # What decides nothing that is stored may change freely.
    changes = ["seed=5", "train.batch_size=3", "data.subset_seed=7", "data.on_bad=skip", "data.augment.flip=false"]
    changes += ["data.target.0.subset=3", "data.source.0.subset=0.5", "data.validation.0.subset=2"]
    assert_same_data(city_recipe(*changes), from_folder(city_recipe(*changes), prepared))


@pytest.mark.slow
def test_a_run_ends_the_same(city_recipe, prepared, tmp_path):
    short = ["train.steps=3", "train.validate_every=3", "train.checkpoint_every=3", "train.log_every=1"]
    places_ = [f"runs={tmp_path}/runs", f"saved_models={tmp_path}/models"]
    runs = []
    for name, where in (("raw", []), ("prepared", ["data.root=/nowhere", f"data.prepared={prepared}"])):
        recipe = city_recipe(*short, *places_, f"name={name}", *where)
        runs.append(train(recipe, export=False).run_dir)
    weights, losses, records = [], [], []
    for run in runs:
        reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints/last")))
        names = [name for name in reader.get_variable_to_shape_map() if "/network/" in name]
        weights.append({name: reader.get_tensor(name).tolist() for name in names})
        head, *rows = [line.split(",") for line in (run / "log.csv").read_text().splitlines()]
        kept = [i for i, key in enumerate(head) if key.startswith(("loss/", "selected", "gradient"))]
        losses.append([[row[i] for i in kept] for row in rows])
        files = sorted([*run.glob("evaluations/*"), *run.glob("selection/*")])
        assert len(files) == 3  # two evaluations, and what was selected after training
        records.append([json.loads(file.read_text()) for file in files])
    assert weights[0] == weights[1] and len(weights[0]) > 20
    assert losses[0] == losses[1] and len(losses[0]) == 3
    assert records[0] == records[1]
    out = [tmp_path / "ids-raw", tmp_path / "ids-prepared"]
    where = ((), ("data.root=/nowhere", f"data.prepared={prepared}"))
    found = [
        evaluate_run(runs[0], EvaluateOptions(overrides=w, write_ids=o)).to_dict()
        for w, o in zip(where, out, strict=True)
    ]
    assert found[0] == found[1] and found[0]["images"] == 3
    assert contents(out[0]) == contents(out[1]) and len(contents(out[0])) == 3


@pytest.mark.slow
def test_colours_crop_and_a_sample_left_out(colours, tmp_path):
    prepare(colours(), tmp_path / "out")
    assert_same_data(colours(), from_folder(colours(), tmp_path / "out"))
    manifest = manifest_of(tmp_path / "out")
    assert [(s["role"], s["position"], s["samples"]) for s in manifest["sets"]] == [
        ("source", 0, 4), ("source", 1, 4), ("target", 0, 4), ("validation", 0, 4),
    ]  # fmt: skip
    assert manifest["conversion"]["stored_size"] == "as in the files"
    (problem,) = manifest["sets"][0]["audit"]["problems"]
    assert "s1.png" in problem["file"] and manifest["sets"][0]["audit"]["bad"] == [1]
    # Strictness is the audit's, as it is with files.
    with pytest.raises(DataError, match=r"s1\.png"):
        audit(from_folder(colours(data__on_bad="error"), tmp_path / "out"))
    with pytest.raises(DataError, match=r"s1\.png"):
        prepare(colours(data__on_bad="error"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_test_images_are_prepared_as_validation_images_are(few, tmp_path):
    few = few.model_copy(update={"train": few.train.model_copy(update={"steps": 3})})
    recipe = few.model_copy(update={"data": few.data.model_copy(update={"test": few.data.validation})})
    prepare(few, tmp_path / "without")
    prepare(recipe, tmp_path / "with")
    without, found = manifest_of(tmp_path / "without"), manifest_of(tmp_path / "with")
    assert list(without["conversion"]) == ["classes", "stored_size", "source", "target", "validation"]
    assert found["conversion"] == without["conversion"] | {"test": without["conversion"]["validation"]}
    for file in (tmp_path / "without").glob("*.tfrecord"):
        assert file.read_bytes() == (tmp_path / "with" / file.name).read_bytes()
    for file in (tmp_path / "with").glob("test-*"):
        assert file.read_bytes() == (tmp_path / "with" / file.name.replace("test", "validation")).read_bytes()
    assert_same_data(recipe, from_folder(recipe, tmp_path / "with"))
    assert_same_data(few, from_folder(few, tmp_path / "with"))
    sets = audit(from_folder(recipe, tmp_path / "with")).sets
    assert len(sets["test"][0]) == 2 and sets["test"][0].records is not None


@pytest.mark.fault("`data.prepared` is a folder that was filled before the recipe had test images", "refused by name")
def test_a_folder_without_the_test_images(few, tmp_path):
    recipe = few.model_copy(update={"data": few.data.model_copy(update={"test": few.data.validation})})
    prepare(few, tmp_path / "out")
    with pytest.raises(DataError, match=r"data\.test: 0 data sets prepared, the recipe wants 1 data set"):
        audit(from_folder(recipe, tmp_path / "out"))
    assert audit(from_folder(recipe, tmp_path / "out"), roles=["validation"]).sets["validation"]


@pytest.mark.slow
def test_a_recipe_that_reads_fewer_data_sets(without_source, copy):
    recipe = from_folder(without_source, copy)
    assert_same_data(without_source, recipe)
    sets = audit(recipe).sets
    assert list(sets) == ["source", "target", "validation"] and not sets["source"]
    short = {"steps": 2, "validate_every": 2, "checkpoint_every": 2, "pictures": 0}
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update=short)})
    assert (train(recipe, export=False).run_dir / "log.csv").exists()


@pytest.mark.slow
def test_samples_of_any_size_are_kept_at_their_own(tmp_path, save, make_recipe):
    """Where the recipe enlarges at random, a sample is resized only once, from its own size."""
    rng = np.random.default_rng(2)
    for i, (height, width) in enumerate([(64, 128), (50, 70), (96, 40)]):
        save(tmp_path / f"set/images/{i}.png", rng.integers(0, 256, (height, width, 3)))
        save(tmp_path / f"set/labels/{i}.png", rng.choice([3, 8], (height, width)))
    one = [{"root": "set", "crop": {"rows": [2, 50], "columns": None}}]
    recipe = make_recipe(tmp_path, one, train__batch_size=3, train__steps=2, data__augment={"scale": [1.0, 1.5]})
    prepare(recipe, tmp_path / "out", shard_mib=(48 * 128 + 48 * 70) * 4 / 2**20)
    assert [s["stop"] for s in manifest_of(tmp_path / "out")["sets"][0]["shards"]] == [2, 3]
    assert_same_data(recipe, from_folder(recipe, tmp_path / "out"))
