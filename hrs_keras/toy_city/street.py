"""The layout of a toy city: which things stand where along the street, and what an unreal layout changes."""

import numpy as np
from numpy.random import Generator

from hrs_keras.toy_city import objects
from hrs_keras.toy_city.scene import EYE, SKY_Z, Scene

# Image k must show theme k modulo the number of themes: rare classes occur in every few images.
_THEMES = ("truck", "bicycle", "bus", "motorcycle", "train", "car")
_FAR = 70.0  # nothing lines the street beyond this distance in metres
_SKYLINE = 110.0


def draw_street(size: tuple[int, int], rng: Generator, k: int, absent: tuple[str, ...], real: bool) -> Scene:
    """Scene ``k`` of a set, without the classes in ``absent``; real streets have more clutter."""
    s = Scene(size, rng, absent)
    _ground(s)
    if real:
        s.begin("road", 0)
        for _ in range(rng.integers(0, 4)):  # puddles
            (x, z), r = (rng.uniform(-3, 2), rng.uniform(3, 14)), rng.uniform(0.3, 0.9)
            s.paint([s.at(x - r, 0, z + r), s.at(x + r, 0, z - r)], "puddle", shape="ellipse")
    _sides(s, k)
    theme = _THEMES[k % len(_THEMES)]
    _traffic(s, "car" if theme in absent else theme)
    _sidewalks(s, clutter=real)
    if rng.random() < 0.5:  # somebody crosses the street
        z = rng.uniform(9, 20)
        s.later(objects.person, rng.uniform(-2, s.kerbs[1]), z)
    s.draw_far_to_near()
    if rng.random() < 0.5:
        objects.litter_bin(s, s.kerbs[1] + 0.6, rng.uniform(6, 12))
    if real or rng.random() < 0.3:
        s.begin("ego vehicle", 1)
        h, w = s.height, s.width
        s.paint([(-0.2 * w, rng.uniform(0.9, 0.95) * h), (1.2 * w, 1.25 * h)], shape="ellipse")
    return s


def _ground(s: Scene) -> None:
    """Sky is there; add a skyline, the ground, the road, its markings and the sidewalks."""
    rng, (left, right) = s.rng, s.kerbs
    for middle in range(-90, 91, 12):
        s.begin(str(rng.choice(["building", "vegetation", "vegetation"])), _SKYLINE)
        high, wide = rng.uniform(2, 9), rng.uniform(5, 12)
        (s.disc if high <= 5 else s.front)((middle - wide, middle + wide), (-1, high), _SKYLINE)
    s.begin(s.grass, 0)
    s.front((-400, 400), (-300, EYE - 0.8), _SKYLINE)
    s.begin("sidewalk", 0)
    s.flat(left - s.walks[0], right + s.walks[1], 0, _SKYLINE)
    s.begin("road", 0)
    s.flat(left, right, 0, _SKYLINE)
    if s.crossing > 0:
        s.flat(-90, 90, s.crossing, s.crossing + 7)
    s.begin("road", 0)
    for x in (left + 0.3, right - 0.4):
        s.flat(x, x + 0.12, 0, s.crossing if s.crossing > 0 else 60, "lanemarking")
    for z in np.arange(rng.uniform(0, 3), 50, 6.0):
        s.flat(-1.9, -1.75, z, z + 3, "lanemarking")
    for x in np.arange(left + 0.5, right - 0.5, 1.0) if s.crossing > 0 else ():
        s.flat(x, x + 0.5, s.crossing - 3.5, s.crossing - 1.5, "lanemarking")


def _sides(s: Scene, k: int) -> None:
    """Buildings, barriers and parks along both sidewalks."""
    for side, edge in ((-1, s.kerbs[0] - s.walks[0]), (1, s.kerbs[1] + s.walks[1])):
        z = s.rng.uniform(1.5, 4.0)
        # In turn one side must have each kind of barrier near by, so that none is missing from a small set.
        forced = ("wall", "fence", "park")[k // 2 % 3] if side == (-1) ** k else None
        while z < _FAR:
            z1 = z + s.rng.uniform(7, 16)
            kind = forced or s.rng.choice(["building", "wall", "fence", "park"], p=[0.6, 0.12, 0.12, 0.16])
            forced = forced if z < 7 else None
            if z1 < s.crossing or z > s.crossing + 7:
                if kind == "building":
                    s.later(objects.building, edge + side * s.rng.uniform(0, 1.5), z, z1, side)
                else:
                    draw = {"wall": objects.wall, "fence": objects.fence, "park": objects.park}[kind]
                    s.later(draw, edge, z, z1, side)
            z = z1 + (s.rng.uniform(0, 2) if kind == "building" else 0)
    s.draw_far_to_near()


def _traffic(s: Scene, theme: str) -> None:
    """Put off drawing what moves on the road; the theme's object stands free."""
    rng, (left, right) = s.rng, s.kerbs
    oncoming = max(left + 1.6, -4.0)
    for z in np.arange(rng.uniform(9, 30), 60, 7):
        s.later(objects.vehicle, right - 1.2, z, "car")
    for z in rng.uniform(22, 60, 2):
        s.later(objects.vehicle, oncoming, z, "car")
    if theme in objects.VEHICLES:
        s.later(objects.vehicle, oncoming, rng.uniform(9, 15), theme)
    else:
        z = rng.uniform(6, 10)
        s.later(objects.two_wheeler, rng.uniform(-2.5, 0.8), z, theme, True)
    for kind in ("bicycle", "motorcycle"):  # parked, or ridden along the kerb
        z = rng.uniform(7, 25)
        s.later(objects.two_wheeler, rng.choice([left - 0.8, right + 0.8]), z, kind, rng.random() < 0.4)


def _sidewalks(s: Scene, clutter: bool) -> None:
    """Put off drawing people, poles and trees on both sidewalks."""
    rng = s.rng
    for side, edge in ((-1, s.kerbs[0]), (1, s.kerbs[1])):
        for z in rng.uniform(6, 35, rng.integers(1, 4)):
            s.later(objects.person, edge + side * rng.uniform(0.7, 1.8), z)
        kinds = ["", "traffic light", "traffic sign", ""] + ["traffic sign"] * (2 * clutter)
        for z, kind in zip(rng.uniform(7, 14) + 6 * rng.permutation(len(kinds)), kinds, strict=True):
            if kind:
                s.later(objects.sign_post, edge + side * 0.4, z, kind)
            else:
                s.later(objects.lamp_post, edge + side * 0.4, z)
        if rng.random() < 0.4:
            s.later(objects.tree, edge + side * 1.6, rng.uniform(9, 30))


def parts_map(s: Scene, operation: str) -> np.ndarray:
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


def _float_objects(s: Scene) -> None:
    """Cars, buses, people and trees hang in the sky, each on a ground of its own above the true one."""
    horizon = s.horizon
    for _ in range(s.rng.integers(4, 8)):
        s.horizon = s.rng.uniform(-0.05, 0.12) * s.height
        z = s.rng.uniform(9, 16)
        x = s.rng.uniform(-0.9, 0.9) * z
        kind = str(s.rng.choice(["car", "bus", "person", "tree"]))
        if kind in objects.VEHICLES:
            objects.vehicle(s, x, z, kind)
        else:
            (objects.person if kind == "person" else objects.tree)(s, x, z)
    s.horizon = horizon


def _sky_road(s: Scene) -> None:
    """A second road comes down from the zenith, and where the road was there is sky."""
    h, w = s.height, s.width
    s.begin("road", 0)
    s.paint([(0.1 * w, 0), (0.9 * w, 0), (s.centre + 0.03 * w, 0.9 * s.horizon), (s.centre, 0.9 * s.horizon)])
    s.begin("sky", SKY_Z)
    s.flat(*s.kerbs, 2, 12)
    s.begin("car", 1)
    s.paint([(0.4 * w, 0.1 * h), (0.5 * w, 0.2 * h)], shape="ellipse")
