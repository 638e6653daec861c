"""What headers of image files say, and how little of a file shows that it says nothing of an orientation."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from support.png import chunk
from support.sample_images import PIXELS, jpeg, png, saved, turned

from hrs_keras.data.image_files import Header, orientation_of, read_header, says_no_orientation
from hrs_keras.errors import DataError

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
PROFILE = bytes(range(256)) * 300  # as long as profiles of printers, and with the marks that pixels begin with


def with_text(keyword: str, text: str, compressed: bool) -> bytes:
    info = PngInfo()
    info.add_itxt(keyword, text, zip=compressed)
    return png(PIXELS, pnginfo=info)


def with_profile_first(file: bytes) -> bytes:
    """The same JPEG file with an ICC profile's segment, which holds the start of a scan, before all others."""
    data = b"ICC_PROFILE\0\1\1" + b"\xff\xda\0\x0c" + bytes(600)
    return file[:2] + b"\xff\xe2" + struct.pack(">H", 2 + len(data)) + data + file[2:]


def with_exif_as_text(orientation: int) -> bytes:
    """EXIF data in a PNG as ImageMagick writes them."""
    exif = turned(orientation).tobytes()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n", zip=True)
    return png(PIXELS, pnginfo=info)


TURNED = {
    "EXIF in a PNG": png(PIXELS, exif=turned(6)),
    "EXIF in a JPEG": jpeg(PIXELS, exif=turned(6)),
    "EXIF after a profile": jpeg(PIXELS, exif=turned(6), icc_profile=PROFILE),
    "EXIF after a long profile in a PNG": png(PIXELS, exif=turned(6), icc_profile=PROFILE),
    "EXIF after what looks like pixels": with_profile_first(jpeg(PIXELS, exif=turned(6))),
    "EXIF after filling bytes": jpeg(PIXELS, exif=turned(6)).replace(b"\xff\xe1", b"\xff\xff\xe1", 1),
    "EXIF as text": with_exif_as_text(6),
    "XMP in a PNG": with_text("XML:com.adobe.xmp", XMP.decode(), compressed=False),
    "compressed XMP": with_text("XML:com.adobe.xmp", XMP.decode(), compressed=True),
    "XMP in a JPEG": jpeg(PIXELS, xmp=XMP),
}
PLAIN = {
    "PNG": png(PIXELS),
    "grey PNG": png(PIXELS[..., 0]),
    "JPEG": jpeg(PIXELS),
    "progressive JPEG": jpeg(PIXELS, progressive=True),
    "CMYK JPEG": saved(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"),
    "JPEG with a comment": jpeg(PIXELS, comment=b"no Exif here"),
    "JPEG with a profile": jpeg(PIXELS, icc_profile=bytes(500)),
    "PNG with a resolution": png(PIXELS, dpi=(72, 72)),
}


@pytest.mark.parametrize("kind", TURNED)
def test_an_orientation_is_seen_wherever_it_is_said(kind):
    file = TURNED[kind]
    with Image.open(io.BytesIO(file)) as image:
        assert ImageOps.exif_transpose(image).size == (48, 80)  # Pillow, too, sees that it lies on its side
    assert orientation_of(file) == 6
    assert not any(says_no_orientation(file[:length]) for length in range(len(file)))


@pytest.mark.parametrize("kind", PLAIN)
def test_a_file_that_says_nothing_is_known_by_its_first_bytes(kind):
    file = PLAIN[kind]
    assert orientation_of(file) == 1 and says_no_orientation(file[:4096])
    first = next(length for length in range(len(file)) if says_no_orientation(file[:length]))
    assert all(says_no_orientation(file[:length]) for length in range(first, len(file), 97))


@pytest.mark.parametrize(
    "file", [b"", b"GIF89a", png(PIXELS)[:20], jpeg(PIXELS)[:2], saved(Image.new("L", (2, 2)), "GIF")]
)
def test_what_is_no_image_is_upright_and_not_known_at_a_glance(file):
    assert orientation_of(file) == 1 and not says_no_orientation(file)


def test_a_header():
    assert read_header(io.BytesIO(jpeg(PIXELS))) == Header((48, 80), 1, 8)
    header = read_header(io.BytesIO(png(PIXELS[..., 0].astype(np.uint16), exif=turned(8))))
    assert header == Header((48, 80), 8, 16) and header.upright == (80, 48)
    assert [Header((2, 3), turn, 8).upright for turn in range(1, 9)] == 4 * [(2, 3)] + 4 * [(3, 2)]


@pytest.mark.fault(
    "an image that is no PNG and no JPEG file, whatever its name", "named with its format, and with the fix"
)
@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is neither a PNG nor a JPEG file"),
        (saved(Image.fromarray(PIXELS), "WEBP"), "is a WEBP file; convert it to PNG or JPEG"),
        (saved(Image.fromarray(PIXELS), "BMP"), "is a BMP file; convert it to PNG or JPEG"),
        (png(PIXELS)[:12], r"cannot be decoded \(.+\)"),
        (png(PIXELS)[:8] + chunk(b"IHDR", b"\0"), r"cannot be decoded \(.+\)"),
    ],
)
def test_what_is_no_image_is_refused(file, message):
    with pytest.raises(DataError, match=f"^{message}$"):
        read_header(io.BytesIO(file))
