"""A procedural street-scene data set with a synthetic and a real domain.

One generator draws a scene as *parts*: shapes that carry a class, an object number, a distance and a
material. Two shaders turn parts into pixels: the "game" shader fills them flatly, the "camera" shader adds
texture, light, haze, noise and blur. The files have the formats of GTAV, SYNTHIA and Cityscapes, so the
readers for the genuine sets read these too.
"""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from hrs_keras.labels import CITYSCAPES_IDS, CITYSCAPES_PALETTE, SYNTHIA_IDS

# The first and the third change the look, the others the layout of the labels; interleaved, so that a few
# unreal images already show both kinds.
UNREAL_OPERATIONS = (
    "swapped_palette", "floating_objects", "neon", "road_in_the_sky", "upside_down", "shuffled_blocks",
)  # fmt: skip

# Image k must show theme k modulo the number of themes: rare classes occur in every few images.
_THEMES = ("truck", "bicycle", "bus", "motorcycle", "train", "car")
_HAZE = (200, 205, 206)
_EYE = 1.5  # height of the camera in metres
_ABSENT = ("terrain", "truck", "train")  # from SYNTHIA
_VERSION = 1  # of the drawing: raise it when the same parameters give other images
_FAR = 70.0  # no object stands beyond this distance in metres
_VEHICLES = {
    "car": (1.8, 1.45, 4.2),
    "truck": (2.5, 3.3, 8.0),
    "bus": (2.6, 3.1, 11.0),
    "train": (2.8, 3.6, 24.0),
}


@dataclass(frozen=True)
class _Look:
    """Colours 0..255 of a material in both domains, spread of objects' colours, two noise strengths."""

    game: tuple[int, int, int] | None  # None: a detail that the game does not draw, its class colour shows
    real: tuple[int, int, int]
    vary: float = 0.08
    grain: float = 0.06
    blotch: float = 0.06


# The first block is keyed by class, the second by materials of parts that have their object's class.
_LOOKS: dict[str, _Look] = {
    "static": _Look((90, 70, 60), (70, 74, 66)),
    "ego vehicle": _Look((40, 44, 60), (38, 38, 42), 0.05, 0.02, 0.1),
    "sky": _Look((84, 170, 238), (192, 206, 218), 0.04, 0.005, 0.06),
    "road": _Look((92, 92, 116), (98, 98, 102), 0.04, 0.05, 0.08),
    "sidewalk": _Look((206, 176, 186), (150, 141, 136), 0.05, 0.07, 0.1),
    "terrain": _Look((172, 220, 96), (126, 134, 72), 0.08, 0.16, 0.16),
    "building": _Look((204, 140, 92), (150, 122, 100), 0.16, 0.07, 0.1),
    "wall": _Look((142, 138, 190), (124, 120, 130), 0.1, 0.08, 0.12),
    "fence": _Look((176, 112, 62), (104, 82, 62), 0.12, 0.14, 0.08),
    "pole": _Look((216, 216, 222), (84, 86, 86), 0.1, 0.04, 0.04),
    "traffic light": _Look((250, 176, 40), (36, 40, 38), 0.05, 0.03, 0.03),
    "traffic sign": _Look((240, 232, 40), (128, 128, 140), 0.4, 0.03, 0.03),
    "vegetation": _Look((58, 176, 76), (66, 96, 50), 0.12, 0.28, 0.26),
    "person": _Look((226, 70, 90), (82, 74, 80), 0.4, 0.08, 0.08),
    "rider": _Look((250, 110, 60), (84, 80, 70), 0.4, 0.08, 0.08),
    "car": _Look((60, 80, 214), (96, 102, 128), 0.45, 0.03, 0.12),
    "truck": _Look((40, 150, 160), (140, 130, 116), 0.4, 0.03, 0.1),
    "bus": _Look((170, 60, 180), (150, 120, 84), 0.4, 0.03, 0.1),
    "train": _Look((70, 200, 200), (146, 110, 100), 0.35, 0.03, 0.1),
    "motorcycle": _Look((130, 20, 40), (64, 60, 62), 0.2, 0.12, 0.06),
    "bicycle": _Look((110, 60, 130), (78, 76, 76), 0.2, 0.14, 0.06),
    "lanemarking": _Look((232, 232, 236), (176, 174, 166), 0.03, 0.08, 0.16),
    "glass": _Look((40, 52, 70), (58, 66, 72), 0.04, 0.03, 0.25),
    "tyre": _Look((34, 34, 40), (34, 34, 34), 0.02),
    "lamp": _Look((255, 70, 50), (196, 60, 48), 0.1, 0.02, 0.02),
    "skin": _Look((240, 190, 150), (150, 112, 92), 0.14),
    "trunk": _Look((122, 84, 50), (70, 60, 52), 0.08, 0.16, 0.1),
    "window": _Look(None, (62, 68, 76), 0.06, 0.03, 0.4),
    "puddle": _Look(None, (164, 170, 174), 0.05, 0.01, 0.2),
    "panel": _Look(None, (206, 204, 196), 0.1, 0.02, 0.04),
}
_NAMES = tuple(_LOOKS)
_GROUND = ("road", "sidewalk", "terrain", "lanemarking")
_COUNTED = {CITYSCAPES_IDS[c] for c in ("person", "rider", *_VEHICLES, "motorcycle", "bicycle")}


@dataclass(frozen=True)
class ToyCity:
    """What to generate.

    Attributes:
        size: (height, width) of all files, both at least 32.
        gtav, synthia: number of synthetic images in either format.
        train, val: number of real images in either split.
        unreal: share 0..1 of synthetic images that are unlike reality on purpose.
        seed: non-negative; another seed gives other images.

    Raises:
        ValueError: a parameter is outside its range.
    """

    size: tuple[int, int] = (128, 256)
    gtav: int = 160
    synthia: int = 80
    train: int = 48
    val: int = 24
    unreal: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 32:
            raise ValueError(f"size must be (height, width), both at least 32, got {self.size}")
        if min(self.gtav, self.synthia, self.train, self.val, self.seed) < 0:
            raise ValueError(f"counts and seed must not be negative: {self}")
        if not 0 <= self.unreal <= 1:
            raise ValueError(f"unreal is a share between 0 and 1, got {self.unreal}")


@dataclass(frozen=True)
class _Part:
    label: str
    material: str
    z: float  # metres; 0: lies on the ground, the image row gives the distance
    number: int  # of the object this is a part of
    tint: np.ndarray  # (3,) standard normal, one per object
    shade: float


class _Scene:
    """A perspective camera at (0, _EYE, 0) looking along +z, and a canvas of part indices."""

    def __init__(self, size: tuple[int, int], rng: Generator, absent: tuple[str, ...] = ()) -> None:
        self.height, self.width = size
        self.rng, self.absent = rng, absent
        self.canvas = Image.new("I", (self.width, self.height))
        self.contact = Image.new("L", (self.width, self.height))  # where objects darken the ground
        self.pen, self.contact_pen = ImageDraw.Draw(self.canvas), ImageDraw.Draw(self.contact)
        self.parts: list[_Part] = []
        self.horizon = self.height * rng.uniform(0.36, 0.48)
        self.centre = self.width * rng.uniform(0.4, 0.6)
        self.focal = self.height * rng.uniform(1.1, 1.5)
        self.kerbs = (-rng.uniform(4.5, 8.0), rng.uniform(2.4, 4.5))  # x of the road's two edges
        self.walks = (rng.uniform(2.0, 4.0), rng.uniform(2.0, 4.0))  # widths of the sidewalks
        self.crossing = rng.uniform(14, 40) if rng.random() < 0.4 else -99.0
        self.count = 0
        self.begin("sky", 1e4)

    def at(self, x: float, y: float, z: float) -> tuple[float, float]:
        return self.centre + self.focal * x / z, self.horizon + self.focal * (_EYE - y) / z

    def begin(self, label: str, z: float) -> None:
        """Start an object: the parts painted next belong to it."""
        self.count += 1
        tint = self.rng.normal(size=3) * 0.45 + self.rng.normal() * 0.8
        self.object = (label, z, self.count, tint)

    def paint(self, points: list, material: str = "", shade: float = 1.0, shape: str = "polygon") -> None:
        label, z, number, tint = self.object
        self.parts.append(_Part(label, material or label, z, number, tint, shade))
        if shape != "polygon":  # Pillow wants the corners of boxes in ascending order
            (xa, ya), (xb, yb) = points
            points = [(min(xa, xb), min(ya, yb)), (max(xa, xb), max(ya, yb))]
        getattr(self.pen, shape)(points, fill=len(self.parts) - 1)

    def flat(
        self, x0: float, x1: float, z0: float, z1: float, material: str = "", shade: float = 1.0
    ) -> None:
        """A rectangle on the ground."""
        corners = ((x0, z0), (x1, z0), (x1, z1), (x0, z1))
        self.paint([self.at(x, 0, max(z, 0.6)) for x, z in corners], material, shade)

    def front(
        self, x0: float, x1: float, y0: float, y1: float, z: float,
        material: str = "", shade: float = 1.0, shape: str = "rectangle",
    ) -> None:  # fmt: skip
        """A rectangle or ellipse that faces the camera."""
        self.paint([self.at(x0, y1, z), self.at(x1, y0, z)], material, shade, shape)

    def side(
        self, x: float, y0: float, y1: float, z0: float, z1: float, material: str = "", shade: float = 0.8
    ) -> None:
        """A rectangle that is parallel to the street."""
        corners = ((y0, z0), (y1, z0), (y1, z1), (y0, z1))
        self.paint([self.at(x, y, z) for y, z in corners], material, shade)

    def box(
        self, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float,
        material: str = "", shade: float = 1.0,
    ) -> None:  # fmt: skip
        """A cuboid: the side that faces the camera's axis, the top if seen from above, the front."""
        if x0 > 0 or x1 < 0:
            self.side(x0 if x0 > 0 else x1, y0, y1, z0, z1, material, shade * 0.8)
        if y1 < _EYE:
            corners = ((x0, z0), (x1, z0), (x1, z1), (x0, z1))
            self.paint([self.at(x, y1, z) for x, z in corners], material, shade * 1.12)
        self.front(x0, x1, y0, y1, z0, material, shade)

    def ground_contact(self, x0: float, x1: float, z0: float, z1: float) -> None:
        corners = ((x0, z0), (x1, z0), (x1, z1), (x0, z1))
        self.contact_pen.polygon([self.at(x, 0, max(z, 0.6)) for x, z in corners], fill=255)


def _vehicle(s: _Scene, kind: str, x: float, z: float) -> None:
    wide, high, long = _VEHICLES[kind]
    x0, x1, z1 = x - wide / 2, x + wide / 2, z + long
    s.begin(kind, z)
    s.ground_contact(x0 - 0.5, x1 + 0.5, z - 0.5, z1)
    for edge in (x0, x1 - 0.25):
        s.front(edge, edge + 0.25, 0, 0.5, z, "tyre")
    if kind == "car":
        s.box(x0 + 0.15, x1 - 0.15, 0.8, high, z + 0.9, z1 - 1.2)
        s.box(x0 + 0.2, x1 - 0.2, 0.85, high - 0.12, z + 0.88, z1 - 1.4, "glass")
    s.box(x0, x1, 0.3, {"car": 0.85, "truck": 1.1}.get(kind, high), z, z1)
    if kind == "truck":  # an open frame with a load of its own shade
        s.box(x0, x1, 1.1, high, z, z1 - 2.4, shade=1.25)
        s.box(x0 + 0.1, x1 - 0.1, 1.5, 2.4, z1 - 2.2, z1, "glass")
    if kind in ("bus", "train"):
        s.box(x0, x1, 1.5, high - 0.5, z, z1, "glass")
        s.box(x0, x1, 0.9, 1.1, z, z1, "panel")
    for wheel in (z + 0.16 * long, z + 0.8 * long) if x0 > 0 or x1 < 0 else ():
        inner = x0 if x0 > 0 else x1
        s.paint([s.at(inner, 0.68, wheel), s.at(inner, 0, wheel + 0.8)], "tyre", shape="ellipse")
    for edge in (x0 + 0.1, x1 - 0.35):
        s.front(edge, edge + 0.25, 0.6, 0.75, z, "lamp")


def _person(s: _Scene, x: float, z: float, label: str = "person", y: float = 0.0) -> None:
    s.begin(label, z)
    tall = s.rng.uniform(1.5, 1.9)
    stride = s.rng.uniform(0.05, 0.3)
    s.ground_contact(x - 0.4, x + 0.4, z - 0.2, z + 0.3)
    for foot in (x - stride, x + stride):
        s.paint([s.at(foot - 0.1, y, z), s.at(foot + 0.1, y, z), s.at(x + 0.14, y + 0.5 * tall, z),
                 s.at(x - 0.14, y + 0.5 * tall, z)], shade=0.6)  # fmt: skip
    s.front(x - 0.25, x + 0.25, y + 0.45 * tall, y + 0.84 * tall, z)
    s.front(x - 0.13, x + 0.13, y + 0.83 * tall, y + tall, z, "skin", 1.0, "ellipse")


def _two_wheeler(s: _Scene, kind: str, x: float, z: float, ridden: bool) -> None:
    """Seen from the side; the frame counts as filled, as annotators do."""
    s.begin(kind, z)
    half, wheel = (0.95, 0.62) if kind == "motorcycle" else (0.85, 0.68)
    s.ground_contact(x - half, x + half, z - 0.3, z + 0.3)
    for end in (x - half, x + half - wheel):
        s.front(end, end + wheel, 0, wheel, z, "tyre", 1.0, "ellipse")
        s.front(end + 0.15, end + wheel - 0.15, 0.15, wheel - 0.15, z, "", 1.2, "ellipse")
    low, seat = (0.25, 0.85) if kind == "motorcycle" else (0.42, 0.8)
    s.paint([s.at(x - half + 0.3, seat, z), s.at(x + half - 0.45, seat + 0.15, z),
             s.at(x + half - 0.3, low, z), s.at(x - 0.2, low, z)])  # fmt: skip
    if ridden:
        _person(s, x, z, "rider", 0.35)


def _tree(s: _Scene, x: float, z: float, high: float = 0.0) -> None:
    s.begin("vegetation", z)
    high = high or s.rng.uniform(4.0, 7.0)
    s.ground_contact(x - 1.5, x + 1.5, z - 1, z + 2)
    if high > 2:
        s.front(x - 0.15, x + 0.15, 0, 0.6 * high, z, "trunk")
    for _ in range(7):
        cx, cy = x + s.rng.normal() * 0.18 * high, high * s.rng.uniform(0.55, 0.85) if high > 2 else high / 2
        r = high * s.rng.uniform(0.12, 0.24) if high > 2 else high * 0.6
        s.front(cx - r, cx + r, cy - r, cy + r, z, "", s.rng.uniform(0.8, 1.2), "ellipse")


def _pole(s: _Scene, x: float, z: float, kind: str) -> None:
    s.begin("pole", z)
    high = s.rng.uniform(3.0, 4.0) if kind else s.rng.uniform(5.5, 7.0)
    s.front(x - 0.09, x + 0.09, 0, high, z)
    if not kind:
        s.front(min(x, x - np.sign(x) * 1.6), max(x, x - np.sign(x) * 1.6), high - 0.15, high, z)
        return
    s.begin(kind, z)
    if kind == "traffic light":
        s.front(x - 0.3, x + 0.3, high - 1.1, high + 0.2, z)
        s.front(x - 0.16, x + 0.16, high - 0.2, high + 0.1, z, "lamp", 1.0, "ellipse")
        return
    shape, r = s.rng.choice(["ellipse", "rectangle", "polygon"]), s.rng.uniform(0.4, 0.6)
    if shape == "polygon":
        s.paint([s.at(x - r, high - r, z), s.at(x + r, high - r, z), s.at(x, high + r, z)])
    else:
        s.front(x - r, x + r, high - r, high + r, z, "", 1.0, shape)
        s.front(x - r / 2, x + r / 2, high - r / 4, high + r / 4, z, "panel")


def _building(s: _Scene, side: int, x: float, z0: float, z1: float) -> None:
    s.begin("building", z0)
    high = s.rng.uniform(5.0, 16.0)
    s.box(min(x, x + side * 9), max(x, x + side * 9), 0, high, z0, z1)
    if z0 > 45:
        return
    bay, storey = s.rng.uniform(2.2, 3.4), s.rng.uniform(2.8, 3.4)
    for z in np.arange(z0 + 0.5, z1 - 1.4, bay):
        for y in np.arange(0.6, high - 1.6, storey):
            s.side(x, y, y + 1.5, z, z + 0.5 * bay, "window")
    for u in np.arange(0.8, 8.0, bay):
        for y in np.arange(0.6, high - 1.6, storey):
            edge = x + side * u if side > 0 else x - u - 1.2
            s.front(edge, edge + 1.2, y, y + 1.6, z0, "window")


def _barrier(s: _Scene, kind: str, side: int, x: float, z0: float, z1: float) -> None:
    """A wall or a fence along the sidewalk, with something green behind it."""
    for z in np.arange(z1, z0, -3.0):
        _tree(s, x + side * s.rng.uniform(2, 5), z)
    s.begin(kind, z0)
    high = s.rng.uniform(1.6, 2.6) if kind == "wall" else s.rng.uniform(1.1, 1.9)
    s.box(min(x, x + side * 0.3), max(x, x + side * 0.3), 0, high, z0, z1)
    for z in np.arange(z0, z1, 1.0) if kind == "fence" else ():
        s.side(x, 0.1, high + 0.1, z, z + 0.15, shade=0.55)


def _park(s: _Scene, side: int, x: float, z0: float, z1: float) -> None:
    s.begin("terrain" if "terrain" not in s.absent else "sidewalk", 0)
    s.flat(min(x, x + side * 40), max(x, x + side * 40), z0, z1)
    for z in np.arange(z1, z0, -2.5):
        _tree(s, x + side * s.rng.uniform(2, 12), z, s.rng.choice([0.8, 0, 0]))


def _ground(s: _Scene) -> None:
    """Sky is there; add a skyline, the ground, the road, its markings and the sidewalks."""
    rng, (left, right) = s.rng, s.kerbs
    for x in range(-90, 91, 12):
        s.begin(str(rng.choice(["building", "vegetation", "vegetation"])), 110)
        high, wide = rng.uniform(2, 9), rng.uniform(5, 12)
        s.front(x - wide, x + wide, -1, high, 110, "", 1.0, "rectangle" if high > 5 else "ellipse")
    s.begin("sidewalk" if "terrain" in s.absent else "terrain", 0)
    s.front(-400, 400, -300, _EYE - 0.8, 110)
    s.begin("sidewalk", 0)
    s.flat(left - s.walks[0], right + s.walks[1], 0, 110)
    s.begin("road", 0)
    s.flat(left, right, 0, 110)
    if s.crossing > 0:
        s.flat(-90, 90, s.crossing, s.crossing + 7)
    s.begin("road", 0)
    for x in (left + 0.3, right - 0.4):
        s.flat(x, x + 0.12, 0, s.crossing if s.crossing > 0 else 60, "lanemarking")
    for z in np.arange(rng.uniform(0, 3), 50, 6.0):
        s.flat(-1.9, -1.75, z, z + 3, "lanemarking")
    for x in np.arange(left + 0.5, right - 0.5, 1.0) if s.crossing > 0 else ():
        s.flat(x, x + 0.5, s.crossing - 3.5, s.crossing - 1.5, "lanemarking")


def _sides(s: _Scene, theme: int) -> None:
    """Buildings, barriers and parks along both sidewalks, painted far to near."""
    todo: list[tuple[float, Callable[[], None]]] = []
    for side, edge in ((-1, s.kerbs[0] - s.walks[0]), (1, s.kerbs[1] + s.walks[1])):
        z = s.rng.uniform(1.5, 4.0)
        # In turn one side must have each kind of barrier near by, so that none is missing from a small set.
        forced = ("wall", "fence", "park")[theme // 2 % 3] if side == (-1) ** theme else None
        while z < _FAR:
            z1 = z + s.rng.uniform(7, 16)
            kind = forced or s.rng.choice(["building", "wall", "fence", "park"], p=[0.6, 0.12, 0.12, 0.16])
            forced = forced if z < 7 else None
            if z1 < s.crossing or z > s.crossing + 7:
                x = edge + side * (s.rng.uniform(0, 1.5) if kind == "building" else 0)
                draw = {"building": partial(_building, s), "park": partial(_park, s)}.get(
                    kind, partial(_barrier, s, kind)
                )
                todo.append((z, partial(draw, side, x, z, z1)))
            z = z1 + (s.rng.uniform(0, 2) if kind == "building" else 0)
    for _, draw in sorted(todo, key=lambda item: -item[0]):
        draw()


def _sidewalk_life(s: _Scene, clutter: bool) -> list[tuple[float, Callable[[], None]]]:
    """People, poles and trees to paint on both sidewalks, with their distances."""
    rng, todo = s.rng, []
    for side, edge in ((-1, s.kerbs[0]), (1, s.kerbs[1])):
        for z in rng.uniform(6, 35, rng.integers(1, 4)):
            todo.append((z, partial(_person, s, edge + side * rng.uniform(0.7, 1.8), z)))
        kinds = ["", "traffic light", "traffic sign", ""] + ["traffic sign"] * (2 * clutter)
        for z, kind in zip(rng.uniform(7, 14) + 6 * rng.permutation(len(kinds)), kinds, strict=True):
            todo.append((z, partial(_pole, s, edge + side * 0.4, z, kind)))
        if rng.random() < 0.4:
            z = rng.uniform(9, 30)
            todo.append((z, partial(_tree, s, edge + side * 1.6, z)))
    return todo


def _street_life(s: _Scene, theme: str, clutter: bool) -> None:
    """Traffic, people and street furniture, painted far to near; the theme's object stands free."""
    rng, (left, right) = s.rng, s.kerbs
    oncoming, todo = max(left + 1.6, -4.0), []
    todo += [(z, partial(_vehicle, s, "car", right - 1.2, z)) for z in np.arange(rng.uniform(9, 30), 60, 7)]
    todo += [(z, partial(_vehicle, s, "car", oncoming, z)) for z in rng.uniform(22, 60, 2)]
    if theme in _VEHICLES:
        z = rng.uniform(9, 15)
        todo.append((z, partial(_vehicle, s, theme, oncoming, z)))
    else:
        z = rng.uniform(6, 10)
        todo.append((z, partial(_two_wheeler, s, theme, rng.uniform(-2.5, 0.8), z, True)))
    for kind in ("bicycle", "motorcycle"):  # parked, or ridden along the kerb
        z = rng.uniform(7, 25)
        x = rng.choice([left - 0.8, right + 0.8])
        todo.append((z, partial(_two_wheeler, s, kind, x, z, rng.random() < 0.4)))
    todo += _sidewalk_life(s, clutter)
    if rng.random() < 0.5:  # somebody crosses the street
        z = rng.uniform(9, 20)
        todo.append((z, partial(_person, s, rng.uniform(-2, right), z)))
    for _, draw in sorted(todo, key=lambda item: -item[0]):
        draw()
    if rng.random() < 0.5:  # a bin: void, as Cityscapes has it
        z = rng.uniform(6, 12)
        s.begin("static", z)
        s.box(right + 0.6, right + 1.2, 0, 1.0, z, z + 0.6)


def _draw_scene(size: tuple[int, int], rng: Generator, k: int, absent: tuple[str, ...], real: bool) -> _Scene:
    s = _Scene(size, rng, absent)
    s.paint([(0, 0), (s.width, s.height)], shape="rectangle")
    _ground(s)
    if real:
        s.begin("road", 0)
        for _ in range(rng.integers(0, 4)):  # puddles
            (x, z), r = (rng.uniform(-3, 2), rng.uniform(3, 14)), rng.uniform(0.3, 0.9)
            s.paint([s.at(x - r, 0, z + r), s.at(x + r, 0, z - r)], "puddle", shape="ellipse")
    _sides(s, k)
    theme = _THEMES[k % len(_THEMES)]
    _street_life(s, "car" if theme in absent else theme, real)
    if real or rng.random() < 0.3:
        s.begin("ego vehicle", 1)
        h, w = s.height, s.width
        s.paint([(-0.2 * w, rng.uniform(0.9, 0.95) * h), (1.2 * w, 1.25 * h)], shape="ellipse")
    return s


def _float_objects(s: _Scene) -> None:
    """Cars, buses, people and trees hang in the sky, each on a ground of its own above the true one."""
    horizon = s.horizon
    for _ in range(s.rng.integers(4, 8)):
        s.horizon = s.rng.uniform(-0.05, 0.12) * s.height
        z = s.rng.uniform(9, 16)
        x = s.rng.uniform(-0.9, 0.9) * z
        kind = s.rng.choice(["car", "bus", "person", "tree"])
        if kind in _VEHICLES:
            _vehicle(s, str(kind), x, z)
        else:
            (_person if kind == "person" else _tree)(s, x, z)
    s.horizon = horizon


def _sky_road(s: _Scene) -> None:
    """A second road comes down from the zenith, and where the road was there is sky."""
    left, right = s.kerbs
    s.begin("road", 0)
    h, w = s.height, s.width
    s.paint([(0.1 * w, 0), (0.9 * w, 0), (s.centre + 0.03 * w, 0.9 * s.horizon), (s.centre, 0.9 * s.horizon)])
    s.begin("sky", 1e4)
    s.paint([s.at(left, 0, 2), s.at(right, 0, 2), s.at(right, 0, 12), s.at(left, 0, 12)])
    s.begin("car", 1)
    s.paint([(0.4 * w, 0.1 * h), (0.5 * w, 0.2 * h)], shape="ellipse")


def _parts_map(s: _Scene, operation: str) -> np.ndarray:
    """(height, width) int32 index into ``s.parts``, after an operation on the layout if one is named."""
    if operation == "floating_objects":
        _float_objects(s)
    elif operation == "road_in_the_sky":
        _sky_road(s)
    parts = np.asarray(s.canvas, dtype=np.int32)
    if operation == "upside_down":
        return parts[::-1]
    if operation == "shuffled_blocks":
        rows, columns = s.height // 3, s.width // 4
        blocks = [(r * rows, c * columns) for r in range(3) for c in range(4)]
        shuffled = parts.copy()
        for (r, c), (r2, c2) in zip(blocks, s.rng.permutation(blocks), strict=True):
            shuffled[r : r + rows, c : c + columns] = parts[r2 : r2 + rows, c2 : c2 + columns]
        return shuffled
    return parts


def _noise(rng: Generator, shape: tuple[int, int], cell: float) -> np.ndarray:
    """(height, width) float32 smooth noise of unit variance; ``cell`` is the size of its blobs in pixels."""
    small = rng.normal(size=(int(shape[0] / cell) + 2, int(shape[1] / cell) + 2)).astype(np.float32)
    field = np.asarray(Image.fromarray(small).resize(shape[::-1], Image.Resampling.BICUBIC))
    return (field - field.mean()) / (field.std() + 1e-6)


def _shade_game(s: _Scene, parts: np.ndarray, rng: Generator, operation: str) -> np.ndarray:
    """Flat colours, clean edges: (height, width, 3) uint8."""
    materials = [p.material if _LOOKS[p.material].game else p.label for p in s.parts]
    colours = {name: np.array(look.game or (0, 0, 0), float) for name, look in _LOOKS.items()}
    if operation == "swapped_palette":
        drawn = sorted(set(materials))
        shift = int(rng.integers(1, len(drawn)))  # a rotation leaves no class its own colour
        colours = {name: colours[drawn[(i + shift) % len(drawn)]] for i, name in enumerate(drawn)}
    elif operation == "neon":
        colours = {name: 255.0 * rng.permutation([0.0, 1.0, rng.random()]) for name in colours}
    table = np.empty((len(s.parts), 3))
    for i, (part, name) in enumerate(zip(s.parts, materials, strict=True)):
        table[i] = colours[name] * part.shade * (1 + 0.5 * _LOOKS[name].vary * part.tint)
    table *= rng.uniform(0.92, 1.08)
    return np.clip(table, 0, 255).astype(np.uint8)[parts]


def _texture(s: _Scene, parts: np.ndarray, rng: Generator, ground_z: np.ndarray) -> np.ndarray:
    """(height, width) factors: noise by material, bricks, paving slabs, leaves on the ground."""
    shape = (h, w) = parts.shape
    scale = h / 128
    rows, columns = np.mgrid[:h, :w].astype(np.float32)
    labels = np.array([p.label for p in s.parts])[parts]
    fine, middle, coarse = (_noise(rng, shape, cell * scale) for cell in (1, 3, 24))
    grain, blotch = (
        np.array([getattr(_LOOKS[p.material], f) for p in s.parts], np.float32)[parts]
        for f in ("grain", "blotch")
    )
    texture = 1 + grain * (0.6 * fine + 0.6 * middle) + blotch * (0.5 * middle + 0.8 * coarse)
    course = (rows // (2 * scale)).astype(int)
    bricks = (course % 2 == 0) ^ ((columns / scale + 3 * (course // 2 % 2)) % 6 < 1)
    texture -= 0.1 * (bricks & np.isin(labels, ("building", "wall")))
    slabs = (ground_z % 1.2 < 0.15) | ((columns - s.centre) * ground_z / s.focal % 1.2 < 0.12)
    texture -= 0.16 * (slabs & (labels == "sidewalk") & (ground_z < 20))
    if rng.random() < 0.5:
        texture[np.isin(labels, _GROUND) & (fine * middle > 2.2)] *= 0.7
    return texture


def _light(s: _Scene, parts: np.ndarray, rng: Generator, ground_z: np.ndarray) -> np.ndarray:
    """(height, width) factors: dark ground under objects, shadow of the houses, a gradient over the image."""
    h, w = parts.shape
    rows, columns = np.mgrid[:h, :w].astype(np.float32)
    ground = np.array([p.label in _GROUND for p in s.parts])[parts] & (rows > s.horizon)
    contact = np.asarray(s.contact.filter(ImageFilter.GaussianBlur(1.2 * h / 128)), np.float32) / 255
    # The sun stands beside the street: one row of houses throws its ragged shadow over part of it.
    x = (columns - s.centre) * ground_z / s.focal
    shadow = (x - rng.uniform(-4, 2) - 0.8 * _noise(rng, (h, w), 24 * h / 128)) * rng.choice([-1, 1]) > 0
    light = 1 - ground * np.maximum(0.55 * contact, rng.uniform(0.1, 0.45) * shadow)
    angle = rng.uniform(0, 2 * np.pi)
    return light * (1 + 0.22 * (np.cos(angle) * (columns / w - 0.5) + np.sin(angle) * (rows / h - 0.5)))


def _camera(image: np.ndarray, rng: Generator) -> np.ndarray:
    """Exposure, colour cast, vignette, blur and noise: float colours 0..255 to uint8."""
    h, w, _ = image.shape
    image = (np.clip(image, 0, 255) / 255) ** rng.uniform(0.9, 1.15) * 255 * rng.uniform(0.85, 1.15)
    image *= 1 + rng.normal(size=3) * 0.035 + np.array([-0.02, 0.02, -0.01])
    rows, columns = np.mgrid[:h, :w]
    image *= (1 - rng.uniform(0.3, 0.8) * ((rows / h - 0.5) ** 2 + (columns / w - 0.5) ** 2))[..., None]
    blur = ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8) * h / 128)
    blurred = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).filter(blur)
    noisy = np.asarray(blurred, np.float32) + rng.normal(size=(h, w, 3)) * rng.uniform(1.5, 4.5)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _shade_real(s: _Scene, parts: np.ndarray, rng: Generator) -> np.ndarray:
    """Textured, lit, in haze, through a camera: (height, width, 3) uint8."""
    looks = [_LOOKS[p.material] for p in s.parts]
    table = [
        np.array(look.real) * p.shade * (1 + look.vary * p.tint)
        for look, p in zip(looks, s.parts, strict=True)
    ]
    rows = np.arange(s.height, dtype=np.float32)[:, None]
    ground_z = s.focal * _EYE / np.maximum(rows - s.horizon, 0.5)
    image = np.array(table, np.float32)[parts]
    image *= (_texture(s, parts, rng, ground_z) * _light(s, parts, rng, ground_z))[..., None]
    z = np.array([p.z for p in s.parts], np.float32)[parts]
    haze = 0.85 * (1 - np.exp(-np.where(z == 0, ground_z, z) / rng.uniform(60, 180)))[..., None]
    return _camera(image * (1 - haze) + np.array(_HAZE, np.float32) * haze, rng)


@dataclass(frozen=True)
class _Sample:
    image: np.ndarray  # (height, width, 3) uint8
    labels: np.ndarray  # (height, width) uint8, Cityscapes label id
    synthia: np.ndarray  # (height, width) uint8, SYNTHIA id
    numbers: np.ndarray  # (height, width) int32, object number
    operation: str  # "" if nothing is unreal


def _sample(spec: ToyCity, name: str, k: int) -> _Sample:
    """Image k of set ``name``: depends on the seed, the name and k, given the size and the unreal share."""
    rng = np.random.default_rng([spec.seed, zlib.crc32(name.encode()), k])
    real = name in ("train", "val")
    # The running count of unreal images steps up at exactly that share of all k.
    before, after = (int((k + i) * spec.unreal + 1e-9) for i in (0, 1))
    operation = "" if real or after == before else UNREAL_OPERATIONS[before % len(UNREAL_OPERATIONS)]
    scene = _draw_scene(spec.size, rng, k, _ABSENT if name == "synthia" else (), real)
    parts = _parts_map(scene, operation)
    image = _shade_real(scene, parts, rng) if real else _shade_game(scene, parts, rng, operation)
    labels = [CITYSCAPES_IDS[p.label] for p in scene.parts]
    # SYNTHIA tells lane markings from the road and has no class for what is void in Cityscapes.
    synthia = [SYNTHIA_IDS.get(p.material, SYNTHIA_IDS.get(p.label, 0)) for p in scene.parts]
    numbers = np.array([p.number for p in scene.parts], np.int32)
    return _Sample(image, np.uint8(labels)[parts], np.uint8(synthia)[parts], numbers[parts], operation)


def _instance_ids(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Cityscapes instance ids (uint16): 1000 * label + 0, 1, ... for countable classes, else the label."""
    ids = labels.astype(np.uint16)
    for label in _COUNTED:
        mask = labels == label
        ids[mask] = label * 1000 + np.unique(numbers[mask], return_inverse=True)[1]
    return ids


def _save_png16(path: Path, pixels: np.ndarray) -> None:
    """Write (height, width, 3) uint16 as a PNG: Pillow cannot, and TensorFlow takes seconds to start."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 6 * width), np.uint8)  # each row starts with its filter type, 0
    rows[:, 1:] = pixels.astype(">u2").view(np.uint8).reshape(height, -1)
    header = struct.pack(">2I5B", width, height, 16, 2, 0, 0, 0)  # 16 bits, colour type 2 = RGB
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")):
            file.write(
                struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            )


def _write_gtav(folder: Path, k: int, sample: _Sample) -> str:
    Image.fromarray(sample.image).save(folder / "images" / f"{k + 1:05d}.png")
    label = Image.fromarray(sample.labels)
    label.putpalette([value for i in range(34) for value in CITYSCAPES_PALETTE[i]])  # makes it mode "P"
    label.save(folder / "labels" / f"{k + 1:05d}.png")
    return f"images/{k + 1:05d}.png"


def _write_synthia(folder: Path, k: int, sample: _Sample) -> str:
    Image.fromarray(sample.image).save(folder / "RGB" / f"{k:07d}.png")
    planes = (sample.synthia, sample.numbers, np.zeros_like(sample.numbers))
    _save_png16(folder / "GT/LABELS" / f"{k:07d}.png", np.stack(planes, axis=-1))
    return f"RGB/{k:07d}.png"


def _write_cityscapes(folder: Path, split: str, k: int, sample: _Sample) -> None:
    stem = f"{split}/toyville/toyville_{k:06d}_000019"
    Image.fromarray(sample.image).save(folder / "leftImg8bit" / f"{stem}_leftImg8bit.png")
    Image.fromarray(sample.labels).save(folder / "gtFine" / f"{stem}_gtFine_labelIds.png")
    instances = Image.fromarray(_instance_ids(sample.labels, sample.numbers))  # mode "I;16"
    instances.save(folder / "gtFine" / f"{stem}_gtFine_instanceIds.png")


def _write_all(root: Path, spec: ToyCity) -> None:
    sources = (("gtav", ("images", "labels"), _write_gtav), ("synthia", ("RGB", "GT/LABELS"), _write_synthia))
    for name, folders, write in sources:
        for folder in folders:
            (root / name / folder).mkdir(parents=True)
        with (root / name / "meta.jsonl").open("w", encoding="utf-8") as meta:
            for k in range(getattr(spec, name)):
                sample = _sample(spec, name, k)
                line = {"image": write(root / name, k, sample), "unreal": bool(sample.operation)}
                meta.write(json.dumps(line | {"operation": sample.operation or None}) + "\n")
    for split in ("train", "val"):
        for kind in ("leftImg8bit", "gtFine"):
            (root / "cityscapes" / kind / split / "toyville").mkdir(parents=True)
        for k in range(getattr(spec, split)):
            _write_cityscapes(root / "cityscapes", split, k, _sample(spec, split, k))


def generate(root: str | os.PathLike, spec: ToyCity = ToyCity()) -> Path:
    """Write the toy data set below ``root``, or do nothing if it is there already.

    Image k of a set depends on the seed, the set and k, not on how many images there are.

    Args:
        root: folder to create; it may exist if it is empty or holds a set made with the same ``spec``.
        spec: what to generate.

    Returns:
        ``root``, with ``gtav/``, ``synthia/``, ``cityscapes/`` and the parameters in ``toy_city.json``.

    Raises:
        FileExistsError: ``root`` is a file, holds another toy city, or holds anything else.
    """
    root = Path(root)
    # Through JSON, which turns the tuple into a list, so that it compares equal to what a file holds.
    record = json.loads(json.dumps({"version": _VERSION, **asdict(spec)}))
    if root.is_dir() and (root / "toy_city.json").is_file():
        found = json.loads((root / "toy_city.json").read_text(encoding="utf-8"))
        if found == record:
            return root
        raise FileExistsError(
            f"{root} holds a toy city made with {found}, not {record}: delete it or choose another folder"
        )
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise FileExistsError(f"{root} is not an empty folder: delete it or choose another folder")
    # Written next to its place and renamed, so that an interrupted run leaves nothing that looks finished.
    unfinished = root.absolute().with_name(f".{root.absolute().name}.{os.getpid()}.partial")
    try:
        unfinished.mkdir(parents=True)
        _write_all(unfinished, spec)
        (unfinished / "toy_city.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        os.rename(unfinished, root)  # POSIX lets it replace an empty folder
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return root
