"""Predictions for files."""

import dataclasses
import gc
import json
import os
import sys
import threading
import time
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.processes import start
from support.sample_images import full_disk, large

from hrs_keras.cli.main import main
from hrs_keras.errors import CheckpointError, DataError, HRSError, NonFiniteError
from hrs_keras.labels import CAMVID, CITYSCAPES
from hrs_keras.media import images as media
from hrs_keras.media.label_maps import LabelMapFolders
from hrs_keras.predict import files as predict
from hrs_keras.predict import job
from hrs_keras.predict.files import PredictOptions, predict_files
from hrs_keras.predict.job import READ_AHEAD
from hrs_keras.predict.model import TrainedModel
from hrs_keras.predict.views import View
from hrs_keras.system.threads import WRITES_BEHIND

CENTRES = 20 * np.arange(11) + 10
EXACT = View("pad")  # with this no pixel is interpolated
SUFFIXES = {"colour": "png", "ids": "png", "overlay": "jpg"}
JPEG_ERROR = 4  # grey levels, the mean over pixels of noise

by_brightness = TrainedModel(
    "by_brightness",
    (32, 64),
    dataclasses.replace(CAMVID, raw_ids=tuple(range(100, 111))),
    lambda images: -((tf.reduce_mean(images, axis=-1, keepdims=True) - CENTRES.astype(np.float32)) ** 2) / 100,
)
"""Says class k where a pixel's mean is nearest to 20 k + 10."""


def expected_ids(pixels: np.ndarray) -> np.ndarray:
    """[h, w, 3] -> [h, w], in NumPy."""
    return np.abs(pixels.astype(np.float32).mean(-1, keepdims=True) - CENTRES).argmin(-1)


@pytest.fixture
def model(monkeypatch) -> str:
    """The name under which predictions find :data:`by_brightness`."""
    monkeypatch.setattr(predict, "load_model", lambda path, which: by_brightness)
    return "by_brightness"


def noise(path, height, width, seed=0, **options):
    """Write an image whose pixels lie clear of the middle between two centres, so that no rounding decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = np.random.default_rng(seed).integers(0, 11, (height, width, 1))
    pixels = (20 * steps + 10).astype(np.uint8).repeat(3, axis=2)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def at_work():
    """The threads of pools; tqdm keeps one of its own."""
    return {thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name}


# ---- images ----------------------------------------------------------------------------------------------------


def test_what_is_written(model, tmp_path):
    pixels = noise(tmp_path / "x.png", 33, 47)
    out = tmp_path / "out"
    options = PredictOptions(EXACT, confidence="npy", probabilities=True)
    outcome = predict_files(model, [tmp_path / "x.png"], out, options)
    assert outcome.skipped == [] and {folder.name for folder in outcome.folders} == set(os.listdir(out))
    assert names(out) == ["colour/x.png", "confidence/x.npy", "ids/x.png", "overlay/x.jpg", "probabilities/x.npy"]
    ids, colour, overlay = (pixels_of(out / name) for name in ("ids/x.png", "colour/x.png", "overlay/x.jpg"))
    np.testing.assert_array_equal(ids, expected_ids(pixels) + 100)
    np.testing.assert_array_equal(colour, np.array(CAMVID.palette, np.uint8)[ids - 100])
    assert np.abs(overlay - (pixels.astype(float) + colour) / 2).mean() < JPEG_ERROR
    scores = np.exp(-((pixels[..., :1].astype(np.float64) - CENTRES) ** 2) / 100)
    softmax = scores / scores.sum(-1, keepdims=True)
    probabilities, confidence = (np.load(out / kind / "x.npy") for kind in ("probabilities", "confidence"))
    assert (probabilities.dtype, probabilities.shape) == (np.float16, (33, 47, 11))
    assert (confidence.dtype, confidence.shape) == (np.float32, (33, 47))
    np.testing.assert_allclose(probabilities, softmax, atol=5e-4)
    np.testing.assert_allclose(confidence, softmax.max(-1), rtol=1e-5)


def test_confidence_as_a_picture(model, tmp_path):
    noise(tmp_path / "x.png", 33, 47)
    for kind in ("png", "npy"):
        predict_files(model, [tmp_path / "x.png"], tmp_path / kind, PredictOptions(EXACT, confidence=kind))
    exact = np.load(tmp_path / "npy/confidence/x.npy")
    np.testing.assert_array_equal(pixels_of(tmp_path / "png/confidence/x.png"), np.round(255 * exact).astype(np.uint8))
    assert names(tmp_path / "png/confidence") == ["x.png"] and names(tmp_path / "npy/confidence") == ["x.npy"]


def test_a_label_space_without_file_ids_gives_train_ids(monkeypatch, tmp_path):
    bare = dataclasses.replace(by_brightness, space=dataclasses.replace(CAMVID, raw_ids=None))
    monkeypatch.setattr(predict, "load_model", lambda path, which: bare)
    pixels = noise(tmp_path / "x.png", 9, 9)
    outcome = predict_files("bare", [tmp_path / "x.png"], tmp_path / "out", PredictOptions(EXACT))
    assert [folder.name for folder in outcome.folders] == ["train_ids", "colour", "overlay"]
    np.testing.assert_array_equal(pixels_of(tmp_path / "out/train_ids/x.png"), expected_ids(pixels))


def test_folders_that_a_pattern_leaves_open_are_kept(model, tmp_path):
    """Equal names in different folders are no trouble."""
    pixels = {name: noise(tmp_path / f"in/{name}.png", 8, 9, seed) for seed, name in enumerate(("x", "a/x", "a/b/x"))}
    frames = record(tmp_path / "in/b/x.mkv", (8, 16), 2)
    outcome = predict_files(model, [f"{tmp_path}/in/**/*"], tmp_path / "out", PredictOptions(EXACT))
    assert outcome.skipped == []
    pictures = [f"{kind}/{name}.{suffix}" for kind, suffix in SUFFIXES.items() for name in pixels]
    films = ["colour/b/x.mp4", "overlay/b/x.mp4", "ids/b/x/frame_0000000.png", "ids/b/x/frame_0000001.png"]
    assert names(tmp_path / "out") == sorted(pictures + films)
    for name, image in (pixels | {"b/x/frame_0000001": frames[1]}).items():
        np.testing.assert_array_equal(pixels_of(tmp_path / f"out/ids/{name}.png"), expected_ids(image) + 100)


def test_the_network_has_one_batch_at_a_time(monkeypatch, tmp_path):
    """Others are made ready or written meanwhile, but two in the network would need twice the memory."""
    for number in range(6):
        noise(tmp_path / f"in/{number}.png", 8, 8, seed=number)
    within, most = [], []

    def logits(images):
        within.append(images)
        time.sleep(0.02)  # long enough for the next batch to be ready
        most.append(len(within))
        within.pop()
        return by_brightness.logits(images)

    monkeypatch.setattr(predict, "load_model", lambda *_: dataclasses.replace(by_brightness, logits=logits))
    predict_files("", [tmp_path / "in"], tmp_path / "out", PredictOptions(EXACT))
    assert most == [1] * 6


def test_the_next_batch_is_begun_while_the_network_is_at_one(monkeypatch, tmp_path):
    for number in range(3):
        noise(tmp_path / f"in/{number}.png", 8, 8, seed=number)
    begun, waited = threading.Semaphore(0), []
    call = predict.Predictor.__call__

    def predictor(self, images, names):
        begun.release()
        return call(self, images, names)

    def logits(images):
        if not waited:  # the first batch, which has begun itself
            waited.append(all(begun.acquire(timeout=30) for _ in range(2)))
        return by_brightness.logits(images)

    monkeypatch.setattr(predict.Predictor, "__call__", predictor)
    monkeypatch.setattr(predict, "load_model", lambda *_: dataclasses.replace(by_brightness, logits=logits))
    predict_files("", [tmp_path / "in"], tmp_path / "out", PredictOptions(EXACT))
    assert waited == [True]


def test_a_large_batch_has_the_memory_to_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(job, "LARGE", 63)
    for number in range(4):
        noise(tmp_path / f"in/{number}.png", 8, 8, seed=number)
    at_work, most, call = [], [], predict.Predictor.__call__

    def predictor(self, images, names):
        at_work.append(images)
        time.sleep(0.02)
        most.append(len(at_work))
        try:
            return call(self, images, names)
        finally:
            at_work.pop()

    monkeypatch.setattr(predict.Predictor, "__call__", predictor)
    monkeypatch.setattr(predict, "load_model", lambda *_: by_brightness)
    predict_files("", [tmp_path / "in"], tmp_path / "out", PredictOptions(EXACT))
    assert most == [1] * 4


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_neighbours_of_equal_size_are_one_batch(monkeypatch, tmp_path, batch_size):
    sizes = [(8, 8)] * 5 + [(8, 9)] * 2 + [(8, 8)]
    pixels = {f"{i}": noise(tmp_path / f"in/{i}.png", *size, seed=i) for i, size in enumerate(sizes)}
    shapes = []

    def logits(images):
        shapes.append(images.shape[0])
        return by_brightness.logits(images)

    monkeypatch.setattr(predict, "load_model", lambda *_: dataclasses.replace(by_brightness, logits=logits))
    predict_files("", [tmp_path / "in"], tmp_path / "out", PredictOptions(EXACT, batch_size=batch_size))
    # Two batches are at work at a time, and either may come to the network first.
    assert sorted(shapes) == {1: [1] * 8, 2: [1, 1, 2, 2, 2], 3: [1, 2, 2, 3]}[batch_size]
    for name, expected in pixels.items():
        np.testing.assert_array_equal(pixels_of(tmp_path / f"out/ids/{name}.png"), expected_ids(expected) + 100)


@pytest.mark.parametrize("view", [View(), View("sliding", 0.25), View("pad", scales=(0.75, 1.25), flip=True)])
def test_every_view_and_one_pixel(model, tmp_path, view):
    for name, size in (("one", (1, 1)), ("large", (70, 130))):
        Image.new("RGB", size[::-1], (51, 51, 51)).save(tmp_path / f"{name}.png")
        predict_files(model, [tmp_path / f"{name}.png"], tmp_path / "out", PredictOptions(view))
        ids = pixels_of(tmp_path / f"out/ids/{name}.png")
        assert ids.shape == size and np.all(ids == 102)


def test_exif_rotated_images_are_written_upright(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    stored = noise(tmp_path / "x.png", 20, 30, exif=exif)
    predict_files(model, [tmp_path / "x.png"], tmp_path / "out", PredictOptions(EXACT))
    np.testing.assert_array_equal(pixels_of(tmp_path / "out/ids/x.png"), np.rot90(expected_ids(stored), -1) + 100)


@pytest.mark.fault("an image whose name is not UTF-8", "predicted; where it is told, its bytes are escaped")
def test_a_name_that_is_not_utf_8(model, tmp_path, capsys):
    name = os.fsdecode(b"x\xff")
    noise(tmp_path / f"in/{name}.png", 8, 8)
    (tmp_path / f"in/broken{name}.png").touch()
    assert len(predict_files(model, [tmp_path / "in"], tmp_path / "out").skipped) == 1
    assert (tmp_path / f"out/ids/{name}.png").is_file()
    assert f"warning: skipped {tmp_path}/in/brokenx\\xff.png: is empty" in capsys.readouterr().out.splitlines()


@pytest.mark.fault(
    "no image, half an image, a GIF called .png, a broken link, an image of 20000x20000 pixels",
    "skipped, each with its reason; the others are predicted, exit code 3",
)
def test_hostile_images_are_named_and_skipped(model, tmp_path):
    folder = tmp_path / "in"
    for name in ("a", "z"):
        noise(folder / f"{name}.png", 12, 16)
    contents = (folder / "a.png").read_bytes()
    (folder / "b.png").write_bytes(b"no image")
    (folder / "c.png").write_bytes(contents[: len(contents) // 2])
    (folder / "d.png").write_bytes(large(".png"))
    frames = [Image.new("P", (4, 4), colour) for colour in (0, 1)]
    frames[0].save(folder / "e.png", format="GIF", save_all=True, append_images=frames[1:])
    (folder / "f.png").symlink_to("nowhere")
    told: list[str] = []
    skipped = predict_files(model, [folder], tmp_path / "out", PredictOptions(on_skipped=told.append)).skipped
    assert [path.name for path in skipped] == ["b.png", "c.png", "d.png", "e.png", "f.png"]
    reasons = ["is neither a PNG", "cannot be decoded", "has 20000x20000 pixels", "is a GIF file", "cannot be read"]
    for line, path, reason in zip(told, skipped, reasons, strict=True):
        assert line.startswith(f"{path}: {reason}")
    assert {path.name for path in (tmp_path / "out/ids").iterdir()} == {"a.png", "z.png"}


@pytest.mark.slow
@pytest.mark.parametrize("count", [60, 200])
def test_memory_is_flat_over_many_images(model, tmp_path, monkeypatch, count):
    """How many images are held at one time is bounded, whichever of reading, predicting and writing is slowest."""
    batch_size, held, most, lock = 3, 0, 0, threading.Lock()
    for i in range(count):
        noise(tmp_path / f"in/{i}.png", 8, 8)

    def release():
        nonlocal held
        with lock:
            held -= 1

    read, write = media.read_image, LabelMapFolders.write

    def read_counted(path, max_pixels):
        nonlocal held, most
        image = read(path, max_pixels)
        with lock:
            held += 1
            most = max(most, held)
        weakref.finalize(image, release)
        return image

    def write_slowly(*arguments):
        time.sleep(0.004)
        write(*arguments)

    monkeypatch.setattr(media, "read_image", read_counted)
    monkeypatch.setattr(LabelMapFolders, "write", write_slowly)
    predict_files(model, [tmp_path / "in"], tmp_path / "out", PredictOptions(EXACT, batch_size=batch_size))
    assert len(names(tmp_path / "out")) == 3 * count
    # Read ahead; a batch being collected, and one whose predictions are handed on; being written; in between.
    assert batch_size < most <= (READ_AHEAD + batch_size) + 2 * batch_size + WRITES_BEHIND + 2
    gc.collect()
    assert held == 0


# ---- what cannot be done ---------------------------------------------------------------------------------------


@pytest.mark.fault("a disk that fills during a prediction", "one message; whole files stay, none is half")
@full_disk
@pytest.mark.parametrize("name", ["ids/05.png", "overlay/19.jpg", "confidence/00.npy"])
def test_full_disk(model, tmp_path, name):
    """One clear error, at whichever image; what was complete stays, nothing half is left, no thread goes on."""
    for i in range(20):
        noise(tmp_path / f"in/{i:02d}.png", 8, 8)
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.with_name(path.name + ".partial").symlink_to("/dev/full")
    before = at_work()
    with pytest.raises(HRSError, match=f"cannot write {path}: No space left on device"):
        predict_files(model, [tmp_path / "in"], tmp_path / "out", PredictOptions(confidence="npy"))
    assert at_work() == before
    written = names(tmp_path / "out")
    assert name not in written and not [other for other in written if other.endswith(".partial")]
    for other in names(tmp_path / "out/ids"):
        assert pixels_of(tmp_path / "out/ids" / other).shape == (8, 8)


@pytest.mark.fault("`--out` that is a file", "refused before the first prediction")
def test_out_that_is_a_file(model, tmp_path):
    noise(tmp_path / "x.png", 8, 8)
    (tmp_path / "file").touch()
    with pytest.raises(HRSError, match=r"cannot write .*/file/ids: Not a directory"):
        predict_files(model, [tmp_path / "x.png"], tmp_path / "file")


@pytest.mark.fault("`--out` that may not be written", "refused before the first prediction")
def test_out_without_permission(model, tmp_path):
    noise(tmp_path / "x.png", 8, 8)
    (tmp_path / "out").mkdir(mode=0o500)
    if os.access(tmp_path / "out", os.W_OK):
        pytest.skip("root may write everywhere")
    with pytest.raises(HRSError, match=r"cannot write .*/out/ids: Permission denied"):
        predict_files(model, [tmp_path / "x.png"], tmp_path / "out")


@pytest.mark.fault("inputs in the folder of the predictions, also behind a link", "refused; nothing is overwritten")
def test_inputs_are_never_overwritten(model, tmp_path):
    noise(tmp_path / "out/colour/x.png", 8, 8)
    before = (tmp_path / "out/colour/x.png").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(DataError, match=r"colour/x\.png lies where predictions would be written; choose another --out"):
        predict_files(model, [tmp_path / "link/colour"], tmp_path / "out")
    assert (tmp_path / "out/colour/x.png").read_bytes() == before


@pytest.mark.fault("no memory for a batch", "one message with its size and the remedies")
def test_no_memory(tmp_path, monkeypatch):
    def logits(images):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(predict, "load_model", lambda *_: dataclasses.replace(by_brightness, logits=logits))
    for name in "ab":
        noise(tmp_path / f"{name}.png", 8, 9)
    with pytest.raises(HRSError, match=r"no memory to predict 2 images of 8x9 .* lower --batch-size"):
        predict_files("", [tmp_path], tmp_path / "out", PredictOptions(batch_size=2))


def test_what_is_not_finite_names_its_image(tmp_path, monkeypatch):
    """Of a batch that one which is not; nothing is written of it."""

    def logits(images):
        bad = tf.reduce_max(images, axis=(1, 2, 3), keepdims=True) > 200
        return tf.where(bad, np.float32(np.nan), by_brightness.logits(images))

    monkeypatch.setattr(predict, "load_model", lambda *_: dataclasses.replace(by_brightness, logits=logits))
    for name, brightness in (("a", 100), ("b", 250), ("c", 100)):
        Image.fromarray(np.full((8, 9, 3), brightness, np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(NonFiniteError, match=f"{tmp_path}/b.png: the network answers NaN or infinity"):
        predict_files("", [tmp_path], tmp_path / "out", PredictOptions(batch_size=3))
    assert names(tmp_path / "out") == []
    record(tmp_path / "x.mkv", (8, 16), 12)
    with pytest.raises(NonFiniteError, match=f"{tmp_path}/x.mkv, the frame at 0.36 s: the network answers NaN"):
        predict_files("", [tmp_path / "x.mkv"], tmp_path / "out", PredictOptions())


@pytest.mark.parametrize(
    ("options", "says"),
    [({"confidence": True}, "confidence True: must be 'png', 'npy' or None"), ({"confidence": "tiff"}, "'tiff': must")],
)
def test_kinds_of_confidence_that_there_are_not(options, says):
    with pytest.raises(HRSError, match=says):
        PredictOptions(**options)


@pytest.mark.parametrize("option", ["batch_size", "max_pixels"])
def test_numbers_out_of_range(option):
    with pytest.raises(HRSError, match=f"{option} 0: must be 1 to "):
        PredictOptions(**{option: 0})


@pytest.mark.fault("a model that is not there", "refused; no folder is made")
def test_a_wrong_model_leaves_nothing_behind(tmp_path):
    noise(tmp_path / "x.png", 8, 8)
    with pytest.raises(CheckpointError, match="missing does not exist"):
        predict_files(tmp_path / "missing", [tmp_path / "x.png"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- videos ----------------------------------------------------------------------------------------------------


def record(path, size, count, rate=25):
    """A lossless video; frame i is as bright as centre i (and then from the start again), its last row one more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [np.full((*size, 3), 20 * (i % 10) + 10, np.uint8) for i in range(count)]
    for frame in frames:
        frame[-1] += 20
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *size, "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))
    return frames


def film(path):
    """Rate, size and frames of a written film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream.average_rate, frames


@pytest.mark.parametrize("size, written", [((32, 48), (32, 48)), ((33, 47), (34, 48))])
def test_video(model, tmp_path, size, written):
    """Also of odd size, which H.264 pictures cannot have."""
    frames = record(tmp_path / "drive.mkv", size, 12, Fraction(30000, 1001))
    options = PredictOptions(EXACT, batch_size=5, confidence="npy")
    assert predict_files(model, [tmp_path / "drive.mkv"], tmp_path / "out", options).skipped == []
    numbered = [f"frame_{i:07d}" for i in range(12)]
    out = tmp_path / "out"
    assert names(out / "ids") == [f"drive/{name}.png" for name in numbered]
    assert names(out / "confidence") == [f"drive/{name}.npy" for name in numbered]
    for name, frame in zip(numbered, frames, strict=True):
        np.testing.assert_array_equal(pixels_of(out / f"ids/drive/{name}.png"), expected_ids(frame) + 100)
    palette = np.array(CAMVID.palette)
    for kind, share in (("colour", 0), ("overlay", 0.5)):
        rate, pictures = film(out / f"{kind}/drive.mp4")
        assert float(rate) == pytest.approx(30000 / 1001, rel=1e-2)
        for frame, picture in zip(frames, pictures, strict=True):
            assert picture.shape == (*written, 3)
            expected = share * frame + (1 - share) * palette[expected_ids(frame)]
            assert np.abs(picture[: size[0] - 4, : size[1]] - expected[:-4]).max() <= 12


@pytest.mark.fault("a video that is cut off", "its frames up to there are predicted; exit code 3")
def test_truncated_video(model, tmp_path, capsys):
    record(tmp_path / "in/drive.mkv", (32, 48), 40)
    noise(tmp_path / "in/x.png", 8, 8)
    contents = (tmp_path / "in/drive.mkv").read_bytes()
    (tmp_path / "in/drive.mkv").write_bytes(contents[: len(contents) // 2])
    outcome = predict_files(model, [f"{tmp_path}/in/*"], tmp_path / "out", PredictOptions(EXACT))
    skipped = outcome.skipped
    assert skipped == [tmp_path / "in/drive.mkv"] and len(outcome.folders) == 3
    count = len(names(tmp_path / "out/ids/drive"))
    assert 10 < count < 25 and len(film(tmp_path / "out/colour/drive.mp4")[1]) == count
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert len(told) == 1 and f"the rest of {skipped[0]}: it breaks off after {count} frames" in told[0]
    assert (tmp_path / "out/ids/x.png").is_file()


@pytest.mark.fault("a file that is no video", "skipped, with the reason")
def test_a_file_that_is_no_video(model, tmp_path, capsys):
    (tmp_path / "drive.mp4").write_bytes(b"no video")
    outcome = predict_files(model, [tmp_path / "drive.mp4"], tmp_path / "out")
    assert outcome.skipped == [tmp_path / "drive.mp4"] and outcome.folders == []
    assert names(tmp_path / "out") == [] and not (tmp_path / "out/ids/drive").exists()
    assert f"warning: skipped {tmp_path}/drive.mp4: cannot be read as a video" in capsys.readouterr().out


@pytest.mark.fault("a disk that fills during a video", "one message; no half video is left")
@full_disk
def test_full_disk_in_a_video(model, tmp_path):
    record(tmp_path / "drive.mkv", (32, 48), 30)
    for kind in ("colour", "overlay"):
        (tmp_path / f"out/{kind}").mkdir(parents=True)
    (tmp_path / "out/overlay/drive.mp4.partial").symlink_to("/dev/full")
    before = at_work()
    with pytest.raises(HRSError, match=r"cannot write .*overlay/drive\.mp4: No space left on device"):
        predict_files(model, [tmp_path / "drive.mkv"], tmp_path / "out")
    assert at_work() == before
    assert names(tmp_path / "out/colour") == names(tmp_path / "out/overlay") == []


@pytest.mark.fault("a video where PyAV is not installed", "told before the model is loaded; the pip command is named")
def test_a_video_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(predict, "load_model", lambda *_: pytest.fail("told too late"))
    (tmp_path / "x.mp4").touch()
    with pytest.raises(HRSError, match=r"pip install 'hrs-keras\[video\]'"):
        predict_files("", [tmp_path / "x.mp4"], tmp_path / "out")


# ---- with a trained model --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_run_folder_and_saved_model_give_the_same_ids(finished, city, tmp_path):
    """Exactly; and the same as the export's own answer to the file's bytes."""
    saved = json.loads((finished / "result.json").read_text())["saved_model"]
    images = sorted((city / "cityscapes/leftImg8bit/val/toyville").glob("*.png"))
    noise(tmp_path / "odd.png", 45, 77)
    images.append(tmp_path / "odd.png")
    for name, model in (("run", finished), ("version", saved), ("newest", os.path.dirname(saved))):
        assert predict_files(model, images, tmp_path / name).skipped == []
    served = tf.saved_model.load(saved).signatures["serving_default"]
    for image in images:
        ids = [pixels_of(tmp_path / name / f"ids/{image.stem}.png") for name in ("run", "version", "newest")]
        np.testing.assert_array_equal(ids[0], ids[1])
        np.testing.assert_array_equal(ids[0], ids[2])
        answer = served(image_bytes=tf.constant([image.read_bytes()]))["class_ids"][0].numpy()
        np.testing.assert_array_equal(ids[0], np.array(CITYSCAPES.raw_ids)[answer])


def test_command_line(finished, tmp_path, capsys):
    noise(tmp_path / "one.png", 40, 50)
    noise(tmp_path / "many/a.jpg", 33, 77)
    noise(tmp_path / "many/b.PNG", 64, 64)
    (tmp_path / "many/broken.png").write_bytes(b"no image")
    (tmp_path / "many/notes.txt").touch()
    one, many, out = (str(tmp_path / name) for name in ("one.png", "many", "out"))
    more = ["--sliding", "--overlap", "0.25", "--flip", "--batch-size", "2", "--confidence-npy", "--checkpoint", "last"]
    assert main(["predict", str(finished), one, "--out", out, many, f"{tmp_path}/*.png", *more]) == 3
    printed = capsys.readouterr()
    assert [line for line in printed.err.splitlines() if line.startswith(f"hrs: skipped {many}/broken.png: is neither")]
    assert printed.out == f"ids/, colour/, overlay/ and confidence/ are in {out}\n"
    assert {path.name for path in (tmp_path / "out/confidence").iterdir()} == {"one.npy", "a.npy", "b.npy"}
    sizes = {"one": (50, 40), "a": (77, 33), "b": (64, 64)}
    for kind, mode in (("ids", "L"), ("colour", "RGB"), ("overlay", "RGB")):
        assert {path.stem for path in (tmp_path / "out" / kind).iterdir()} == set(sizes)
        for stem, size in sizes.items():
            with Image.open(tmp_path / "out" / kind / f"{stem}.{SUFFIXES[kind]}") as image:
                assert (image.size, image.mode) == (size, mode)
    assert set(np.unique(pixels_of(tmp_path / "out/ids/one.png"))) <= set(CITYSCAPES.raw_ids)
    assert main(["predict", str(finished), one, "--out", out, "--pad", "--scales", "0.75", "1", "--confidence"]) == 0
    with Image.open(tmp_path / "out/confidence/one.png") as confidence:
        assert (confidence.size, confidence.mode) == ((50, 40), "L")


@pytest.mark.parametrize(
    "options, says",
    [
        (["--sliding", "--overlap", "1"], "overlap 1: must be a share"),
        (["--scales", "0"], "scales (0.0,): must be factors above 0"),
        (["--batch-size", "0"], "batch_size 0: must be 1 to 1024"),
        (["nothing.png"], "nothing.png does not exist"),
    ],
)
def test_command_lines_that_make_no_sense(tmp_path, capsys, options, says):
    noise(tmp_path / "x.png", 8, 8)
    assert main(["predict", "model", str(tmp_path / "x.png"), "--out", str(tmp_path / "out"), *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith("hrs: ") and says in err


def test_sliding_and_pad_exclude_each_other(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["predict", "model", "x.png", "--out", str(tmp_path), "--sliding", "--pad"])
    assert caught.value.code == 2 and "not allowed with" in capsys.readouterr().err


@pytest.mark.slow  # takes seconds
def test_a_process_of_its_own_predicts_the_same(finished, tmp_path):
    """It tells TensorFlow that weights are frozen, of which each kernel keeps a copy, at any size of images."""
    noise(tmp_path / "in/a.png", 40, 70)
    noise(tmp_path / "in/b.png", 64, 64, seed=1)
    words = ("-m", "hrs_keras.cli", "predict", finished, tmp_path / "in", "--out", tmp_path / "theirs")
    process = start(*words, "--pad", "--probabilities", cache=tmp_path, TF_ONEDNN_ASSUME_FROZEN_WEIGHTS="1")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    predict_files(finished, [tmp_path / "in"], tmp_path / "ours", PredictOptions(EXACT, probabilities=True))
    for name in ("a", "b"):
        theirs, ours = (np.load(tmp_path / who / f"probabilities/{name}.npy") for who in ("theirs", "ours"))
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-3)
