"""The record of what is selected of single source images."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from hrs_keras.data.audit import audit
from hrs_keras.training.selection_record import SelectionRecord


@pytest.mark.parametrize("batch_size", [1, 2])
def test_each_image_has_the_mean_of_its_own_valid_pixels(make_recipe, write_set, tmp_path, batch_size):
    """All of image i has the value 20 i; its map is that value on the left half, and 0 on the right."""
    labels = [np.full((32, 64), 2) for _ in range(5)]
    labels[1][:, 32:] = 11  # no class: its right half counts nowhere
    labels[3][:] = 11
    labels[4][:16] = 11
    root = write_set(tmp_path, labels)
    recipe = make_recipe(root, [{}], [{}], train__batch_size=batch_size, train__selection_images=9)

    def maps(images, labels):
        grey = (images[..., 0] + 1) * 255 / 2
        return {"H": grey * tf.cast(tf.range(64) < 32, tf.float32), "H_p": tf.ones_like(grey)}

    session = SimpleNamespace(
        recipe=recipe,
        data=audit(recipe),
        trainer=SimpleNamespace(selection_maps=maps),
        distribution=SimpleNamespace(strategy=tf.distribute.get_strategy()),
        folder=SimpleNamespace(selection_file=lambda step: tmp_path / f"{step}.json"),
    )
    record = SelectionRecord(session)
    for step in (4, 8):  # one pipeline for all steps
        record.write(step)
        written = json.loads((tmp_path / f"{step}.json").read_text())
        assert written["step"] == step
        expected = {"images/s0.png": 0, "images/s1.png": 20, "images/s2.png": 20, "images/s4.png": 40}
        assert {name: means["H"] for name, means in written["images"].items()} == pytest.approx(expected)
        assert {means["H_p"] for means in written["images"].values()} == {1.0}
