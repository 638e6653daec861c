"""What is private in Keras and TensorFlow, and relied on: that it is still there, and still means what it did."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.method.optimizer import FusedAdam
from hrs_keras.system.compat import (
    SummedGradients,
    adam_moments,
    copied_untraced,
    replace_call,
    replaced_gradients,
    sole_input_layer,
    take_checkpoint_error,
    variable_index,
    write_event,
)


def built(optimizer):
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer.build([variable])
    return optimizer, variable


def test_keras_adds_replicas_gradients_up_where_the_mixin_takes_its_place():
    """Keras' own Adam calls the hook once for each update, with pairs of gradient and variable, and uses its answer."""
    seen = []

    class Observed(keras.optimizers.Adam):
        def _all_reduce_sum_gradients(self, grads_and_vars):
            seen.append(grads_and_vars)
            return [(2 * gradient, variable) for gradient, variable in grads_and_vars]

    optimizer, variable = built(Observed(1.0, beta_1=0.0, beta_2=0.0, epsilon=1.0))
    optimizer.apply([tf.constant([1.0, 3.0])], [variable])
    ((pair,),) = seen
    assert pair[0].numpy().tolist() == [1.0, 3.0]
    # Without moments Adam's step is g / (|g| + epsilon), here of the doubled gradient.
    np.testing.assert_allclose(variable.numpy(), [1 - 2 / 3, -2 - 6 / 7], rtol=1e-6)


def test_the_mixin_is_asked_before_keras():
    assert FusedAdam._all_reduce_sum_gradients is SummedGradients._all_reduce_sum_gradients
    assert FusedAdam.mro().index(SummedGradients) < FusedAdam.mro().index(keras.optimizers.Adam)


def test_adam_moments_are_those_that_adam_keeps():
    """After one step m is (1 - beta_1) g and v is (1 - beta_2) g^2 (Kingma & Ba 2015, Algorithm 1)."""
    adam, variable = built(keras.optimizers.Adam(0.1, beta_1=0.9, beta_2=0.99))
    adam.apply([tf.constant([1.0, 3.0])], [variable])
    m, v = adam_moments(adam, variable)
    np.testing.assert_allclose(m.numpy(), [0.1, 0.3], rtol=1e-6)
    np.testing.assert_allclose(v.numpy(), [0.01, 0.09], rtol=1e-5)


def test_variables_are_numbered_as_the_optimizer_was_built_for_them():
    variables = [keras.Variable(1.0), keras.Variable(1.0)]
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(variables)
    assert [variable_index(optimizer, variable) for variable in variables] == [0, 1]
    assert [variable_index(optimizer, variable.value) for variable in variables] == [0, 1]  # as updates give them


def test_the_error_of_an_asynchronous_save_is_taken_once(tmp_path):
    checkpoint = tf.train.Checkpoint(x=tf.Variable(1.0))
    assert take_checkpoint_error(checkpoint) is None
    options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
    checkpoint.write(str(tmp_path / "good"), options=options)
    checkpoint.sync()
    assert take_checkpoint_error(checkpoint) is None
    (tmp_path / "file").touch()
    checkpoint.write(str(tmp_path / "file/impossible"), options=options)
    checkpoint.sync()
    with pytest.raises((tf.errors.OpError, OSError)):
        raise take_checkpoint_error(checkpoint)
    assert take_checkpoint_error(checkpoint) is None


def test_an_asynchronous_save_traces_nothing_and_holds_its_moment(tmp_path):
    variable = tf.Variable(1.0)
    checkpoint = tf.train.Checkpoint(variable=variable)
    options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
    for step in (1, 2):  # the first makes the copies, the second brings them up to date
        with copied_untraced():
            checkpoint.write(str(tmp_path / f"step-{step}"), options=options)
        assert not tf.config.functions_run_eagerly()
        variable.assign_add(10.0)
    checkpoint.sync()
    written = [tf.train.load_checkpoint(str(tmp_path / f"step-{step}")) for step in (1, 2)]
    assert [one.get_tensor("variable/.ATTRIBUTES/VARIABLE_VALUE") for one in written] == [1, 11]
    assert checkpoint._async_checkpointer_impl._copy_to_cpu.experimental_get_tracing_count() == 0


def test_an_event_is_written_beside_summaries(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    status = tf.compat.v1.SessionLog.START
    write_event(writer, tf.compat.v1.Event(step=7, session_log=tf.compat.v1.SessionLog(status=status)))
    with writer.as_default(8):
        tf.summary.scalar("x", 1.0)
    writer.close()
    (file,) = tmp_path.iterdir()
    first, *events = (tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file)))
    assert first.file_version and [event.step for event in events] == [7, 8]
    assert events[0].session_log.status == status and events[1].summary.value[0].tag == "x"


def test_tapes_ask_for_gradients_where_they_are_replaced():
    """d(x^2)/dx is 2 x; replaced by ten times that within the context alone, eagerly and traced."""
    x = tf.constant(3.0)

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.square(x)
        return tape.gradient(y, x)

    with replaced_gradients({"Square": lambda op, gradient, own: 10 * own(op, gradient)}):
        assert float(gradient()) == float(tf.function(gradient)()) == 60.0
    assert float(gradient()) == float(tf.function(gradient)()) == 6.0


def test_the_layer_that_is_sole_input_layer():
    image = keras.Input((4,))
    first, second, third, sum_, twice = (
        *(keras.layers.Dense(4) for _ in range(3)),
        keras.layers.Add(),
        keras.layers.ReLU(),
    )
    features = second(first(image))
    keras.Model(image, [twice(sum_([features, third(features)])), twice(image)])
    assert sole_input_layer(second) is first
    assert sole_input_layer(third) is None  # the sum reads it, too
    assert sole_input_layer(sum_) is None  # of two
    assert sole_input_layer(twice) is None  # called twice
    assert sole_input_layer(keras.layers.Dense(4)) is None  # of no model


def test_a_layer_computes_what_its_call_was_replaced_by():
    image = keras.Input((4,))
    layer, other = keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)
    model = keras.Model(image, other(layer(image)))
    replace_call(layer, lambda inputs, training=None: inputs + (2.0 if training else 1.0))
    np.testing.assert_array_equal(model(np.zeros((1, 4))).numpy(), [[1, 1, 1, 1]])
    np.testing.assert_array_equal(layer(np.zeros((1, 4)), training=True).numpy(), [[2, 2, 2, 2]])
    traced = tf.function(model).get_concrete_function(tf.TensorSpec((1, 4)))
    np.testing.assert_array_equal(traced(tf.zeros((1, 4))).numpy(), [[1, 1, 1, 1]])
    assert np.any(other(np.ones((1, 40)), training=True).numpy() == 0)  # the class keeps its own
