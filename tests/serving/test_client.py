"""The client of a served model: what it asks, what it asks again, and what it says when things go wrong."""

import contextlib
import io
import json
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image
from support.processes import free_port, start
from support.sample_images import UPRIGHT, turned
from support.scripted_servers import ScriptedGrpc, ScriptedRest, meaning, png, rest_answer

from hrs_keras.errors import DataError, ServingError
from hrs_keras.serving import ServedModel, ServingClient

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 6, 3), np.uint8)
IMAGE = png(PIXELS)


@pytest.fixture(params=[ScriptedRest, ScriptedGrpc], ids=["rest", "grpc"])
def serve(request):
    """``serve(script)`` starts a scripted server, over REST and over gRPC in turn."""
    with contextlib.ExitStack() as servers:
        yield lambda *arguments: servers.enter_context(contextlib.closing(request.param(*arguments)))


def ask(server, images=(IMAGE,), **options):
    with ServingClient(ServedModel(server.address, "toy", **options)) as client:
        return client.segment(list(images))


def failure(server, **options) -> str:
    """The message of the one error that asking ends with."""
    with pytest.raises(ServingError) as caught:
        ask(server, **options)
    assert not caught.value.refused
    return str(caught.value)


# ---- what is tried again ---------------------------------------------------------------------------------------


@pytest.mark.fault("a server that is unavailable twice", "asked again after a pause")
def test_unavailable_twice_and_then_not(serve):
    server = serve(["UNAVAILABLE", "UNAVAILABLE", "OK"])
    began = time.monotonic()
    (answer,) = ask(server)
    assert time.monotonic() - began > 0.3  # it paused
    assert server.sent == [[IMAGE]] * 3
    ids, confidence = meaning(IMAGE)
    np.testing.assert_array_equal(answer.class_ids, ids)
    np.testing.assert_array_equal(answer.confidence, np.float32(confidence / 255))
    assert (answer.class_ids.dtype, answer.confidence.dtype) == (np.uint8, np.float32)


def test_a_large_request_is_sent_again_too(serve):
    large = png(RNG.integers(0, 256, (600, 800, 3), np.uint8))
    assert len(large) > 2**20
    server = serve(["UNAVAILABLE", "OK"])
    assert ask(server, [large])[0].class_ids.shape == (600, 800)
    assert server.sent == [[large]] * 2


@pytest.mark.fault("a server that stays unavailable", "an error after the attempts asked for; the address is named")
@pytest.mark.parametrize("attempts", [1, 3])
def test_always_unavailable(serve, attempts):
    server = serve(["UNAVAILABLE"])
    message = failure(server, attempts=attempts)
    assert f"unavailable after {attempts} attempt" in message and "scripted UNAVAILABLE" in message
    assert "'toy'" in message and server.address in message and "is the server running?" in message
    assert len(server.sent) == attempts


@pytest.mark.fault("a server that is not up yet", "asked again until it is")
@pytest.mark.parametrize("kind, scheme", [(ScriptedRest, "http://"), (ScriptedGrpc, "grpc://")])
def test_refused_connection_and_then_up(kind, scheme):
    # Over gRPC this is early: by itself a channel tries to connect a second time only after the third attempt.
    port, servers = free_port(), []
    later = threading.Timer(0.1, lambda: servers.append(kind(["OK"], port)))
    later.start()
    try:
        with ServingClient(ServedModel(f"{scheme}127.0.0.1:{port}", "toy", attempts=3)) as client:
            assert client.segment([IMAGE])[0].class_ids.shape == (4, 6)
    finally:
        later.join()
        servers[0].close()


@pytest.mark.fault("an address with a password, for a proxy", "it is sent, and no message shows it; gRPC has none")
def test_passwords_are_not_shown():
    port = free_port()
    with (
        ServingClient(ServedModel(f"http://me:se@cret@127.0.0.1:{port}", "toy", attempts=1)) as client,
        pytest.raises(ServingError, match=f"at http://127.0.0.1:{port}: unavailable") as caught,
    ):
        client.versions()
    assert "cret" not in str(caught.value)
    for scheme, password in (("grpc://", "secret"), ("", "secret"), ("http://", "sec/ret")):
        with pytest.raises(ServingError, match=rf"address '{scheme}127\.0\.0\.1:1': must be http://host:port"):
            ServingClient(ServedModel(f"{scheme}me:{password}@127.0.0.1:1", "toy"))


@pytest.mark.fault("a server that is not there", "an error that names the address")
@pytest.mark.parametrize("scheme", ["http://", "grpc://", ""])
def test_connection_that_stays_refused(scheme):
    address = f"{scheme}127.0.0.1:{free_port()}"
    with ServingClient(ServedModel(address, "toy", attempts=2)) as client:
        for question in (client.versions, lambda: client.segment([IMAGE])):
            with pytest.raises(ServingError, match=r"unavailable after 2 attempts: .*Connection refused"):
                question()


# ---- what is not -----------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "a server that refuses, has too little memory, or does not know the model", "told at once, with its versions"
)
@pytest.mark.parametrize(
    "step, says",
    [
        ("INTERNAL", "scripted INTERNAL"),
        ("DEADLINE_EXCEEDED", "no answer in time"),
        ("RESOURCE_EXHAUSTED", "too much for the server: scripted RESOURCE_EXHAUSTED; send fewer or smaller"),
        ("NOT_FOUND", r"not served: scripted NOT_FOUND; its versions there: 1 (AVAILABLE), 2 (LOADING)"),
    ],
)
def test_errors_are_told_at_once(serve, step, says):
    server = serve([step, "OK"])
    assert says in failure(server)
    assert len(server.sent) == 1


def test_refused_images_are_told_at_once(serve):
    server = serve(["INVALID_ARGUMENT", "OK"])
    with pytest.raises(ServingError, match="refused: scripted INVALID_ARGUMENT") as caught:
        ask(server)
    assert caught.value.refused and len(server.sent) == 1


@pytest.mark.fault("a server that is silent", "an error after the timeout")
def test_a_timeout_is_told_after_the_timeout(serve):
    server = serve(["SILENT"])
    began = time.monotonic()
    message = failure(server, timeout=0.5)
    assert 0.5 <= time.monotonic() - began < 2
    assert "timeout 0.5 s" in message and "longer timeout" in message
    assert len(server.sent) == 1


@pytest.mark.fault("a server that falls silent in the middle of its answer", "an error after the timeout")
def test_a_timeout_within_the_answer():
    """A server that falls silent after its headers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def answer_half():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
                done.wait(30)

        done = threading.Event()
        thread = threading.Thread(target=answer_half)
        thread.start()
        with (
            ServingClient(ServedModel(address, "toy", timeout=0.3)) as client,
            pytest.raises(ServingError, match="no answer in time"),
        ):
            client.segment([IMAGE])
        done.set()
        thread.join()


@pytest.mark.fault("a connection that breaks", "an error; the request is not sent twice")
def test_a_connection_that_breaks():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])
                    accepted[-1].recv(1)
                    accepted[-1].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        address, says = f"http://127.0.0.1:{listener.getsockname()[1]}", r"no answer: .*is the server still running"
        with ServingClient(ServedModel(address, "toy")) as client, pytest.raises(ServingError, match=says):
            client.segment([IMAGE])
        assert len(accepted) == 1


HTML = b"<html><body>It works!</body></html>"


@pytest.mark.fault("a web page, a login or other JSON in place of an answer", "an error that shows what was answered")
@pytest.mark.parametrize(
    "step, says",
    [
        ((200, "text/html", HTML), "HTTP 200 OK, '<html>"),
        ((404, "text/html", HTML), "HTTP 404 Not Found, '<html>"),
        ((302, "text/html", HTML), "HTTP 302 Found"),
        ((401, "text/html", b""), "HTTP 401 Unauthorized"),
        ((200, "application/json", b"[1]"), "HTTP 200 OK, '[1]'"),
        ((200, "application/json", b'{"predictions": []}'), "0 label maps for 1 images"),
        ((200, "application/json", b'{"predictions": [{"y": 1}]}'), "'y': 1"),
        ((200, "application/json", b'{"predictions": [1.5]}'), "1.5"),
    ],
)
def test_answers_that_are_not_tensorflow_servings(step, says):
    with contextlib.closing(ScriptedRest([step])) as server:
        message = failure(server)
        assert says in message and "no export of this package on TensorFlow Serving" in message
        assert len(server.sent) == 1


@pytest.mark.fault("an answer with terminal codes in it", "they are not printed")
def test_what_is_said_is_safe_to_print():
    said = json.dumps(
        {"error": "assertion failed: \x1b[31m\0 [neither a PNG] \n\t [[{{node while/Assert}}]] " + 999 * "x"}
    )
    with contextlib.closing(ScriptedRest([(500, "application/json", said.encode())])) as server:
        message = failure(server)
    assert message.isprintable() and "[neither a PNG] xxx" in message and "node" not in message and len(message) < 500


@pytest.mark.fault("a proxy that answers for the server", "understood by its status")
@pytest.mark.parametrize("status, says", [(413, "too much for the server"), (504, "no answer in time")])
def test_answers_of_a_proxy(status, says):
    with contextlib.closing(ScriptedRest([(status, "text/html", HTML)])) as server:
        assert says in failure(server)
        assert len(server.sent) == 1


GREY = PIXELS[..., 0]


def with_a_wrong_checksum(file: bytes) -> bytes:
    """A PNG whose pixels were damaged on the way: their CRC-32, which ends 12 bytes before the file, does not fit."""
    return file[:-13] + bytes([file[-13] ^ 1]) + file[-12:]


@pytest.mark.fault("an answer whose label map is no PNG, damaged or of another size", "an error")
@pytest.mark.parametrize(
    "ids, confidence, says",
    [
        (b"no image", png(GREY), "no PNG"),
        (with_a_wrong_checksum(png(GREY)), png(GREY), "no PNG: broken PNG file"),
        (png(PIXELS), png(GREY), "mode RGB"),
        (png(GREY[:3]), png(GREY[:3]), r"(3, 6)"),
        (png(GREY), png(GREY[:3]), r"(3, 6)"),
    ],
    ids=["no PNG", "damaged", "colours", "another size", "two sizes"],
)
def test_label_maps_that_do_not_fit(ids, confidence, says):
    with contextlib.closing(ScriptedRest([rest_answer(ids, confidence)])) as server:
        assert says in failure(server)


@pytest.mark.fault("gRPC asked at the port of REST, or the reverse", "an error that names the usual ports")
def test_grpc_asked_at_a_rest_port_and_the_other_way_round():
    with contextlib.closing(ScriptedRest()) as rest, contextlib.closing(ScriptedGrpc()) as over_grpc:
        says = r"By default REST is http://host:8501, gRPC host:8500"
        for address in (rest.address.removeprefix("http://"), f"http://{over_grpc.address}"):
            client = ServingClient(ServedModel(address, "toy", attempts=1, timeout=5))
            with client, pytest.raises(ServingError, match=says):
                client.segment([IMAGE])


# ---- what is asked ---------------------------------------------------------------------------------------------


def test_versions(serve):
    server = serve()
    with ServingClient(ServedModel(server.address, "toy")) as client:
        assert list(client.versions().items()) == [(1, "AVAILABLE"), (2, "LOADING")]
    with (
        ServingClient(ServedModel(server.address, "nobody")) as client,
        pytest.raises(ServingError, match=r"'nobody' .*not served"),
    ):
        client.versions()


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"address": "localhost"}, "'localhost': must be http://host:port"),
        ({"address": "ftp://localhost:80"}, "must be http://host:port"),
        ({"address": "http://"}, "must be http://host:port"),
        ({"timeout": 0}, "timeout 0"),
        ({"timeout": float("inf")}, "timeout inf"),
        ({"attempts": 0}, "attempts 0"),
        ({"attempts": 6}, "from 1 to 5"),
    ],
)
def test_arguments_that_make_no_sense(arguments, says):
    with pytest.raises(ServingError, match=says):
        ServingClient(ServedModel(**{"address": "http://localhost:8501", "name": "toy"} | arguments))


def test_no_images_are_no_request(serve):
    server = serve()
    assert ask(server, []) == [] and server.sent == []


def test_what_is_no_image_is_not_sent(serve):
    server = serve()
    for bad in (b"", b"no image", IMAGE[:60], IMAGE[:100]):
        with pytest.raises(DataError, match=r"^cannot be read as PNG or JPEG"):
            ask(server, [bad])
        with pytest.raises(DataError, match=r"^image 2 of 3: cannot be read as PNG or JPEG"):
            ask(server, [IMAGE, bad, IMAGE])
    assert server.sent == []


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "CMYK"])
def test_images_are_sent_upright(orientation, kind):
    image, out = Image.fromarray(PIXELS), io.BytesIO()
    image.convert("CMYK" if kind == "CMYK" else "RGB").save(
        out, "PNG" if kind == "PNG" else "JPEG", exif=turned(orientation)
    )
    with contextlib.closing(ScriptedRest()) as server:
        (answer,) = ask(server, [out.getvalue()])
    ids, _ = meaning(out.getvalue())
    np.testing.assert_array_equal(answer.class_ids, UPRIGHT[orientation](ids))
    if orientation == 1:
        assert server.sent == [[out.getvalue()]]


def test_exif_data_that_make_no_sense_turn_nothing():
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "JPEG", exif=b"Exif\0\0nonsense")
    with contextlib.closing(ScriptedRest()) as server:
        ask(server, [out.getvalue()])
    assert server.sent == [[out.getvalue()]]


WITHOUT = """
import sys
from pathlib import Path
from hrs_keras.serving import ServedModel, ServingClient
from hrs_keras.serving.request import RequestOptions, request_files

address, image, out = sys.argv[1:]
with ServingClient(ServedModel(address, "toy")) as client:
    assert client.versions() and client.segment([Path(image).read_bytes()])
assert request_files(ServedModel(address, "toy"), [image], out, RequestOptions("camvid")).skipped == []
assert not {"tensorflow", "keras", "grpc"} & set(sys.modules)
"""


def test_rest_needs_no_tensorflow(tmp_path):
    (tmp_path / "x.png").write_bytes(IMAGE)
    with contextlib.closing(ScriptedRest()) as server:
        process = start("-c", WITHOUT, server.address, tmp_path / "x.png", tmp_path / "out", cache=tmp_path)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


@pytest.mark.parametrize(
    ("address", "changes", "message"),
    [
        ("127.0.0.1:99999", {}, "address '127.0.0.1:99999': must be"),
        ("http://127.0.0.1:99999", {}, "must be http://host:port"),
        ("http://[::1", {}, "must be http://host:port"),
        ("http://:", {}, "must be http://host:port"),
        ("ftp://host:1", {}, "must be http://host:port"),
        ("localhost", {}, "must be http://host:port"),
        ("http://localhost:8501", {"name": ""}, "model ''"),
        ("http://localhost:8501", {"name": "m\udcff"}, "model "),
        ("localhost:8500", {"version": 0}, "version 0"),
        ("localhost:8500", {"version": 10**20}, "version 1"),
        ("http://localhost:8501", {"timeout": 1e300}, "timeout 1e[+]300"),
        ("http://localhost:8501", {"timeout": float("nan")}, "timeout nan"),
    ],
)
def test_what_cannot_be_asked_is_told_at_once(address, changes, message):
    with pytest.raises(ServingError, match=message):
        ServingClient(ServedModel(address, **({"name": "toy"} | changes)))
