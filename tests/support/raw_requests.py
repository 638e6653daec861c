"""Requests to TensorFlow Serving as its protocols have them, with nothing of the package."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub


class RefusedError(Exception):
    """An answer that is an error: a gRPC status' name and what the server said."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


class Rest:
    CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}  # noqa: RUF012

    def __init__(self, address: str):
        self.url = f"http://{address}"

    def fetch(self, path: str, body: bytes | None = None) -> dict:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RefusedError(self.CODES[error.code], json.load(error)["error"]) from None

    def predict(self, model: str, signature: str, version: int | None = None, **inputs: Any) -> dict[str, np.ndarray]:
        columns = {name: plain(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
        path = f"/v1/models/{model}" + (f"/versions/{version}" if version else "")
        outputs = self.fetch(f"{path}:predict", body)["outputs"]
        outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
        return {name: unpacked(value) for name, value in outputs.items()}


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return [plain(one) for one in value] if isinstance(value, list) else np.asarray(value).tolist()


def unpacked(value: list) -> np.ndarray:
    is_bytes = value and isinstance(value[0], dict)
    return np.array(
        [base64.b64decode(one["b64"]) for one in value] if is_bytes else value, object if is_bytes else None
    )


class Grpc:
    def __init__(self, address: str):
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(address, unlimited)

    def send(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        try:
            return PredictionServiceStub(self.channel).Predict(request, timeout=60)
        except grpc.RpcError as error:
            raise RefusedError(error.code().name, error.details()) from None

    def predict(self, model: str, signature: str, version: int | None = None, **inputs: Any) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = model, signature
        if version:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            dtype = tf.string if isinstance(value, list) and not value else None
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value, dtype))
        return {name: tf.make_ndarray(value) for name, value in self.send(request).outputs.items()}
