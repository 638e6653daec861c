"""The model card as Markdown."""

import pytest
from support import tiny
from support.made_up import rows

from hrs_keras.export.model_card import model_card


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
    card = model_card(record | {"metrics": None, "label_space": recipe.data.label_space.to_dict()}, recipe)
    assert f"these are {what}" in card
