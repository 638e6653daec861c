"""Videos: frames in, upright and up to a break; pictures out, at the same times."""

import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from support.sample_images import full_disk

from hrs_keras.errors import DataError, HRSError
from hrs_keras.media.inputs import VIDEO_SUFFIXES
from hrs_keras.media.video import VideoWriter, open_video

LARGE = 2**24
SIZE = (48, 64)
# Three frames of four are stored behind one that comes later, as cameras do it to save space.
REORDERED = {"bf": "3", "b_strategy": "0", "sc_threshold": "0"}
# A file's head in front of its data, so that a truncated one still has it.
HEAD_FIRST = {"movflags": "faststart"}
CONTAINERS = {
    "mp4": ("libx264", REORDERED, HEAD_FIRST),
    "mov": ("libx264", REORDERED, HEAD_FIRST),
    "m4v": ("mpeg4", {"bf": "2"}, HEAD_FIRST),
    "avi": ("libx264", REORDERED, {}),
    "mkv": ("libx264", REORDERED, {}),
    "webm": ("libvpx", {}, {}),
}
# What may be cut short unnoticed, or what has to be whole.
OTHER_CONTAINERS = {
    "3gp": ("mpeg4", {}, {}),
    "flv": ("libx264", REORDERED, {}),
    "wmv": ("wmv2", {}, {}),
    "ts": ("libx264", REORDERED, {}),
    "mts": ("libx264", REORDERED, {}),
    "m2ts": ("libx264", REORDERED, {}),
    "mpg": ("mpeg2video", {"bf": "2"}, {}),
    "mpeg": ("mpeg2video", {"bf": "2"}, {}),
}


def picture(index, size=SIZE):
    """Grey noise around a mean that tells the index, whatever an encoder does to it: 40, 44, 48, ..."""
    noise = np.random.default_rng(index).integers(-20, 21, (*size, 1))
    return (40 + 4 * index + noise - np.round(noise.mean())).astype(np.uint8).repeat(3, axis=2)


def index_of(image):
    return round((float(image.mean()) - 40) / 4)


def record(path, count=40, times=None, rate=25, sound=0.0):
    """Write a video of numbered pictures."""
    codec, encoding, muxing = (CONTAINERS | OTHER_CONTAINERS)[path.suffix[1:]]
    with av.open(str(path), "w", options=muxing) as container:
        stream = container.add_stream(codec, rate=rate, options={} if times else encoding)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 2_000_000
        noise = container.add_stream("aac", rate=8000) if sound else None
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24").reformat(format="yuv420p")
            if times:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for _ in range(round(8000 * sound / 1024)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 8000
            container.mux(noise.encode(frame))
        if noise:
            container.mux(noise.encode(None))
    return path


def read(path, max_pixels=LARGE):
    """Frame numbers as their pixels tell them, times in seconds, sizes, and the error that ended them."""
    with open_video(path, max_pixels) as video, video.read(ahead=3) as stream:
        items = list(stream)
        seconds = [float(time * video.time_base) for time, _ in items]
    error = str(items.pop()[1]) if isinstance(items[-1][1], DataError) else None
    numbers = [index_of(image) for _, image in items]
    return numbers, seconds[: len(items)], {image.shape for _, image in items}, error


def refusal(path, max_pixels=LARGE) -> str:
    with pytest.raises(DataError) as caught, open_video(path, max_pixels):
        pass
    return str(caught.value)


# ---- reading ---------------------------------------------------------------------------------------------------


def test_all_suffixes_are_tried_here():
    assert {f".{suffix}" for suffix in CONTAINERS | OTHER_CONTAINERS} == {*VIDEO_SUFFIXES}


@pytest.mark.parametrize("suffix", CONTAINERS | OTHER_CONTAINERS)
def test_every_frame_in_order_at_its_time(tmp_path, suffix):
    numbers, seconds, shapes, error = read(record(tmp_path / f"x.{suffix}"))
    assert numbers == list(range(40)) and shapes == {(*SIZE, 3)} and error is None
    assert seconds == pytest.approx([i / 25 for i in range(40)], abs=1e-6)


def test_uneven_times(tmp_path):
    times = [0, 40, 80, 200, 1000, 1040]
    numbers, seconds, _, error = read(record(tmp_path / "x.mp4", 6, times=times))
    assert numbers == list(range(6)) and error is None
    assert seconds == pytest.approx([time / 1000 for time in times])


def test_rate_and_count(tmp_path):
    with open_video(record(tmp_path / "x.mp4", 12, rate=Fraction(30000, 1001)), LARGE) as video:
        assert (video.rate, video.frames) == (Fraction(30000, 1001), 12)


# The transformation matrix of an MP4 track, 16.16 fixed point: the first four of its numbers for a picture that a
# player has to turn clockwise by an angle (ISO/IEC 14496-12, 6.2.2).
TURNED = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@pytest.mark.parametrize("clockwise", TURNED)
def test_a_video_that_lies_on_its_side_is_turned_upright(tmp_path, clockwise):
    stored = np.full((48, 64, 3), 40, np.uint8)
    stored[:16, :16] = 200  # the corner that tells
    path = tmp_path / "x.mp4"
    with VideoWriter(path, (48, 64), Fraction(1, 25), Fraction(25)) as writer:
        writer.write(0, stored)
    contents = bytearray(path.read_bytes())
    matrix = contents.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = (number * 65536 for number in TURNED[clockwise])
    contents[matrix : matrix + 20] = struct.pack(">iiiii", a, b, 0, c, d)
    path.write_bytes(contents)
    with open_video(path, LARGE) as video, video.read(ahead=1) as stream:
        ((_, image),) = stream
    bright = image.mean(-1) > 120
    height, width = (64, 48) if clockwise != 180 else (48, 64)
    corner = {90: (0, width - 1), 180: (height - 1, width - 1), 270: (height - 1, 0)}[clockwise]
    assert image.shape == (height, width, 3)
    assert bright[corner] and bright.mean() == pytest.approx(16 * 16 / (48 * 64), abs=0.03)


@pytest.mark.fault("an FFmpeg without H.264, or one that refuses a picture", "one message; nothing half is left")
def test_what_ffmpeg_cannot_write(tmp_path, monkeypatch):
    def film() -> VideoWriter:
        return VideoWriter(tmp_path / "x.mp4", (48, 64), Fraction(1, 25), Fraction(25))

    with monkeypatch.context() as changed:
        changed.setattr("hrs_keras.media.video.CODEC", "libx999")
        with pytest.raises(HRSError, match=r"cannot write .*x\.mp4: this FFmpeg has no libx999"):
            film()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(HRSError, match=r"cannot write .*x\.mp4: FFmpeg says .*Invalid argument"), film() as writer:
        for time in (0, 1, 0):  # not later than the one before
            writer.write(time, np.zeros((48, 64, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_truncated_video(tmp_path, suffix, share):
    path = record(tmp_path / f"x.{suffix}")
    contents = path.read_bytes()
    end = int(len(contents) * share)
    with av.open(str(path)) as container:
        stored = [packet for packet in container.demux(video=0) if packet.size]
        whole = sum(packet.pos + packet.size <= end for packet in stored)
    path.write_bytes(contents[:end])
    numbers, seconds, _, error = read(path)
    assert 10 < whole < 40 and len(numbers) == whole and seconds == sorted(set(seconds))
    # Of the last ones some may be missing: those that the file has behind one that comes later in time.
    assert numbers[:-4] == list(range(whole - 4)) and numbers == sorted(set(numbers)), numbers
    if suffix != "avi":
        assert seconds == pytest.approx([number / 25 for number in numbers], abs=1e-3)
    assert error.startswith(f"the rest of {path}: it breaks off after {len(numbers)} frame")


def test_truncated_video_without_its_head(tmp_path):
    """As a camera leaves it that lost its power."""
    path = record(tmp_path / "x.mkv").rename(tmp_path / "x.mp4")
    contents = record(tmp_path / "y.mp4").read_bytes()
    path.write_bytes(contents[: contents.index(b"moov")])
    assert refusal(path).startswith(f"{path}: cannot be read as a video (")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_is_longer_than_the_pictures_is_no_break(tmp_path, suffix):
    numbers, _, _, error = read(record(tmp_path / f"x.{suffix}", 10, sound=3.0))
    assert numbers == list(range(10)) and error is None


def test_a_file_that_is_no_video(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"no video at all" * 100)
    assert refusal(path) == f"{path}: cannot be read as a video (Invalid data found when processing input)"
    path.write_bytes(b"")
    assert refusal(path).startswith(f"{path}: cannot be read as a video (")
    assert refusal(tmp_path / "missing.mp4").endswith("cannot be read as a video (No such file or directory)")


def test_a_file_with_sound_only(tmp_path):
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert refusal(path) == f"{path}: holds no video"


def test_too_many_pixels(tmp_path):
    path = record(tmp_path / "x.mp4", 1)
    assert refusal(path, 48 * 64 - 1).startswith(f"{path}: has 48x64 pixels (height x width), more than 3071")


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(HRSError, match=r"pip install 'hrs-keras\[video\]'"), open_video(tmp_path / "x.mp4", LARGE):
        pass


def test_leaving_early_stops_reading(tmp_path):
    with open_video(record(tmp_path / "x.mp4"), LARGE) as video, video.read(ahead=2) as stream:
        assert next(stream)[0] == 0
    with pytest.raises(RuntimeError):  # no thread is left to read more
        list(stream)


# ---- writing ---------------------------------------------------------------------------------------------------


def film(path, pictures, times, time_base=Fraction(1, 25)):
    with VideoWriter(path, pictures[0].shape[:2], time_base, Fraction(25)) as writer:
        for time, picture in zip(times, pictures, strict=True):
            writer.write(time, picture)


def test_what_is_written(tmp_path):
    times = [0, 40, 80, 200, 1000, 1040]
    film(tmp_path / "x.mp4", [picture(i) for i in range(6)], times, Fraction(1, 1000))
    with av.open(str(tmp_path / "x.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.height, context.width) == ("h264", "yuv420p", *SIZE)
        assert context.colorspace == av.video.reformatter.Colorspace.ITU709
        assert container.duration == pytest.approx(1_080_000, abs=1000)  # microseconds
        frames = list(container.decode(stream))
    assert [round(frame.time * 1000) for frame in frames] == times
    assert [index_of(frame.to_ndarray(format="rgb24")) for frame in frames] == list(range(6))
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_colours(tmp_path):
    """Those of a palette go in by the formula of BT.709 and come out as they were, within what 8 bits can hold."""
    palette = np.array([(128, 64, 128), (244, 35, 232), (0, 0, 142), (119, 11, 32), (220, 20, 60), (107, 142, 35)])
    picture = palette.astype(np.uint8).reshape(2, 3, 3).repeat(32, axis=0).repeat(32, axis=1)
    film(tmp_path / "x.mp4", [picture], [0])
    with av.open(str(tmp_path / "x.mp4")) as container:
        (frame,) = container.decode(video=0)
    brightness = np.asarray(frame.to_ndarray())[:64][16::32, 16::32].ravel()
    assert np.abs(brightness - (16 + 219 / 255 * palette @ [0.2126, 0.7152, 0.0722])).max() <= 2
    with open_video(tmp_path / "x.mp4", LARGE) as video, video.read(ahead=1) as stream:
        ((_, read),) = stream
    assert np.abs(read[16::32, 16::32].reshape(6, 3) - palette).max() <= 4


@pytest.mark.parametrize("size", [(1, 1), (47, 63), (48, 63), (47, 64)])
def test_odd_sizes_get_a_copy_of_the_last_row_or_column(tmp_path, size):
    picture = np.full((*size, 3), 60, np.uint8)
    picture[-1], picture[:, -1] = 200, 200
    film(tmp_path / "x.mp4", [picture], [0])
    with av.open(str(tmp_path / "x.mp4")) as container:
        (frame,) = container.decode(video=0)
    assert (frame.height, frame.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    edge = frame.to_ndarray(format="rgb24")
    assert min(edge[-1].min(), edge[:, -1].min()) > 150


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "x.mp4", SIZE, Fraction(1, 25), None) as writer:
        writer.write(0, np.zeros((*SIZE, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@full_disk
def test_full_disk(tmp_path):
    (tmp_path / "x.mp4.partial").symlink_to("/dev/full")
    with pytest.raises(HRSError, match=r"cannot write .*/x\.mp4: No space left on device"):
        film(tmp_path / "x.mp4", [np.zeros((*SIZE, 3), np.uint8)] * 3, [0, 1, 2])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(HRSError, match=r"cannot write .*/missing/x\.mp4: No such file or directory"):
        film(tmp_path / "missing/x.mp4", [np.zeros((*SIZE, 3), np.uint8)], [0])
