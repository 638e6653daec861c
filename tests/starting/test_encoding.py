"""How labels are stored, found from the files alone."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support import own_folders
from support.own_folders import COLOURS, label, save
from support.png import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, Png

from hrs_keras.data.label_pixels import decode_channels
from hrs_keras.errors import DataError
from hrs_keras.starting.encoding import survey
from hrs_keras.starting.label_files import read_label


def png(path, samples, kind=GREY, bits=8, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.asarray(samples)
    samples = samples[..., np.newaxis] if samples.ndim == 2 else samples
    path.write_bytes(Png(kind, bits, samples, **more).to_bytes())
    return path


IDS = np.array([[0, 0, 3], [3, 3, 7]])


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_values(tmp_path, bits):
    values = IDS % 2**bits
    found = survey([png(tmp_path / "a.png", values, bits=bits)])
    assert (found.encoding, found.bits, found.channel) == ("values", bits, 0)
    assert found.pixels == {int(v): (values == v).mean() for v in np.unique(values)}


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("kind", [RGB, RGB_ALPHA])
@pytest.mark.parametrize("bits", [8, 16])
def test_the_channel_that_varies(tmp_path, channel, kind, bits):
    samples = np.zeros((2, 3, 4 if kind == RGB_ALPHA else 3), int)
    samples[..., channel] = IDS * (1 if bits == 8 else 300)
    found = survey([png(tmp_path / "a.png", samples, kind, bits)])
    assert (found.encoding, found.bits, found.channel) == ("values", bits, channel)
    assert list(found.pixels) == [0, 3, 7] if bits == 8 else [0, 900, 2100]


def test_ids_in_all_channels_alike(tmp_path):
    found = survey([png(tmp_path / "a.png", np.dstack([IDS] * 3), RGB)])
    assert (found.encoding, found.channel, list(found.pixels)) == ("values", 0, [0, 3, 7])


def test_sixteen_bits_of_colours_are_read_whole(tmp_path):
    """Of SYNTHIA's labels the lower byte holds the class; TensorFlow reads the file, independently, as we do."""
    samples = np.random.default_rng(0).integers(0, 2**16, (5, 7, 3))
    path = png(tmp_path / "a.png", samples, RGB, 16, filters=(0, 1, 2, 3, 4))
    decoded = decode_channels(path.read_bytes(), 16).numpy().astype(np.int64)
    packed = (decoded[..., 0] << 32) + (decoded[..., 1] << 16) + decoded[..., 2]
    assert sorted(read_label(path).counts) == sorted(packed.ravel().tolist())


def test_classes_and_instances_in_two_channels(tmp_path):
    samples = np.dstack([IDS, np.arange(6).reshape(2, 3) * 1000, np.zeros_like(IDS)])
    found = survey([png(tmp_path / "a.png", samples, RGB, 16)])
    assert (found.encoding, found.bits, found.channel, list(found.pixels)) == ("values", 16, 0, [0, 3, 7])
    assert found.notes == ("several channels vary: 0 (3 values), 1 (6 values); look whether the class is in channel 0",)


def test_colours(tmp_path):
    found = survey([save(tmp_path / f"{i}.png", COLOURS[label(i)]) for i in range(2)])
    assert found.encoding == "colours" and (found.bits, found.channel) == (8, 0)
    assert found.files == {"0,0,142": 2, "70,130,180": 2, "128,64,128": 2}
    assert found.pixels["70,130,180"] == 0.5


def test_one_colour_is_a_colour_where_a_file_names_it(tmp_path):
    red = np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8)
    path = save(tmp_path / "a.png", red)
    assert survey([path]).encoding == "values"
    found = survey([path], {"255,0,0"})
    assert found.encoding == "colours" and list(found.pixels) == ["0,0,0", "255,0,0"]


def test_a_palette_that_all_labels_share(tmp_path):
    labels = sorted((own_folders.palettes(tmp_path) / "labels").iterdir())
    found = survey(labels)
    assert found.encoding == "palette" and list(found.pixels) == [0, 1, 2]
    assert found.palette == {0: "70,130,180", 1: "128,64,128", 2: "0,0,142"}


def test_palettes_that_differ_are_colours(tmp_path):
    labels = sorted((own_folders.palettes(tmp_path, shuffled=[1]) / "labels").iterdir())
    found = survey(labels)
    assert found.encoding == "colours"
    assert found.pixels == survey([save(tmp_path / f"c/{i}.png", COLOURS[label(i)]) for i in range(4)]).pixels


def test_masks_of_eight_bits_some_of_which_a_program_has_packed(tmp_path):
    """Packed to one bit, 255 is 1; as colours both are the same."""
    whole, packed = png(tmp_path / "a.png", [[0, 255]]), png(tmp_path / "b.png", [[0, 1]], bits=1)
    found = survey([whole, packed])
    assert found.encoding == "colours" and found.files == {"0,0,0": 2, "255,255,255": 2}


@pytest.mark.parametrize("suffix", ["bmp", "tif"])
def test_other_types_of_files(tmp_path, suffix):
    grey = save(tmp_path / f"a.{suffix}", IDS.astype(np.uint8))
    assert (survey([grey]).encoding, list(survey([grey]).pixels)) == ("values", [0, 3, 7])
    coloured = save(tmp_path / f"b.{suffix}", COLOURS[label()])
    assert sorted(survey([coloured]).pixels) == ["0,0,142", "128,64,128", "70,130,180"]
    indexed = Image.fromarray(label())
    indexed.putpalette(COLOURS.ravel().tolist())
    found = survey([save(tmp_path / f"c.{suffix}", indexed)])
    assert (found.encoding, found.palette) == ("palette", {0: "70,130,180", 1: "128,64,128", 2: "0,0,142"})


def test_sixteen_bits_in_a_tiff_file(tmp_path):
    found = survey([save(tmp_path / "a.tif", (IDS * 300).astype(np.uint16))])
    assert (found.encoding, found.bits, list(found.pixels)) == ("values", 16, [0, 900, 2100])


def test_colours_in_several_kinds_of_png(tmp_path):
    indexed = png(tmp_path / "a.png", [[0, 1]], PALETTE, palette=np.array([[0, 0, 0], [9, 8, 7]]))
    grey = png(tmp_path / "b.png", [[0, 5]], GREY)
    assert list(survey([indexed, grey]).pixels) == ["0,0,0", "5,5,5", "9,8,7"]


def test_the_sample_is_seeded(tmp_path):
    labels = [save(tmp_path / f"{i:03}.png", np.full((1, 1), i, np.uint8)) for i in range(210)]
    found = survey(labels)
    assert found.sampled == 200 and found == survey(labels)


# ---- what is refused ---------------------------------------------------------------------------------------------


def big(grey: bool = False) -> Image.Image:
    """A label of 800x800 pixels: discs in the colours of 12 classes, or white ones."""
    drawn = Image.new("L" if grey else "RGB", (800, 800))
    rng = np.random.default_rng(0)
    for _ in range(12):
        x, y, size = rng.integers(0, 600, 3).tolist()
        ImageDraw.Draw(drawn).ellipse((x, y, x + size, y + size), fill=255 if grey else tuple(rng.integers(0, 256, 3)))
    return drawn


@pytest.mark.fault("labels whose edges are smoothed", "`hrs init` refuses them; a file is named")
@pytest.mark.parametrize("grey", [False, True])
def test_smoothed_edges(tmp_path, grey):
    sharp = save(tmp_path / "sharp.png", big(grey).resize((200, 200), Image.Resampling.NEAREST))
    assert survey([sharp]).sampled == 1
    smooth = save(tmp_path / "smooth.png", big(grey).resize((200, 200), Image.Resampling.BILINEAR))
    with pytest.raises(DataError, match=r"the label .*smooth\.png has smoothed edges: \d+ values, most of which lie"):
        survey([sharp, smooth])


@pytest.mark.fault("labels that are JPEG files, whatever they are called", "`hrs init` refuses them; a file is named")
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_jpeg(tmp_path, name):
    buffer = io.BytesIO()
    big().save(buffer, "JPEG")
    (tmp_path / name).write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=rf"the label .*{name} is a JPEG file: JPEG changes the values along edges"):
        survey([save(tmp_path / "fine.png", label()), tmp_path / name])


@pytest.mark.fault(
    "labels that were JPEG files once, or that number instances", "`hrs init` refuses them, with numbers"
)
def test_more_values_than_classes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (20, 20))
    with pytest.raises(DataError, match=r"1 labels hold \d{3} different values, \d{3} of them in .*a\.png"):
        survey([png(tmp_path / "a.png", noise, bits=16)])
    buffer = io.BytesIO()
    big().save(buffer, "JPEG")
    path = save(tmp_path / "b.png", Image.open(buffer))
    with pytest.raises(DataError, match=r"different colours, .* Were they saved as JPEG once"):
        survey([path])


@pytest.mark.fault("labels of 8 and of 16 bits in one folder", "`hrs init` refuses them; one of each is named")
def test_two_depths(tmp_path):
    with pytest.raises(DataError, match=r"a\.png has 8 bits a channel, .*b\.png has 16: they are two data sets"):
        survey([png(tmp_path / "a.png", IDS), png(tmp_path / "b.png", IDS, bits=16)])


@pytest.mark.fault("damaged labels among others", "`hrs init` goes on, and says so; refused if all are")
def test_damaged_labels(tmp_path):
    fine = save(tmp_path / "fine.png", label())
    cut = tmp_path / "cut.png"
    cut.write_bytes(fine.read_bytes()[:60])
    found = survey([fine, cut])
    assert found.sampled == 1 and "1 of 2 sampled labels cannot be read: the label" in found.notes[0]
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"the label .* (cannot be|is no PNG) .*; neither can the 1 other labels"):
        survey([cut, tmp_path / "text.png"])


def test_grey_with_alpha_of_sixteen_bits(tmp_path):
    path = png(tmp_path / "a.png", np.dstack([IDS, IDS]), GREY_ALPHA, 16)
    with pytest.raises(DataError, match="is grey with 16 bits and an alpha channel; save it without alpha"):
        survey([path])
