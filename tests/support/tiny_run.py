"""The recipe of a tiny run over the toy city."""

from pathlib import Path

import yaml

from support.paths import REPOSITORY

# Everything random is on: dropout, label noise, augmentation. 8 steps, checkpoints at 3, 6 and 8. No pictures:
# drawing them takes a quarter of so small a run.
SETTINGS = {
    "extends": str(REPOSITORY / "recipes/base.yaml"),
    "name": "tiny",
    "data": {
        "size": [32, 64],
        "source": [{"format": "gtav"}, {"format": "synthia"}],
        "target": [{"format": "cityscapes"}],
        "validation": [{"format": "cityscapes", "split": "val"}],
        "augment": {"flip": True, "scale": [1.0, 1.3], "colour": 0.2},
    },
    "encoder": {
        "width": 0.0625,
        "fc": 16,
        "dropout": 0.2,
        "weights": None,
        "preprocessing": "unit",
        "heads": "random",  # after a few steps, heads that began at zero give nearly one class everywhere
    },
    "method": {
        "label_noise": 0.1,
        "weighting_width": 4,
        "generator_channels": [8, 8, 4, 4, 4, 4],
        "discriminator_channels": [4, 4, 4, 4, 4, 4],
    },
    "train": {
        "steps": 8,
        "batch_size": 2,
        "learning_rate": {"encoder": 1e-3, "weighting": 1e-3, "generator": 1e-3, "discriminator": 1e-3},
        "log_every": 2,
        "validate_every": 4,
        "checkpoint_every": 3,
        "pictures": 0,
    },
}


def write_recipe(folder: Path, city: Path, **train: object) -> Path:
    """A recipe whose runs and exports go to ``folder``; ``train`` changes that section of the settings above."""
    folder.mkdir(parents=True, exist_ok=True)
    folders = {"runs": str(folder / "runs"), "saved_models": str(folder / "saved_models")}
    data = SETTINGS["data"] | {"root": str(city)}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | folders | {"data": data, "train": SETTINGS["train"] | train}))
    return path
