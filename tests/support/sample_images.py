"""Image files of every kind that a server may be sent, and what each must mean."""

import io
import os
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.png import chunk

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (48, 80, 3), np.uint8)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(pixels: np.ndarray, **options: Any) -> bytes:
    return saved(Image.fromarray(pixels), "PNG", **options)


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    return saved(Image.fromarray(pixels), "JPEG", **options)


def hand_made_png(width: int, height: int, bits: int, colour_type: int, data: bytes) -> bytes:
    """What Pillow does not write: 16 bits a channel, and headers that promise more than there is."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def of_16_bits(pixels: np.ndarray) -> bytes:
    """[h, w, 3] uint16 -> PNG."""
    rows = [b"\0" + row.astype(">u2").tobytes() for row in pixels]
    return hand_made_png(pixels.shape[1], pixels.shape[0], 16, 2, b"".join(rows))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# EXIF orientation -> what NumPy has to do to the stored pixels (https://www.cipa.jp, Exif 2.32, 4.6.4.A)
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored.swapaxes(0, 1), 2),
    8: np.rot90,
}


def stored(scene: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels of a file with this orientation that shows ``scene``."""
    return np.ascontiguousarray(UPRIGHT[{6: 8, 8: 6}.get(orientation, orientation)](scene))


def huge_jpeg(side: int) -> bytes:
    small = jpeg(PIXELS)
    frame = small.index(b"\xff\xc0")  # marker, length, bits, height, width
    return small[: frame + 5] + struct.pack(">HH", side, side) + small[frame + 9 :]


def animation() -> bytes:
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def decoded(contents: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(contents)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.array(image)


GREY, ALPHA = PIXELS[..., 0], PIXELS[..., 1:2]
DEEP = RNG.integers(0, 2**16, (48, 80, 3), np.uint16)
PALETTE = RNG.integers(0, 256, (256, 3), np.uint8)


def with_palette() -> bytes:
    image = Image.fromarray(GREY).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(PALETTE.tobytes())
    return saved(image, "PNG")


# Name -> the file, and the RGB pixels that it must mean; None for what decoders may render with other roundings.
ANSWERED = {
    "RGB PNG": (png(PIXELS), PIXELS),
    "grey PNG": (png(GREY), np.stack([GREY] * 3, -1)),
    "grey and alpha PNG": (png(np.concatenate([GREY[..., None], ALPHA], -1)), np.stack([GREY] * 3, -1)),
    "RGBA PNG": (png(np.concatenate([PIXELS, ALPHA], -1)), PIXELS),
    "16-bit grey PNG": (png(DEEP[..., 0]), np.stack([(DEEP[..., 0] >> 8).astype(np.uint8)] * 3, -1)),
    "16-bit RGB PNG": (of_16_bits(DEEP), (DEEP >> 8).astype(np.uint8)),
    "palette PNG": (with_palette(), PALETTE[GREY]),
    "black and white PNG": (png(GREY > 127), np.stack([255 * (GREY > 127).astype(np.uint8)] * 3, -1)),
    "1x1 PNG": (png(PIXELS[:1, :1]), PIXELS[:1, :1]),
    "one row PNG": (png(PIXELS[:1]), PIXELS[:1]),
    "EXIF-rotated PNG": (png(PIXELS, exif=turned(6)), PIXELS),  # a server leaves EXIF alone
    "RGB JPEG": (jpeg(PIXELS), None),
    "1x1 JPEG": (jpeg(PIXELS[:1, :1]), None),
    "grey JPEG": (jpeg(GREY), None),
    "progressive JPEG": (jpeg(PIXELS, progressive=True), None),
    "CMYK JPEG": (saved(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"), None),
    "EXIF-rotated JPEG": (jpeg(PIXELS, exif=turned(6)), None),
}

REFUSED = {
    "no image": (b"no image at all", "neither a PNG nor a JPEG"),
    "nothing": (b"", "neither a PNG nor a JPEG"),
    "animated GIF": (animation(), "neither a PNG nor a JPEG"),
    "truncated PNG": (png(PIXELS)[:2000], "PNG"),
    "truncated JPEG": (jpeg(PIXELS)[:1000], "JPEG|jpeg"),
    "PNG without a header": (png(PIXELS)[:12], "pixels"),
    "JPEG without a header": (jpeg(PIXELS)[:12], "JPEG|jpeg"),
    "20000x20000 PNG with little data": (hand_made_png(20000, 20000, 8, 2, bytes(99)), r"pixels.*20000"),
    "PNG of 2**32 - 1 rows": (hand_made_png(1, 2**32 - 1, 8, 2, bytes(99)), r"pixels.*4294967295"),
    "20000x20000 JPEG with little data": (huge_jpeg(20000), r"pixels.*20000"),
    "PNG of no pixels": (hand_made_png(0, 0, 8, 2, b""), "pixels"),
}


def large(suffix: str) -> bytes:
    """A file whose header says 20000x20000, with hardly any pixels behind it."""
    return hand_made_png(20000, 20000, 8, 2, b"") if suffix == ".png" else huge_jpeg(20000)


full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk without room")
