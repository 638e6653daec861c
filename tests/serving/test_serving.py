"""What a served export answers, over REST and gRPC: every case either way, and after each the server still answers.

By default a process of the tests' own serves (``serving_process.py``). ``make serve-check`` asks a TensorFlow Serving
at HRS_SERVING_REST and HRS_SERVING_GRPC (host:port, or one of them) about its model HRS_SERVING_MODEL, of which
HRS_SERVING_EXPORT is the export: a version, or a folder of versions whose newest is served.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.paths import REPOSITORY
from support.raw_requests import Grpc, RefusedError, Rest, plain
from support.sample_images import ANSWERED, PIXELS, REFUSED, decoded, jpeg, png, saved, turned
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

from hrs_keras.errors import DataError, ServingError
from hrs_keras.export.finding import find_exported
from hrs_keras.serving import ServedModel, ServingClient

RNG = np.random.default_rng(1)


# ---- who serves ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """Where what is served; ``export`` is the version folder, to compare answers with."""

    addresses: dict[str, str]
    model: str
    export: Path
    own: bool


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    given = {name: os.environ.get(f"HRS_SERVING_{name.upper()}") for name in ("rest", "grpc", "model", "export")}
    if given["rest"] or given["grpc"]:
        addresses = {name: given[name].removeprefix("http://") for name in ("rest", "grpc") if given[name]}
        export = Path(given["export"])
        yield Server(addresses, given["model"], find_exported(export) or export, own=False)
        return
    finished = request.getfixturevalue("finished")
    exported = Path(json.loads((finished / "result.json").read_text())["saved_model"])
    root = tmp_path_factory.mktemp("served")
    for version in ("1", "2"):
        shutil.copytree(exported, root / "toy" / version)
    plain = tf.Module()
    plain.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(plain, str(root / "plain/1"), signatures=plain.double)
    models = [f"--model={name}={root / name}" for name in ("toy", "plain")]
    with open(root / "log.txt", "w") as log:
        command = [sys.executable, str(REPOSITORY / "tests/support/serving_process.py"), *models]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        line = process.stdout.readline()
        assert line, (root / "log.txt").read_text()
        addresses = {name: f"127.0.0.1:{port}" for name, port in json.loads(line).items()}
        yield Server(addresses, "toy", root / "toy/2", own=True)
        assert process.poll() is None  # it has survived everything
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def local(server):
    """The export's signatures in this process."""
    return tf.saved_model.load(str(server.export)).signatures


# ---- who asks -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rest(server):
    if "rest" not in server.addresses:
        pytest.skip("no REST address given")
    return Rest(server.addresses["rest"])


@pytest.fixture(scope="module")
def over_grpc(server):
    if "grpc" not in server.addresses:
        pytest.skip("no gRPC address given")
    asked = Grpc(server.addresses["grpc"])
    yield asked
    asked.channel.close()


@pytest.fixture(scope="module", params=["rest", "over_grpc"])
def asked(request):
    """Both ways in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def predict(asked, server, local):
    """``predict(signature, **inputs)``; when the test is over a good image must be answered as ever."""
    yield lambda signature, **inputs: asked.predict(server.model, signature, **inputs)
    good = [png(PIXELS)]
    agree(asked.predict(server.model, "png", image_bytes=good), local["png"](image_bytes=tf.constant(good)), server)


def agree(served: dict[str, np.ndarray], expected: dict[str, tf.Tensor], server: Server) -> None:
    """Bit for bit; another build of TensorFlow may round differently, where a class is a near tie."""
    assert served.keys() == expected.keys()
    for name, value in expected.items():
        value, found = value.numpy(), served[name]
        if server.own:
            np.testing.assert_array_equal(found.astype(value.dtype), value)
        elif name.endswith("_bytes"):
            for one, other in zip(found, value, strict=True):
                different = decoded(one).astype(int) - decoded(other)
                assert np.mean(np.abs(different) > (name == "confidence_bytes")) < 1e-3
        elif value.dtype == np.float32:
            np.testing.assert_allclose(found, value, atol=1e-2)
        else:
            assert np.mean(found != value) < 1e-3


# ---- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERED)
def test_files_that_are_answered(predict, local, server, name):
    contents, pixels = ANSWERED[name]
    served = predict("png", image_bytes=[contents])
    agree(served, local["png"](image_bytes=tf.constant([contents])), server)
    with Image.open(io.BytesIO(contents)) as image:
        assert decoded(served["label_map_bytes"][0]).shape == image.size[::-1]
    if pixels is not None:
        same = predict("png", image_bytes=[png(pixels)])
        assert {name: list(value) for name, value in same.items()} == {k: list(v) for k, v in served.items()}


@pytest.mark.fault("an image that the served model cannot read", "refused by the model, with the reason")
@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(predict, name):
    contents, says = REFUSED[name]
    with pytest.raises(RefusedError, match=says) as caught:
        predict("png", image_bytes=[contents])
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.fault("one bad image in a batch", "the batch is refused, and the reason told")
def test_one_bad_image_spoils_its_batch(predict):
    with pytest.raises(RefusedError, match="neither a PNG nor a JPEG"):
        predict("serving_default", image_bytes=[png(PIXELS), b"no image", png(PIXELS)])


def test_batch_of_different_sizes(predict, local, server):
    images = [png(PIXELS), jpeg(PIXELS[:7, :33]), png(PIXELS[:1, :1])]
    served = predict("serving_default", image_bytes=images)
    agree(served, local["serving_default"](image_bytes=tf.constant(images)), server)
    assert np.array(served["size"]).tolist() == [[48, 80], [7, 33], [1, 1]]
    for ids, confidence, (height, width) in zip(served["class_ids"], served["confidence"], served["size"], strict=True):
        own = np.zeros((48, 80), bool)
        own[:height, :width] = True
        assert np.all(ids[~own] == 255) and np.all(ids[own] != 255)
        assert np.all(confidence[~own] == 0) and np.all(confidence[own] > 0) and np.all(confidence <= 1 + 1e-6)


# ---- tensors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature, dtype", [("arrays", np.uint8), ("logits", np.float32)])
def test_arrays(predict, local, server, signature, dtype):
    images = RNG.integers(0, 256, (2, 32, 64, 3)).astype(dtype)
    served = predict(signature, images=images)
    agree(served, local[signature](images=tf.constant(images)), server)


WRONG = {
    "floats to arrays": ("arrays", {"images": np.full((1, 8, 8, 3), 0.5, np.float32)}),
    "string to arrays": ("arrays", {"images": [png(PIXELS)]}),
    "array to image_bytes": ("png", {"image_bytes": np.zeros((1, 8, 8, 3), np.uint8)}),
    "rank 3 to arrays": ("arrays", {"images": np.zeros((8, 8, 3), np.uint8)}),
    "rank 3 to logits": ("logits", {"images": np.zeros((32, 32, 3), np.float32)}),
    "rank 0 to image_bytes": ("png", {"image_bytes": png(PIXELS)}),
    "rank 2 to image_bytes": ("png", {"image_bytes": [[png(PIXELS)]]}),
    "four channels": ("arrays", {"images": np.zeros((1, 8, 8, 4), np.uint8)}),
    "no pixels": ("arrays", {"images": np.zeros((1, 0, 0, 3), np.uint8)}),
    "no multiple of 32": ("logits", {"images": np.zeros((1, 33, 32, 3), np.float32)}),
    "empty batch of files": ("png", {"image_bytes": []}),
    "empty batch of files by default": ("serving_default", {"image_bytes": []}),
    "unknown input": ("png", {"images": [png(PIXELS)]}),
    "no input": ("png", {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_tensors_that_are_refused(predict, name):
    signature, inputs = WRONG[name]
    with pytest.raises(RefusedError) as caught:
        predict(signature, **inputs)
    assert caught.value.code == "INVALID_ARGUMENT" and len(str(caught.value)) > 30


@pytest.mark.parametrize("signature, dtype", [("arrays", np.uint8), ("logits", np.float32)])
def test_empty_batch_of_arrays(over_grpc, server, signature, dtype):
    # JSON has no way to write these shapes.
    with pytest.raises(
        RefusedError, match="batch is empty" if server.own else "INVALID_ARGUMENT"
    ):  # see batching.config
        over_grpc.predict(server.model, signature, images=np.zeros((0, 32, 32, 3), dtype))


# ---- models, versions, signatures ------------------------------------------------------------------------------


def test_unknown_names(asked, server):
    inputs = {"image_bytes": [png(PIXELS)]}
    with pytest.raises(RefusedError, match=r"NOT_FOUND.*nobody"):
        asked.predict("nobody", "png", **inputs)
    with pytest.raises(RefusedError, match=r"NOT_FOUND.*999"):
        asked.predict(server.model, "png", version=999, **inputs)
    with pytest.raises(RefusedError, match=r"(INVALID_ARGUMENT|FAILED_PRECONDITION).*nothing.*not found"):
        asked.predict(server.model, "nothing", **inputs)


def test_asked_version(asked, server, local):
    inputs = {"image_bytes": [png(PIXELS)]}
    served = asked.predict(server.model, "png", version=int(server.export.name), **inputs)
    agree(served, local["png"](image_bytes=tf.constant(inputs["image_bytes"])), server)


def test_rest_status(rest, server):
    version = server.export.name
    one = {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert rest.fetch(f"/v1/models/{server.model}/versions/{version}") == {"model_version_status": [one]}
    assert one in rest.fetch(f"/v1/models/{server.model}")["model_version_status"]
    for path in ("nobody", f"{server.model}/versions/999"):
        with pytest.raises(RefusedError, match="NOT_FOUND"):
            rest.fetch(f"/v1/models/{path}")


def test_grpc_status(over_grpc, server):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = server.model
    answer = ModelServiceStub(over_grpc.channel).GetModelStatus(request, timeout=10)
    states = {one.version: one.state for one in answer.model_version_status}
    assert states[int(server.export.name)] == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    request.model_spec.version.value = 999
    with pytest.raises(grpc.RpcError) as caught:
        ModelServiceStub(over_grpc.channel).GetModelStatus(request, timeout=10)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_grpc_output_filter_and_model_spec(over_grpc, server):
    request = predict_pb2.PredictRequest(output_filter=["size"])
    request.model_spec.name = server.model
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([png(PIXELS)]))
    answer = over_grpc.send(request)
    assert list(answer.outputs) == ["size"] and tf.make_ndarray(answer.outputs["size"]).tolist() == [[48, 80]]
    assert (answer.model_spec.name, answer.model_spec.signature_name) == (server.model, "serving_default")
    assert answer.model_spec.version.value == int(server.export.name)
    request.output_filter[:] = ["nothing"]
    with pytest.raises(RefusedError, match=r"INVALID_ARGUMENT.*nothing"):
        over_grpc.send(request)


# ---- REST's own forms ------------------------------------------------------------------------------------------


def rows_and_columns(rest, server, **body: Any) -> dict:
    return rest.fetch(f"/v1/models/{server.model}:predict", json.dumps(body).encode())


def test_rows_and_columns_say_the_same(rest, server):
    files = [plain(png(PIXELS)), plain(png(PIXELS[:9, :9]))]
    ask = {"signature_name": "png"}
    by_rows = rows_and_columns(rest, server, instances=files, **ask)
    assert by_rows == rows_and_columns(rest, server, instances=[{"image_bytes": one} for one in files], **ask)
    by_columns = rows_and_columns(rest, server, inputs=files, **ask)
    assert by_columns == rows_and_columns(rest, server, inputs={"image_bytes": files}, **ask)
    assert by_rows["predictions"] == [
        dict(zip(by_columns["outputs"], row, strict=True)) for row in zip(*by_columns["outputs"].values(), strict=True)
    ]
    default = rows_and_columns(rest, server, instances=files[:1])["predictions"][0]
    assert default["size"] == [48, 80] and np.shape(default["class_ids"]) == (48, 80)
    assert default["label_map_bytes"] == by_rows["predictions"][0]["label_map_bytes"]


def test_a_single_output_has_no_name(rest, server):
    images = np.zeros((2, 32, 32, 3)).tolist()
    rows = rows_and_columns(rest, server, signature_name="logits", instances=images)
    columns = rows_and_columns(rest, server, signature_name="logits", inputs=images)
    assert np.shape(rows["predictions"])[:3] == (2, 32, 32) and rows["predictions"] == columns["outputs"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"instances": []}',
        b'{"instances": {}}',
        b'{"instances": ["x"], "inputs": ["x"]}',
        b'{"instances": [{"b64": "?"}]}',
        b'{"instances": [{"b64": "AAAA"}, [{"b64": "AAAA"}]]}',
        b'{"instances": [{"image_bytes": {"b64": "AAAA"}, "more": 1}]}',
        b'{"instances": [[[1, 2], [3]]], "signature_name": "arrays"}',
        b'{"inputs": {"other": []}}',
    ],
)
def test_bodies_that_are_refused(rest, server, body):
    with pytest.raises(RefusedError, match="INVALID_ARGUMENT"):
        rest.fetch(f"/v1/models/{server.model}:predict", body)
    assert rows_and_columns(rest, server, instances=[plain(png(PIXELS))])["predictions"]


# ---- the package's client --------------------------------------------------------------------------------------


@pytest.fixture(params=["rest", "grpc"])
def address(request, server):
    if request.param not in server.addresses:
        pytest.skip(f"no {request.param} address given")
    return ("http://" if request.param == "rest" else "") + server.addresses[request.param]


def test_client(address, server, local):
    images = [png(PIXELS), jpeg(PIXELS[:20, :30])]
    expected = local["png"](image_bytes=tf.constant(images))
    with ServingClient(ServedModel(address, server.model)) as client:
        assert client.versions()[int(server.export.name)] == "AVAILABLE"
        answers = client.segment(images)
        assert client.segment([]) == []
    with ServingClient(ServedModel(address, server.model, version=int(server.export.name))) as client:
        assert np.array_equal(client.segment(images[:1])[0].class_ids, answers[0].class_ids)
    served = {
        "label_map_bytes": [png(answer.class_ids) for answer in answers],
        "confidence_bytes": [png(np.round(255 * answer.confidence).astype(np.uint8)) for answer in answers],
    }
    for name, files in served.items():
        for one, other in zip(files, expected[name].numpy(), strict=True):
            different = np.abs(decoded(one).astype(int) - decoded(other))
            assert not different.any() or (not server.own and np.mean(different > (name[0] == "c")) < 1e-3)
    assert answers[0].class_ids.dtype == np.uint8 and answers[0].confidence.dtype == np.float32


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_client_turns_photos_upright(address, server, kind):
    # Orientation 6: the camera was held so that the scene's top is the stored right-hand side.
    photo = saved(Image.fromarray(PIXELS), kind, exif=turned(6))
    with Image.open(io.BytesIO(photo)) as image:
        standing = np.rot90(np.array(image), -1)
    with ServingClient(ServedModel(address, server.model)) as client:
        found, expected = client.segment([photo, png(np.ascontiguousarray(standing))])
    assert found.class_ids.shape == (80, 48)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_array_equal(found.confidence, expected.confidence)


def test_client_and_what_is_not_there(address, server):
    there = rf"versions there: .*{server.export.name} \(AVAILABLE\)"
    for asked, says in (({"name": "nobody"}, "'nobody' at .* not served"),
                        ({"name": server.model, "version": 999}, f"version 999 .* not served.*{there}")):  # fmt: skip
        with ServingClient(ServedModel(address, **asked)) as client, pytest.raises(ServingError, match=says) as caught:
            client.segment([png(PIXELS)])
        assert not caught.value.refused


def test_client_and_another_model(address, server):
    if not server.own:
        pytest.skip("serves what it serves")
    with (
        ServingClient(ServedModel(address, "plain")) as client,
        pytest.raises(ServingError, match="no signature 'png'") as caught,
    ):
        client.segment([png(PIXELS)])
    assert not caught.value.refused


def test_client_and_images_that_are_refused(address, server):
    limit = json.loads((server.export / "assets.extra/hrs.json").read_text())["max_pixels"]
    wide = png(np.zeros((1, limit + 1), np.uint8))
    with ServingClient(ServedModel(address, server.model)) as client:
        with pytest.raises(ServingError, match=f"refused: .*pixels.*{limit + 1}") as caught:
            client.segment([wide])
        assert caught.value.refused
        for name in ("no image", "animated GIF", "truncated PNG", "truncated JPEG", "20000x20000 PNG with little data"):
            with pytest.raises(DataError, match=r"image 2 of 2: cannot be read as PNG or JPEG"):
                client.segment([png(PIXELS), REFUSED[name][0]])
        assert client.segment([png(PIXELS)])[0].class_ids.shape == (48, 80)
