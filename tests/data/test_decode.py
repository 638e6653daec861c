"""Labels must be read exactly: every format of label file, written here from known ids."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from cityscapesscripts.helpers.labels import id2label
from PIL import Image, ImageOps
from support.sample_images import turned

from hrs_keras.data.decode import (
    IdMap,
    apply_crop,
    decode_image,
    decode_label,
    decode_raw_label,
    mirror,
    resize_image,
    resize_label,
)
from hrs_keras.labels import CAMVID, CITYSCAPES, CITYSCAPES_PALETTE, LABEL_SPACES
from hrs_keras.recipe.dataset import Crop, Dataset

RNG = np.random.default_rng(0)


def write_png16(path: Path, pixels: np.ndarray) -> str:
    """[h, w, 3] uint16 -> a PNG file of 16 bits a channel, made from the format's definition."""
    height, width, channels = pixels.shape
    assert channels == 3
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return str(path)


def test_palette_index_is_read_not_its_colour(tmp_path):
    ids = np.arange(35, dtype=np.uint8).reshape(5, 7)
    image = Image.fromarray(ids)
    image.putpalette([part for colour in CITYSCAPES_PALETTE.values() for part in colour] + [0, 0, 142])
    assert image.mode == "P"
    image.save(tmp_path / "gtav.png")
    raw = decode_raw_label(str(tmp_path / "gtav.png"), Dataset(format="gtav")).numpy()
    assert raw.dtype == np.int32 and raw[1, 0] == 7
    np.testing.assert_array_equal(raw, ids)


@pytest.mark.parametrize("colours", [2, 4, 16])
def test_palettes_of_few_colours_are_packed_and_still_read_exactly(tmp_path, colours):
    ids = RNG.integers(0, colours, (9, 13)).astype(np.uint8)
    image = Image.fromarray(ids)
    image.putpalette([200 - 10 * i for i in range(colours) for _ in range(3)])
    image.save(tmp_path / "p.png", bits={2: 1, 4: 2, 16: 4}[colours])
    assert (tmp_path / "p.png").read_bytes()[24] == {2: 1, 4: 2, 16: 4}[colours]
    np.testing.assert_array_equal(decode_raw_label(str(tmp_path / "p.png"), Dataset(format="gtav")), ids)


def test_synthia_has_16_bits_and_the_class_in_the_first_channel(tmp_path):
    pixels = RNG.integers(256, 60000, (6, 5, 3)).astype(np.uint16)
    pixels[..., 0] = RNG.integers(0, 23, (6, 5))
    pixels[0, :3, 0] = (3, 1000, 65535)
    path = write_png16(tmp_path / "synthia.png", pixels)
    np.testing.assert_array_equal(decode_raw_label(path, Dataset(format="synthia")), pixels[..., 0])
    np.testing.assert_array_equal(decode_raw_label(path, Dataset(format="synthia", channel=1)), pixels[..., 1])


@pytest.mark.parametrize("channels", [3, 4])
def test_carla_has_the_id_in_the_red_channel(tmp_path, save, channels):
    pixels = RNG.integers(0, 256, (4, 6, channels))
    pixels[..., 0] = RNG.integers(0, 13, (4, 6))
    path = save(tmp_path / "carla.png", pixels)
    np.testing.assert_array_equal(decode_raw_label(str(path), Dataset(format="carla")), pixels[..., 0])


def test_grey_ids_and_crop_and_table(tmp_path, save):
    path = save(tmp_path / "grey.png", [[0, 1, 2, 3], [11, 10, 9, 8], [4, 4, 5, 6]])
    dataset = Dataset(format="camvid", crop={"rows": [0, 2], "columns": [1, 4]})
    label = decode_label(str(path), dataset, IdMap(dataset, CAMVID))
    assert label.dtype == tf.int32
    np.testing.assert_array_equal(label, [[1, 2, 3], [10, 9, 8]])
    whole = Dataset(format="camvid")
    np.testing.assert_array_equal(decode_label(str(path), whole, IdMap(whole, CAMVID))[1], [255, 10, 9, 8])


@pytest.mark.parametrize("alpha", [False, True])
def test_colours(tmp_path, save, alpha):
    colours = np.array([[[128, 64, 128], [0, 0, 1]], [[0, 0, 0], [255, 255, 255]]])
    if alpha:
        colours = np.concatenate([colours, np.full((2, 2, 1), 255)], -1)
    path = save(tmp_path / "colours.png", colours)
    ids = {"128,64,128": "road", "0,0,1": "sky", "0,0,0": "ignore", "255,255,255": "bicyclist"}
    dataset = Dataset(images="*", labels="*", encoding="colours", ids=ids)
    np.testing.assert_array_equal(decode_label(str(path), dataset, IdMap(dataset, CAMVID)), [[3, 0], [255, 10]])


COLOURS = np.array([[70, 130, 180], [128, 64, 128], [128, 128, 128], [255, 255, 255]], np.uint8)


def _packed(path: Path, classes: np.ndarray, order: list[int], **options) -> str:
    """A palette PNG in which class number ``order[i]`` of COLOURS has index i; options are Pillow's."""
    image = Image.fromarray(np.argsort(order).astype(np.uint8)[classes])
    image.putpalette(COLOURS[order].tobytes())
    image.save(path, **options)
    np.testing.assert_array_equal(Image.open(path).convert("RGB"), COLOURS[classes])
    return str(path)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
@pytest.mark.parametrize("options", [{"bits": 8}, {"bits": 4}, {"bits": 2}, {"transparency": 1}], ids=str)
def test_colours_of_palette_files_are_what_viewers_show(tmp_path, order, options):
    classes = RNG.integers(0, 4, (9, 13))
    path = _packed(tmp_path / "p.png", classes, order, **options)
    ids = {"70,130,180": "sky", "128,64,128": "road", "128,128,128": "pole", "255,255,255": "ignore"}
    dataset = Dataset(images="*", labels="*", encoding="colours", ids=ids)
    train_ids = np.array([CAMVID.classes.index("sky"), CAMVID.classes.index("road"), CAMVID.classes.index("pole"), 255])
    np.testing.assert_array_equal(decode_label(path, dataset, IdMap(dataset, CAMVID)), train_ids[classes])


@pytest.mark.parametrize("mode", ["L", "1"])
def test_colours_of_grey_files(tmp_path, mode):
    """What a program that packs PNGs makes of black and white ones."""
    Image.fromarray(np.array([[0, 255, 0]], np.uint8)).convert(mode).save(tmp_path / "g.png")
    dataset = Dataset(images="*", labels="*", encoding="colours", ids={"0,0,0": "ignore", "255,255,255": "road"})
    np.testing.assert_array_equal(
        decode_label(str(tmp_path / "g.png"), dataset, IdMap(dataset, CAMVID)), [[255, 3, 255]]
    )


@pytest.mark.parametrize(
    ("table", "space"),
    [("cityscapes", "cityscapes"), ("gtav", "cityscapes"), ("synthia", "cityscapes"), ("carla_camvid", "camvid")],
)
def test_id_map_equals_a_lookup_pixel_by_pixel(table, space):
    dataset = Dataset(images="*", labels="*", ids=table)
    space = LABEL_SPACES[space]
    raw = np.arange(-2, 258).reshape(2, -1)
    names = [[dataset.table().get(int(value), "ignore") for value in row] for row in raw]
    expected = [[255 if name == "ignore" else space.classes.index(name) for name in row] for row in names]
    expected = np.where(np.isin(raw, list(dataset.table())), expected, -1)
    train_ids = IdMap(dataset, space)(tf.constant(raw, tf.int32))
    assert train_ids.dtype == tf.int32
    np.testing.assert_array_equal(train_ids, expected)


@pytest.mark.parametrize(
    "ids",
    [
        {"road": [0, "7..9"], "car": 26, "ignore": "30..60", "others": "sky"},
        {0: "road", "7..9": "road", 26: "car", "30..60": "ignore", "others": "sky"},
        {"road": [0, "7..9"], "car": 26, "ignore": "30..60"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [tf.uint8, tf.uint16, tf.int32])
def test_ranges_and_the_rest(ids, dtype):
    dataset = Dataset(images="*", labels="*", ids=ids)
    raw = np.array([[0, 1, 6, 7, 8], [9, 10, 25, 26, 27], [29, 30, 60, 61, 255]])
    rest = 10 if "others" in ids else -1
    expected = [[0, rest, rest, 0, 0], [0, rest, rest, 13, rest], [rest, 255, 255, rest, rest]]
    mapped = IdMap(dataset, CITYSCAPES)(tf.cast(raw, dtype))
    assert mapped.dtype == tf.int32
    np.testing.assert_array_equal(mapped, expected)
    np.testing.assert_array_equal(IdMap(dataset, CITYSCAPES).of(raw), expected)


@pytest.mark.parametrize(
    ("raw", "ids"),
    [
        ("id if id < 1000 else id // 1000", {"road": 7, "car": 26, "bicycle": 33, "ignore": 3}),
        (None, {"road": 7, "car": [26, "26000..26999"], "bicycle": "33000..33999", "ignore": 3}),
    ],
)
def test_cityscapes_instance_ids(tmp_path, raw, ids):
    """gtFine_instanceIds: the label id, or 1000 times it and the instance's number."""
    instances = np.array([[7, 26000, 26999], [33007, 3, 26]], np.uint16)
    Image.fromarray(instances).save(tmp_path / "x.png")
    dataset = Dataset(images="*", labels="*", bits=16, raw=raw, ids=ids)
    for size in (None, (2, 3)):
        label = decode_label(str(tmp_path / "x.png"), dataset, IdMap(dataset, CITYSCAPES), size)
        np.testing.assert_array_equal(label, [[0, 13, 13], [18, 255, 13]])


def test_the_id_of_a_colour_is_red_and_256_green_and_65536_blue(tmp_path):
    """As COCO's and Cityscapes' panoptic PNGs have it, inside of a pipeline too."""
    segments = np.array([[7, 26001], [33012, 65536 * 2 + 5]])
    Image.fromarray(np.stack([segments % 256, segments // 256 % 256, segments // 65536], -1).astype(np.uint8)).save(
        tmp_path / "x.png"
    )
    ids = {"road": 7, "car": 26, "bicycle": 33, "ignore": 131}
    how = {"encoding": "colours", "raw": "id if id < 1000 else id // 1000", "ids": ids}
    dataset = Dataset(images="*", labels="*", **how)
    path, map_ids = str(tmp_path / "x.png"), IdMap(dataset, CITYSCAPES)
    (piped,) = tf.data.Dataset.from_tensors(path).map(lambda file: decode_label(file, dataset, map_ids))
    np.testing.assert_array_equal(piped, [[0, 13], [18, 255]])
    red = Dataset(images="*", labels="*", encoding="colours", raw="id & 255", ids={"sky": "0..255"})
    np.testing.assert_array_equal(IdMap(red, CITYSCAPES).mapped(np.array([0x0A0B0C])), [0x0A])


def test_genuine_cityscapes_labels(real_data):
    path = sorted(real_data.glob("cityscapes/gtFine/val/*/*_gtFine_labelIds.png"))[0]
    ids = np.asarray(Image.open(path))
    expected = np.vectorize(lambda label_id: id2label[label_id].trainId)(np.arange(34))[ids]
    assert ids.shape == (1024, 2048) and len(np.unique(expected)) > 8
    dataset = Dataset(format="cityscapes")
    np.testing.assert_array_equal(decode_label(str(path), dataset, IdMap(dataset, CITYSCAPES)), expected)


@pytest.mark.fault("a palette PNG that is cut off anywhere", "refused")
@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 100), slice(0, -30), slice(0, -20)])
def test_truncated_palette_file_is_refused(tmp_path, kept):
    image = Image.fromarray(RNG.integers(0, 9, (40, 40)).astype(np.uint8))
    image.putpalette([0, 0, 0] * 9)
    image.save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[kept])
    with pytest.raises((ValueError, tf.errors.OpError)):
        decode_raw_label(str(tmp_path / "cut.png"), Dataset(format="gtav"))


@pytest.mark.fault("a palette PNG with a changed byte", "refused by its checksums")
def test_damaged_palette_file_is_refused(tmp_path):
    image = Image.fromarray(RNG.integers(0, 9, (40, 40)).astype(np.uint8))
    image.putpalette([0, 0, 0] * 9)
    image.save(tmp_path / "whole.png")
    data = bytearray((tmp_path / "whole.png").read_bytes())
    data[-100] ^= 1
    (tmp_path / "damaged.png").write_bytes(data)
    with pytest.raises((ValueError, tf.errors.OpError)):
        decode_raw_label(str(tmp_path / "damaged.png"), Dataset(format="gtav"))


def test_images_are_read_as_rgb(tmp_path, save):
    pixels = RNG.integers(0, 256, (5, 7, 3))
    np.testing.assert_array_equal(decode_image(str(save(tmp_path / "rgb.png", pixels))), pixels)
    alpha = np.concatenate([pixels, np.full((5, 7, 1), 9)], -1)
    np.testing.assert_array_equal(decode_image(str(save(tmp_path / "rgba.png", alpha))), pixels)
    grey = decode_image(str(save(tmp_path / "grey.png", pixels[..., 0])))
    np.testing.assert_array_equal(grey, np.repeat(pixels[..., :1], 3, -1))
    jpeg = decode_image(str(save(tmp_path / "x.jpg", np.full((8, 8, 3), (250, 10, 10)))))
    assert jpeg.dtype == tf.uint8 and np.abs(jpeg.numpy().astype(int) - (250, 10, 10)).max() < 6


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_are_read_upright(tmp_path, suffix, turn):
    """As Pillow turns them, inside of a pipeline as outside of one; 0 and 9 are no orientations."""
    noise = Image.fromarray(RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8))
    smooth = noise.resize((60, 40), Image.Resampling.BICUBIC)
    path = str(tmp_path / f"x{suffix}")
    smooth.save(path, exif=turned(turn), **({"quality": 95} if suffix == ".jpg" else {}))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert expected.shape == ((60, 40, 3) if 5 <= turn <= 8 else (40, 60, 3))
    (in_pipeline,) = tf.data.Dataset.from_tensors(path).map(decode_image)
    assert in_pipeline.dtype == tf.uint8
    np.testing.assert_array_equal(in_pipeline, decode_image(path))
    # Two decoders of JPEG differ by a little, a wrong turn by 70 or so.
    assert np.abs(in_pipeline.numpy() - expected).mean() <= (0 if suffix == ".png" else 3)


@pytest.mark.parametrize(
    ("crop", "rows", "columns"),
    [
        ({}, slice(None), slice(None)),
        ({"rows": [1, 3]}, slice(1, 3), slice(None)),
        ({"columns": [2, 5]}, slice(None), slice(2, 5)),
        ({"rows": [0, 4], "columns": [0, 1]}, slice(0, 4), slice(0, 1)),
    ],
)
def test_crop(crop, rows, columns):
    pixels = RNG.integers(0, 9, (4, 6, 3))
    np.testing.assert_array_equal(apply_crop(tf.constant(pixels), Crop(**crop)), pixels[rows, columns])


def test_resized_images_lie_in_minus_one_to_one():
    extreme = tf.constant(RNG.choice([0, 255], (1, 33, 47, 3)), tf.uint8)
    for size in ((64, 96), (16, 16), (33, 47)):
        resized = resize_image(extreme, size).numpy()
        assert resized.shape == (1, *size, 3) and resized.dtype == np.float32
        assert resized.min() >= -1 and resized.max() <= 1
    np.testing.assert_allclose(resized, extreme.numpy() / 127.5 - 1, atol=1e-6)


def test_resized_labels_hold_no_new_ids():
    label = np.array([[0, 255], [9, 3]], np.int32)
    larger = resize_label(tf.constant(label), (6, 4))
    assert larger.dtype == tf.int32
    np.testing.assert_array_equal(larger, label.repeat(3, 0).repeat(2, 1))
    many = RNG.choice([0, 7, 255], (50, 70)).astype(np.int32)
    for size in ((64, 96), (20, 30)):
        assert set(np.unique(resize_label(tf.constant(many), size))) <= {0, 7, 255}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize("shape", [(64, 96), (50, 70), (7, 200), (33, 48)])
def test_labels_are_resized_as_tensorflow_resizes_them(dtype, shape):
    label = tf.constant(RNG.integers(0, 250, shape).astype(dtype))
    for size in ((32, 48), (64, 96), (33, 48), (21, 101), tf.constant((40, 30))):
        expected = tf.image.resize(label[..., tf.newaxis], size, method="nearest")[..., 0]
        resized = resize_label(label, size)
        assert resized.dtype == label.dtype
        np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize("table", ["cityscapes", "gtav", "synthia"])
def test_narrow_raw_values_are_looked_up_as_they_are_searched_for(table):
    ids = IdMap(Dataset(images="*", labels="*", ids=table), CITYSCAPES)
    for dtype in (np.uint8, np.uint16):
        raw = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(16, -1)
        train_ids = ids(tf.constant(raw))
        assert train_ids.dtype == tf.int32
        np.testing.assert_array_equal(train_ids, ids(tf.constant(raw, tf.int32)))


def write_label(path: Path, encoding: str) -> tuple[str, Dataset]:
    """A label file of 37 x 53 pixels with ids 0 to 3, and 4 outside the crop alone, and how it is to be read."""
    raw = RNG.integers(0, 4, (37, 53)).astype(np.uint8)
    raw[:2], raw[:, 0] = 4, 4  # outside the crop
    names = dict(enumerate(("road", "sky", "ignore", "car")))
    common = {"images": "*", "labels": "*", "crop": {"rows": [2, 36], "columns": [1, 53]}}
    if encoding == "16 bits":
        file = write_png16(path, np.stack([1000 * raw.astype(np.uint16)] * 3, -1))
        return file, Dataset(**common, bits=16, ids={1000 * i: name for i, name in names.items()})
    if encoding == "colours":
        Image.fromarray(np.stack([raw, raw, raw], -1)).save(path)
        return str(path), Dataset(**common, encoding="colours", ids={f"{i},{i},{i}": n for i, n in names.items()})
    image = Image.fromarray(raw)
    if encoding == "palette":
        image.putpalette([part for i in range(6) for part in (9 * i, 1, 2)])
    image.save(path)
    return str(path), Dataset(**common, encoding=encoding, ids=names)


@pytest.mark.fault("a label whose ids the table does not map, wherever it is read", "refused, never taken for ignored")
@pytest.mark.parametrize("encoding", ["values", "16 bits", "palette", "colours"])
def test_ids_that_the_table_lacks_are_never_taken_for_ignored(tmp_path, encoding):
    path, dataset = write_label(tmp_path / "label.png", encoding)
    whole = dataset.model_copy(update={"crop": Crop()})
    for size in (None, (17, 26)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="ids that the id table does not map"):
            decode_label(path, whole, IdMap(whole, CITYSCAPES), size)


@pytest.mark.parametrize("encoding", ["values", "16 bits", "palette", "colours"])
def test_a_label_read_at_a_size_is_the_whole_one_resized(tmp_path, encoding):
    path, dataset = write_label(tmp_path / "label.png", encoding)
    ids = IdMap(dataset, CITYSCAPES)
    whole = ids(apply_crop(decode_raw_label(path, dataset), dataset.crop))
    assert set(np.unique(whole)) == {0, 10, 13, 255}
    np.testing.assert_array_equal(decode_label(path, dataset, ids), whole)
    for size in ((17, 26), (32, 64), (34, 52)):
        expected = tf.image.resize(whole[..., tf.newaxis], size, method="nearest")[..., 0]
        at_size = decode_label(path, dataset, ids, size)
        assert at_size.dtype == tf.int32
        np.testing.assert_array_equal(at_size, expected)


def test_mirror_exchanges_left_and_right():
    pixels = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(mirror(tf.constant(pixels)), pixels[:, ::-1])
    np.testing.assert_array_equal(mirror(tf.constant(pixels[..., 0])), pixels[:, ::-1, 0])
