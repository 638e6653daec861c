"""Videos that are damaged anywhere: their frames are read up to there, or they are skipped with a reason."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.strategies import cases, damaged

from hrs_keras.errors import DataError, printable
from hrs_keras.media.video import VideoWriter, open_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def whole(folder: Path) -> bytes:
    """Eight frames of 32x48 pixels, as this package writes them."""
    path = folder / "whole.mp4"
    with VideoWriter(path, (32, 48), Fraction(1, 25), Fraction(25)) as writer:
        for time in range(8):
            writer.write(time, np.full((32, 48, 3), 30 * time, np.uint8))
    return path.read_bytes()


@pytest.mark.fault("a video with a title that is not UTF-8", "predicted like any other")
def test_a_title_that_is_not_utf8(folder):
    path = folder / "title.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Straße"
        stream = container.add_stream("mpeg4", 25)
        stream.width, stream.height = 48, 32
        frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 90, np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    utf8, latin1 = ("Straße".encode(encoding) for encoding in ("utf-8", "latin-1"))
    contents = path.read_bytes()
    assert contents.count(utf8) == 1
    path.write_bytes(contents.replace(utf8, latin1 + b" "))  # as long as before
    with open_video(path, max_pixels=10_000) as video, video.read(ahead=2) as frames:
        ((time, found),) = frames
    assert time == 0 and abs(found.astype(int) - 90).max() < 6


@pytest.mark.fault(
    "a video that is cut off, or has bytes changed", "its frames up to there; or it is skipped, and named"
)
@cases(60)
@given(data=st.data())
def test_a_damaged_video(folder, whole, data):
    path = folder / "damaged.mp4"
    path.write_bytes(data.draw(damaged(whole)))
    try:
        with open_video(path, max_pixels=10_000) as video, video.read(ahead=2) as frames:
            found = list(frames)
    except DataError as error:
        assert str(error).startswith(f"{printable(path)}: ") and str(error).isprintable()
        return
    times = [time for time, _ in found]
    assert times == sorted(set(times)) and found
    for _, frame in found[:-1]:
        assert frame.dtype == np.uint8 and frame.ndim == 3
    if isinstance(last := found[-1][1], DataError):
        assert str(path) in str(last) and str(last).isprintable()
