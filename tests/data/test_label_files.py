"""Labels of few bits, and in BMP and TIFF files: read as they were written, or refused with the reason."""

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.png import GREY, Png

from hrs_keras.data.audit import audit, usable_samples
from hrs_keras.data.check import check_sample
from hrs_keras.data.decode import IdMap, decode_label, decode_raw_label
from hrs_keras.data.pipeline import training_images, validation_images
from hrs_keras.data.prepared.prepare import prepare_data
from hrs_keras.errors import DataError
from hrs_keras.labels import CAMVID
from hrs_keras.recipe.dataset import Dataset

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 12, (9, 13)).astype(np.uint8)
PALETTE = RNG.integers(0, 256, (256, 3)).astype(np.uint8)
COMPRESSIONS = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]


def dataset(**fields) -> Dataset:
    return Dataset(images="*", labels="*", **({"ids": "camvid"} | fields))


def palette_image(ids: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette(PALETTE.tobytes())
    return image


def raw(path: Path, **fields) -> np.ndarray:
    """As it is read outside of a pipeline, and inside of one."""
    described = dataset(**fields)
    (piped,) = tf.data.Dataset.from_tensors(str(path)).map(lambda file: decode_raw_label(file, described))
    found = decode_raw_label(str(path), described).numpy()
    np.testing.assert_array_equal(piped, found)
    return found


# ---- few bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits_hold_their_values_not_shades(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (7, 11, 1))
    values[0, :2] = [[0], [2**bits - 1]]
    (tmp_path / "x.png").write_bytes(Png(GREY, bits, values).to_bytes())
    np.testing.assert_array_equal(raw(tmp_path / "x.png", bits=bits, ids={0: "sky"}), values[..., 0])


def test_black_and_white_are_1_and_0_of_a_bit(tmp_path):
    Image.fromarray(np.array([[0, 255, 0]], np.uint8)).convert("1").save(tmp_path / "x.png")
    np.testing.assert_array_equal(raw(tmp_path / "x.png", bits=1, ids={0: "sky"}), [[0, 1, 0]])


@pytest.mark.fault("a label PNG of 1, 2 or 4 bits where `bits` says otherwise", "refused; the setting is told")
@pytest.mark.parametrize(("stored", "said"), [(1, 8), (4, 8), (4, 16), (2, 4), (8, 4)])
def test_other_bits_than_described(tmp_path, save, stored, said):
    save(tmp_path / "image.png", np.zeros((2, 2, 3)))
    (tmp_path / "x.png").write_bytes(Png(GREY, stored, np.ones((2, 2, 1), int)).to_bytes())
    described = dataset(bits=said, ids={1: "sky"})
    (problem,) = check_sample(tmp_path / "image.png", tmp_path / "x.png", described, IdMap(described, CAMVID)).problems
    assert problem.what == f"has {stored} bits a channel, bits: {said} was expected; set bits: {stored}"


# ---- BMP and TIFF ------------------------------------------------------------------------------------------------


def bmp(pixels: np.ndarray) -> bytes:
    """[h, w, 3] uint8 -> a BMP file of 24 bits, from the format's definition: BGR, from below, in fours."""
    height, width, _ = pixels.shape
    rows = b"".join(row[:, ::-1].tobytes() + b"\0" * (-3 * width % 4) for row in pixels[::-1])
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54) + header + rows


def test_bmp_from_its_definition(tmp_path):
    pixels = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    (tmp_path / "x.bmp").write_bytes(bmp(pixels))
    for channel in range(3):
        np.testing.assert_array_equal(raw(tmp_path / "x.bmp", channel=channel), pixels[..., channel])
    colours = raw(tmp_path / "x.bmp", encoding="colours", ids={"0,0,0": "sky"})
    np.testing.assert_array_equal(colours, pixels.astype(int) @ [65536, 256, 1])


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("bits", [8, 16])
def test_grey_tiff(tmp_path, bits, compression):
    values = IDS if bits == 8 else RNG.integers(0, 65536, (9, 13)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "x.tif", compression=compression)
    np.testing.assert_array_equal(raw(tmp_path / "x.tif", bits=bits), values)


def test_16_bits_of_the_other_byte_order(tmp_path):
    """A TIFF file from the format's definition: big-endian, one strip."""
    values = np.array([[1, 256, 65535]], ">u2")
    tags = [(256, 3, 3), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 122), (277, 3, 1), (278, 3, 1)]
    tags.append((279, 4, values.nbytes))
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + struct.pack(*((">HH", value, 0) if kind == 3 else (">I", value)))
        for tag, kind, value in tags
    )
    contents = struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)
    (tmp_path / "x.tif").write_bytes(contents + values.tobytes())
    assert len(contents) == 122
    np.testing.assert_array_equal(raw(tmp_path / "x.tif", bits=16), values)


@pytest.mark.parametrize("suffix", [".tif", ".bmp"])
def test_palettes(tmp_path, suffix):
    palette_image(IDS).save(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(raw(tmp_path / f"x{suffix}", encoding="palette"), IDS)
    shown = raw(tmp_path / f"x{suffix}", encoding="colours", ids={"0,0,0": "sky"})
    np.testing.assert_array_equal(shown, PALETTE[IDS].astype(int) @ [65536, 256, 1])


@pytest.mark.parametrize("encoding", ["values", "palette"])
def test_grey_bmp_has_its_values_as_indices_too(tmp_path, encoding):
    Image.fromarray(IDS).save(tmp_path / "x.bmp")
    np.testing.assert_array_equal(raw(tmp_path / "x.bmp", encoding=encoding), IDS)
    grey = raw(tmp_path / "x.bmp", encoding="colours", ids={"0,0,0": "sky"})
    np.testing.assert_array_equal(grey, IDS.astype(int) * 0x010101)


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".TIFF"])
def test_every_reader_reads_them(make_recipe, tmp_path, save, suffix):
    ids = np.kron(RNG.integers(0, 12, (8, 16)), np.ones((4, 4), int)).astype(np.uint8)
    for name in ("a", "b"):
        save(tmp_path / f"set/images/{name}.png", np.zeros((32, 64, 3)))
        save(tmp_path / f"set/labels/{name}.png", ids).unlink()
        Image.fromarray(ids).save(tmp_path / f"set/labels/{name}{suffix}")
    recipe = make_recipe(tmp_path, [{"root": "set", "labels": "labels/*"}])
    report = audit(recipe).datasets[0]
    assert report.problems == [] and report.pixels["sky"] == 2 * (ids == 0).sum()
    prepare_data(recipe, tmp_path / "out")
    prepared = recipe.model_copy(update={"data": recipe.data.model_copy(update={"prepared": str(tmp_path / "out")})})
    for one in (recipe, prepared):
        for role, images in (("target", training_images), ("validation", validation_images)):
            _, label = next(iter(images(one, usable_samples(one, role), [1])))
            np.testing.assert_array_equal(label, np.where(ids == 11, 255, ids))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    image.save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


GREY_8 = Image.fromarray(IDS)
ADVICE = "; labels in TIFF files have one page of 8 bits a channel, or of one channel of 16 bits"
REFUSED = {
    "TIFF by JPEG": (saved(GREY_8, "TIFF", compression="jpeg"), "is compressed by jpeg, which may change its values"),
    "TIFF of floats": (saved(Image.fromarray(IDS / np.float32(1)), "TIFF"), "holds numbers that may be negative or"),
    "TIFF of 32 bits": (saved(Image.fromarray(IDS.astype(np.int32)), "TIFF"), "holds numbers that may be negative or"),
    "TIFF of 1 bit": (saved(GREY_8.convert("1"), "TIFF"), "has 1 bits a channel"),
    "TIFF of pages": (saved(GREY_8, "TIFF", save_all=True, append_images=[GREY_8]), "has 2 pages"),
    "TIFF in YCbCr": (saved(Image.new("YCbCr", (13, 9)), "TIFF"), "has white as 0, or colours that are not red, green"),
    "turned TIFF": (saved(GREY_8, "TIFF", tiffinfo={274: 6}), r"has an EXIF orientation \(6\), but labels are read as"),
    "BMP of 1 bit": (saved(GREY_8.convert("1"), "BMP"), "is a BMP file of 1 bits a pixel; labels have 8, 24 or 32"),
    "palette TIFF": (saved(palette_image(IDS), "TIFF"), "is a palette TIFF, whose indices would be lost; set encoding"),
    "palette BMP": (saved(palette_image(IDS), "BMP"), "is a palette BMP, whose indices would be lost; set encoding"),
    "cut TIFF": (saved(GREY_8, "TIFF")[:60], "cannot be decoded"),
    "cut BMP": (saved(GREY_8, "BMP")[:-40], "cannot be decoded"),
    "GIF": (saved(GREY_8, "GIF"), "is a GIF file; labels are PNG, BMP or TIFF files$"),
}


@pytest.mark.fault(
    "a label that is a TIFF or BMP file whose values may have changed, or cannot all be read",
    "refused, with the reason",
)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(tmp_path, save, kind):
    contents, message = REFUSED[kind]
    save(tmp_path / "image.png", np.zeros((9, 13, 3)))
    (tmp_path / "label").write_bytes(contents)
    (problem,) = check_sample(tmp_path / "image.png", tmp_path / "label", dataset(), IdMap(dataset(), CAMVID)).problems
    assert problem.error and re.match(message, problem.what), problem.what
    assert problem.what.endswith(ADVICE) == kind.startswith("TIFF")


@pytest.mark.fault("a TIFF label that was replaced by one that is not read, while a run reads it", "refused")
def test_what_the_audit_refuses_training_refuses(tmp_path):
    for kind in ("TIFF by JPEG", "TIFF of floats", "cut BMP", "GIF"):
        (tmp_path / "label").write_bytes(REFUSED[kind][0])
        for fields in ({}, {"bits": 16}, {"encoding": "palette"}, {"encoding": "colours", "ids": {"0,0,0": "sky"}}):
            described = dataset(**fields)
            with pytest.raises((ValueError, tf.errors.OpError)):
                decode_label(str(tmp_path / "label"), described, IdMap(described, CAMVID))


@pytest.mark.fault("labels of two sizes of value in one set", "refused: two kinds of files are two data sets")
def test_bits_of_a_tiff_that_are_not_those_described(make_recipe, tmp_path, save):
    save(tmp_path / "set/images/a.png", np.zeros((9, 13, 3)))
    (tmp_path / "set/labels").mkdir()
    Image.fromarray(IDS.astype(np.uint16)).save(tmp_path / "set/labels/a.tif")
    with pytest.raises(DataError, match="has 16 bits a channel, bits: 8 was expected; set bits: 16"):
        audit(make_recipe(tmp_path, [{"root": "set", "labels": "labels/*.tif"}]))
