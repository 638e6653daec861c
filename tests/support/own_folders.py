"""Folders of images and labels as users have them, written by hand in the formats of annotation tools and renderers.

Each maker returns the folder. Labels hold bands of classes, from the top: sky, road, car.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SKY, ROAD, CAR = 0, 1, 2
COLOURS = np.array([[70, 130, 180], [128, 64, 128], [0, 0, 142]], np.uint8)
HEIGHT, WIDTH = 48, 96


def label(seed: int = 0) -> np.ndarray:
    """[48, 96] uint8: sky, then road with a car on it whose place depends on ``seed``."""
    made = np.full((HEIGHT, WIDTH), SKY, np.uint8)
    made[HEIGHT // 2 :] = ROAD
    left = 3 * seed % (WIDTH - 16)
    made[HEIGHT // 2 : HEIGHT // 2 + 8, left : left + 16] = CAR
    return made


def image(seed: int = 0) -> np.ndarray:
    """[48, 96, 3] uint8, noise."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray | Image.Image) -> Path:
    """Write an image file and the folders for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path)
    return path


def text(path: Path, content: str) -> Path:
    """Write a text file and the folders for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def flat(folder: Path, count: int = 4) -> Path:
    """``images/000.jpg`` and ``masks/000.png``, whose grey values are ids."""
    for i in range(count):
        save(folder / f"images/{i:03}.jpg", image(i))
        save(folder / f"masks/{i:03}.png", label(i))
    return folder


def palettes(folder: Path, count: int = 4, shuffled: Sequence[int] = ()) -> Path:
    """``frames/000.png`` and ``labels/000.png``, palette PNGs; ``shuffled`` number the colours in another order."""
    for i in range(count):
        order = np.array([1, 2, 0] if i in shuffled else [0, 1, 2])
        indexed = Image.fromarray(np.argsort(order).astype(np.uint8)[label(i)])
        indexed.putpalette(COLOURS[order].ravel().tolist())
        save(folder / f"frames/{i:03}.png", image(i))
        save(folder / f"labels/{i:03}.png", indexed)
    return folder


CVAT = """\
# label:color_rgb:parts:actions
background:0,0,0::
sky:70,130,180::
road:128,64,128::
car:0,0,142::
"""


def cvat(folder: Path, count: int = 4, labelmap: str = CVAT) -> Path:
    """CVAT's "Segmentation mask 1.1", with images."""
    for i in range(count):
        name = f"frame_{i:06}"
        save(folder / f"JPEGImages/{name}.jpg", image(i))
        save(folder / f"SegmentationClass/{name}.png", COLOURS[label(i)])
        save(folder / f"SegmentationObject/{name}.png", COLOURS[label(i)][..., ::-1])
    text(folder / "ImageSets/Segmentation/default.txt", "\n".join(f"frame_{i:06}" for i in range(count)))
    text(folder / "labelmap.txt", labelmap)
    return folder


def replicator(folder: Path, count: int = 4, classes: Sequence[str] = ("sky", "road", "car")) -> Path:
    """Omniverse Replicator's BasicWriter: all files of a frame beside each other, labels in colours with alpha."""
    for i in range(count):
        coloured = np.dstack([COLOURS[label(i)], np.full((HEIGHT, WIDTH), 255, np.uint8)])
        save(folder / f"rgb_{i:04}.png", np.dstack([image(i), np.full((HEIGHT, WIDTH), 255, np.uint8)]))
        save(folder / f"semantic_segmentation_{i:04}.png", coloured)
        save(folder / f"instance_segmentation_{i:04}.png", coloured)
        said = {f"({', '.join(map(str, (*c, 255)))})": {"class": n} for c, n in zip(COLOURS, classes, strict=True)}
        said = {"(0, 0, 0, 0)": {"class": "BACKGROUND"}, "(0, 0, 0, 255)": {"class": "UNLABELLED"}} | said
        text(folder / f"semantic_segmentation_labels_{i:04}.json", json.dumps(said))
    return folder


def cityscapes(folder: Path, splits: Sequence[str] = ("train", "val"), count: int = 3) -> Path:
    """Cityscapes' own tree: sky, road and car have the ids 23, 7 and 26."""
    ids = np.array([23, 7, 26], np.uint8)
    for split in splits:
        for i in range(count):
            stem = f"ulm_{i:06}_000019"
            save(folder / f"leftImg8bit/{split}/ulm/{stem}_leftImg8bit.png", image(i + 10 * len(split)))
            save(folder / f"gtFine/{split}/ulm/{stem}_gtFine_labelIds.png", ids[label(i)])
            save(folder / f"gtFine/{split}/ulm/{stem}_gtFine_color.png", COLOURS[label(i)])
            save(folder / f"gtFine/{split}/ulm/{stem}_gtFine_instanceIds.png", label(i))
    return folder
