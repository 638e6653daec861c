"""The things in a toy city, each drawn at x (metres right of the camera) and z (metres ahead of it)."""

import numpy as np

from hrs_keras.toy_city.scene import Scene, Span, seen_side

VEHICLES = {
    "car": (1.8, 1.45, 4.2),
    "truck": (2.5, 3.3, 8.0),
    "bus": (2.6, 3.1, 11.0),
    "train": (2.8, 3.6, 24.0),
}
"""Width, height and length in metres."""


def vehicle(s: Scene, x: float, z: float, kind: str) -> None:
    """A car, truck, bus or train, seen from behind or ahead."""
    wide, high, long = VEHICLES[kind]
    x0, x1, z1 = x - wide / 2, x + wide / 2, z + long
    s.begin(kind, z)
    s.darken(x0 - 0.5, x1 + 0.5, z - 0.5, z1)
    for edge in (x0, x1 - 0.25):
        s.front((edge, edge + 0.25), (0, 0.5), z, "tyre")
    if kind == "car":
        s.box((x0 + 0.15, x1 - 0.15), (0.8, high), (z + 0.9, z1 - 1.2))
        s.box((x0 + 0.2, x1 - 0.2), (0.85, high - 0.12), (z + 0.88, z1 - 1.4), "glass")
    s.box((x0, x1), (0.3, {"car": 0.85, "truck": 1.1}.get(kind, high)), (z, z1))
    if kind == "truck":  # a load of its own shade
        s.box((x0, x1), (1.1, high), (z, z1 - 2.4), shade=1.25)
        s.box((x0 + 0.1, x1 - 0.1), (1.5, 2.4), (z1 - 2.2, z1), "glass")
    if kind in ("bus", "train"):
        s.box((x0, x1), (1.5, high - 0.5), (z, z1), "glass")
        s.box((x0, x1), (0.9, 1.1), (z, z1), "panel")
    if inner := seen_side(x0, x1):
        for wheel in (z + 0.16 * long, z + 0.8 * long):
            s.paint([s.at(inner, 0.68, wheel), s.at(inner, 0, wheel + 0.8)], "tyre", shape="ellipse")
    for edge in (x0 + 0.1, x1 - 0.35):
        s.front((edge, edge + 0.25), (0.6, 0.75), z, "lamp")


def person(s: Scene, x: float, z: float, label: str = "person", y: float = 0.0) -> None:
    """Somebody whose feet are ``y`` metres above the ground."""
    s.begin(label, z)
    tall = s.rng.uniform(1.5, 1.9)
    stride = s.rng.uniform(0.05, 0.3)
    s.darken(x - 0.4, x + 0.4, z - 0.2, z + 0.3)
    for foot in (x - stride, x + stride):
        leg = ((foot - 0.1, 0), (foot + 0.1, 0), (x + 0.14, 0.5 * tall), (x - 0.14, 0.5 * tall))
        s.paint([s.at(u, y + v, z) for u, v in leg], shade=0.6)
    s.front((x - 0.25, x + 0.25), (y + 0.45 * tall, y + 0.84 * tall), z)
    s.disc((x - 0.13, x + 0.13), (y + 0.83 * tall, y + tall), z, "skin")


def two_wheeler(s: Scene, x: float, z: float, kind: str, ridden: bool) -> None:
    """Seen from the side; the frame counts as filled, as annotators do."""
    s.begin(kind, z)
    half, wheel, low, seat = (0.95, 0.62, 0.25, 0.85) if kind == "motorcycle" else (0.85, 0.68, 0.42, 0.8)
    s.darken(x - half, x + half, z - 0.3, z + 0.3)
    for end in (x - half, x + half - wheel):
        s.disc((end, end + wheel), (0, wheel), z, "tyre")
        s.disc((end + 0.15, end + wheel - 0.15), (0.15, wheel - 0.15), z, shade=1.2)
    frame = ((x - half + 0.3, seat), (x + half - 0.45, seat + 0.15), (x + half - 0.3, low), (x - 0.2, low))
    s.paint([s.at(u, v, z) for u, v in frame])
    if ridden:
        person(s, x, z, "rider", 0.35)


def tree(s: Scene, x: float, z: float, bush: bool = False) -> None:
    """A tree, or without its trunk a bush."""
    s.begin("vegetation", z)
    high = 0.8 if bush else s.rng.uniform(4.0, 7.0)
    s.darken(x - 1.5, x + 1.5, z - 1, z + 2)
    if not bush:
        s.front((x - 0.15, x + 0.15), (0, 0.6 * high), z, "trunk")
    for _ in range(7):
        cx = x + s.rng.normal() * 0.18 * high
        cy = high * (0.5 if bush else s.rng.uniform(0.55, 0.85))
        r = high * (0.6 if bush else s.rng.uniform(0.12, 0.24))
        s.disc((cx - r, cx + r), (cy - r, cy + r), z, shade=s.rng.uniform(0.8, 1.2))


def lamp_post(s: Scene, x: float, z: float) -> None:
    """A pole whose arm reaches over the road."""
    s.begin("pole", z)
    high = s.rng.uniform(5.5, 7.0)
    s.front((x - 0.09, x + 0.09), (0, high), z)
    s.front((x, x - np.sign(x) * 1.6), (high - 0.15, high), z)


def sign_post(s: Scene, x: float, z: float, kind: str) -> None:
    """A traffic light or a traffic sign on a pole."""
    s.begin("pole", z)
    high = s.rng.uniform(3.0, 4.0)
    s.front((x - 0.09, x + 0.09), (0, high), z)
    s.begin(kind, z)
    if kind == "traffic light":
        s.front((x - 0.3, x + 0.3), (high - 1.1, high + 0.2), z)
        s.disc((x - 0.16, x + 0.16), (high - 0.2, high + 0.1), z, "lamp")
        return
    shape, r = s.rng.choice(["ellipse", "rectangle", "polygon"]), s.rng.uniform(0.4, 0.6)
    if shape == "polygon":
        s.paint([s.at(x - r, high - r, z), s.at(x + r, high - r, z), s.at(x, high + r, z)])
    else:
        (s.disc if shape == "ellipse" else s.front)((x - r, x + r), (high - r, high + r), z)
        s.front((x - r / 2, x + r / 2), (high - r / 4, high + r / 4), z, "panel")


def litter_bin(s: Scene, x: float, z: float) -> None:
    """Void, as Cityscapes has it."""
    s.begin("static", z)
    s.box((x, x + 0.6), (0, 1.0), (z, z + 0.6))


# What lines the street: from z to z1, from x outwards to ``side`` (-1: left, 1: right).


def building(s: Scene, x: float, z: float, z1: float, side: int) -> None:
    """A house of random height; windows where it is near enough."""
    s.begin("building", z)
    high = s.rng.uniform(5.0, 16.0)
    s.box((x, x + side * 9), (0, high), (z, z1))
    if z > 45:  # too far for windows
        return
    bay, storey = s.rng.uniform(2.2, 3.4), s.rng.uniform(2.8, 3.4)
    storeys = np.arange(0.6, high - 1.6, storey)
    for along in np.arange(z + 0.5, z1 - 1.4, bay):
        for y in storeys:
            s.side(x, (y, y + 1.5), (along, along + 0.5 * bay), "window")
    for across in np.arange(0.8, 8.0, bay):
        for y in storeys:
            s.front((x + side * across, x + side * (across + 1.2)), (y, y + 1.6), z, "window")


def wall(s: Scene, x: float, z: float, z1: float, side: int) -> None:
    """A wall with something green behind it."""
    _trees_behind(s, x, (z, z1), side)
    s.begin("wall", z)
    s.box((x, x + side * 0.3), (0, s.rng.uniform(1.6, 2.6)), (z, z1))


def fence(s: Scene, x: float, z: float, z1: float, side: int) -> None:
    """A fence on posts with something green behind it."""
    _trees_behind(s, x, (z, z1), side)
    s.begin("fence", z)
    high = s.rng.uniform(1.1, 1.9)
    s.box((x, x + side * 0.3), (0, high), (z, z1))
    for post in np.arange(z, z1, 1.0):
        s.side(x, (0.1, high + 0.1), (post, post + 0.15), shade=0.55)


def _trees_behind(s: Scene, x: float, z: Span, side: int) -> None:
    for behind in np.arange(z[1], z[0], -3.0):
        tree(s, x + side * s.rng.uniform(2, 5), behind)


def park(s: Scene, x: float, z: float, z1: float, side: int) -> None:
    """Grass with trees and bushes."""
    s.begin(s.grass, 0)
    s.flat(x, x + side * 40, z, z1)
    for along in np.arange(z1, z, -2.5):
        tree(s, x + side * s.rng.uniform(2, 12), along, bush=s.rng.integers(3) == 0)
