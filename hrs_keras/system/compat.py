"""Everything private of Keras and TensorFlow that this package relies on, each with a test that it still holds.

There is no public way to any of it. Were one of these names to vanish unnoticed, a run would still go on, with other
numbers: hence this one file, and ``tests/system/test_compat.py``, which fails when a new release changes them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework import ops


class SummedGradients:
    """Mixin of a Keras optimizer whose gradients are the sum over all replicas already, and equal on all of them.

    Keras adds the replicas' gradients up in ``_all_reduce_sum_gradients``, after clipping each replica's own; here they
    are added up before, so that the outcome does not depend on the number of replicas. Adding them up twice would
    multiply them by that number, which Adam, being nearly scale-free, would not show in any curve.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


def variable_index(optimizer: keras.optimizers.Optimizer, variable: Any) -> int:
    """Which of the variables that an optimizer was built for this is, or is a replica's copy of; 0 for the first."""
    index: int = optimizer._get_variable_index(variable)
    return index


def adam_moments(adam: keras.optimizers.Adam, variable: Any) -> tuple[keras.Variable, keras.Variable]:
    """First and second moment (m, v) that a built Adam keeps for a variable; each shaped like the variable."""
    index = variable_index(adam, variable)
    return adam._momentums[index], adam._velocities[index]


def sole_input_layer(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The layer whose output this one reads, in functional models, if no other layer reads it; else None.

    Both must have been called once, and this one with a single tensor.
    """
    calls = layer._inbound_nodes
    if len(calls) != 1 or len(calls[0].input_tensors) != 1:
        return None
    before = calls[0].input_tensors[0]._keras_history.operation
    return before if len(before._inbound_nodes) == len(before._outbound_nodes) == 1 else None


def replace_call(layer: keras.layers.Layer, call: Callable[..., tf.Tensor]) -> None:
    """Have one layer compute something else when it is called, from the same variables.

    Not by ``setattr``, which Keras would look at.

    Args:
        layer: a built layer.
        call: in place of its ``call``, with the arguments of that.
    """
    vars(layer)["call"] = call


@contextmanager
def copied_untraced() -> Iterator[None]:
    """Within it an asynchronous save of a checkpoint copies the variables one by one, and traces no function for that.

    TensorFlow copies them in a ``tf.function``. To trace it takes 2 s for the 300 variables of a small run, where the
    copies take some ms. Nothing else may be traced meanwhile.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def take_checkpoint_error(checkpoint: tf.train.Checkpoint) -> Exception | None:
    """Why the last asynchronous save of a checkpoint failed; None if it did not, or if it was asked for before.

    TensorFlow raises it at the next save. Where none comes it would print a traceback as the process ends.
    """
    writer: Any = getattr(checkpoint, "_async_checkpointer_impl", None)
    if writer is None:  # nothing was saved asynchronously
        return None
    error, writer._async_error = writer._async_error, None
    return error


def write_event(writer: tf.summary.SummaryWriter, event: Any) -> None:
    """Write an event that is not a summary, for which ``tf.summary`` has no function.

    Args:
        writer: from ``tf.summary.create_file_writer``.
        event: a ``tf.compat.v1.Event``.
    """
    resource = writer._resource
    tf.raw_ops.ImportEvent(writer=resource, event=event.SerializeToString())


def checkpoint_names(key: str) -> list[str]:
    """The names by which a variable is reached from the root of a checkpoint's objects, from its key in the file.

    ``players/weighting.Spixel/steps/.ATTRIBUTES/VARIABLE_VALUE`` is ``["players", "weighting/pixel", "steps"]``.

    Args:
        key: as ``tf.train.list_variables`` gives it.
    """
    path = key.partition("/.ATTRIBUTES")[0].split("/")
    return [re.sub(r"\.([.S])", lambda escaped: "/" if escaped[1] == "S" else ".", name) for name in path]


@contextmanager
def replaced_gradients(functions: Mapping[str, Callable]) -> Iterator[None]:
    """Within it, tapes take the gradients of some kinds of operations with other functions than TensorFlow's.

    ``tf.custom_gradient`` would have to be wrapped around each layer of every network, those of Keras included, and
    would part convolutions from the biases and activations that TensorFlow computes together with them.

    Args:
        functions: an operation's type -> a function of the operation, the gradient by its output, and TensorFlow's own
            function of these two; it returns the gradients by the operation's inputs.
    """
    registry = ops._gradient_registry

    class Replaced:
        @staticmethod
        def lookup(name: str) -> Any:
            found, other = registry.lookup(name), functions.get(name)
            return found if other is None else lambda op, gradient: other(op, gradient, found)

    ops._gradient_registry = Replaced
    try:
        yield
    finally:
        ops._gradient_registry = registry
