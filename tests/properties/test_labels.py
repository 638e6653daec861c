"""Label files of every kind: the ids that training reads are those that were drawn, or the file is refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from properties.strategies import cases, damaged, pngs
from support.png import CHANNELS, PALETTE, RGB, Png

from hrs_keras.data.check import SampleCheck, check_sample
from hrs_keras.data.decode import IdMap, decode_label
from hrs_keras.errors import printable
from hrs_keras.labels import own_label_space
from hrs_keras.recipe.dataset import Dataset

SPACE = own_label_space(("sky", "road", "tree"))
NAMES = (*SPACE.classes, "ignore")
TRAIN_IDS = {"sky": 0, "road": 1, "tree": 2, "ignore": 255}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


@st.composite
def described(draw: st.DrawFn) -> tuple[Png, Dataset]:
    """A label file, and a description that fits it or not, with a table of its values, or of all but some."""
    png = draw(pngs())
    encoding = draw(st.sampled_from(["values", "palette", "colours"]))
    fields: dict[str, Any] = {"images": "*", "labels": "*", "encoding": encoding}
    if encoding == "values":
        fields |= {"bits": draw(st.sampled_from([1, 2, 4, 8, 16])), "channel": draw(st.integers(0, 3))}
    raw = raw_of(png, encoding, fields.get("channel", 0))
    keys = [key_of(value, encoding) for value in np.unique(raw)] if raw is not None else []
    fitting = [key for key in keys if isinstance(key, str) or key < 2 ** fields.get("bits", 8)]
    ids = {key: draw(st.sampled_from(NAMES)) for key in fitting if draw(st.integers(0, 19))}
    ids = ids or {key_of(0, encoding): "road"}
    if draw(st.booleans()):
        ids = {name: [key for key in ids if ids[key] == name] for name in ids.values()}
    others = {"others": draw(st.sampled_from(NAMES))} if draw(st.booleans()) else {}
    return png, Dataset(**fields, ids=ids | others)


def raw_of(png: Png, encoding: str, channel: int) -> np.ndarray | None:
    """[h, w] what the file says at each pixel, if it is read so; None if it cannot be."""
    if encoding == "colours":
        return png.colours.astype(int) @ [65536, 256, 1] if png.bits <= 8 else None
    if (encoding == "palette") != (png.colour_type == PALETTE) or channel >= CHANNELS[png.colour_type]:
        return None
    return png.samples[..., channel].astype(int)


def key_of(value: int, encoding: str) -> int | str:
    """A raw value as id tables have it."""
    return ",".join(map(str, int(value).to_bytes(3, "big"))) if encoding == "colours" else int(value)


def written(folder: Path, label: bytes, image: bytes) -> tuple[Path, Path]:
    paths = folder / "image.png", folder / "label.png"
    for path, contents in zip(paths, (image, label), strict=True):
        path.write_bytes(contents)
    return paths


def image_of(height: int, width: int) -> bytes:
    return Png(RGB, 8, np.full((height, width, 3), 7)).to_bytes()


def assert_refused(checked: SampleCheck, path: Path) -> None:
    """There is one error, which names the file, and no pixel is counted."""
    (problem,) = checked.problems
    assert problem.error and problem.file == printable(path) and not checked.histogram.any()
    assert problem.what.isprintable() and len(problem.what) < 400, problem


def train_ids(raw: np.ndarray, dataset: Dataset) -> np.ndarray:
    """[h, w] by the table."""
    table = dataset.table()
    return np.vectorize(
        lambda value: TRAIN_IDS[table.get(key_of(value, dataset.encoding)) or table["others"]], otypes=[int]
    )(raw)


@pytest.mark.fault(
    "a label PNG of any bit depth, channels, palette, filter, interlacing and size, and any description of it",
    "its ids are read exactly; or it is refused, if it is not as described or holds ids that the table lacks",
)
@cases(150)
@given(case=described())
def test_any_png(folder, case):
    png, dataset = case
    image, label = written(folder, png.to_bytes(), image_of(*png.samples.shape[:2]))
    ids = IdMap(dataset, SPACE)
    checked = check_sample(image, label, dataset, ids)
    raw = raw_of(png, dataset.encoding, dataset.channel)
    fits = raw is not None and (dataset.encoding != "values" or png.bits == dataset.bits)
    listed = dataset.table().keys()
    if not fits or ("others" not in listed and {key_of(value, dataset.encoding) for value in np.unique(raw)} - listed):
        assert_refused(checked, label)
        return
    expected = train_ids(raw, dataset)
    np.testing.assert_array_equal(checked.histogram, np.bincount(expected.ravel(), minlength=256))
    assert not any(problem.error for problem in checked.problems)
    np.testing.assert_array_equal(decode_label(str(label), dataset, ids).numpy(), expected)


PILLOW = {"L": (8, 1), "P": (8, 1), "RGB": (8, 3), "RGBA": (8, 4), "LA": (8, 2), "I;16": (16, 1)}
"""Mode -> bits and channels of the PNG that Pillow writes of it."""


@st.composite
def pictures(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """A mode of Pillow's, and pixels [h, w, c] of it with the values 0 to 2."""
    mode = draw(st.sampled_from(sorted(PILLOW)))
    bits, channels = PILLOW[mode]
    size = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    pixels = np.random.default_rng(draw(st.integers(0, 999))).integers(0, 3, (*size, channels))
    return mode, pixels.astype(np.uint16 if bits == 16 else np.uint8)


@pytest.mark.fault("a label PNG that Pillow wrote in any of its modes", "its ids are read exactly; or it is refused")
@cases(60)
@given(picture=pictures(), optimize=st.booleans(), bits=st.sampled_from([8, 16]), channel=st.integers(0, 3))
def test_any_mode_of_pillow(folder, picture, optimize, bits, channel):
    mode, pixels = picture
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    if mode == "P":
        image.putpalette([0, 0, 9, 0, 9, 0, 9, 0, 0])
    assert image.mode == mode
    image.save(file := io.BytesIO(), "PNG", optimize=optimize)
    how = {"encoding": "palette"} if mode == "P" else {"bits": bits, "channel": channel}
    dataset = Dataset(images="*", labels="*", ids={0: "tree", 1: "sky", 2: "ignore"}, **how)
    _, label = paths = written(folder, file.getvalue(), image_of(*pixels.shape[:2]))
    checked = check_sample(*paths, dataset, IdMap(dataset, SPACE))
    if mode != "P" and (bits != PILLOW[mode][0] or channel >= pixels.shape[-1]):
        assert_refused(checked, label)
    else:
        expected = train_ids(pixels[..., dataset.channel], dataset)
        np.testing.assert_array_equal(checked.histogram, np.bincount(expected.ravel(), minlength=256))


# ---- damage ------------------------------------------------------------------------------------------------------


@st.composite
def damaged_pngs(draw: st.DrawFn) -> tuple[Png, bytes]:
    png = draw(pngs())
    return png, draw(damaged(png.to_bytes()))


@pytest.mark.fault("a label PNG that is cut off, or has bytes changed", "refused; or its ids are what they were")
@cases(150)
@given(case=damaged_pngs())
def test_a_damaged_label(folder, case):
    png, contents = case
    encoding = "palette" if png.colour_type == PALETTE else "values"
    raw = raw_of(png, encoding, 0)
    how = {"encoding": encoding} if encoding == "palette" else {"bits": png.bits}
    ids = {int(value): NAMES[value % 4] for value in np.unique(raw)}
    dataset = Dataset(images="*", labels="*", ids=ids, **how)
    _, label = paths = written(folder, contents, image_of(*png.samples.shape[:2]))
    checked = check_sample(*paths, dataset, IdMap(dataset, SPACE))
    if any(problem.error for problem in checked.problems):
        assert_refused(checked, label)
    else:
        expected = train_ids(raw, dataset)
        np.testing.assert_array_equal(checked.histogram, np.bincount(expected.ravel(), minlength=256))
        np.testing.assert_array_equal(decode_label(str(label), dataset, IdMap(dataset, SPACE)).numpy(), expected)
