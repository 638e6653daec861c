"""Servers that answer by a script, REST and gRPC, in this process: what a client does when things go wrong.

A step of the script is the name of a gRPC status, ``SILENT`` (no answer until the server is closed), or for REST alone
a triple (HTTP status, content type, body). The last step is repeated. ``OK`` is an honest answer: the class ids of an
image are its red channel modulo 11, its confidence is its green channel.
"""

import base64
import io
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
from PIL import Image
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

Step = str | tuple[int, str, bytes]
HTTP = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504}  # fmt: skip
REFUSED_WIDTH = 13  # pixels; images as wide as this are what an honest server does not take


def meaning(image: bytes) -> tuple[np.ndarray, np.ndarray]:
    """What an honest server says of a file, which it does not turn: class ids and confidence, [h, w] uint8."""
    with Image.open(io.BytesIO(image)) as opened:
        pixels = np.array(opened.convert("RGB"))
    return pixels[..., 0] % 11, pixels[..., 1]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


class Scripted:
    """What both servers have in common.

    Attributes:
        sent: the images of each prediction that was asked for.
        address: as the client wants it.
    """

    address: str

    def __init__(self, script: Sequence[Step] = ("OK",)):
        self.script, self.sent = list(script), []
        self.closing = threading.Event()

    def step(self, images: list[bytes]) -> Step:
        self.sent.append(images)
        step = self.script[min(len(self.sent), len(self.script)) - 1]
        if step == "SILENT":
            self.closing.wait(60)
        if step == "OK" and any(meaning(image)[0].shape[1] == REFUSED_WIDTH for image in images):
            return "INVALID_ARGUMENT"
        return step


class ScriptedRest(Scripted):
    """Versions 1 and 2 of every model but ``nobody``."""

    def __init__(self, script: Sequence[Step] = ("OK",), port: int = 0):
        super().__init__(script)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                images = [base64.b64decode(row["b64"]) for row in request["instances"]]
                step = scripted.step(images)
                if step == "OK":
                    self.answer(200, {"predictions": [rest_row(image) for image in images]})
                elif isinstance(step, tuple):
                    self.answer(*step)
                elif step != "SILENT":
                    self.answer(HTTP[step], {"error": f"scripted {step}"})

            def do_GET(self):
                if self.path.endswith("/nobody"):
                    self.answer(404, {"error": "Could not find any versions of model nobody"})
                else:
                    states = [{"version": "2", "state": "LOADING"}, {"version": "1", "state": "AVAILABLE"}]
                    self.answer(200, {"model_version_status": states})

            def answer(self, status: int, content: dict | str, body: bytes | None = None):
                if body is None:
                    content, body = "application/json", json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", content)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "/")  # where it means something, a client must not follow
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


def rest_row(image: bytes) -> dict:
    names = ("label_map_bytes", "confidence_bytes")
    files = (base64.b64encode(png(pixels)).decode() for pixels in meaning(image))
    return {name: {"b64": file} for name, file in zip(names, files, strict=True)}


def rest_answer(ids: bytes, confidence: bytes) -> Step:
    """A step that answers one image with these files."""
    files = {"label_map_bytes": ids, "confidence_bytes": confidence}
    body = {"predictions": [{name: {"b64": base64.b64encode(file).decode()} for name, file in files.items()}]}
    return 200, "application/json", json.dumps(body).encode()


class ScriptedGrpc(Scripted, PredictionServiceServicer, ModelServiceServicer):
    """As :class:`ScriptedRest`."""

    def __init__(self, script: Sequence[Step] = ("OK",), port: int = 0):
        super().__init__(script)
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(4), options=unlimited)
        add_PredictionServiceServicer_to_server(self, self._server)
        add_ModelServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        self._server.start()

    def close(self) -> None:
        self.closing.set()
        self._server.stop(0).wait()

    def Predict(self, request, context):  # noqa: N802
        images = list(request.inputs["image_bytes"].string_val)
        step = self.step(images)
        response = PredictResponse()
        if step == "OK":
            for image in images:
                for name, pixels in zip(request.output_filter, meaning(image), strict=True):
                    response.outputs[name].string_val.append(png(pixels))
        elif step != "SILENT":
            context.abort(grpc.StatusCode[step], f"scripted {step}")
        return response

    def GetModelStatus(self, request, context):  # noqa: N802
        if request.model_spec.name == "nobody":
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model nobody")
        response = GetModelStatusResponse()
        response.model_version_status.add(version=2, state="LOADING")
        response.model_version_status.add(version=1, state="AVAILABLE")
        return response
