"""What is given to predict on: finding files, reading them upright, reading ahead."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps
from support.sample_images import large

from hrs_keras.errors import DataError
from hrs_keras.media.images import read_image, read_images
from hrs_keras.media.inputs import find_inputs, is_video

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
LARGE = 2**24


def touch(path, names):
    for name in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return path


def refusal(*inputs) -> str:
    with pytest.raises(DataError) as caught:
        find_inputs(inputs)
    return str(caught.value)


def unreadable(path, max_pixels=LARGE) -> str:
    """The message with which an image is refused, which begins with its name."""
    with pytest.raises(DataError) as caught:
        read_image(path, max_pixels)
    return str(caught.value)


# ---- finding ---------------------------------------------------------------------------------------------------


def test_files_folders_and_patterns(tmp_path):
    touch(tmp_path, ["one.tif", "in/b.JPG", "in/a.png", "in/.hidden.png", "in/notes.txt", "in/deep/c.jpeg", "in/v.MP4"])
    (tmp_path / "in/folder.png").mkdir()
    inputs = [tmp_path / "one.tif", tmp_path / "in", f"{tmp_path}/in/**/*"]
    found = [str(path.relative_to(tmp_path)) for path in find_inputs(inputs)]
    assert found == ["one.tif", "in/a.png", "in/b.JPG", "in/deep/c.jpeg", "in/v.MP4"]
    assert [is_video(path) for path in find_inputs(inputs)] == [False, False, False, False, True]


def test_a_file_given_twice_is_done_once(tmp_path, monkeypatch):
    touch(tmp_path, ["a.png", "x/notes.txt"])
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in find_inputs(["a.png", tmp_path, tmp_path / "x/../a.png", "*.png"])] == ["a.png"]


def test_a_name_that_looks_like_a_pattern_is_a_file_first(tmp_path):
    touch(tmp_path, ["a[1].png", "a1.png"])
    assert list(find_inputs([tmp_path / "a[1].png"])) == [tmp_path / "a[1].png"]


def test_same_outputs_are_refused(tmp_path):
    touch(tmp_path, ["a/x.png", "b/x.jpg", "a/x.mp4", "b/x.avi"])
    assert refusal(tmp_path / "a", tmp_path / "b") == (
        f"{tmp_path}/a/x.png and {tmp_path}/b/x.jpg would both be written as x.png; rename one, or do them apart"
    )
    assert "would both be written as x.mp4" in refusal(tmp_path / "a/x.mp4", tmp_path / "b/x.avi")
    assert len(find_inputs([tmp_path / "a/x.png", tmp_path / "a/x.mp4"])) == 2


@pytest.mark.fault("a video and images that are called as its frames will be", "refused before the first prediction")
def test_images_in_the_place_of_a_videos_frames(tmp_path):
    touch(tmp_path, ["drive.mp4", "drive/frame_0000003.png", "drive/frame_left.png", "drive/0000003.png"])
    assert refusal(f"{tmp_path}/**/*") == (
        f"{tmp_path}/drive.mp4 and {tmp_path}/drive/frame_0000003.png would both be written as"
        " drive/frame_0000003.png; rename one, or do them apart"
    )
    (tmp_path / "drive/frame_0000003.png").rename(tmp_path / "drive/frame_0000003.mp4")
    assert len(find_inputs([f"{tmp_path}/**/*"])) == 4


def test_one_input_and_none(tmp_path):
    touch(tmp_path, ["a.png"])
    assert list(find_inputs(str(tmp_path))) == list(find_inputs(tmp_path / "a.png")) == [tmp_path / "a.png"]
    assert refusal() == "there is nothing to predict: no file, folder or pattern was given"


def test_names_have_the_folders_that_a_pattern_leaves_open(tmp_path, monkeypatch):
    touch(tmp_path, ["in/x.png", "in/a/x.png", "in/a/b/x.jpg", "in/b/v.mp4", "in/a/b.c/x.png"])
    monkeypatch.chdir(tmp_path)
    everywhere = {"in/a/b/x.jpg": "a/b/x", "in/a/b.c/x.png": "a/b.c/x", "in/a/x.png": "a/x", "in/x.png": "x"}
    for pattern in ("in/**/*", f"{tmp_path}/in/**/*", "in/../in/**/*"):
        found = {os.path.relpath(os.path.realpath(path)): name for path, name in find_inputs([pattern]).items()}
        assert found == everywhere | {"in/b/v.mp4": "b/v"}
    assert list(find_inputs(["*/a/*.png"]).values()) == ["in/a/x"]
    assert list(find_inputs(["in/a/*"]).values()) == ["x"]
    assert list(find_inputs(["in/a", "in/b/v.mp4"]).values()) == ["x", "v"]
    assert "in/a/x.png and in/x.png would both be written as x.png" in refusal("in/a/x.png", "in/**/*.png")


def test_empty_folder(tmp_path):
    touch(tmp_path, ["clip.mp4", "notes.txt"])
    assert refusal(tmp_path).startswith(f"{tmp_path} holds no image (.png, .jpg, .jpeg); videos are given by name")


def test_pattern_without_match(tmp_path):
    touch(tmp_path, ["notes.txt"])
    assert refusal(f"{tmp_path}/*") == (
        f"{tmp_path}/* matches no image or video (.png, .jpg, .jpeg, .mp4, .avi, .mov, .mkv, .webm, .m4v, .3gp, .flv,"
        " .wmv, .ts, .mts, .m2ts, .mpg, .mpeg)"
    )


@pytest.mark.fault("thumbnails of a network drive among the images to predict", "they are not taken")
def test_nothing_is_taken_from_tools_folders(tmp_path):
    touch(tmp_path, ["a.png", "@eaDir/a.png/THUMB_M.jpg", "__MACOSX/b.png", "__MACOSX/._a.png", ".hidden/c.png"])
    assert list(find_inputs([f"{tmp_path}/**/*"])) == [tmp_path / "a.png"]
    assert list(find_inputs([tmp_path])) == [tmp_path / "a.png"]
    assert list(find_inputs([f"{tmp_path}/__MACOSX/*.png"])) == [tmp_path / "__MACOSX/b.png"]  # it is asked for


@pytest.mark.fault("an image whose predictions would have too long a name", "refused before anything is written")
def test_a_name_that_is_too_long_for_its_output(tmp_path):
    longest, longer = "é" * 125 + ".jpg", "é" * 126 + ".t"  # 254 bytes each; the second as .png has 256
    touch(tmp_path, [longest, longer])
    assert list(find_inputs([tmp_path])) == [tmp_path / longest]
    assert refusal(tmp_path / longer) == (
        f"{tmp_path / longer} would be written under a name of 256 bytes, 255 are possible; rename it"
    )


def test_what_does_not_exist_or_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "missing") == f"{tmp_path}/missing does not exist"
    assert refusal(tmp_path / "pipe.png") == f"{tmp_path}/pipe.png is neither a file nor a folder"
    assert "cannot be read: File name too long" in refusal(tmp_path / ("x" * 300))


def test_finding_needs_no_tensorflow():
    code = "import sys, hrs_keras.media.inputs; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- reading ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_of_every_kind(tmp_path, mode):
    """Grey, grey and alpha, palette, colour, colour and alpha: what is transparent keeps the colour that is stored."""
    image = Image.fromarray(PIXELS).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(PIXELS[..., 2]))
    image.save(tmp_path / "x.png")
    read = read_image(tmp_path / "x.png", LARGE)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.asarray(image.convert("RGB")))


def test_16_bit_png(tmp_path):
    deep = np.random.default_rng(0).integers(0, 2**16, (20, 30), np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", LARGE), np.repeat(deep[..., None] >> 8, 3, axis=-1))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_of_every_kind(tmp_path, mode):
    smooth = Image.fromarray(PIXELS[:4, :6]).resize((60, 40), Image.Resampling.BICUBIC).convert(mode)
    smooth.save(tmp_path / "x.jpg", quality=95)
    expected = np.asarray(smooth.convert("RGB")).astype(int)
    assert np.abs(read_image(tmp_path / "x.jpg", LARGE) - expected).mean() < 3


def test_jpeg_with_several_pictures(tmp_path):
    """Cameras add previews; Pillow calls such files MPO."""
    smooth = Image.fromarray(np.full((16, 16, 3), 200, np.uint8))
    smooth.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[smooth.resize((8, 8))])
    with Image.open(tmp_path / "x.jpg") as image:
        assert image.format == "MPO"
    assert read_image(tmp_path / "x.jpg", LARGE).shape == (16, 16, 3)


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_exif_rotated(tmp_path, suffix, orientation):
    path, exif = tmp_path / f"x{suffix}", Image.Exif()
    exif[0x0112] = orientation
    smooth = Image.fromarray(PIXELS[:4, :6]).resize((60, 40), Image.Resampling.BICUBIC)
    smooth.save(path, exif=exif, **({"quality": 95} if suffix == ".jpg" else {}))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert expected.shape == ((60, 40, 3) if 5 <= orientation <= 8 else (40, 60, 3))
    # Two decoders of JPEG differ by a little, a wrong turn by 70 or so.
    assert np.abs(read_image(path, LARGE) - expected).mean() <= (0 if suffix == ".png" else 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pillow_decodes_no_pixels(tmp_path, monkeypatch, suffix):
    Image.fromarray(PIXELS).save(tmp_path / f"x{suffix}")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert read_image(tmp_path / f"x{suffix}", LARGE).shape == PIXELS.shape


def test_exif_data_that_make_no_sense_turn_nothing(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.png", exif=b"Exif\0\0nonsense")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", LARGE), PIXELS)


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", max_pixels=1).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_header_of_20000x20000_is_refused_before_decoding(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("hrs_keras.data.decode.decode_image", lambda path: pytest.fail("decoded"))
    path = tmp_path / f"x{suffix}"
    path.write_bytes(large(suffix))
    assert unreadable(path) == (
        f"{path}: has 20000x20000 pixels (height x width), more than 16777216; scale it down, or raise --max-pixels"
    )


def test_max_pixels_is_the_last_that_is_read(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", 600).shape == (20, 30, 3)
    assert "has 20x30 pixels (height x width), more than 599" in unreadable(tmp_path / "x.png", 599)


def test_not_an_image(tmp_path):
    for name, contents, says in (
        ("text.png", b"no image", "is neither a PNG nor a JPEG file"),
        ("empty.jpg", b"", "is empty"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "cannot be decoded ("),
        ("head.jpg", b"\xff\xd8\xff", "cannot be decoded ("),
    ):
        (tmp_path / name).write_bytes(contents)
        assert unreadable(tmp_path / name).startswith(f"{tmp_path}/{name}: {says}")


@pytest.mark.parametrize("name", ["GIF", "BMP", "TIFF", "WEBP"])
def test_other_formats_are_named(tmp_path, name):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    many = {"save_all": True, "append_images": frames[1:]} if name == "GIF" else {}
    frames[0].save(tmp_path / "x.png", format=name, **many)
    assert unreadable(tmp_path / "x.png") == f"{tmp_path}/x.png: is a {name} file; convert it to PNG or JPEG"


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_image(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    Image.fromarray(PIXELS).save(path)
    whole = path.read_bytes()
    for length in (20, 100, len(whole) // 2, len(whole) - 20, len(whole) - 3):
        path.write_bytes(whole[:length])
        message = unreadable(path)
        assert message.startswith(f"{path}: cannot be decoded (") and "function_node" not in message


def test_no_permission(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    (tmp_path / "x.png").chmod(0)
    if os.access(tmp_path / "x.png", os.R_OK):
        pytest.skip("root may read everything")
    assert unreadable(tmp_path / "x.png") == f"{tmp_path}/x.png: cannot be read (Permission denied)"
    (tmp_path / "closed").mkdir(mode=0)
    assert refusal(tmp_path / "closed") == f"{tmp_path}/closed cannot be read: Permission denied"


def test_a_file_that_is_gone(tmp_path):
    assert unreadable(tmp_path / "x.png") == f"{tmp_path}/x.png: cannot be read (No such file or directory)"


def test_a_name_that_is_not_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"x\xff.png")
    Image.fromarray(PIXELS).save(path)
    assert list(find_inputs([tmp_path])) == [path]
    np.testing.assert_array_equal(read_image(path, LARGE), PIXELS)
    path.write_bytes(b"")
    assert unreadable(path) == f"{tmp_path}/x\\xff.png: is empty"


# ---- reading ahead ---------------------------------------------------------------------------------------------


def test_an_image_that_cannot_be_read_stands_in_its_place(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "c.png")
    touch(tmp_path, ["a.png", "b.png"])
    Image.fromarray(PIXELS[:1]).save(tmp_path / "a.png")
    with read_images(list(find_inputs([tmp_path])), LARGE, ahead=2) as stream:
        found = [(path.name, str(image) if isinstance(image, DataError) else image.shape) for path, image in stream]
    assert found == [("a.png", (1, 30, 3)), ("b.png", f"{tmp_path}/b.png: is empty"), ("c.png", (20, 30, 3))]
