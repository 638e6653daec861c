"""Floating-point operations of the convolutions that a ``tf.function`` really executes.

Counted in the graph after Grappler's pruning and common-subexpression elimination, not in the traced one, where a
persistent ``GradientTape`` leaves many gradients that nothing reads; and in TensorFlow's own operations, also where
:mod:`hrs_keras.method.filter_gradients` and :mod:`hrs_keras.models.wide_convolution` take others, which compute the
same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Any
from unittest import mock

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.ops import handle_data_util

from hrs_keras.method import players
from hrs_keras.models import wide_convolution

FORWARD, INPUT_GRADIENT, FILTER_GRADIENT = "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"
DEPTHWISE = "DepthwiseConv2dNative"
KINDS = {
    **{kind: kind for kind in (FORWARD, INPUT_GRADIENT, FILTER_GRADIENT)},
    **{f"{DEPTHWISE}{way}": f"{DEPTHWISE}{way}" for way in ("", "BackpropInput", "BackpropFilter")},
    "_FusedConv2D": FORWARD,
    "_FusedDepthwiseConv2dNative": DEPTHWISE,
}
"""Type of an operation -> its kind."""


@dataclass(frozen=True)
class Convolution:
    """One executed convolution: its kind (an op's name), the op's name in the graph and 2 x multiply-adds."""

    kind: str
    name: str
    flops: int


def convolutions(function: tf.types.experimental.PolymorphicFunction, *args: Any) -> list[Convolution]:
    """Call a ``tf.function`` for the first time and list the convolutions it executes.

    Args:
        function: not called before (Grappler runs at the first call); its arguments have static shapes.

    Raises:
        ValueError: an operation's shape is not static, or the function was called before.
    """
    with own_convolutions():
        concrete = function.get_concrete_function(*args)
    with context.collect_graphs() as graphs:
        function(*args)
    if not graphs:
        raise ValueError("no optimised graph to count in: the function has been called before")
    found = []
    for op in _with_shapes(max(graphs, key=lambda graph: len(graph.node)), concrete).get_operations():
        if kind := KINDS.get(op.type):
            found.append(Convolution(kind, op.name, _flops(op, kind)))
        elif "Conv" in op.type or "MatMul" in op.type:
            raise ValueError(f"{op.name}: operations of type {op.type} are not counted; extend flops.py")
    return found


@contextmanager
def own_convolutions() -> Iterator[None]:
    """Within it convolutions and their gradients are traced in TensorFlow's own operations alone."""
    never = mock.patch.object(wide_convolution, "is_product", lambda shape, dtype: False)
    with never, mock.patch.object(players, "quick_filter_gradients", nullcontext):
        yield


def total(function: Callable, *args: Any) -> int:
    """Floating-point operations of one call; see :func:`convolutions`."""
    return sum(convolution.flops for convolution in convolutions(function, *args))


def _flops(op: tf.Operation, kind: str) -> int:
    # Whatever the direction, each element on the side of the layer's output meets each weight of one filter.
    # A depthwise filter's last dimension is part of the output's channels.
    layer_output = op.inputs[2] if "Backprop" in kind else op.outputs[0]
    kernel = op.outputs[0] if kind.endswith("Filter") else op.inputs[1]
    if not (layer_output.shape.is_fully_defined() and kernel.shape.is_fully_defined()):
        raise ValueError(f"{op.name}: shape {layer_output.shape} or kernel {kernel.shape} is not static")
    return 2 * prod(layer_output.shape) * prod(kernel.shape[: 2 if kind.startswith(DEPTHWISE) else 3])


def _with_shapes(optimised: tf.compat.v1.GraphDef, concrete: Any) -> tf.Graph:
    """The optimised graph again with the shapes that it has lost, inferred anew from the function's inputs."""
    body = tf.compat.v1.GraphDef(versions=optimised.versions, library=optimised.library)
    body.node.extend(node for node in optimised.node if node.op not in ("_Arg", "_Retval"))
    for node in body.node:  # control inputs say in which order, and would name inputs that are gone
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)
    graph = tf.Graph()
    with graph.as_default():
        inputs = {}
        for node in optimised.node:
            if node.op == "_Arg":
                original = concrete.inputs[node.attr["index"].i]
                inputs[f"{node.name}:0"] = placeholder = tf.compat.v1.placeholder(original.dtype, original.shape)
                if original.dtype == tf.resource:  # a variable: what it holds has a shape too
                    handle_data_util.copy_handle_data(original, placeholder)
        tf.graph_util.import_graph_def(body, input_map=inputs, name="")
    return graph
