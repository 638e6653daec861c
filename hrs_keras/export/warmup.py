"""Requests that TensorFlow Serving runs after it has loaded a model, before it answers clients."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

_FILE = "tf_serving_warmup_requests"


def write_warmup(folder: Path, model: str, size: tuple[int, int]) -> None:
    """Write one request for each signature that serves images, of a mid-grey image of the training size.

    The file is a TFRecord of ``tensorflow.serving.PredictionLog``, as TensorFlow Serving reads it.

    Args:
        folder: the version's ``assets.extra``.
        model: the name that it is served under.
        size: (H, W), the training size.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2  # imports grpc, which nothing else needs

    image = np.full((*size, 3), 127, np.uint8)
    encoded = tf.io.encode_jpeg(image).numpy()
    inputs: dict[str, dict[str, Any]] = {
        "serving_default": {"image_bytes": [encoded]},
        "png": {"image_bytes": [encoded]},
        "arrays": {"images": image[np.newaxis]},
    }
    path = folder / _FILE
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, tensors in inputs.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, value in tensors.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictLog(request=request)
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
