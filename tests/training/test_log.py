"""What a row of the log is made of."""

import csv
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf
from support import tiny

from hrs_keras.method.players import Player
from hrs_keras.runs.folder import RunFolder
from hrs_keras.training.log import Log, Times
from hrs_keras.training.log_file import LogFile


def test_what_a_trainer_measures_is_logged_under_its_own_names(tmp_path, capsys):
    """Steps are averaged over the interval; a measurement of the same name takes the average's place."""
    network, optimizer = keras.Sequential(), SimpleNamespace(learning_rate=0.5)
    measured = {"selected": 0.25, "entropy": 3.0}  # entropy: no step gave anything of that name
    player = Player("encoder", network, optimizer, fresh=(keras.Variable(0.0),), fresh_factor=4.0)
    trainer = SimpleNamespace(players=[player, Player("generator", network, optimizer)], measurements=lambda: measured)
    recipe, folder = tiny.recipe("train.steps=9", "train.log_every=2"), RunFolder(tmp_path)
    session = SimpleNamespace(recipe=recipe, folder=folder, trainer=trainer, chief=True, first=0, steps=9)
    journal = Log(session, tf.summary.create_noop_writer())
    for step, loss in ((1, 1.0), (2, 2.0)):
        journal.after_step(step, {"loss/target": loss, "selected": 0.75}, Times(counted=False))
    with open(folder.log_file) as file:
        (row,) = csv.DictReader(file)
    assert list(row)[:5] == ["step", "loss/target", "selected", "entropy", "learning_rate/encoder"]
    assert [row[name] for name in list(row)[:5]] == ["2", "1.5", "0.25", "3.0", "0.5"]
    assert list(row)[5:7] == ["learning_rate/encoder/fresh", "learning_rate/generator"]
    assert [row[name] for name in list(row)[5:7]] == ["2.0", "0.5"]
    assert "selected 25 %" in capsys.readouterr().out


def test_speed_counts_the_images_of_both_domains(tmp_path):
    recipe = tiny.recipe("train.steps=9", "train.log_every=1", "train.batch_size=2", "train.source_ratio=1.5")
    player = Player("encoder", keras.Sequential(), SimpleNamespace(learning_rate=0.5))
    trainer = SimpleNamespace(players=[player], measurements=dict)
    session = SimpleNamespace(recipe=recipe, folder=RunFolder(tmp_path), trainer=trainer, chief=True, first=0, steps=9)
    times = Times(counted=True)
    times.input_is_there()
    times.step_is_taken()
    Log(session, tf.summary.create_noop_writer()).after_step(1, {"loss/target": 1.0}, times)
    with open(session.folder.log_file) as file:
        (row,) = csv.DictReader(file)
    images = float(row["images_per_second"]) * float(row["seconds_per_step"])
    assert images == pytest.approx(2 + 3)


@pytest.mark.fault("commas or quotes in the name of a class", "the log keeps its rows when a run goes on")
def test_names_of_columns_may_hold_what_csv_reads(tmp_path):
    names = ["selected/road, route", 'selected/the "old" road', "selected/a;b", "selected/straße"]
    rows = [{"step": step, **dict.fromkeys(names, step / 8)} for step in (10, 20, 30)]
    first = LogFile(tmp_path / "log.csv")
    for row in rows:
        first.append(row)
    again = LogFile(tmp_path / "log.csv")
    again.keep_until(20)
    again.append(rows[2] | {"step": 21})
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["step"] for row in found] == ["10", "20", "21"]
    assert all(list(row)[1:] == names for row in found) and found[0][names[0]] == "1.25"
