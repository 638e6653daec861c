"""The files that a prediction becomes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from hrs_keras.labels import LabelSpace
from hrs_keras.media.painting import colourise, overlay
from hrs_keras.media.video import Video, VideoWriter
from hrs_keras.system.files import write_whole, writing

_FILMED = ("colour", "overlay")


@dataclass(frozen=True)
class Prediction:
    """What is known of one image, all at its own size.

    Attributes:
        image: [h, w, 3] uint8, upright.
        ids: [h, w] uint8 train ids.
        arrays: folder -> what is written there as it is, such as ``confidence`` [h, w] float32.
    """

    image: np.ndarray
    ids: np.ndarray
    arrays: dict[str, np.ndarray]


class Outputs:
    """The folders that predictions are written to.

    Args:
        space: the classes; its file ids are written, or train ids if it has none.
        out: the folder of the folders.
        arrays: the names of those for arrays, beside ``ids``, ``colour`` and ``overlay``.

    Raises:
        HRSError: a file or folder cannot be written; methods raise it too.
    """

    def __init__(self, space: LabelSpace, out: Path, arrays: tuple[str, ...] = ()):
        self._space = space
        self._file_ids = np.array(space.raw_ids or range(len(space.classes)), np.uint8)
        self.folders = {kind: out / kind for kind in ("ids", *_FILMED, *arrays)}

    def make_folders(self) -> None:
        """Before the first prediction, so that a wrong place is told at once."""
        for folder in self.folders.values():
            _make_folder(folder)

    def write_image(self, stem: str, prediction: Prediction) -> None:
        """Write ``FOLDER/STEM.png`` or ``.npy``, to each folder its own."""
        self._write(stem, self._pictures(prediction), prediction.arrays)

    def _pictures(self, prediction: Prediction) -> dict[str, Image.Image]:
        colours = colourise(prediction.ids, self._space)
        pictures = {"ids": self._file_ids[prediction.ids], "colour": colours}
        pictures["overlay"] = overlay(prediction.image, colours)
        return {kind: Image.fromarray(pixels) for kind, pixels in pictures.items()}

    def _write(self, name: str, pictures: dict[str, Image.Image], arrays: dict[str, np.ndarray]) -> None:
        for kind, picture in pictures.items():
            # Level 1: files a third larger than at the usual 6, in a third of the time.
            _write_whole(self.folders[kind] / f"{name}.png", partial(picture.save, format="PNG", compress_level=1))
        for kind, array in arrays.items():
            _write_whole(self.folders[kind] / f"{name}.npy", partial(np.save, arr=array))

    @contextmanager
    def film(self, stem: str, video: Video) -> Iterator[Callable[[int, Prediction], None]]:
        """A function that writes the next frame of a video and its time.

        Pictures go to ``FOLDER/STEM.mp4``, which appears when the context is left, or not if it is left by an error;
        ids and arrays to ``FOLDER/STEM/frame_0000000.png`` or ``.npy``, counted from 0.
        """
        count, writers = 0, {}
        with ExitStack() as opened:

            def write(time: int, prediction: Prediction) -> None:
                nonlocal count
                if not count:  # a video without frames leaves nothing behind
                    for kind in self.folders.keys() - _FILMED:
                        _make_folder(self.folders[kind] / stem)
                    for kind in _FILMED:
                        path, size = self.folders[kind] / f"{stem}.mp4", prediction.ids.shape
                        writers[kind] = opened.enter_context(VideoWriter(path, size, video.time_base, video.rate))
                pictures = self._pictures(prediction)
                for kind, writer in writers.items():
                    writer.write(time, np.asarray(pictures.pop(kind)))
                self._write(f"{stem}/frame_{count:07d}", pictures, prediction.arrays)
                count += 1

            yield write


def _make_folder(path: Path) -> None:
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def _write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    with writing(path):
        write_whole(path, write)
