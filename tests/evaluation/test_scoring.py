"""Scores of runs and exports: one pass over images, its numbers by hand, and what it writes."""

import dataclasses
import json
import os
import weakref

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.formats import WRITABLE

from hrs_keras.cli.main import main
from hrs_keras.data.audit import audit
from hrs_keras.errors import DataError, HRSError, NonFiniteError
from hrs_keras.evaluation import scoring
from hrs_keras.evaluation.counts import ImageCounts, count
from hrs_keras.evaluation.evaluator import evaluate
from hrs_keras.evaluation.image_file import ImageFile
from hrs_keras.evaluation.run import EvaluateOptions, evaluate_run, images_file, scores_file
from hrs_keras.evaluation.scores import Scores
from hrs_keras.evaluation.scoring import count_images
from hrs_keras.export.signatures import network_logits
from hrs_keras.labels import CAMVID, LabelSpace
from hrs_keras.predict.model import TrainedModel
from hrs_keras.predict.views import Predictor, View

THREE = LabelSpace("three", ("a", "b", "c"), ((0, 0, 0),) * 3, {"all": ("a", "b", "c"), "two": ("a", "c")}, (7, 8, 11))


def one_class(index: int, confidence: float = 0.5) -> Predictor:
    """Predicts one class of CamVid everywhere, so sure."""
    others = (1 - confidence) / (len(CAMVID.classes) - 1)
    logits = np.log([confidence if c == index else others for c in range(len(CAMVID.classes))]).astype(np.float32)
    model = TrainedModel("one", (32, 64), CAMVID, lambda images: tf.broadcast_to(logits, (*images.shape[:3], 11)))
    return Predictor(model)


# ---- the numbers -------------------------------------------------------------------------------------------------


def scores_by_hand() -> Scores:
    label = np.array([[0, 0, 0, 1], [1, 1, 255, 255]])
    guess = np.array([[0, 0, 1, 1], [1, 0, 0, 2]])
    sure = np.array([[0.9, 0.9, 0.9, 0.5], [0.5, 0.5, 0.5, 0.5]], np.float32)
    images = [ImageCounts(f"{number}.png", 0, (2, 4), count(label, guess, sure, 3)) for number in range(2)]
    return Scores.of(iter(images), THREE)


def test_by_hand():
    scores = scores_by_hand()
    assert scores.matrix.tolist() == [[4, 2, 0], [2, 4, 0], [0, 0, 0]] and scores.images == 2
    np.testing.assert_allclose(scores.precision, [4 / 6, 4 / 6, np.nan])
    np.testing.assert_allclose(scores.recall, [4 / 6, 4 / 6, np.nan])
    # So small an image is all boundary.
    np.testing.assert_allclose(scores.boundary_iou, scores.iou)
    np.testing.assert_allclose(scores.size_recall, [[4 / 6, np.nan, np.nan]] * 2 + [[np.nan] * 3])
    # 3 pixels that are 90 % sure of which 2 are right, 3 that are 50 % sure of which 2 are right
    assert scores.calibration_error == pytest.approx((abs(2 - 2.7) + abs(2 - 1.5)) / 6)
    assert scores.interval.means["two"] == pytest.approx((0.5, 0.5))


def test_plain_data():
    scores = scores_by_hand()
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["iou"] == {"a": 0.5, "b": 0.5, "c": None} and plain["confusion_matrix"] == scores.matrix.tolist()
    assert plain["precision"] == {"a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3), "c": None}
    assert plain["mean_boundary_iou"] == {"all": 0.5, "two": 0.5}
    small, large = plain["component_sizes"]["small"], plain["component_sizes"]["large"]
    assert small["components"] == {"a": 2, "b": 4, "c": 0} and small["found"] == {"a": 2, "b": 2, "c": 0}
    assert large == {
        "least_area": 9216,
        "components": dict.fromkeys("abc", 0),
        "found": dict.fromkeys("abc", 0),
        "recall": dict.fromkeys("abc"),
        "mean_recall": {"all": None, "two": None},
    }
    bins = plain["calibration"]["bins"]
    assert [one["pixels"] for one in bins] == [0] * 7 + [6] + [0] * 5 + [6, 0]
    assert bins[7]["accuracy"] == pytest.approx(2 / 3) and bins[0]["accuracy"] is None and bins[14]["to"] == 1
    assert plain["interval"]["over"] == "images" and plain["interval"]["mean_iou"]["all"] == [0.5, 0.5]


def test_what_is_printed():
    printed = scores_by_hand().table()
    rows = {line.split("  ")[0].strip(): line.split() for line in printed.splitlines()}
    assert rows["a"] == ["a", "50.00", "66.67", "66.67", "50.00", "66.67", "-", "-"]
    assert rows["c"] == ["c"] + ["-"] * 7
    assert "mean IoU, all classes: 50.00 % (50.00 to 50.00; 95 % interval over 2 images; too few for" in printed
    assert "expected calibration error: 20.00 %" in printed and "nan" not in printed
    assert rows["47 to 53"] == ["47", "to", "53", "50.00", "50.00", "66.67"]


def test_nothing_labelled():
    counts = count(np.full((4, 4), 255), np.zeros((4, 4), int), np.ones((4, 4), np.float32), 3)
    scores = Scores.of([ImageCounts("x.png", 0, (4, 4), counts)], THREE)
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["calibration"]["expected_error"] is None and plain["interval"]["mean_iou"]["all"] == [None, None]
    assert "nan" not in scores.table()


def test_the_matrix_is_that_of_the_training_evaluation(make_recipe, write_set, save, tmp_path):
    rng = np.random.default_rng(0)
    sizes = [(50, 70), (20, 200)]
    write_set(tmp_path, [rng.integers(0, 12, size) for size in sizes])
    for number, size in enumerate(sizes):
        save(tmp_path / f"images/s{number}.png", rng.integers(0, 256, (*size, 3)))
    recipe = make_recipe(tmp_path, [{}])
    sets, colours = audit(recipe).sets["validation"], rng.normal(size=(3, 11)).astype(np.float32)

    def segmenter(images: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        return {"logits": tf.tensordot(images, colours, 1)}

    model = TrainedModel("x", recipe.data.size, CAMVID, lambda images: network_logits(segmenter, images))
    found = Scores.of(count_images(recipe, Predictor(model), sets), CAMVID)
    assert found.matrix.tolist() == evaluate(recipe, segmenter, sets).matrix.tolist()
    assert np.count_nonzero(found.matrix.sum(0)) > 3  # it would mean little of a prediction that is one class


# ---- the pass ----------------------------------------------------------------------------------------------------


def test_predictions_have_the_labels_size(make_recipe, write_set, tmp_path):
    recipe = make_recipe(write_set(tmp_path, [np.full((50, 70), 3), np.full((20, 200), 11)]), [{}])
    sets = audit(recipe).sets["validation"]
    one, other = count_images(recipe, one_class(3, 0.75), sets, tmp_path / "out")
    assert (one.name, one.size, other.name, other.size) == ("images/s0.png", (50, 70), "images/s1.png", (20, 200))
    assert one.counts.confusion[3, 3] == 3500 and not other.counts.confusion.any()
    assert one.counts.confidence[11].tolist() == pytest.approx([3500, 3500, 0.75 * 3500])
    for name, size in (("s0", (70, 50)), ("s1", (200, 20))):
        with Image.open(tmp_path / f"out/{name}.png") as image:
            assert image.size == size and np.unique(image).tolist() == [3]


@pytest.mark.fault("two images of one name for `--write-ids`", "refused; both are named")
def test_two_predictions_of_one_name_are_refused(make_recipe, write_set, tmp_path):
    for name in "ab":
        write_set(tmp_path / name, [np.full((32, 64), 3)])
    recipe = make_recipe(tmp_path, [{"root": "a"}], validation=[{"root": "a"}, {"root": "b"}], train__batch_size=1)
    sets = audit(recipe).sets["validation"]
    with pytest.raises(HRSError, match=r"a/images/s0\.png and .*b/images/s0\.png would both be written as s0\.png"):
        next(count_images(recipe, one_class(0), sets, tmp_path / "out"))
    assert [(one.name, one.data_set) for one in count_images(recipe, one_class(0), sets)] == [
        ("images/s0.png", 0),
        ("images/s0.png", 1),
    ]


@pytest.mark.fault(
    "images to evaluate on with quotes, line breaks or bytes that are not UTF-8 in their names", "evaluated"
)
def test_hostile_names(make_recipe, save, tmp_path):
    names = ["<img onerror=x>.png", "a\"b'c.png", "line\nbreak.png", os.fsdecode(b"caf\xe9\xff.png")]
    for name in names:
        save(tmp_path / "images" / name, np.zeros((32, 64, 3)))
        save(tmp_path / "labels" / name, np.full((32, 64), 3))
    recipe = make_recipe(tmp_path, [{}])
    counted = list(count_images(recipe, one_class(3), audit(recipe).sets["validation"], tmp_path / "out"))
    assert sorted(one.name for one in counted) == sorted(f"images/{name}" for name in names)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(names)


def test_memory_does_not_grow_with_the_images(make_recipe, write_set, tmp_path, monkeypatch):
    recipe = make_recipe(write_set(tmp_path, [np.full((8, 8), 3)] * 20), [{}])
    alive, most = weakref.WeakSet(), 0

    class Watched(np.ndarray):
        """An array that weak references can be made to, and sets can hold."""

        __hash__ = object.__hash__

    decide = scoring._decide

    def watched(predictor, image, name):
        nonlocal most
        ids, sure = decide(predictor, image, name)
        alive.add(ids := ids.view(Watched))
        most = max(most, len(alive))
        return ids, sure

    monkeypatch.setattr(scoring, "_decide", watched)
    scores = Scores.of(count_images(recipe, one_class(3), audit(recipe).sets["validation"]), CAMVID)
    assert scores.images == 20 and most <= scoring.AHEAD + 2


@pytest.mark.fault("an image to evaluate on that is too large for the memory", "one message that says its size")
@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "no")])
def test_memory_that_does_not_suffice(make_recipe, write_set, tmp_path, error):
    recipe = make_recipe(write_set(tmp_path, [np.full((8, 9), 3)] * 2), [{}])

    def logits(images: tf.Tensor) -> tf.Tensor:
        raise error

    predictor = Predictor(TrainedModel("x", (32, 64), CAMVID, logits))
    with pytest.raises(HRSError, match="no memory to predict 1 image of 8x9"):
        next(count_images(recipe, predictor, audit(recipe).sets["validation"]))


@pytest.mark.fault("`hrs evaluate --write-ids` into the folder of the images or labels", "refused; no file is touched")
@pytest.mark.parametrize("folder", ["labels", "images", "link"])
def test_images_and_labels_are_never_overwritten(make_recipe, write_set, tmp_path, folder):
    recipe = make_recipe(write_set(tmp_path, [np.full((8, 9), 3)] * 2), [{"labels": "labels/*.png"}])
    (tmp_path / "link").symlink_to(tmp_path / "labels")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    sets = audit(recipe).sets["validation"]
    lost = tmp_path / ("images" if folder == "images" else "labels") / "s0.png"
    with pytest.raises(DataError, match=f"{lost} lies where predictions would be written; choose another --write-ids"):
        next(count_images(recipe, one_class(3), sets, tmp_path / folder))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


@pytest.mark.fault("a network that answers NaN or infinity", "an error that names the image or the frame")
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_scored(make_recipe, write_set, tmp_path, number):
    recipe = make_recipe(write_set(tmp_path, [np.full((8, 9), 3)] * 2), [{}])

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.zeros((*images.shape[:3], 10)), tf.fill((*images.shape[:3], 1), np.float32(number))], -1)

    predictor = Predictor(TrainedModel("x", (32, 64), CAMVID, logits))
    with pytest.raises(NonFiniteError, match=r"images/s0\.png: the network answers NaN or infinity"):
        next(count_images(recipe, predictor, audit(recipe).sets["validation"]))


def test_no_image():
    with pytest.raises(DataError, match="there is no image to score"):
        Scores.of([], THREE)


# ---- a run and its exports -----------------------------------------------------------------------------------------


def test_a_run_keeps_its_scores_where_it_is_told(finished, tmp_path):
    scores = evaluate_run(finished, EvaluateOptions(out=tmp_path / "new"))
    step = json.loads((finished / "result.json").read_text())["step"]
    kept = tmp_path / f"new/scores_validation_step_{step:07d}.json"
    assert {file.name for file in kept.parent.iterdir()} == {kept.name, images_file(kept).name}
    about = {"on": "validation", "step": step, "model": None, "overrides": []}
    written = json.loads(kept.read_text())
    assert {**about, **scores.to_dict()}.items() <= written.items() and written["view"]["mode"] == "resize"
    again = Scores.of(ImageFile(images_file(kept)), scores.space)
    assert again.to_dict() == scores.to_dict() and again.images == 3
    assert list(ImageFile(images_file(kept)).about["classes"]) == list(scores.space.classes)
    names = [image.name for image in ImageFile(images_file(kept))]
    assert names[0] == "leftImg8bit/val/toyville/toyville_000000_000019_leftImg8bit.png"


def test_what_is_not_the_run_itself_has_a_name_of_its_own(tmp_path):
    view = dataclasses.asdict(View())
    plain = {"on": "validation", "step": 8, "model": None, "view": view, "overrides": [], "data": [{"digest": "ab"}]}
    changes = (
        {},
        {"on": "test"},
        {"step": 9},
        {"model": "x.onnx"},
        {"model": "x.onnx", "step": None},
        {"view": dataclasses.asdict(View(flip=True))},
        {"view": dataclasses.asdict(View("pad"))},
        {"overrides": ["data.root=a"]},
        {"overrides": ["data.root=b"], "data": [{"digest": "cd"}]},
    )
    names = [scores_file(tmp_path, plain | change).name for change in changes]
    assert names[:3] == [
        f"scores_{what}.json" for what in ("validation_step_0000008", "test_step_0000008", "validation_step_0000009")
    ]
    assert len(set(names)) == len(names) and all("-" in name for name in names[3:])
    # The same data in another folder is the same evaluation.
    moved = scores_file(tmp_path, plain | {"overrides": ["data.root=elsewhere"]}).name
    assert moved == scores_file(tmp_path, plain | {"overrides": ["data.root=a"]}).name


@pytest.mark.slow
def test_a_view_is_that_of_predict(finished, tmp_path):
    """Counted from the PNGs that `hrs predict` writes with the same view."""
    view = ["--sliding", "--overlap", "0.3", "--scales", "0.5", "1.0", "--flip"]
    assert main(["evaluate", str(finished), "--write-ids", str(tmp_path / "a"), "--out", str(tmp_path), *view]) == 0
    images = finished.parents[2] / "city/toy/cityscapes/leftImg8bit/val/toyville"
    assert main(["predict", str(finished), str(images), "--out", str(tmp_path / "b"), *view]) == 0
    names = sorted(os.listdir(tmp_path / "a"))
    assert len(names) == 3 and names == sorted(os.listdir(tmp_path / "b/ids"))
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b/ids" / name).read_bytes()


@pytest.mark.slow
def test_a_saved_model_scores_as_its_run(finished, tmp_path):
    by_run = evaluate_run(finished).to_dict()
    saved = finished.parents[1] / "saved_models/tiny"
    for path in (saved, saved / "1"):
        found = evaluate_run(finished, EvaluateOptions(model=path, out=tmp_path)).to_dict()
        assert found["confusion_matrix"] == by_run["confusion_matrix"] and found["interval"] == by_run["interval"]
        assert found["calibration"]["expected_error"] == pytest.approx(
            by_run["calibration"]["expected_error"], rel=1e-5
        )
    (kept,) = tmp_path.glob("*.json")  # both are of one version, which it names
    assert json.loads(kept.read_text())["model"] == str(saved / "1")
    evaluate_run(finished, EvaluateOptions(model=finished, out=tmp_path))  # a run is no export, but another model
    assert {json.loads(file.read_text())["model"] for file in tmp_path.glob("*.json")} == {
        str(saved / "1"),
        str(finished),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "view"), [*((name, View()) for name in WRITABLE), *((name, View("sliding")) for name in WRITABLE[-1:])]
)
def test_an_export_scores_as_its_run(finished, exported, format, view):
    by_run, by_file = (evaluate_run(finished, EvaluateOptions(model=m, view=view)) for m in (None, exported[format]))
    # Of two classes that are equally likely, rounding may decide.
    assert np.abs(by_run.matrix - by_file.matrix).sum() <= 4
    np.testing.assert_allclose(by_file.iou, by_run.iou, atol=1e-3)
    np.testing.assert_allclose(by_file.boundary_iou, by_run.boundary_iou, atol=2e-3)
    assert by_file.calibration_error == pytest.approx(by_run.calibration_error, abs=1e-5)


@pytest.mark.fault("an export of other classes for `hrs evaluate RUN --model`", "refused; both lists are shown")
def test_an_export_of_other_classes(copied):
    record = copied.parents[1] / "saved_models/tiny/1/assets.extra/hrs.json"
    told = json.loads(record.read_text())
    told["label_space"]["classes"][0] = "lava"
    record.write_text(json.dumps(told))
    with pytest.raises(HRSError, match=r"predicts other classes than .*tiny \(lava, sidewalk, .*; the run road, side"):
        evaluate_run(copied, EvaluateOptions(model=record.parents[1]))


@pytest.mark.fault("`hrs evaluate` into a folder that cannot be written", "refused before the first image; `--out`")
def test_a_folder_that_cannot_be_written(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("hrs_keras.evaluation.run.audit", None)  # it is not come to
    (tmp_path / "file").write_text("")
    assert main(["evaluate", str(finished), "--out", str(tmp_path / "file/x")]) == 2
    assert "cannot write the scores" in (told := capsys.readouterr().err) and "set --out=FOLDER" in told


@pytest.mark.fault("an export that takes one size (LiteRT) for `hrs evaluate --pad`", "refused before the first image")
def test_a_view_that_a_model_cannot_be_shown(finished, tmp_path, monkeypatch, capsys):
    fixed = dataclasses.replace(one_class(0)._model, fixed_size=True)
    monkeypatch.setattr("hrs_keras.evaluation.run._load", lambda *given: fixed)
    assert main(["evaluate", str(finished), "--out", str(tmp_path), "--pad"]) == 2
    assert "takes images of 32x64 pixels" in capsys.readouterr().err
    assert main(["evaluate", str(finished), "--overlap", "0.3"]) == 2
    assert "it goes with --sliding" in capsys.readouterr().err


def test_evaluate_keeps_them_beside_the_runs_own_evaluations(copied, capsys):
    for file in copied.glob("evaluations/scores_*"):  # that the run's page is made of
        file.unlink()
    before = {file.name for file in copied.rglob("*")}
    assert main(["evaluate", str(copied), "--checkpoint", "last"]) == 0
    new = {file.name for file in copied.rglob("*")} - before
    assert new == {"scores_validation_step_0000008.json", "scores_validation_step_0000008.images.jsonl"}
    out = capsys.readouterr().out
    assert "boundary IoU" in out and f"scores {copied}/evaluations/scores_validation_step_0000008.json\n" in out
