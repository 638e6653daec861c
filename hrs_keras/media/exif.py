"""EXIF orientation: how a stored image is turned upright."""

import numpy as np
from PIL import Image
from PIL.ExifTags import Base

# EXIF orientation -> is it stored transposed, step along the rows, step along the columns
_TURNS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels [h, w, ...] upright; ``orientation`` is what :func:`orientation` returns."""
    transposed, down, across = _TURNS[orientation]
    pixels = pixels.swapaxes(0, 1) if transposed else pixels
    return np.ascontiguousarray(pixels[::down, ::across])


def orientation(header: Image.Image) -> int:
    """EXIF's orientation of an opened file, 1 to 8; 1 (upright) if it says nothing valid. Decodes no pixels."""
    try:
        # Not PngImageFile's own getexif, which decodes the pixels in search of EXIF data behind them.
        found = Image.Image.getexif(header).get(Base.Orientation)
        return found if found in _TURNS else 1
    except Exception:  # Pillow has no common base for its errors; browsers too ignore such data
        return 1
