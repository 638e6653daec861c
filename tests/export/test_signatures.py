"""What an exported model answers to any input, asked in this process; tests/test_serving.py asks over the wire."""

import io
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hrs_keras.export.signatures import Signatures

SIZE = (32, 64)
MAX_PIXELS = 5000


@pytest.fixture(scope="module")
def ask():
    """``ask(signature, **inputs)`` of a network whose logits are the image's own colours in [-1, 1]."""
    images = keras.Input((None, None, 3))
    functions = Signatures(keras.Model(images, {"logits": keras.layers.Identity()(images)}), SIZE, MAX_PIXELS).functions

    def call(signature: str, **inputs):
        return {k: v.numpy() for k, v in functions[signature](**{k: tf.constant(v) for k, v in inputs.items()}).items()}

    return call


def flat(colour: tuple, size: tuple[int, int] = SIZE, file: str = "PNG", mode: str = "RGB") -> bytes:
    """A file of one colour; ``size`` is (height, width)."""
    buffer = io.BytesIO()
    Image.new(mode, size[::-1], colour).save(buffer, file)
    return buffer.getvalue()


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
# The network's logits of pure red are 1, -1, -1.
SURE = float(np.exp(1) / (np.exp(1) + 2 * np.exp(-1)))


def test_files_of_different_sizes(ask):
    answer = ask("serving_default", image_bytes=[flat(GREEN, (10, 20)), flat(BLUE, (40, 8))])
    assert answer["size"].tolist() == [[10, 20], [40, 8]]
    ids = np.full((2, 40, 20), 255)
    ids[0, :10, :20], ids[1, :, :8] = 1, 2
    np.testing.assert_array_equal(answer["class_ids"], ids)
    np.testing.assert_allclose(answer["confidence"], np.where(ids == 255, 0, SURE), rtol=1e-6)
    for png, size, expected in zip(answer["label_map_bytes"], [(10, 20), (40, 8)], (1, 2), strict=True):
        picture = np.asarray(Image.open(io.BytesIO(png)))
        assert picture.dtype == np.uint8 and picture.shape == size and np.all(picture == expected)


def test_png_answers(ask):
    answer = ask("png", image_bytes=[flat(BLUE, (7, 9), "JPEG")])
    assert set(answer) == {"label_map_bytes", "confidence_bytes"}
    maps = [np.asarray(Image.open(io.BytesIO(answer[name][0]))) for name in ("label_map_bytes", "confidence_bytes")]
    assert maps[0].shape == maps[1].shape == (7, 9)
    assert np.all(maps[0] == 2) and np.all(np.abs(maps[1] - 255 * SURE) <= 2)  # JPEG's blue is nearly blue


def test_arrays(ask):
    image = np.zeros((2, 5, 9, 3), np.uint8)
    image[0, ..., 0] = image[1, ..., 2] = 255
    answer = ask("arrays", images=image)
    np.testing.assert_array_equal(answer["class_ids"], np.array([0, 2])[:, None, None] * np.ones((2, 5, 9)))
    assert answer["class_ids"].dtype == np.uint8 and answer["confidence"].shape == (2, 5, 9)
    assert [np.asarray(Image.open(io.BytesIO(png))).max() for png in answer["label_map_bytes"]] == [0, 2]


def test_logits(ask):
    image = np.random.default_rng(0).uniform(0, 255, (2, 64, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(ask("logits", images=image)["logits"], image / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("file", "mode", "colour", "expected"),
    [
        ("PNG", "L", 200, 0),  # all channels alike: the first class
        ("PNG", "LA", (200, 0), 0),
        ("PNG", "RGBA", (0, 255, 0, 0), 1),
        ("PNG", "P", 1, 0),
        ("PNG", "1", 1, 0),
        ("PNG", "I;16", 40000, 0),
        ("JPEG", "L", 200, 0),
        ("JPEG", "CMYK", (255, 255, 0, 0), 2),
    ],
)
def test_every_kind_of_png_and_jpeg(ask, file, mode, colour, expected):
    answer = ask("serving_default", image_bytes=[flat(colour, (6, 8), file, mode)])
    np.testing.assert_array_equal(answer["class_ids"], np.full((1, 6, 8), expected))


def test_one_pixel(ask):
    assert ask("serving_default", image_bytes=[flat(GREEN, (1, 1))])["class_ids"].tolist() == [[[1]]]


def png_header(height: int, width: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0" + b"\0" * 64


def gif(frames: int = 2) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.new("P", (8, 8), number) for number in range(frames)]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


BROKEN = {
    "nothing": (b"", "neither a PNG nor a JPEG"),
    "a text": (b"no image", "neither a PNG nor a JPEG"),
    "an animated GIF": (gif(), "neither a PNG nor a JPEG"),
    "bytes that are not UTF-8": (b"\xff\xfe\xe0GIF89", r"neither a PNG nor a JPEG.*\?\?\?GIF89"),
    "half a PNG": (flat(RED, (60, 80))[:100], "PNG"),
    "half a JPEG": (flat(RED, (60, 80), "JPEG")[:400], "JPEG|jpeg"),
    "a PNG's signature": (png_header(1, 1)[:8], "1 to 5000 pixels"),
    "a PNG without pixels": (png_header(0, 7), r"1 to 5000 pixels.*0 7"),
    "a PNG of 20000x20000": (png_header(20000, 20000), r"1 to 5000 pixels.*20000 20000"),
    "a PNG of 2**32-1": (png_header(2**32 - 1, 2**32 - 1), "1 to 5000 pixels"),
    "a JPEG beyond the limit": (flat(RED, (51, 100), "JPEG"), r"1 to 5000 pixels.*51 100"),
}


@pytest.mark.parametrize("signature", ["serving_default", "png"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(ask, signature, name):
    contents, message = BROKEN[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"(?s){message}"):
        ask(signature, image_bytes=[flat(RED), contents])
    assert ask(signature, image_bytes=[flat(RED)])


def test_the_largest_image_is_answered(ask):
    assert ask("serving_default", image_bytes=[flat(BLUE, (50, 100))])["size"].tolist() == [[50, 100]]


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("serving_default", {"image_bytes": np.array([], object)}, "batch is empty"),
        ("png", {"image_bytes": np.array([], object)}, "batch is empty"),
        ("arrays", {"images": np.zeros((0, 4, 4, 3), np.uint8)}, "batch is empty"),
        ("arrays", {"images": np.zeros((1, 0, 4, 3), np.uint8)}, "1 to 5000 pixels"),
        ("arrays", {"images": np.zeros((1, 51, 100, 3), np.uint8)}, "1 to 5000 pixels"),
        ("logits", {"images": np.zeros((0, 32, 32, 3), np.float32)}, "batch is empty"),
        ("logits", {"images": np.zeros((1, 33, 32, 3), np.float32)}, "multiples of 32"),
    ],
)
def test_tensors_that_make_no_sense(ask, signature, inputs, message):
    inputs = {k: tf.constant(v, tf.string) if v.dtype == object else v for k, v in inputs.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(signature, **inputs)
