"""Tensors as TensorFlow Serving's REST API has them in JSON: https://www.tensorflow.org/tfx/serving/api_rest.

Whatever cannot be one raises ValueError, with the message of TensorFlow Serving's json_tensor.cc.
"""

import base64
import json

import numpy as np
import tensorflow as tf

Tensors = dict[str, np.ndarray]


def read_inputs(request: dict, dtypes: dict[str, tf.DType]) -> Tensors:
    """The inputs of a request, in row format (``instances``) or column format (``inputs``)."""
    if ("instances" in request) == ("inputs" in request):
        raise ValueError("Missing 'inputs' or 'instances' key, or both of them there")
    columns = _turned(request["instances"], dtypes) if "instances" in request else request["inputs"]
    if not _is_object(columns):
        columns = dict.fromkeys(dtypes, columns)
    for name in dtypes:
        if name not in columns:
            raise ValueError(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(columns[name], dtype) for name, dtype in dtypes.items()}


def write_outputs(request: dict, outputs: Tensors) -> str:
    """The answer in the request's format; an output that is alone has no name."""
    columns = {name: _plain(name, value) for name, value in outputs.items()}
    if "inputs" in request:
        return json.dumps({"outputs": columns if len(columns) > 1 else columns.popitem()[1]})
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"predictions": rows if len(columns) > 1 else [row.popitem()[1] for row in rows]})


def _turned(rows: object, names: dict[str, tf.DType]) -> dict[str, list]:
    if not isinstance(rows, list):
        raise ValueError("Excepting 'instances' to be an list/array")
    if not rows:
        raise ValueError("No values in 'instances' array")
    if not _is_object(rows[0]):
        rows = [{name: row} for row in rows for name in names]
    for position, row in enumerate(rows):
        if not _is_object(row) or row.keys() != names.keys():
            raise ValueError(f"Failed to process element: {position}: keys must be equal to: {','.join(names)}")
    return {name: [row[name] for row in rows] for name in names}


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and value.keys() != {"b64"}


def _tensor(value: object, dtype: tf.DType) -> np.ndarray:
    nested = np.array(value, object)  # of lists that do not agree in length some remain lists, and are refused
    leaves = [_value(leaf, dtype) for leaf in nested.ravel()]
    try:
        return np.array(leaves, object if dtype == tf.string else dtype.as_numpy_dtype).reshape(nested.shape)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _value(value: object, dtype: tf.DType) -> object:
    if dtype == tf.string and isinstance(value, dict) and isinstance(value.get("b64"), str):
        return base64.b64decode(value["b64"], validate=True)
    kinds = {tf.string: str, tf.float32: (int, float)}.get(dtype, int)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"JSON Value: {value!r} is not of expected type: {dtype.name}")
    return value.encode() if dtype == tf.string else value


def _plain(name: str, value: np.ndarray) -> list:
    if value.dtype != object:
        return value.tolist()
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(one).decode()} for one in value]
    return [one.decode() for one in value]
