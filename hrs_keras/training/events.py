"""TensorBoard's events of a run that goes on: no step is there twice."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from hrs_keras.system.compat import write_event
from hrs_keras.system.files import partial_path, publish


def event_writer(folder: Path, begin: int) -> tf.summary.SummaryWriter:
    """A writer of events that take the place of those of step ``begin`` and later.

    A killed run takes the steps after its last checkpoint again. What was written of them is dropped from the files, as
    it is from ``log.csv``; a TensorBoard that has read it already is told that a session starts, and drops it too.

    Args:
        folder: where TensorBoard looks for them.
        begin: the first step that the session writes of.

    Raises:
        OSError, tf.errors.OpError: the folder cannot be written.
    """
    for file in sorted(folder.glob("events.out.tfevents.*")):
        _keep_before(begin, file)
    writer = tf.summary.create_file_writer(str(folder))
    start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    write_event(writer, tf.compat.v1.Event(wall_time=time.time(), step=begin, session_log=start))
    return writer


def _keep_before(step: int, file: Path) -> None:
    """Drop the events of ``step`` and later from a file, and what a kill left of its last record."""
    if all(event.step < step for event, _ in _read(file)):
        return
    partial = partial_path(file)
    try:
        with tf.io.TFRecordWriter(str(partial)) as writer:
            for event, record in _read(file):
                if event.step < step or event.file_version:
                    writer.write(record)
        publish(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def _read(file: Path) -> Iterator[tuple[tf.compat.v1.Event, bytes]]:
    """The events of a file up to the first that is damaged, as TensorBoard reads them, each with its record."""
    with contextlib.suppress(tf.errors.DataLossError):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            yield tf.compat.v1.Event.FromString(record), record
