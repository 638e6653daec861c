"""Evaluation against the official Cityscapes script, and by hand."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hrs_keras.data.audit import audit
from hrs_keras.errors import HRSError
from hrs_keras.evaluation.evaluator import Evaluator, class_ids, evaluate
from hrs_keras.evaluation.metrics import Evaluation, confusion_matrix
from hrs_keras.evaluation.run import EvaluateOptions, evaluate_run
from hrs_keras.labels import CAMVID, CITYSCAPES, LabelSpace
from hrs_keras.media.label_maps import FileIdWriter
from hrs_keras.models import build_segmenter
from hrs_keras.recipe.reading import load_recipe

THREE = LabelSpace("three", ("a", "b", "c"), ((0, 0, 0),) * 3, {"all": ("a", "b", "c"), "two": ("a", "c")}, (7, 8, 11))


def official(truths: list, predictions: list) -> dict:
    """What the Cityscapes evaluation says of files it looks up and reads itself."""
    script = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    script.args.quiet, script.args.JSONOutput, script.args.evalInstLevelScore = True, False, False
    return script.evaluateImgLists([str(p) for p in predictions], [str(p) for p in truths], script.args)


def official_prediction(truth, folder) -> str:
    script = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    script.args.predictionPath, script.args.predictionWalk = str(folder), None
    return script.getPrediction(script.args, str(truth))


def same(theirs: dict, ours: Evaluation) -> None:
    for name, value in zip(ours.space.classes, ours.iou, strict=True):
        np.testing.assert_allclose(value, theirs["classScores"][name], rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(ours.miou, theirs["averageScoreClasses"], rtol=1e-12)


def test_equals_the_official_script_on_random_labels(tmp_path):
    rng = np.random.default_rng(0)
    matrix, truths, predictions = np.zeros((19, 19), np.int64), [], []
    writer = FileIdWriter(tmp_path / "predicted", CITYSCAPES)
    train_id = np.full(256, 255, np.int32)
    train_id[list(CITYSCAPES.raw_ids)] = range(19)
    for i in range(2):
        raw = rng.integers(0, 34, (40, 60)).astype(np.uint8)
        raw[raw == 31] = 0  # no train in the labels ...
        guess = np.where(rng.random(raw.shape) < 0.5, train_id[raw], rng.integers(0, 19, raw.shape))
        guess = np.where(guess == 255, 3, guess)
        guess[guess == 16] = 0  # ... and none predicted
        truth = tmp_path / f"gt/town_00000{i}_000019_gtFine_labelIds.png"
        truth.parent.mkdir(exist_ok=True)
        Image.fromarray(raw).save(truth)
        writer.write(f"town_00000{i}_000019_leftImg8bit", guess)
        matrix += confusion_matrix(tf.constant(train_id[raw]), tf.constant(guess, tf.int32), 19).numpy()
        truths.append(truth)
        predictions.append(official_prediction(truth, tmp_path / "predicted"))
    ours = Evaluation(matrix, CITYSCAPES, 2)
    assert np.isnan(ours.iou[16])
    same(official(truths, predictions), ours)


def test_a_run_equals_the_official_script(finished, city, tmp_path):
    ours = evaluate_run(finished, EvaluateOptions(write_ids=tmp_path / "ids"))
    truths = sorted((city / "cityscapes/gtFine/val").glob("*/*_labelIds.png"))
    predictions = [official_prediction(truth, tmp_path / "ids") for truth in truths]
    same(official(truths, predictions), ours)
    assert ours.images == len(truths) == 3
    for path in predictions:
        with Image.open(path) as image:
            assert image.mode == "L" and image.size == (128, 64)  # of the label, not the training size 64x32
            assert set(np.unique(image)) <= set(CITYSCAPES.raw_ids)
    assert ours.miou == pytest.approx(json.loads((finished / "result.json").read_text())["miou"])


def test_by_hand():
    labels = tf.constant([[0, 0, 0, 1], [1, 2, 255, 255]])
    guess = tf.constant([[0, 0, 1, 1], [1, 0, 0, 2]])
    matrix = confusion_matrix(labels, guess, 3)
    assert matrix.dtype == tf.int64
    assert matrix.numpy().tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    result = Evaluation(matrix.numpy(), THREE, 1)
    np.testing.assert_allclose(result.iou, [2 / 4, 2 / 3, 0])
    np.testing.assert_allclose(result.miou, (1 / 2 + 2 / 3) / 3)
    np.testing.assert_allclose(result.means["two"], 1 / 4)
    assert result.pixel_accuracy == 4 / 6


def test_an_absent_class_is_left_out_but_a_wrongly_predicted_one_is_not():
    absent = Evaluation(np.array([[3, 0, 0], [1, 2, 0], [0, 0, 0]]), THREE, 1)
    np.testing.assert_allclose(absent.iou, [3 / 4, 2 / 3, np.nan])
    np.testing.assert_allclose(absent.miou, (3 / 4 + 2 / 3) / 2)
    assert absent.to_dict()["iou"]["c"] is None
    assert [line.split() for line in absent.table().splitlines()][4] == ["c", "-"]
    predicted = Evaluation(np.array([[3, 0, 1], [1, 2, 0], [0, 0, 0]]), THREE, 1)
    assert predicted.iou[2] == 0


def test_subsets_of_cityscapes():
    rng = np.random.default_rng(1)
    result = Evaluation(rng.integers(1, 50, (19, 19)), CITYSCAPES, 1)
    iou = dict(zip(CITYSCAPES.classes, result.iou, strict=True))
    without = {
        "19": (),
        "16": ("terrain", "truck", "train"),
        "13": ("terrain", "truck", "train", "wall", "fence", "pole"),
    }
    assert list(result.means) == list(without)
    for name, out in without.items():
        values = [v for c, v in iou.items() if c not in out]
        assert len(values) == int(name)
        np.testing.assert_allclose(result.means[name], np.mean(values))


def test_wholly_ignored():
    matrix = confusion_matrix(tf.fill([4, 4], 255), tf.zeros([4, 4], tf.int32), 3).numpy()
    result = Evaluation(matrix, THREE, 1)
    assert matrix.sum() == 0 and np.isnan(result.miou) and np.isnan(result.pixel_accuracy)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["mean_iou"] == {"all": None, "two": None} and plain["pixel_accuracy"] is None
    assert "nan" not in result.table()


def test_classes_are_decided_at_the_size_of_the_label():
    logits = tf.constant([[[[4.0, 0.0], [0.0, 1.0]]]])  # [1, 1, 2, 2]
    # Bilinear with half-pixel centres: at 4 columns class 0 is 4, 3, 1, 0 and class 1 is 0, .25, .75, 1.
    assert class_ids(logits, tf.constant([1, 4])).numpy().tolist() == [[[0, 0, 0, 1]]]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_images_that_are_shown_together_keep_their_own_labels(make_recipe, write_set, tmp_path, batch_size):
    """Labels of several sizes, two to four images at a time, counted by hand; the network says class 3 throughout."""
    sizes = [(50, 70), (20, 200), (32, 64), (7, 9), (90, 31)]
    labels = [np.full(size, number) for number, size in enumerate(sizes)]
    recipe = make_recipe(write_set(tmp_path, labels), [{}], train__batch_size=batch_size)
    shown = []

    def three(images, training):
        shown.append(images.shape[0])
        return {"logits": tf.one_hot(tf.fill(images.shape[:3], 3), len(CAMVID.classes))}

    evaluator = Evaluator(recipe, three, audit(recipe).sets["validation"])
    for numbers in (None, [4, 1], [0]):
        result = evaluator(numbers=numbers)
        expected = np.zeros_like(result.matrix)
        for number in range(5) if numbers is None else numbers:
            expected[number, 3] = np.prod(sizes[number])
        assert result.matrix.tolist() == expected.tolist()
        assert result.images == (5 if numbers is None else len(numbers))
    assert shown == [min(4, 2 * batch_size)]  # one graph for all


@pytest.mark.slow
def test_native_label_resolution(make_recipe, write_set, tmp_path):
    labels = [np.full((50, 70), 3), np.full((20, 200), 255)]
    labels[0][:5] = 11  # ignored
    recipe = make_recipe(
        write_set(tmp_path, labels), [{}], encoder__width=0.0625, encoder__fc=4, encoder__weights=None,
        encoder__preprocessing="unit",
    )  # fmt: skip
    with pytest.raises(HRSError):
        audit(recipe)  # 255 is in no id table
    Image.fromarray(np.full((20, 200), 11, np.uint8)).save(tmp_path / "labels/s1.png")
    result = evaluate(recipe, build_segmenter(recipe), audit(recipe).sets["validation"])
    assert result.matrix.sum() == 45 * 70 and result.matrix[3].sum() == 45 * 70
    assert result.matrix.dtype == np.int64


@pytest.mark.slow
def test_a_run_is_evaluated_on_test_images(finished):
    """Which the run need not know; the same images give the same numbers, whatever they are called."""
    train_split = "[{format: cityscapes, split: train}]"
    tested = evaluate_run(finished, EvaluateOptions(on="test", overrides=(f"data.test={train_split}",)))
    validated = evaluate_run(finished, EvaluateOptions(overrides=(f"data.validation={train_split}",)))
    assert tested.images == 4 and tested.matrix.tolist() == validated.matrix.tolist()
    assert tested.matrix.sum() != evaluate_run(finished).matrix.sum()


@pytest.mark.fault(
    "`hrs evaluate RUN --on test` of a recipe without test images", "the key that is missing is named (exit code 2)"
)
def test_a_run_without_test_images(finished):
    with pytest.raises(
        HRSError, match=r"the recipe of .*tiny has no data\.test; give it, such as data\.test='\[\{form"
    ):
        evaluate_run(finished, EvaluateOptions(on="test"))
    with pytest.raises(HRSError, match="evaluated on validation or test, not on 'source'"):
        evaluate_run(finished, EvaluateOptions(on="source"))


@pytest.mark.fault("`hrs evaluate` with an override that changes the network", "refused")
def test_overrides_that_are_not_about_data_are_refused(finished):
    for change in ("train.steps=9", "data.classes=camvid", "encoder.fc=8"):
        with pytest.raises(HRSError):
            evaluate_run(finished, EvaluateOptions(overrides=(change,)))


def test_recipe_of_a_run_reads_back(finished):
    assert load_recipe(finished / "recipe.yaml").name == "tiny"
