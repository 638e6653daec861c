"""The files that ``hrs request`` sends and writes."""

import contextlib

import numpy as np
import pytest
from PIL import Image
from support.sample_images import turned
from support.scripted_servers import REFUSED_WIDTH, ScriptedGrpc, ScriptedRest, png, rest_answer

from hrs_keras.cli.main import main
from hrs_keras.errors import DataError, HRSError, ServingError
from hrs_keras.labels import CAMVID, CITYSCAPES
from hrs_keras.serving import ServedModel
from hrs_keras.serving.request import RequestOptions, request_files

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
GREY = PIXELS[..., 0]
IMAGE = png(PIXELS)


@pytest.fixture(params=[ScriptedRest, ScriptedGrpc], ids=["rest", "grpc"])
def serve(request):
    """``serve(script)`` starts a scripted server, over REST and over gRPC in turn."""
    with contextlib.ExitStack() as servers:
        yield lambda *arguments: servers.enter_context(contextlib.closing(request.param(*arguments)))


def written(folder) -> dict[str, np.ndarray]:
    return {str(path.relative_to(folder)): np.array(Image.open(path)) for path in folder.rglob("*.*")}


def overlay_is_half(overlay, image, colour) -> bool:
    return np.abs(overlay - (image.astype(float) + colour) / 2).mean() < 4  # it is a JPEG of noise


@pytest.fixture
def photos(tmp_path):
    """Four images that are answered, one that is refused, one that is none, and a file that is not looked at."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(IMAGE)
    Image.fromarray(PIXELS).save(folder / "b.jpg", exif=turned(6))
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(folder / "c.PNG")
    (folder / "d.png").write_bytes(png(np.zeros((2, REFUSED_WIDTH, 3), np.uint8)))
    (folder / "e.jpeg").write_bytes(b"no image")
    Image.fromarray(PIXELS[..., 1]).save(folder / "f.jpg")
    (folder / "notes.txt").touch()
    return folder


@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_request_files(serve, photos, tmp_path, capsys, batch_size):
    server, out = serve(), tmp_path / "out"
    outcome = request_files(ServedModel(server.address, "toy"), [photos], out, RequestOptions("camvid", batch_size))
    assert [path.name for path in outcome.skipped] == ["d.png", "e.jpeg"]
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: skipped")]
    assert len(told) == 2 and "photos/d.png" in told[0] and "refused: scripted" in told[0]
    assert "photos/e.jpeg: cannot be read as PNG or JPEG (it is neither)" in told[1]
    assert max(map(len, server.sent)) == (4 if batch_size == 4 else 1)  # e.jpeg is among the first 10
    pictures = written(out)
    kinds = {"ids": "png", "confidence": "png", "colour": "png", "overlay": "jpg"}
    assert {folder.name for folder in outcome.folders} == set(kinds)
    assert pictures.keys() == {f"{kind}/{name}.{suffix}" for kind, suffix in kinds.items() for name in "abcf"}
    stored = {"a": PIXELS, "b": np.array(Image.open(photos / "b.jpg")), "c": np.stack([PIXELS[..., 0]] * 3, -1),
              "f": np.stack([np.array(Image.open(photos / "f.jpg"))] * 3, -1)}  # fmt: skip
    for name, pixels in stored.items():
        pixels = np.rot90(pixels, -1) if name == "b" else pixels
        ids, confidence, colour, overlay = (pictures[f"{kind}/{name}.{suffix}"] for kind, suffix in kinds.items())
        if name != "c":  # 16 bits, of which the scripted server makes something else
            np.testing.assert_array_equal(ids, pixels[..., 0] % 11)
            np.testing.assert_array_equal(confidence, pixels[..., 1])
        np.testing.assert_array_equal(colour, np.array(CAMVID.palette)[ids])
        assert overlay_is_half(overlay, pixels, colour)


def test_folders_that_a_pattern_leaves_open_are_kept(serve, photos, tmp_path):
    (photos / "deep").mkdir()
    (photos / "deep/a.png").write_bytes(IMAGE)
    outcome = request_files(ServedModel(serve().address, "toy"), [f"{photos}/**/a.png"], tmp_path / "out")
    assert outcome.skipped == []
    assert written(tmp_path / "out").keys() == {
        f"{kind}/{name}.png" for kind in ("train_ids", "confidence") for name in ("a", "deep/a")
    }


def test_request_files_without_classes(serve, photos, tmp_path):
    out = tmp_path / "out"
    outcome = request_files(ServedModel(serve().address, "toy"), [photos / "a.png"], out)
    assert outcome.skipped == [] and [folder.name for folder in outcome.folders] == ["train_ids", "confidence"]
    pictures = written(out)
    assert pictures.keys() == {"train_ids/a.png", "confidence/a.png"}
    np.testing.assert_array_equal(pictures["train_ids/a.png"], GREY % 11)


def test_file_ids_where_they_are_not_train_ids(serve, photos, tmp_path):
    served = ServedModel(serve().address, "toy")
    request_files(served, [photos / "a.png"], tmp_path / "out", RequestOptions("cityscapes"))
    pictures = written(tmp_path / "out")
    np.testing.assert_array_equal(pictures["ids/a.png"], np.array(CITYSCAPES.raw_ids)[GREY % 11])
    np.testing.assert_array_equal(pictures["colour/a.png"], np.array(CITYSCAPES.palette)[GREY % 11])


@pytest.mark.fault("inputs in the folder of the answers", "refused; nothing is sent")
def test_inputs_are_never_overwritten(photos, tmp_path):
    with contextlib.closing(ScriptedRest()) as server, pytest.raises(DataError, match="choose another --out"):
        (tmp_path / "out").mkdir()
        photos.rename(tmp_path / "out/confidence")
        request_files(ServedModel(server.address, "toy"), [tmp_path / "out/confidence"], tmp_path / "out")
    assert (tmp_path / "out/confidence/a.png").read_bytes() == IMAGE and not server.sent


@pytest.mark.fault("an image to request that may not be read", "skipped, with the reason; exit code 3")
def test_files_that_cannot_be_opened(photos, tmp_path, monkeypatch, capsys):
    def read_bytes(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", read_bytes)
    with contextlib.closing(ScriptedRest()) as server:
        outcome = request_files(ServedModel(server.address, "toy"), [photos / "a.png"], tmp_path / "out")
    assert outcome.folders == [] and outcome.skipped == [photos / "a.png"]
    assert "a.png: Permission denied" in capsys.readouterr().out


@pytest.mark.fault("a server that goes away between two images", "one message; what was answered is kept")
def test_a_server_that_goes_away_ends_it(serve, photos, tmp_path):
    server = serve(["OK", "UNAVAILABLE"])
    with pytest.raises(ServingError, match="unavailable after 1 attempt"):
        request_files(ServedModel(server.address, "toy", attempts=1), [photos], tmp_path / "out")
    assert written(tmp_path / "out").keys() == {"train_ids/a.png", "confidence/a.png"}


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"classes": "camvit"}, "no label space is called 'camvit'. Did you mean 'camvid'"),
        ({"batch_size": 0}, "batch size 0"),
        ({"inputs": ["missing"]}, "missing does not exist"),
        ({"inputs": ["film.mp4"]}, "film.mp4 is a video"),
        ({"out": "photos/a.png"}, "cannot write photos/a.png/train_ids: Not a directory"),
    ],
)
def test_requests_that_make_no_sense(photos, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").touch()
    usual = {"inputs": [photos / "a.png"], "out": "out"} | arguments
    options = {name: usual.pop(name) for name in ("classes", "batch_size") if name in usual}
    with contextlib.closing(ScriptedRest()) as server, pytest.raises(HRSError) as caught:
        request_files(ServedModel(server.address, "toy"), **usual, options=RequestOptions(**options))
    assert says in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.fault("`--classes` of another model", "an error at the first class that does not fit")
def test_classes_of_another_model(photos, tmp_path):
    with contextlib.closing(ScriptedRest([rest_answer(png(np.full((4, 6), 12, np.uint8)), png(GREY))])) as server:
        served = ServedModel(server.address, "toy")
        request_files(served, [photos / "a.png"], tmp_path / "out", RequestOptions("cityscapes"))
        with pytest.raises(DataError, match="the model answers class 12, camvid has classes 0 to 10"):
            request_files(served, [photos / "a.png"], tmp_path / "out", RequestOptions("camvid"))


def test_exit_codes(photos, tmp_path, capsys):
    def run(*inputs, **options) -> int:
        named = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return main(["request", server.address, *map(str, inputs), f"--out={tmp_path / 'out'}", *named])

    with contextlib.closing(ScriptedRest()) as server:
        assert run(photos / "a.png", photos / "f.jpg", model="toy", batch_size=2, classes="camvid") == 0
        assert f"are in {tmp_path / 'out'}" in capsys.readouterr().out and len(server.sent) == 1
        assert (tmp_path / "out/overlay/f.jpg").is_file()
        assert run(photos, model="toy", timeout=5, version=1) == 3
        assert capsys.readouterr().err.count("hrs: skipped") == 2
        assert run(photos / "d.png", model="toy") == 3
        assert capsys.readouterr().out == f"nothing was written to {tmp_path / 'out'}: every input was skipped\n"
    with contextlib.closing(ScriptedRest(["NOT_FOUND"])) as server:
        assert run(photos / "a.png", model="nobody") == 2
    message = capsys.readouterr().err
    assert "hrs: model 'nobody' at " in message and "not served" in message and "Traceback" not in message
