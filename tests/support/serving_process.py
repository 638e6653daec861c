"""A server process with the protocols of TensorFlow Serving, for tests on machines that do not have it.

    python tests/support/serving_process.py --model toy=saved_models/toy_city --grpc-port 0 --rest-port 0

prints the ports as JSON on its first line, and serves every version there is on the loopback interface. As TensorFlow
Serving does, it runs a signature's graph in a session; codes and messages are those of its predict_util.cc,
json_tensor.cc and http_rest_api_handler.cc. It leaves out batching, new versions, labels, metadata, Classify, Regress.
"""

import argparse
import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToJson
from serving_json import Tensors, read_inputs, write_outputs
from tensorflow_serving.apis import get_model_status_pb2, model_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

DEFAULT_SIGNATURE = "serving_default"
CODES = {code.value[0]: code for code in grpc.StatusCode}
HTTP = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "NOT_FOUND": 404,
        "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}  # fmt: skip


class RefusedError(Exception):
    """An answer that is an error: a status code's name and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def invalid(message: str) -> RefusedError:
    return RefusedError("INVALID_ARGUMENT", message)


class Servable:
    """One version of a model."""

    def __init__(self, path: Path):
        with tf.Graph().as_default() as graph:
            self._session = tf.compat.v1.Session(graph=graph)
            self.signatures = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path)).signature_def

    def run(self, signature: str, inputs: Tensors, outputs: Iterable[str] = ()) -> Tensors:
        if signature not in self.signatures:
            raise RefusedError("FAILED_PRECONDITION", f'Serving signature key "{signature}" not found.')
        definition = self.signatures[signature]
        if inputs.keys() != definition.inputs.keys():
            raise invalid(f"input size does not match signature: {sorted(inputs)} != {sorted(definition.inputs)}")
        for name in inputs:
            wanted = tf.as_dtype(definition.inputs[name].dtype)
            if tf.as_dtype(inputs[name].dtype) != wanted:
                raise invalid(f"Expects {name} to be {wanted.name} but {inputs[name].dtype} is provided")
        names = list(outputs) or list(definition.outputs)
        for name in names:
            if name not in definition.outputs:
                raise invalid(f"output tensor alias not found in signature: {name}")
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        try:
            return dict(zip(names, self._session.run([definition.outputs[n].name for n in names], feeds), strict=True))
        except tf.errors.OpError as error:
            said = error.message.removeprefix("Graph execution error:\n\n")  # Python's own
            raise RefusedError(CODES[error.error_code].name, said) from None
        except ValueError as error:  # a shape that the input cannot have
            raise invalid(str(error)) from None


class Models:
    """Everything that is served: name -> version -> Servable."""

    def __init__(self, folders: dict[str, Path]):
        self._models = {
            name: {int(path.name): Servable(path) for path in sorted(folder.iterdir()) if path.name.isdecimal()}
            for name, folder in folders.items()
        }

    def find(self, spec: model_pb2.ModelSpec) -> tuple[int, Servable]:
        versions = self._models.get(spec.name, {})
        asked = spec.version.value if spec.HasField("version") else max(versions, default=None)
        if asked not in versions:
            which = f"Specific({spec.name}, {asked})" if spec.HasField("version") else f"Latest({spec.name})"
            raise RefusedError("NOT_FOUND", f"Servable not found for request: {which}")
        return asked, versions[asked]

    def status(self, spec: model_pb2.ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        versions = self._models.get(spec.name, {})
        if spec.HasField("version") and spec.version.value not in versions:
            raise RefusedError("NOT_FOUND", f"Could not find version {spec.version.value} of model {spec.name}")
        if not versions:
            raise RefusedError("NOT_FOUND", f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in [spec.version.value] if spec.HasField("version") else versions:
            response.model_version_status.add(version=version, state="AVAILABLE").status.SetInParent()
        return response


# ---- gRPC ------------------------------------------------------------------------------------------------------


class Services(PredictionServiceServicer, ModelServiceServicer):
    def __init__(self, models: Models):
        self._models = models

    def Predict(self, request, context):  # noqa: N802
        try:
            version, servable = self._models.find(request.model_spec)
            signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
            inputs = {name: parsed(proto) for name, proto in request.inputs.items()}
            outputs = servable.run(signature, inputs, request.output_filter)
        except RefusedError as error:
            context.abort(grpc.StatusCode[error.code], str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.name, response.model_spec.signature_name = request.model_spec.name, signature
        response.model_spec.version.value = version
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelStatus(self, request, context):  # noqa: N802
        try:
            return self._models.status(request.model_spec)
        except RefusedError as error:
            context.abort(grpc.StatusCode[error.code], str(error))


def parsed(proto) -> np.ndarray:
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError) as error:
        raise invalid(f"tensor parsing error: {error}") from None


# ---- REST ------------------------------------------------------------------------------------------------------

PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+))?(?P<predict>:predict)?", re.IGNORECASE)


def rest_handler(models: Models) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open

        def do_GET(self):
            self._answer(lambda: status_text(models.status(self._spec(""))))

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(lambda: predict(models, self._spec(":predict"), body))

        def _spec(self, method: str) -> model_pb2.ModelSpec:
            path = PATH.fullmatch(self.path)
            if not path or (path["predict"] or "").lower() != method:
                raise invalid(f"Malformed request: {self.command} {self.path}")
            spec = model_pb2.ModelSpec(name=unquote(path["name"]))
            if path["version"]:
                spec.version.value = int(path["version"])
            return spec

        def _answer(self, call) -> None:
            try:
                status, text = 200, call()
            except RefusedError as error:
                status, text = HTTP.get(error.code, 500), json.dumps({"error": str(error)})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    return Handler


def status_text(status: get_model_status_pb2.GetModelStatusResponse) -> str:
    return MessageToJson(status, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)


def predict(models: Models, spec: model_pb2.ModelSpec, body: bytes) -> str:
    _, servable = models.find(spec)
    try:
        request = json.loads(body)
        if not isinstance(request, dict):
            raise ValueError("JSON Value: Is not object")
        signature = request.get("signature_name", DEFAULT_SIGNATURE)
        if signature not in servable.signatures:
            raise ValueError(f'Serving signature name: "{signature}" not found in signature def')
        inputs = servable.signatures[signature].inputs
        tensors = read_inputs(request, {name: tf.as_dtype(info.dtype) for name, info in inputs.items()})
    except ValueError as error:
        raise invalid(str(error)) from None
    return write_outputs(request, servable.run(signature, tensors))


# ---- the process -----------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--grpc-port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--rest-port", type=int, default=0)
    options = parser.parse_args()
    models = Models({name: Path(folder) for name, _, folder in (given.partition("=") for given in options.model)})
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=unlimited)
    for add in (add_PredictionServiceServicer_to_server, add_ModelServiceServicer_to_server):
        add(Services(models), server)
    grpc_port = server.add_insecure_port(f"127.0.0.1:{options.grpc_port}")
    rest = ThreadingHTTPServer(("127.0.0.1", options.rest_port), rest_handler(models))
    Thread(target=rest.serve_forever, daemon=True).start()
    server.start()
    print(json.dumps({"grpc": grpc_port, "rest": rest.server_address[1]}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
