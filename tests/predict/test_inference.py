"""Views of an image, on networks whose answer can be written down; and what can be loaded as a model."""

import dataclasses
import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.formats import WRITABLE

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.evaluation.run import evaluate_run
from hrs_keras.export.run import export_run
from hrs_keras.labels import own_label_space
from hrs_keras.predict.model import TrainedModel, load_model
from hrs_keras.predict.views import Predictor, View, confidence, likeliest
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter

SIZE = (32, 64)


def model(logits) -> TrainedModel:
    return TrainedModel("test", SIZE, own_label_space(("a", "b", "c")), logits)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def recorded(shapes: list):
    """A network that answers each pixel's own colour, and notes what it is shown."""

    def logits(images: tf.Tensor) -> tf.Tensor:
        shapes.append(tuple(images.shape[1:3]))
        assert images.dtype == tf.float32 and not any(side % 32 for side in images.shape[1:3])
        return images

    return model(logits)


@pytest.mark.parametrize("mode", ["pad", "sliding"])
@pytest.mark.parametrize("size", [(1, 1), (32, 64), (33, 65), (100, 70), (20, 200)])
def test_pixels_keep_their_place(mode, size):
    image = noise(2, *size)
    shapes = []
    seen = Predictor(recorded(shapes), View(mode, overlap=0.3, flip=True))(image)
    np.testing.assert_allclose(seen, image.astype(np.float32), rtol=1e-5, atol=1e-3)
    if mode == "sliding":
        assert set(shapes) == {SIZE}
    else:
        assert set(shapes) == {tuple(-(-side // 32) * 32 for side in size)}


def test_resize_and_scales_show_what_they_say():
    shapes = []
    Predictor(recorded(shapes), View(scales=(0.5, 1.0, 1.6, 0.01)))(noise(1, 100, 90))
    assert shapes == [(32, 32), (32, 64), (64, 96), (32, 32)]
    shapes.clear()
    Predictor(recorded(shapes), View("pad", scales=(0.5, 2.0)))(noise(1, 100, 90))
    assert shapes == [(64, 64), (224, 192)]


@pytest.mark.parametrize(
    ("width", "overlap", "starts"),
    [(64, 0.5, [0]), (65, 0.5, [0, 1]), (96, 0.5, [0, 32]), (128, 0.5, [0, 32, 64]), (150, 0.0, [0, 43, 86])],
)
def test_windows_cover_the_image_from_edge_to_edge(width, overlap, starts):
    seen = []
    ramp = np.broadcast_to(np.arange(width, dtype=np.uint8)[None, None, :, None], (1, 32, width, 3))

    def logits(images: tf.Tensor) -> tf.Tensor:
        seen.append(int(images[0, 0, 0, 0]))
        return images

    Predictor(model(logits), View("sliding", overlap=overlap))(ramp)
    assert seen == starts


def test_windows_are_blended_by_distance_from_their_edge():
    """Two windows, one answers 0, the other 1: in between the answer is the second's share of the weight."""
    answers = iter((0.0, 1.0))
    blended = Predictor(model(lambda images: tf.fill(images.shape, next(answers))), View("sliding", overlap=0.5))(
        noise(1, 32, 96)
    )
    row = blended[0, 15, :, 0]  # the middle row: its own weight is at its greatest, so that columns decide
    assert np.all(row[:32] == 0) and np.all(row[64:] == 1)
    for column in range(32, 64):
        # Distances from the nearer edge of the window, in shares of its length; rows give 16 / 32.
        first = min((64 - column) / 64, column + 1, 0.5)
        second = min((column - 32 + 1) / 64, 0.5)
        assert row[column] == pytest.approx(second / (first + second), abs=1e-6)


def test_flipping_averages_both_sides():
    def left_half(images: tf.Tensor) -> tf.Tensor:  # says 1 on the left of whatever it is shown
        columns = tf.cast(tf.range(images.shape[2]) < images.shape[2] // 2, tf.float32)
        return tf.broadcast_to(columns[None, None, :, None], images.shape)

    plain = Predictor(model(left_half), View())(noise(1, *SIZE))
    both = Predictor(model(left_half), View(flip=True))(noise(1, *SIZE))
    assert plain[..., :32, :].min() == 1 and plain[..., 32:, :].max() == 0
    np.testing.assert_array_equal(both, np.full_like(both, 0.5))


@pytest.mark.fault("scales, windows or overlaps out of their range", "refused; the range is named")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "tile"}, "mode 'tile'"),
        ({"overlap": 0.91}, "overlap 0.91"),
        ({"overlap": -0.1}, "overlap -0.1"),
        ({"scales": ()}, "scales"),
        ({"scales": (0.0,)}, "scales"),
        ({"scales": (1.0, 8.1)}, "scales"),
        ({"scales": (float("nan"),)}, "scales"),
    ],
)
def test_views_out_of_range(change, message):
    with pytest.raises(HRSError, match=message):
        View(**change)


@pytest.mark.parametrize("shape", [(2, 5, 7, 19), (3, 4, 2), (6, 1), (1, 90, 110, 255)])
def test_the_likeliest_class_is_that_of_the_highest_logit(shape):
    """Of equal ones the first, of which there are many here."""
    logits = np.random.default_rng(0).integers(-3, 3, shape).astype(np.float32)
    found = likeliest(logits)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, logits.argmax(axis=-1))


def test_confidence_is_the_greatest_softmax_probability():
    logits = np.random.default_rng(0).normal(0, 5, (2, 3, 4, 7)).astype(np.float32)
    shares = np.exp(logits.astype(np.float64))
    expected = (shares / shares.sum(-1, keepdims=True)).max(-1)
    np.testing.assert_allclose(confidence(logits), expected, rtol=1e-5)


@pytest.mark.parametrize("view", [View(), View("pad"), View("sliding"), View(scales=(1.0, 1.5), flip=True)], ids=str)
def test_run_and_export_answer_alike(finished, view):
    saved = Path(json.loads((finished / "result.json").read_text())["saved_model"])
    images = noise(1, 50, 90)
    by_run, by_export, by_newest = (
        Predictor(load_model(path), view)(images) for path in (finished, saved, saved.parent)
    )
    np.testing.assert_allclose(by_export, by_run, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(by_newest, by_export)
    np.testing.assert_array_equal(by_export.argmax(-1), by_run.argmax(-1))


@pytest.mark.slow
@pytest.mark.parametrize("format", WRITABLE)
def test_files_of_other_formats_answer_as_the_run_does(finished, exported, format):
    """By their own path, by their version's folder and by the folder of the versions."""
    file = exported[format]
    views = [View("sliding"), View(flip=True)] + ([] if format == "litert" else [View("pad", scales=(1.0, 1.5))])
    for path, view in zip((file, file.parent, file.parents[1]), views, strict=False):
        run, model = load_model(finished), load_model(path)
        assert (model.name, model.size, model.space, model.step) == (run.name, run.size, run.space, run.step)
        by_run, by_file = (Predictor(one, view)(noise(1, 50, 90)) for one in (run, model))
        np.testing.assert_allclose(by_file, by_run, rtol=0, atol=1e-5 * np.abs(by_run).max())


@pytest.mark.slow
def test_an_answer_outlives_the_next_one(exported):
    """A runtime may write its next answer to the memory of the last one."""
    for path in exported.values():
        model = load_model(path)
        first = model.logits(tf.zeros((1, *SIZE, 3)))
        kept = first.numpy().copy()
        model.logits(tf.fill((1, *SIZE, 3), 255.0))
        np.testing.assert_array_equal(first, kept)


@pytest.mark.fault(
    "a view that shows a model of one size (LiteRT) images of another",
    "refused before the first image; the views that are possible are named",
)
@pytest.mark.parametrize("view", [View("pad"), View(scales=(1.0, 0.5))], ids=["pad", "scales"])
def test_a_model_of_one_size_is_shown_that_alone(view):
    fixed = dataclasses.replace(recorded([]), fixed_size=True)
    with pytest.raises(HRSError, match=r"test takes images of 32x64 pixels \(height x width\) alone: --sliding, or"):
        Predictor(fixed, view)
    for possible in (View(), View(flip=True), View("sliding", scales=(0.5, 2.0))):
        assert Predictor(fixed, possible)(noise(1, 40, 70)).shape == (1, 40, 70, 3)


def test_an_export_knows_its_classes(finished):
    saved = json.loads((finished / "result.json").read_text())["saved_model"]
    run, export = load_model(finished), load_model(saved)
    assert (export.name, export.size, export.space) == (run.name, run.size, run.space)


def test_checkpoints_can_be_chosen(finished):
    segmenter, _ = load_segmenter(RunFolder(finished), "last")
    image = np.full((1, *SIZE, 3), 0.25, np.float32)
    expected = segmenter(image / np.float32(127.5) - 1, training=False)["logits"]
    np.testing.assert_allclose(load_model(finished, "last").logits(tf.constant(image)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.fault("a run or an export copied to a path with `[`, `]`, `?` or `*`", "read like any other")
def test_models_are_read_from_any_folder(finished, tmp_path):
    run, exports = tmp_path / "run (copy) [1]", tmp_path / "models[v2]?*"
    shutil.copytree(finished, run)
    shutil.copytree(finished.parents[1] / "saved_models", exports)
    image = tf.constant(noise(1, *SIZE).astype(np.float32))
    expected = load_model(finished).logits(image)
    np.testing.assert_array_equal(load_model(run).logits(image), expected)
    for folder in (exports / "tiny", exports / "tiny/1"):
        np.testing.assert_allclose(load_model(folder).logits(image), expected, rtol=1e-4, atol=1e-5)
    assert evaluate_run(run).to_dict() == evaluate_run(finished).to_dict()
    (exports / "tiny/1/variables/variables.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match=r"models\[v2\]\?\*/tiny/1 is damaged .*; export the run again"):
        load_model(exports / "tiny")


@pytest.mark.fault(
    "a run or model that the system refuses to look at: no permission, a name too long", "exit code 2; it is named"
)
def test_folders_that_the_system_refuses(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 300)
    for use in (load_model, evaluate_run, export_run):
        with pytest.raises(CheckpointError, match=r"cannot open .*x{300}: File name too long"):
            use(long)

    def refuse(path, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)  # the tests may run as root, whom nothing is forbidden
    for use in (load_model, evaluate_run, export_run):
        with pytest.raises(CheckpointError, match=r"cannot open .*shut: Permission denied"):
            use(tmp_path / "shut")


@pytest.mark.fault("a model that is missing, of something else, or of no export", "refused; what it is not is said")
def test_what_is_no_model(finished, tmp_path):
    with pytest.raises(CheckpointError, match="missing does not exist, so it is neither a run folder"):
        load_model(tmp_path / "missing")
    with pytest.raises(CheckpointError, match="is neither a run folder"):
        load_model(tmp_path)
    with pytest.raises(CheckpointError, match="checkpoint 'latest': must be 'best' or 'last'"):
        load_model(finished, "latest")
    with pytest.raises(CheckpointError, match="only a run has a 'last' checkpoint"):
        load_model(tmp_path, "last")
    (tmp_path / "notes.onnx").write_text("x")
    with pytest.raises(CheckpointError, match=r"has no notes\.json that names its classes"):
        load_model(tmp_path / "notes.onnx")
    (tmp_path / "other.tflite").write_text("x")  # of two files it is not known which is meant
    with pytest.raises(CheckpointError, match="nor a file of another export format"):
        load_model(tmp_path)
    (tmp_path / "1").mkdir()
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(CheckpointError, match=r"1 has no assets\.extra/hrs\.json that names its classes"):
        load_model(tmp_path)


@pytest.mark.fault("an export with any of its files damaged", "refused; it is to be exported again")
@pytest.mark.parametrize(
    ("file", "contents"),
    [
        ("assets.extra/hrs.json", b"garbage"),
        ("assets.extra/hrs.json", b"\xff\xfe"),
        ("assets.extra/hrs.json", b'{"label_space": {}}'),
        ("saved_model.pb", b"junk"),
        ("saved_model.pb", b""),
        ("variables/variables.data-00000-of-00001", b"short"),
        ("variables/variables.index", b"junk"),
    ],
)
def test_damaged_exports(copied, file, contents):
    export = copied.parents[1] / "saved_models/tiny/1"
    (export / file).write_bytes(contents)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(export)


def test_a_foreign_saved_model_with_our_record(finished, tmp_path):
    saved = Path(json.loads((finished / "result.json").read_text())["saved_model"])
    shutil.copytree(saved / "assets.extra", tmp_path / "assets.extra")
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(tmp_path)
