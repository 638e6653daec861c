"""Videos, by PyAV: frames are read from a file, and pictures are written at the same times."""

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from functools import partial
from itertools import repeat, takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hrs_keras.errors import DataError, HRSError, printable
from hrs_keras.media.images import check_pixels
from hrs_keras.system.files import partial_path, publish, writing
from hrs_keras.system.threads import read_ahead

CODEC = "libx264"
"""What films are written with."""


def pyav() -> ModuleType:
    """PyAV, an optional package.

    Raises:
        HRSError: it is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise HRSError(f"videos need PyAV ({error}): pip install 'hrs-keras[video]'") from None


@contextmanager
def open_video(path: Path, max_pixels: int) -> Iterator["Video"]:
    """Open a video file for reading.

    Raises:
        DataError: it cannot be read, is no video, or its frames have more than ``max_pixels`` pixels.
        HRSError: PyAV is not installed.
    """
    av = pyav()
    with ExitStack() as opened:
        try:
            # A file, not its name: FFmpeg would take one with a colon for an address. A title need not be UTF-8.
            file = opened.enter_context(open(path, "rb"))
            container = opened.enter_context(av.open(file, metadata_errors="replace"))
        except (OSError, av.FFmpegError) as error:
            raise DataError(f"{printable(path)}: cannot be read as a video ({error.strerror})") from None
        if not container.streams.video:
            raise DataError(f"{printable(path)}: holds no video")
        if container.streams.video[0].codec_context is None:
            raise DataError(f"{printable(path)}: holds a video that FFmpeg has no decoder for")
        video = Video(path, container)
        try:
            check_pixels(*video.coded_size, max_pixels)
        except DataError as error:
            raise DataError(f"{printable(path)}: {error}") from None
        yield video


class Video:
    """The first video stream of an open file.

    Args:
        path: for messages.
        container: what PyAV opened.

    Attributes:
        coded_size: (width, height) as stored, before frames are turned upright.
        time_base: the unit of the frames' times, in seconds.
        rate: frames a second on average; None if the file does not say.
        frames: how many there should be; None if the file does not say.
    """

    def __init__(self, path: Path, container: Any):
        self._path, self._container, self._stream = path, container, container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.coded_size = (self._stream.width, self._stream.height)
        self.time_base: Fraction = self._stream.time_base
        self.rate: Fraction | None = self._stream.average_rate or self._stream.guessed_rate
        self.frames: int | None = self._stream.frames or None
        # Of the packets of all streams, in seconds: how far they went, and how long the longest was.
        self._reached, self._longest = Fraction(0), Fraction(0)
        self._break: str | None = None

    @contextmanager
    def read(self, ahead: int) -> Iterator[Iterator[tuple[int, np.ndarray | DataError]]]:
        """Decode the frames in another thread, ``ahead`` at a time.

        Returns:
            A context with an iterator of pairs, a time, rising from 0, in ``time_base``, and an upright frame,
            [h, w, 3] uint8. Of a file that breaks off, the frames before the break come first, and then a DataError in
            place of a frame.
        """
        frames = self._frames()
        with read_ahead(repeat(partial(next, frames, None)), ahead, threads=1) as results:
            yield takewhile(lambda result: result is not None, results)

    def _frames(self) -> Iterator[tuple[int, np.ndarray | DataError]]:
        # AVI files number their frames in the order they are stored, which with B-frames is not that of time.
        numbered = self._container.format.name == "avi"
        count, start, last = 0, 0, -1
        for count, frame in enumerate(self._decoded(), 1):
            time = count if numbered or frame.pts is None else frame.pts
            start = time if count == 1 else start
            last = max(time - start, last + 1)
            # The picture may lie on its side, as telephones store it; the angle is counter-clockwise.
            image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
            yield last, np.ascontiguousarray(image)
        why = self._break or self._ends_early()
        if not count:
            yield 0, DataError(f"{printable(self._path)}: has no frame that can be decoded ({why or 'it has none'})")
        elif why:
            rest = f"the rest of {printable(self._path)}: it breaks off after {count} frame{'s'[: count > 1]} ({why})"
            yield last + 1, DataError(rest)

    def _decoded(self) -> Iterator:
        """The frames up to the end or the break, whose reason is noted."""
        ffmpeg_error = pyav().FFmpegError
        try:
            for packet in self._container.demux():
                if packet.pts is not None:
                    duration = (packet.duration or 0) * packet.time_base
                    self._longest = max(self._longest, duration)
                    self._reached = max(self._reached, packet.pts * packet.time_base + duration)
                if packet.stream is not self._stream:
                    continue
                if packet.is_corrupt:
                    self._break = "its data end in the middle of a frame"
                    break
                yield from packet.decode()
        except (ffmpeg_error, OSError) as error:
            self._break = error.strerror
        if self._break:
            with suppress(ffmpeg_error):
                yield from self._stream.decode(None)  # those that the decoder has kept back to put them in order

    def _ends_early(self) -> str | None:
        """Matroska files that were cut short end like whole ones, only sooner than their header says."""
        if self._container.duration is None:
            return None
        duration = Fraction(self._container.duration, 1_000_000)  # PyAV's unit
        # Headers count what is not stored, such as the last frame's duration: up to two packets pass unnoticed.
        if self._reached + max(2 * self._longest, Fraction(1, 10)) >= duration:
            return None
        return f"the file reaches {float(self._reached):.1f} of {float(duration):.1f} seconds"


class VideoWriter:
    """Writes pictures as H.264 in an MP4 file that appears whole or, if the context is left by an error, not at all.

    An odd height or width gets one row or column more, a copy of the last: yuv420p has even sizes only.

    Args:
        path: the MP4 file.
        size: (h, w) of the pictures.
        time_base: the unit of their times, in seconds.
        rate: frames a second on average, if known.

    Raises:
        HRSError: the file cannot be written; methods raise it too.
    """

    def __init__(self, path: Path, size: tuple[int, int], time_base: Fraction, rate: Fraction | None):
        self._av, self._path, self._time_base = pyav(), path, time_base
        self._unfinished = partial_path(path)
        self._margin = ((0, size[0] % 2), (0, size[1] % 2), (0, 0))
        self._matrix = self._av.video.reformatter.Colorspace.ITU709
        with ExitStack() as opened:
            opened.callback(self._unfinished.unlink, missing_ok=True)  # unless it has its own name by then
            with self._encoding():
                self._file = opened.enter_context(self._unfinished.open("wb"))
                self._container = opened.enter_context(self._av.open(self._file, "w", format="mp4"))
                # Without B-frames pictures are stored in the order of their times: uneven ones come out exactly.
                self._stream = self._add_stream(rate)
            context = self._stream.codec_context
            context.height, context.width = (side + side % 2 for side in size)
            context.pix_fmt, context.time_base = "yuv420p", time_base
            context.colorspace = self._matrix  # else players guess it from the size
            self._opened = opened.pop_all()

    @contextmanager
    def _encoding(self) -> Iterator[None]:
        """Turn what FFmpeg and the system fail of into an HRSError that names the file."""
        with writing(self._path):
            try:
                yield
            except self._av.FFmpegError as error:
                if isinstance(error, OSError):
                    raise
                raise HRSError(f"cannot write {printable(self._path)}: FFmpeg says {error}") from None

    def _add_stream(self, rate: Fraction | None) -> Any:
        try:
            return self._container.add_stream(CODEC, rate=rate, options={"crf": "18", "bf": "0"})
        except ValueError:
            raise HRSError(f"cannot write {printable(self._path)}: this FFmpeg has no {CODEC}") from None

    def write(self, time: int, picture: np.ndarray) -> None:
        """Add [h, w, 3] uint8 at ``time``, which must be later than the one before; another size is scaled."""
        frame = self._av.VideoFrame.from_ndarray(np.pad(picture, self._margin, mode="edge"), format="rgb24")
        context = self._stream.codec_context
        frame = frame.reformat(context.width, context.height, "yuv420p", dst_colorspace=self._matrix)
        frame.pts, frame.time_base = time, self._time_base
        with self._encoding():
            self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with self._encoding():
                    self._container.mux(self._stream.encode(None))
                    self._container.close()
                    self._file.close()
                    publish(self._unfinished, self._path)
        finally:
            with suppress(OSError, self._av.FFmpegError):  # of what is thrown away
                self._opened.close()
