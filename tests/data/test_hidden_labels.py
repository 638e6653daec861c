"""Hidden labels: what batches are drawn from, and that nothing of a hidden label is ever read."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.prepared_folders import from_folder

from hrs_keras.data.audit import audit
from hrs_keras.data.drawing import key_of, order_of
from hrs_keras.data.inventory import take_inventory
from hrs_keras.data.pipeline import suspects_of_steps, training_batches, training_images
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.data.reading import read
from hrs_keras.data.records import example, training_image
from hrs_keras.data.streams import streams
from hrs_keras.errors import DataError
from hrs_keras.method.class_weights import ClassWeights
from hrs_keras.recipe.reading import load_recipe

SIZE = (32, 64)
KEPT = 2  # of the eight target images: what `labelled: 0.25` keeps


@pytest.fixture
def recipe_of(tmp_path, write_set, make_recipe):
    """Eight real and three synthetic images, whose labels are noise; region selection with a GAN, batches of 2."""
    rng = np.random.default_rng(0)
    write_set(tmp_path / "real", [rng.integers(0, 11, SIZE) for _ in range(8)])
    write_set(tmp_path / "game", [rng.integers(0, 11, (20, 30)) for _ in range(3)])

    def make(labelled="all", **changes):
        usual = {"data__labelled": labelled, "train__batch_size": 2, "train__steps": 4}
        return make_recipe(tmp_path, [{"root": "real"}], [{"root": "game"}], [{"root": "game"}], **usual | changes)

    return make


SOURCE_ONLY = {"method__source_weighting": "plain", "method__gan": False}


def drawn(batches, domain: str) -> list[int]:
    """Numbers of the images drawn; ``write_set`` gives image number i the value 20 i."""
    values = np.concatenate([batch[domain][0][:, 0, 0, 0] for batch in batches])
    return ((values + 1) * 127.5 / 20).round().astype(int).tolist()


def batches_of(recipe, sets=None):
    return list(training_batches(recipe, sets or audit(recipe).sets).as_numpy_iterator())


def numbers(stream) -> set[int]:
    return {int(path.stem[1:]) for pairs in stream for path in pairs.images}


# ---- the batches of recipes that hide nothing ------------------------------------------------------------------


def test_batches_are_what_they_were_before_labels_could_be_hidden(tmp_path, write_set, make_recipe):
    """The numbers were recorded from the code before it knew of hidden labels."""
    rng = np.random.default_rng(0)
    write_set(tmp_path / "real", [rng.integers(0, 11, (32, 64)) for _ in range(5)])
    write_set(tmp_path / "game", [rng.integers(0, 11, (20, 30)) for _ in range(3)])
    changes = {"train__batch_size": 2, "train__steps": 5, "data__augment": {"scale": [1, 2], "flip": True}}
    found = batches_of(make_recipe(tmp_path, [{"root": "real"}], [{"root": "game"}], seed=3, **changes))
    expected = {
        "source": ([1, 2, 0, 0, 1, 2, 0, 1, 2, 0], "0de5b24f43c755a8"),
        "target": ([2, 1, 3, 0, 4, 2, 4, 0, 1, 3], "5733a5c5a5612ae9"),
    }
    assert found[0].keys() == expected.keys()
    for domain, (order, digest) in expected.items():
        assert drawn(found, domain) == order
        labels = np.stack([batch[domain][1] for batch in found]).astype("<i4")
        assert hashlib.sha256(labels.tobytes()).hexdigest().startswith(digest)


def test_every_domain_draws_random_numbers_of_its_own(recipe_of):
    keys = [key_of(recipe_of(seed=s), domain) for s in (0, 1, 2) for domain in ("source", "target", "unlabelled")]
    assert keys == [0, 1, -1, 2, 3, -2, 4, 5, -3]
    assert key_of(recipe_of(seed=2**31 - 1), "unlabelled") == -(2**31)


# ---- streams ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_labelled_part_is_the_subset_and_the_rest_is_unlabelled(recipe_of):
    recipe = recipe_of(0.25)
    found, quarter = streams(audit(recipe).sets), recipe_of()
    quarter.data.target[0].subset = 0.25
    kept = numbers(audit(quarter).sets["target"])
    assert numbers(found["target"]) == kept and len(kept) == KEPT
    assert numbers(found["unlabelled"]) == set(range(8)) - kept
    batches = batches_of(recipe)
    assert list(batches[0]) == ["target", "source", "unlabelled"]
    assert set(drawn(batches, "target")) == kept and not kept & set(drawn(batches, "unlabelled"))
    assert all((batch["unlabelled"][1] == 255).all() and not (batch["target"][1] == 255).all() for batch in batches)
    # As a run of that subset alone sees them, from file to batch:
    for one, other in zip(batches_of(quarter), batches, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, {d: other[d] for d in one})


def test_without_any_labels_the_target_is_all_images(recipe_of):
    recipe = recipe_of("none")
    batches = batches_of(recipe)
    assert list(batches[0]) == ["target", "source"] and sorted(drawn(batches, "target")) == list(range(8))
    assert all((batch["target"][1] == 255).all() for batch in batches)
    assert drawn(batches, "target") == drawn(batches_of(recipe_of()), "target")  # hiding changes no order


def test_samples_keep_their_labels_where_they_are_read_one_by_one(recipe_of):
    """As the pictures of `hrs look` do: some labels of one data set are hidden, some are not."""
    recipe = recipe_of(0.25)
    target = audit(recipe).sets["target"]
    kept = numbers(streams({"target": target})["target"])
    blank = {n for n, (_, label) in enumerate(training_images(recipe, target, range(8))) if np.all(label == 255)}
    assert blank == set(range(8)) - kept


def test_several_unlabelled_sets_take_turns_by_their_weights(tmp_path, write_set, make_recipe):
    rng = np.random.default_rng(1)
    for name in ("a", "b", "game"):
        write_set(tmp_path / name, [rng.integers(0, 11, SIZE) for _ in range(4)])
    target = [{"root": "a", "weight": 3}, {"root": "b", "weight": 1}]
    recipe = make_recipe(tmp_path, target, [{"root": "game"}], validation=[{"root": "game"}], data__labelled=1)
    sets = streams(audit(recipe).sets)["unlabelled"]
    order = order_of(recipe, "unlabelled", sets)
    of_a = [int(order(tf.constant(position, tf.int64))) < len(sets[0]) for position in range(40)]
    assert [len(one) for one in sets] == [3, 3] and sum(of_a) == 30


# ---- hidden labels are not read --------------------------------------------------------------------------------


def hide_away(folder: Path, names) -> None:
    for number in names:
        (folder / f"labels/s{number}.png").unlink()


@pytest.mark.slow
@pytest.mark.fault("a label file that `data.labelled` hides is removed after the audit", "no effect: it is never read")
def test_label_files_may_go_after_the_audit(recipe_of, tmp_path):
    recipe = recipe_of(0.25)
    found = audit(recipe)
    expected = batches_of(recipe, found.sets)
    hide_away(tmp_path / "real", numbers(streams(found.sets)["unlabelled"]))
    tf.nest.map_structure(np.testing.assert_array_equal, batches_of(recipe, found.sets), expected)
    inventory = take_inventory(recipe, found)
    assert [len(one.labels) for one in inventory if one.role == "target"] == [KEPT]


@pytest.mark.slow
def test_what_hidden_labels_say_changes_nothing(recipe_of, tmp_path, save):
    """Nor what classes weigh, nor which images are drawn for the sake of a class."""
    sampled = {"data__rare_class_sampling": {"target": 0.1}}
    recipe = recipe_of(0.25, method__class_weights="inverse_sqrt", train__steps=2, **sampled)
    before = audit(recipe).sets
    hidden = streams(before)["unlabelled"]
    read, weights = batches_of(recipe, before), ClassWeights.of(recipe, before).weights
    for number in numbers(hidden):
        save(tmp_path / f"real/labels/s{number}.png", np.full(SIZE, 3))
    after = audit(recipe).sets
    tf.nest.map_structure(np.testing.assert_array_equal, batches_of(recipe, after), read)
    tf.nest.map_structure(np.testing.assert_array_equal, ClassWeights.of(recipe, after).weights, weights)
    assert list(weights) == ["source", "target"]
    without = recipe_of("none", method__class_weights="inverse_sqrt")
    assert list(ClassWeights.of(without, audit(without).sets).weights) == ["source"]


@pytest.mark.fault("an image without its label, damaged while a run reads it", "named, exit code 2")
def test_a_damaged_image_is_named(recipe_of, tmp_path):
    recipe = recipe_of("none", train__steps=8)
    sets = audit(recipe).sets
    hide_away(tmp_path / "real", range(8))
    (tmp_path / "real/images/s5.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"real/images/s5\.png: is empty.* sound when the data was audited"):
        list(read(training_batches(recipe, sets), recipe, suspects_of_steps(recipe, sets, 0)))


@pytest.mark.slow
def test_prepared_data_gives_the_same(recipe_of, tmp_path, capsys):
    recipe = recipe_of(0.25, train__steps=2)
    prepare_data(recipe, tmp_path / "prepared")
    assert "training will not read the labels of 6 target samples (data.labelled); all are prepared" in (
        capsys.readouterr().out
    )
    read = batches_of(from_folder(recipe, tmp_path / "prepared"))
    tf.nest.map_structure(np.testing.assert_array_equal, read, batches_of(recipe))
    for labelled in ("none", 3):  # the folder serves them all
        assert len(streams(audit(from_folder(recipe_of(labelled), tmp_path / "prepared")).sets)["target"])


def test_a_records_label_is_not_looked_into():
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    record = tf.constant(example(image.tobytes(), b"no label", SIZE, b"name"))
    for size in (SIZE, None):
        np.testing.assert_array_equal(training_image(record, size), image)


# ---- what is told ----------------------------------------------------------------------------------------------


def test_the_audit_says_how_many_are_hidden(recipe_of):
    found = audit(recipe_of(0.25))
    assert "\n  labels are hidden of 6 of the 8 samples used (data.labelled)" in found.table()
    assert found.to_dict()["labels_hidden"] == {"target": [6]}
    plain = audit(recipe_of())
    assert "hidden" not in plain.table() and "labels_hidden" not in plain.to_dict()


@pytest.mark.fault("too few images without labels for a batch", "refused; the number and the key are named")
def test_too_few_unlabelled_images_for_a_batch(recipe_of):
    with pytest.raises(
        DataError, match=r"unlabelled: 1 samples are too few for train\.batch_size 2; .* hide more labels"
    ):
        audit(recipe_of(7))


def test_source_only_wants_no_target_images_for_a_batch(recipe_of):
    assert audit(recipe_of("none", **SOURCE_ONLY, train__batch_size=3)).errors == []


# ---- recipes ---------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "`data.labelled: none` with what reads the target's labels alone", "refused; the key that needs labels is named"
)
@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["method.source_weighting=none", "method.gan=false"], "source_weighting: none reads the target alone"),
        (
            ["method.source_weighting=plain", "method.gan=false", "method.pretrain=0.5"],
            "with method.pretrain the later steps read the target alone",
        ),
        (["method.lambda_source=0"], "lambda_source: 0 takes the labels of the source away as well"),
        (["data.rare_class_sampling.target=0.1"], "rare_class_sampling.target draws images by their labels"),
    ],
)
def test_what_needs_labels_is_refused_without_them(refusal, camvid_recipe, overrides, what):
    message = refusal(*overrides, "data.labelled=none")
    assert what in message and "data.labelled: none hides all labels of the target" in message
    load_recipe(camvid_recipe(), [*overrides, "data.labelled=1"])


@pytest.mark.fault("`data.labelled` that is neither a word nor an amount", "refused; what it may be is named")
@pytest.mark.parametrize("value", ["some", "0", "0.0", "1.5", "true", "null", "-3"])
def test_values_of_labelled(refusal, value):
    wanted = "data.labelled: wants all, none, a fraction in (0, 1] or a whole count of at least 1, found "
    assert wanted in refusal(f"data.labelled={value}")


@pytest.mark.parametrize(
    ("labelled", "method", "domains"),
    [
        ("all", [], ("source", "target")),
        ("1.0", [], ("source", "target")),
        ("1", [], ("source", "target", "unlabelled")),
        ("0.5", [], ("source", "target", "unlabelled")),
        ("0.5", ["method.gan=false"], ("source", "target", "unlabelled")),  # the weighting networks read them
        ("0.5", ["method.source_weighting=plain"], ("source", "target", "unlabelled")),  # so does the GAN
        ("0.5", ["method.source_weighting=plain", "method.gan=false"], ("source", "target")),
        ("0.5", ["method.source_weighting=none", "method.gan=false"], ("target",)),
        ("none", [], ("source", "target")),
        ("none", ["method.source_weighting=focal", "method.gan=false"], ("source",)),
        ("none", ["method.source_weighting=plain", "method.gan=false"], ("source",)),
        (
            "none",
            ["method.trainer=pixelda", "method.source_weighting=plain", "method.gan=false"],
            ("source", "target"),
        ),
        (
            "0.5",
            ["method.trainer=pixelda", "method.source_weighting=plain", "method.gan=false"],
            ("source", "target", "unlabelled"),
        ),
    ],
)
def test_what_a_step_reads(camvid_recipe, labelled, method, domains):
    (phase,) = load_recipe(camvid_recipe(), [f"data.labelled={labelled}", *method]).phases
    assert phase.domains == domains


def test_a_recipe_that_hides_nothing_has_the_digest_it_had(camvid_recipe):
    plain, hiding = (load_recipe(camvid_recipe(), more) for more in ([], ["data.labelled=0.5"]))
    assert load_recipe(camvid_recipe(), ["data.labelled=all"]).digest() == plain.digest() != hiding.digest()
