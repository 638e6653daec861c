"""The canvas of a toy city: shapes in metres, seen by a camera, drawn as numbers of parts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

Span = tuple[float, float]
"""From where to where along an axis, in metres."""

EYE = 1.5
"""Height of the camera in metres."""
SKY_Z = 1e4
"""Distance of the sky in metres."""


@dataclass(frozen=True)
class Part:
    """One painted shape.

    Attributes:
        label: class of the object, a Cityscapes name.
        material: what it looks like, a key of the shaders' table.
        z: distance in metres; 0: lies on the ground, the image row gives the distance.
        number: of the object that this is a part of.
        tint: (3,) standard normal, one per object.
        shade: factor on the brightness.
    """

    label: str
    material: str
    z: float
    number: int
    tint: np.ndarray
    shade: float


def seen_side(x0: float, x1: float) -> float:
    """x of the side that a box from x0 to x1 turns to the camera's axis; 0 if the axis goes through it."""
    return max(x0, 0) or min(x1, 0)


class Scene:
    """A street, a camera at (0, EYE, 0) that looks along +z, and a canvas of indices into ``parts``.

    Args:
        size: (height, width) of the canvas.
        rng: what all decisions are drawn from.
        absent: classes that must not occur.
    """

    def __init__(self, size: tuple[int, int], rng: Generator, absent: tuple[str, ...] = ()) -> None:
        self.height, self.width = size
        self.rng, self.absent = rng, absent
        self.canvas = Image.new("I", (self.width, self.height))
        self.contact = Image.new("L", (self.width, self.height))  # where objects darken the ground
        self._pen, self._contact_pen = ImageDraw.Draw(self.canvas), ImageDraw.Draw(self.contact)
        self.parts: list[Part] = []
        self.horizon = self.height * rng.uniform(0.36, 0.48)
        self.centre = self.width * rng.uniform(0.4, 0.6)
        self.focal = self.height * rng.uniform(1.1, 1.5)
        self.kerbs = (-rng.uniform(4.5, 8.0), rng.uniform(2.4, 4.5))  # x of the road's two edges
        self.walks = (rng.uniform(2.0, 4.0), rng.uniform(2.0, 4.0))  # widths of the sidewalks
        self.crossing = rng.uniform(14, 40) if rng.random() < 0.4 else -99.0  # z; behind the camera: none
        self.grass = "sidewalk" if "terrain" in absent else "terrain"
        self._objects = 0
        self._later: list[tuple[float, Callable[..., None], float, tuple]] = []
        self.begin("sky", SKY_Z)
        self.paint([(0, 0), (self.width, self.height)], shape="rectangle")

    def at(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Where a point in metres is seen: (column, row)."""
        return self.centre + self.focal * x / z, self.horizon + self.focal * (EYE - y) / z

    def later(self, draw: Callable[..., None], x: float, z: float, *more: object) -> None:
        """Have ``draw(scene, x, z, *more)`` called by ``draw_far_to_near``."""
        self._later.append((z, draw, x, more))

    def draw_far_to_near(self) -> None:
        """Draw what was put off, so that near objects hide far ones."""
        for z, draw, x, more in sorted(self._later, key=lambda item: -item[0]):
            draw(self, x, z, *more)
        self._later.clear()

    def begin(self, label: str, z: float) -> None:
        """Start an object: the parts painted next belong to it."""
        self._objects += 1
        tint = self.rng.normal(size=3) * 0.45 + self.rng.normal() * 0.8
        self._object = (label, z, self._objects, tint)

    def paint(self, points: list, material: str = "", shade: float = 1.0, shape: str = "polygon") -> None:
        """Add a part of the current object: corners, or of a box two opposite ones, in (column, row)."""
        label, z, number, tint = self._object
        self.parts.append(Part(label, material or label, z, number, tint, shade))
        if shape != "polygon":  # Pillow wants the corners of boxes in ascending order
            columns, rows = zip(*points, strict=True)
            points = [(min(columns), min(rows)), (max(columns), max(rows))]
        getattr(self._pen, shape)(points, fill=len(self.parts) - 1)

    def _level(self, x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> list[tuple[float, float]]:
        """Corners of a horizontal rectangle; what lies behind the camera's feet is cut off."""
        return [self.at(x, y, max(z, 0.6)) for x, z in ((x0, z0), (x1, z0), (x1, z1), (x0, z1))]

    def flat(self, x0: float, x1: float, z0: float, z1: float, material: str = "") -> None:
        """A rectangle on the ground."""
        self.paint(self._level(x0, x1, z0, z1), material)

    def darken(self, x0: float, x1: float, z0: float, z1: float) -> None:
        """The contact shadow of an object on the ground."""
        self._contact_pen.polygon(self._level(x0, x1, z0, z1), fill=255)

    def front(self, x: Span, y: Span, z: float, material: str = "", shade: float = 1.0) -> None:
        """A rectangle that faces the camera."""
        self.paint([self.at(x[0], y[1], z), self.at(x[1], y[0], z)], material, shade, "rectangle")

    def disc(self, x: Span, y: Span, z: float, material: str = "", shade: float = 1.0) -> None:
        """An ellipse that faces the camera."""
        self.paint([self.at(x[0], y[1], z), self.at(x[1], y[0], z)], material, shade, "ellipse")

    def side(self, x: float, y: Span, z: Span, material: str = "", shade: float = 0.8) -> None:
        """A rectangle that is parallel to the street."""
        corners = ((y[0], z[0]), (y[1], z[0]), (y[1], z[1]), (y[0], z[1]))
        self.paint([self.at(x, up, ahead) for up, ahead in corners], material, shade)

    def box(self, x: Span, y: Span, z: Span, material: str = "", shade: float = 1.0) -> None:
        """A cuboid: the side that faces the camera's axis, the top if seen from above, the front."""
        x = min(x), max(x)
        if inner := seen_side(*x):
            self.side(inner, y, z, material, shade * 0.8)
        if y[1] < EYE:
            self.paint(self._level(*x, *z, y[1]), material, shade * 1.12)
        self.front(x, y, z[0], material, shade)
