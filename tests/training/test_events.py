"""TensorBoard's events of runs that were killed: its own readers see each step once."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginEventAccumulator

from hrs_keras.training.events import event_writer

IMAGE = [[[[0, 128, 255]]]]
ALL = {"size_guidance": {"tensors": 0}}


def session(folder: Path, begin: int, steps: range, value: float) -> Path:
    """What a process writes that begins at a step; returns its file."""
    writer = event_writer(folder, begin)
    for step in steps:
        with writer.as_default(step):
            tf.summary.scalar("loss/target", value)
            if step % 50 == 0:
                tf.summary.scalar("validation/miou_11", value)
                tf.summary.image("predictions", tf.constant(IMAGE, tf.uint8))
    writer.close()
    # Sessions of a run are seconds apart, by which their files are in order.
    (new,) = (path for path in folder.iterdir() if path.suffix == ".v2")
    return new.rename(folder / f"events.out.tfevents.{value}")


def shown(events: EventAccumulator | PluginEventAccumulator) -> dict[str, list[int]]:
    names = ("loss/target", "validation/miou_11", "predictions")
    return {name: [event.step for event in events.Tensors(name)] for name in names}


@pytest.mark.parametrize("reader", [EventAccumulator, PluginEventAccumulator], ids=["library", "web page"])
@pytest.mark.fault("a run is killed and goes on from its last checkpoint", "TensorBoard shows each step once")
def test_no_step_is_shown_twice(tmp_path, reader):
    session(tmp_path, 0, range(10, 180, 10), 1.0)
    # Killed twice: once after the checkpoint of step 100, and again after that of 120.
    session(tmp_path, 101, range(110, 140, 10), 2.0)
    session(tmp_path, 121, range(130, 310, 10), 3.0)
    events = reader(str(tmp_path), **ALL)
    events.Reload()
    halves = list(range(50, 310, 50))
    assert shown(events) == {
        "loss/target": list(range(10, 310, 10)),
        "validation/miou_11": halves,
        "predictions": halves,
    }
    values = [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors("loss/target")]
    assert values == [1.0] * 10 + [2.0] * 2 + [3.0] * 18


def test_a_tensorboard_that_runs_meanwhile_drops_what_it_has_read(tmp_path):
    session(tmp_path, 0, range(10, 180, 10), 1.0)
    events = PluginEventAccumulator(str(tmp_path), **ALL)
    events.Reload()
    assert shown(events)["loss/target"][-1] == 170
    session(tmp_path, 101, range(110, 310, 10), 2.0)
    events.Reload()
    assert shown(events)["loss/target"] == list(range(10, 310, 10))


def test_files_that_need_no_change_keep_their_bytes(tmp_path):
    first = session(tmp_path, 0, range(10, 110, 10), 1.0)
    (tmp_path / "plugins").mkdir()
    before = first.read_bytes(), first.stat().st_mtime_ns
    session(tmp_path, 101, range(110, 210, 10), 2.0)
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    assert {path.name for path in tmp_path.iterdir()} == {"plugins", first.name, "events.out.tfevents.2.0"}


@pytest.mark.fault("a kill leaves half a record in TensorBoard's file", "the events before it stay")
def test_half_a_record(tmp_path):
    file = session(tmp_path, 0, range(10, 180, 10), 1.0)
    file.write_bytes(file.read_bytes()[:-7])
    session(tmp_path, 101, range(110, 210, 10), 2.0)
    events = EventAccumulator(str(tmp_path), **ALL)
    events.Reload()
    assert shown(events)["loss/target"] == list(range(10, 210, 10))
