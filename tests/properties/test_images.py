"""Images of every kind, as cameras and programs write them: read as viewers show them, or refused."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from properties.strategies import cases, damaged, pngs
from support.png import Png

from hrs_keras.data.image_files import orientation_of, says_no_orientation
from hrs_keras.errors import DataError, printable
from hrs_keras.media.images import read_image

TURNED = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}
"""EXIF orientation -> how the pixels of the file are turned to be shown, EXIF 2.32, 4.6.4.A."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images") / "image.png"


def exif(orientation: int, order: str = ">") -> bytes:
    """A TIFF header, and a directory with the orientation alone."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def jpeg(orientation: int | None) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3)).astype(np.uint8)
    more = {} if orientation is None else {"exif": b"Exif\0\0" + exif(orientation)}
    Image.fromarray(pixels).save(file := io.BytesIO(), "JPEG", **more)
    return file.getvalue()


@st.composite
def turned_pngs(draw: st.DrawFn) -> tuple[Png, int]:
    """A PNG of any kind with an EXIF orientation, which need not be a valid one."""
    png, orientation = draw(pngs()), draw(st.integers(0, 9))
    chunk = (b"eXIf", exif(orientation, draw(st.sampled_from("<>"))))
    return png._replace(extra=[*png.extra, chunk]), orientation


def shown(png: Png) -> np.ndarray:
    """[h, w, 3] uint8; of 16 bits the upper 8."""
    return png.colours if png.bits <= 8 else png._replace(samples=png.samples >> 8, bits=8).colours


@pytest.mark.slow
@pytest.mark.fault("an image PNG of any kind with any EXIF orientation", "read upright, as viewers show it")
@cases(60)
@given(case=turned_pngs())
def test_any_png(path, case):
    png, orientation = case
    path.write_bytes(contents := png.to_bytes())
    assert orientation_of(contents) == (orientation if 1 <= orientation <= 8 else 1)
    np.testing.assert_array_equal(read_image(path, 1000), TURNED.get(orientation, lambda pixels: pixels)(shown(png)))


damage = st.one_of(
    turned_pngs().flatmap(lambda case: damaged(case[0].to_bytes())),
    st.sampled_from([None, *range(1, 9)]).flatmap(lambda orientation: damaged(jpeg(orientation))),
)


@pytest.mark.fault("an image that is cut off, or has bytes changed", "refused, and named; or read")
@cases(150)
@given(contents=damage)
def test_any_damage(path, contents):
    path.write_bytes(contents)
    try:
        pixels = read_image(path, max_pixels=10_000)
    except DataError as error:
        assert str(error).startswith(f"{printable(path)}: ") and str(error).isprintable()
    else:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3


@cases(150)
@given(contents=damage, head=st.integers(0, 200))
def test_the_quick_look_misses_no_orientation(contents, head):
    """What the input pipeline sees in a file's first bytes is what the whole file says."""
    if says_no_orientation(contents[:head]):
        assert orientation_of(contents) == 1
