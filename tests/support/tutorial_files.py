"""The two folders that docs/tutorial.md begins with: photographs as CVAT exports them, frames of a renderer."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from hrs_keras.labels import CITYSCAPES_IDS
from hrs_keras.toy_city import ToyCity, generate

DRIVES, FRAMES, RENDERS = ("monday", "tuesday", "friday", "sunday"), 6, 36
COLOURS = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "vegetation": (107, 142, 35),
    "sky": (70, 130, 180), "person": (220, 20, 60), "car": (0, 0, 142),
}  # fmt: skip
NOTHING = (0, 0, 0)
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\n" + "".join(
    f"{name}:{','.join(map(str, colour))}::\n" for name, colour in COLOURS.items()
)


def make(folder: Path, size: tuple[int, int] = (32, 64)) -> None:
    """Fill ``photos`` and ``renders`` in a folder with pictures of the toy city."""
    spec = ToyCity(size, gtav=RENDERS, synthia=0, train=len(DRIVES) * FRAMES, val=0)
    city = generate(folder / "city", spec)
    photos, renders = folder / "photos", folder / "renders"
    for made in (photos / "JPEGImages", photos / "SegmentationClass", photos / "ImageSets/Segmentation", renders):
        made.mkdir(parents=True)
    names = [f"{drive}_{number:06}" for drive in DRIVES for number in range(FRAMES)]
    images, labels = (
        sorted(city.glob(f"cityscapes/{kind}")) for kind in ("leftImg8bit/*/*/*", "gtFine/*/*/*labelIds*")
    )
    for name, image, label in zip(names, images, labels, strict=True):
        Image.open(image).save(photos / f"JPEGImages/{name}.jpg", quality=95)
        Image.fromarray(_coloured(label)).save(photos / f"SegmentationClass/{name}.png")
    (photos / "labelmap.txt").write_text(LABELMAP)
    (photos / "ImageSets/Segmentation/default.txt").write_text("\n".join(names))
    said = {f"({', '.join(map(str, (*colour, 255)))})": {"class": name} for name, colour in COLOURS.items()}
    said |= {"(0, 0, 142, 255)": {"class": "automobile"}, "(0, 0, 0, 0)": {"class": "BACKGROUND"}}
    for number, image in enumerate(sorted(city.glob("gtav/images/*"))):
        colours = _coloured(city / "gtav/labels" / image.name)
        alpha = np.where((colours == NOTHING).all(axis=-1), 0, 255)
        Image.open(image).convert("RGBA").save(renders / f"rgb_{number:04}.png")
        Image.fromarray(np.dstack([colours, alpha]).astype(np.uint8)).save(
            renders / f"semantic_segmentation_{number:04}.png"
        )
        (renders / f"semantic_segmentation_labels_{number:04}.json").write_text(json.dumps(said))


def _coloured(label: Path) -> np.ndarray:
    """The colours [h, w, 3] uint8 of a label that holds Cityscapes' ids; black for other classes."""
    table = np.zeros((256, 3), np.uint8)
    for name, colour in COLOURS.items():
        table[CITYSCAPES_IDS[name]] = colour
    return table[np.asarray(Image.open(label))]
