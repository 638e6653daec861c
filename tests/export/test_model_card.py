"""The model card as Markdown."""

import re

import numpy as np
import pytest
from support import tiny
from support.made_up import rows

from hrs_keras.evaluation.metrics import Evaluation
from hrs_keras.export.model_card import model_card
from hrs_keras.export.record import Origin
from hrs_keras.labels import LABEL_SPACES
from hrs_keras.recipe.schema import Recipe

TESTED = "data.test=[{images: c/*, labels: d/*, ids: {0: road}, split: hidden, subset: 9}]"


@pytest.mark.fault(
    "a class name or folder with characters that Markdown reads", "the model card shows them as they are"
)
def test_names_stay_in_their_cells():
    classes = ["a|b", "_background_", "1e3"]
    recipe = tiny.recipe(
        "data.classes=['a|b', _background_, '1e3']",
        *(f"data.{role}=[{{root: 'x|y', images: a/*, labels: b/*, ids: {{0: a|b}}}}]" for role in ("source", "target")),
        "data.validation=[{images: a/*, labels: b/*, ids: {0: ignore}}]",
    )
    metrics = {"images": 3, "iou": dict.fromkeys(classes, 0.5), "mean_iou": {"3": 0.5}}
    metrics |= {"pixel_accuracy": 0.5, "rule": "a rule"}
    space = recipe.data.label_space.to_dict()
    record = {"name": "m", "size": [64, 128], "git": None, "versions": {}, "recipe": "0", "step": 8, "max_pixels": 9}
    record["precision"] = "bfloat16"
    card = model_card(record | {"metrics": metrics, "label_space": space}, recipe)
    by_heading = {part.splitlines()[0]: part for part in card.split("\n## ")}
    assert [row[0].replace("\\", "") for row in rows(by_heading["Quality"])[1:4]] == classes
    assert [row[:3] for row in rows(by_heading["Classes"])[1:]] == [
        ["0", r"a\|b", "0"], ["1", r"\_background\_", "1"], ["2", "1e3", "2"],
    ]  # fmt: skip
    assert [row[:2] for row in rows(by_heading["Data"])[1:3]] == [
        ["source", r"folder: x\|y, train split"], ["target", r"folder: x\|y, train split"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("average", "what"), [("null", "the weights of step 8"), ("0.9", "the averaged weights of step 8")]
)
def test_averaged_weights_are_called_so(average, what):
    recipe = tiny.recipe(f"train.average={average}")
    record = {"name": "m", "size": [64, 128], "git": None, "versions": {}, "recipe": "0", "step": 8, "max_pixels": 9}
    record["precision"] = "bfloat16"
    card = model_card(record | {"metrics": None, "label_space": recipe.data.label_space.to_dict()}, recipe)
    assert f"these are {what}" in card


def test_the_encoder_is_told_as_on_the_pages_of_experiments():
    text = card(tiny.recipe("encoder.heads=zero"))
    assert f"FCN8s on {tiny.recipe('encoder.heads=zero').encoder.describe()}.\n" in text
    assert re.search(r"FCN8s on vgg16 \(.*heads zero.*\), from scratch \(random weights\)\.", text)
    assert "head_scales" not in text  # at their default


# ---- which images the numbers are of -------------------------------------------------------------------------


def plain(hit: int, images: int) -> dict:
    """An evaluation in which 100 pixels are road; ``hit`` of them are found, the others taken for sky."""
    matrix = np.zeros((tiny.CLASSES,) * 2, np.int64)
    matrix[3, 3], matrix[3, 0] = hit, 100 - hit
    return Evaluation(matrix, LABEL_SPACES["camvid"], images).to_dict()


def card(recipe: Recipe, *evaluations: dict) -> str:
    record = Origin(recipe, 7, *evaluations).record() | {"max_pixels": 1, "precision": "float32"}
    return model_card(record, recipe)


def test_the_numbers_of_both_kinds_of_images():
    text = card(tiny.recipe(TESTED), plain(hit=80, images=101), plain(hit=30, images=40))
    validated, tested = (
        text.index("On 101 validation images; "),
        text.index("On 40 test images, which had no part in any"),
    )
    assert [part.count("| road") for part in (text[validated:tested], text[tested:])] == [1, 2]  # one of the classes
    assert "80.00" in text[validated:tested] and "80.00" not in text[tested:]
    assert "30.00" in text[tested:] and "30.00" not in text[validated:tested]
    assert ["test", "folder: ., hidden split", "9"] in rows(text.split("## Quality")[0])


def test_without_test_images_nothing_is_said_of_them():
    text = card(tiny.recipe(), plain(hit=50, images=101))
    assert "On 101 validation images; " in text and "test" not in text.split("## Use")[0]
