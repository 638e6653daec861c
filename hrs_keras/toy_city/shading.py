"""The two looks of a toy city: the game's flat colours, and the camera's texture, light, haze, noise and blur."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from hrs_keras.toy_city.scene import EYE, Part, Scene

_HAZE = (200, 205, 206)
_GROUND = ("road", "sidewalk", "terrain", "lanemarking")


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


def _noise(rng: Generator, shape: tuple[int, int], cell: float) -> np.ndarray:
    """(height, width) float32 smooth noise of unit variance; ``cell`` is the size of its blobs in pixels."""
    small = rng.normal(size=(int(shape[0] / cell) + 2, int(shape[1] / cell) + 2)).astype(np.float32)
    field = np.asarray(Image.fromarray(small).resize(shape[::-1], Image.Resampling.BICUBIC))
    return (field - field.mean()) / (field.std() + 1e-6)


def shade_game(s: Scene, parts: np.ndarray, rng: Generator, operation: str) -> np.ndarray:
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


def _per_pixel(s: Scene, parts: np.ndarray, value: Callable[[Part], float | str]) -> np.ndarray:
    """(height, width) of what ``value`` gives for the part that each pixel shows."""
    values = np.array([value(p) for p in s.parts])
    return values.astype(np.float32 if values.dtype.kind == "f" else values.dtype)[parts]


def _texture(s: Scene, parts: np.ndarray, x: np.ndarray, z: np.ndarray, rng: Generator) -> np.ndarray:
    """(height, width) factors: noise by material, bricks, paving slabs, leaves on the ground."""
    shape = (h, w) = parts.shape
    scale = h / 128
    rows, columns = np.mgrid[:h, :w].astype(np.float32)
    labels = _per_pixel(s, parts, lambda p: p.label)
    grain = _per_pixel(s, parts, lambda p: _LOOKS[p.material].grain)
    blotch = _per_pixel(s, parts, lambda p: _LOOKS[p.material].blotch)
    fine, middle, coarse = (_noise(rng, shape, cell * scale) for cell in (1, 3, 24))
    texture = 1 + grain * (0.6 * fine + 0.6 * middle) + blotch * (0.5 * middle + 0.8 * coarse)
    course = (rows // (2 * scale)).astype(int)
    bricks = (course % 2 == 0) ^ ((columns / scale + 3 * (course // 2 % 2)) % 6 < 1)
    texture -= 0.1 * (bricks & np.isin(labels, ("building", "wall")))
    slabs = (z % 1.2 < 0.15) | (x % 1.2 < 0.12)
    texture -= 0.16 * (slabs & (labels == "sidewalk") & (z < 20))
    if rng.random() < 0.5:
        texture[np.isin(labels, _GROUND) & (fine * middle > 2.2)] *= 0.7
    return texture


def _light(s: Scene, parts: np.ndarray, x: np.ndarray, rng: Generator) -> np.ndarray:
    """(height, width) factors: dark ground under objects, shadow of the houses, a gradient over the image."""
    h, w = parts.shape
    rows, columns = np.mgrid[:h, :w].astype(np.float32)
    ground = _per_pixel(s, parts, lambda p: p.label in _GROUND) & (rows > s.horizon)
    contact = np.asarray(s.contact.filter(ImageFilter.GaussianBlur(1.2 * h / 128)), np.float32) / 255
    # The sun stands beside the street: one row of houses throws its ragged shadow over part of it.
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


def shade_real(s: Scene, parts: np.ndarray, rng: Generator) -> np.ndarray:
    """Textured, lit, in haze, through a camera: (height, width, 3) uint8."""
    colours = [np.array(_LOOKS[p.material].real) * p.shade * (1 + _LOOKS[p.material].vary * p.tint) for p in s.parts]
    rows, columns = (np.arange(n, dtype=np.float32) for n in (s.height, s.width))
    ground_z = s.focal * EYE / np.maximum(rows[:, None] - s.horizon, 0.5)
    ground_x = (columns - s.centre) * ground_z / s.focal
    image = np.array(colours, np.float32)[parts]
    image *= (_texture(s, parts, ground_x, ground_z, rng) * _light(s, parts, ground_x, rng))[..., None]
    z = _per_pixel(s, parts, lambda p: float(p.z))
    haze = 0.85 * (1 - np.exp(-np.where(z == 0, ground_z, z) / rng.uniform(60, 180)))[..., None]
    return _camera(image * (1 - haze) + np.array(_HAZE, np.float32) * haze, rng)
