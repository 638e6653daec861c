"""gRPC to a served model. The stubs of TensorFlow Serving bring TensorFlow with them: import this only when needed."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from hrs_keras.serving.transport import BACKOFF, INPUT, OUTPUTS, SIGNATURE, ServedModel, Transport


class GrpcTransport(Transport):
    """TensorFlow Serving's PredictionService and ModelService.

    Args:
        host_port: the address as gRPC wants it.
    """

    def __init__(self, served: ServedModel, host_port: str):
        super().__init__(served)
        self._channel = grpc.insecure_channel(host_port, options=_channel_options(served.attempts))
        self._prediction, self._model = PredictionServiceStub(self._channel), ModelServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def _predict(self, images: Sequence[bytes]) -> tuple[str, Any]:
        request = PredictRequest(output_filter=OUTPUTS)
        request.model_spec.name, request.model_spec.signature_name = self.served.name, SIGNATURE
        if self.served.version is not None:
            request.model_spec.version.value = self.served.version
        tensor = request.inputs[INPUT]
        tensor.dtype = DT_STRING
        tensor.tensor_shape.dim.add(size=len(images))
        tensor.string_val.extend(images)
        code, answer = self._ask(self._prediction.Predict, request)
        if code != "OK":
            return code, answer
        ids, confidence = (answer.outputs[name].string_val for name in OUTPUTS)
        if len(ids) != len(confidence):
            raise self.foreign(f"{len(ids)} label maps with {len(confidence)} maps of confidence")
        return code, list(zip(ids, confidence, strict=True))

    def _versions(self) -> tuple[str, Any]:
        request = GetModelStatusRequest()
        request.model_spec.name = self.served.name
        code, answer = self._ask(self._model.GetModelStatus, request)
        if code != "OK":
            return code, answer
        return code, {one.version: ModelVersionStatus.State.Name(one.state) for one in answer.model_version_status}

    def _ask(self, method: Callable, request: Any) -> tuple[str, Any]:
        try:
            return "OK", method(request, timeout=self.served.timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details()


def _channel_options(attempts: int) -> list[tuple[str, object]]:
    policy = {
        "maxAttempts": attempts,
        "initialBackoff": f"{BACKOFF}s",
        "backoffMultiplier": 2,
        "maxBackoff": "5s",
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    return [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.service_config", config) if attempts > 1 else ("grpc.enable_retries", 0),
        # A larger request than this (by default 256 KiB) is not kept, and so not sent again.
        ("grpc.per_rpc_retry_buffer_size", 2**31 - 1),
        # A second attempt finds a server that has come up only if the channel tries to connect as often.
        ("grpc.initial_reconnect_backoff_ms", int(1000 * BACKOFF)),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
