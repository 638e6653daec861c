"""Writers of the formats of GTAV, SYNTHIA and Cityscapes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hrs_keras.labels import CITYSCAPES, CITYSCAPES_IDS, CITYSCAPES_PALETTE

# The last eight of the training classes, from person to bicycle.
_COUNTABLE = [CITYSCAPES_IDS[name] for name in CITYSCAPES.classes[CITYSCAPES.classes.index("person") :]]


@dataclass(frozen=True)
class Sample:
    """One image and what is known about it.

    Attributes:
        image: (height, width, 3) uint8.
        labels: (height, width) uint8, Cityscapes label id.
        synthia: (height, width) uint8, SYNTHIA id.
        numbers: (height, width) int32, number of the object.
        operation: what makes it unreal; "" if nothing does.
    """

    image: np.ndarray
    labels: np.ndarray
    synthia: np.ndarray
    numbers: np.ndarray
    operation: str


def write_gtav(folder: Path, k: int, sample: Sample) -> str:
    """Write image and label of a set's ``k``-th sample; returns the image's path below ``folder``."""
    name = f"{k + 1:05d}.png"
    Image.fromarray(sample.image).save(_place(folder / "images" / name))
    label = Image.fromarray(sample.labels)
    label.putpalette([value for i in range(34) for value in CITYSCAPES_PALETTE[i]])  # makes it mode "P"
    label.save(_place(folder / "labels" / name))
    return f"images/{name}"


def write_synthia(folder: Path, k: int, sample: Sample) -> str:
    """Write image and label of a set's ``k``-th sample; returns the image's path below ``folder``."""
    import tensorflow as tf  # here, for it takes seconds; Pillow has no colour images of 16 bits

    name = f"{k:07d}.png"
    Image.fromarray(sample.image).save(_place(folder / "RGB" / name))
    planes = np.stack([sample.synthia, sample.numbers, np.zeros_like(sample.numbers)], axis=-1)
    _place(folder / "GT/LABELS" / name).write_bytes(tf.io.encode_png(planes.astype(np.uint16)).numpy())
    return f"RGB/{name}"


def write_cityscapes(folder: Path, split: str, k: int, sample: Sample) -> None:
    """Write image, labels and instances of a split's ``k``-th sample."""
    stem = f"{split}/toyville/toyville_{k:06d}_000019"
    Image.fromarray(sample.image).save(_place(folder / "leftImg8bit" / f"{stem}_leftImg8bit.png"))
    Image.fromarray(sample.labels).save(_place(folder / "gtFine" / f"{stem}_gtFine_labelIds.png"))
    instances = Image.fromarray(_instance_ids(sample))  # mode "I;16"
    instances.save(_place(folder / "gtFine" / f"{stem}_gtFine_instanceIds.png"))


def _place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _instance_ids(sample: Sample) -> np.ndarray:
    """(height, width) uint16: 1000 * label + 0, 1, ... for countable classes, else the label."""
    ids = sample.labels.astype(np.uint16)
    for label in _COUNTABLE:
        mask = sample.labels == label
        ids[mask] = label * 1000 + np.unique(sample.numbers[mask], return_inverse=True)[1]
    return ids
