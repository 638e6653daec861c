"""A stream of images through a network: read ahead, predicted in batches, written behind, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from hrs_keras.errors import DataError, printable
from hrs_keras.media.images import read_images
from hrs_keras.media.inputs import frame_name
from hrs_keras.media.label_maps import LabelMap, LabelMapFolders, make_folder
from hrs_keras.media.video import Video, VideoWriter, open_video
from hrs_keras.predict.views import NO_MEMORY, Predictor, confidence, likeliest, no_memory, probabilities
from hrs_keras.system.threads import WRITES_BEHIND, read_ahead, write_behind

READ_AHEAD = 4
"""Images that are read beyond a batch."""

LARGE = 2**20
"""Pixels beyond which a batch is large, and the only large one at work: its logits, of 19 classes, take 80 MB or more,
and there are a few copies of them."""

Key = TypeVar("Key")

_FILMED = ("colour", "overlay")
_LESS_MEMORY = "lower --batch-size or --scales, or scale the images down (--max-pixels skips such images)"


@dataclass(frozen=True)
class Job:
    """Predicts files one after the other.

    Attributes:
        predictor: the network, and how images are shown to it.
        folders: where the label maps go; they must exist.
        batch_size: how many images of one size that follow each other are predicted at once.
        max_pixels: what has more is skipped.
        on_skipped: is called with a line for each input that is skipped.
    """

    predictor: Predictor
    folders: LabelMapFolders
    batch_size: int
    max_pixels: int
    on_skipped: Callable[[str], None]

    def images(self, files: Mapping[Path, str]) -> list[Path]:
        """Predict image files; returns those that could not be read.

        Args:
            files: and the name of what is written for each.

        Raises:
            HRSError: memory does not suffice, or a file cannot be written.
            NonFiniteError: the network answers NaN or infinity.
        """
        skipped: list[Path] = []

        def write(file: Path, predicted: LabelMap) -> None:
            self.folders.write(files[file], predicted)

        with (
            tqdm(total=len(files), unit="image", disable=None if files else True) as bar,
            read_images(list(files), self.max_pixels, READ_AHEAD + self.batch_size) as stream,
            self._predictions(self._readable(stream, skipped), printable) as predictions,
            write_behind(write, threads=WRITES_BEHIND) as write_later,
        ):
            for file, predicted in predictions:
                write_later(file, predicted)
                bar.update()
        return skipped

    def video(self, file: Path, name: str) -> tuple[int, bool]:
        """Predict a video file; returns how many of its frames were, and whether it could be read to its end.

        Args:
            file: the video.
            name: of what is written for it.

        Raises:
            HRSError: memory does not suffice, or a file cannot be written.
            NonFiniteError: the network answers NaN or infinity.
        """
        skipped: list[int] = []
        frames = 0
        with ExitStack() as opened:
            try:
                video = opened.enter_context(open_video(file, self.max_pixels))
            except DataError as error:
                self.on_skipped(str(error))
                return 0, False
            title = printable(Path(file.name))

            def frame(time: int) -> str:
                return f"{printable(file)}, the frame at {float(time * video.time_base):.2f} s"

            bar = opened.enter_context(tqdm(total=video.frames, unit="frame", desc=title, disable=None))
            stream = opened.enter_context(video.read(READ_AHEAD + self.batch_size))
            predictions = opened.enter_context(self._predictions(self._readable(stream, skipped), frame))
            write = opened.enter_context(_film(self.folders, name, video))
            # One thread, because frames are written in order.
            write_later = opened.enter_context(write_behind(write, threads=1))
            for time, predicted in predictions:
                write_later(time, predicted)
                bar.update()
                frames += 1
        return frames, not skipped

    def _readable(
        self, stream: Iterable[tuple[Key, np.ndarray | DataError]], skipped: list[Key]
    ) -> Iterator[tuple[Key, np.ndarray]]:
        """Those that are images; the others are reported, and their keys are added to ``skipped``."""
        for key, found in stream:
            if isinstance(found, DataError):
                self.on_skipped(str(found))
                skipped.append(key)
            else:
                yield key, found

    @contextmanager
    def _predictions(
        self, stream: Iterable[tuple[Key, np.ndarray]], name: Callable[[Key], str]
    ) -> Iterator[Iterator[tuple[Key, LabelMap]]]:
        """A context with an iterator over the label maps, in the order of the stream; ``name`` is for messages."""
        alone = Lock()

        def predict(batch: list[tuple[Key, np.ndarray]]) -> Iterable[tuple[Key, LabelMap]]:
            keys, images = zip(*batch, strict=True)
            try:
                with alone if len(images) * images[0].shape[0] * images[0].shape[1] > LARGE else nullcontext():
                    return zip(keys, self._predict(images, list(map(name, keys))), strict=True)
            except NO_MEMORY:
                raise no_memory(len(images), images[0].shape[:2], _LESS_MEMORY) from None

        # Two batches: while the network is at one, the other is resized, or its likeliest classes are found.
        calls = (partial(predict, batch) for batch in _batches(stream, self.batch_size))
        with read_ahead(calls, ahead=2, threads=2) as batches:
            yield chain.from_iterable(batches)

    def _predict(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[LabelMap]:
        """B times [h, w, 3] uint8 -> B label maps."""
        logits = self.predictor(np.stack(images), names)
        ids = likeliest(logits)
        count = len(images)
        certain = confidence(logits) if self.folders.confidence else [None] * count
        of_all = probabilities(logits) if self.folders.probabilities else [None] * count
        return [LabelMap(ids[i], images[i], certain[i], of_all[i]) for i in range(count)]


def _batches(stream: Iterable[tuple[Key, np.ndarray]], size: int) -> Iterator[list[tuple[Key, np.ndarray]]]:
    """Lists of up to ``size`` neighbours whose images are equal in shape."""
    batch: list[tuple[Key, np.ndarray]] = []
    for key, image in stream:
        if batch and image.shape != batch[0][1].shape:
            yield batch
            batch = []
        batch.append((key, image))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _film(folders: LabelMapFolders, name: str, video: Video) -> Iterator[Callable[[int, LabelMap], None]]:
    """A context with a function to write one frame after the other, from its time (``video.time_base``) and label map.

    Pictures go to ``colour/NAME.mp4`` and ``overlay/NAME.mp4``, which appear when the context is left, or not at all
    if an error leaves it. Ids, confidence and probabilities go to ``FOLDER/NAME/frame_0000000.png`` or ``.npy``,
    counted from 0.

    Raises:
        HRSError: a file or folder cannot be written; the function raises it too.
    """
    count, writers = 0, {}
    with ExitStack() as opened:

        def write(time: int, predicted: LabelMap) -> None:
            nonlocal count
            if not count:  # only now: a video without frames leaves nothing behind
                for kind in folders.suffixes:
                    if kind not in _FILMED:
                        make_folder(folders.out / kind / name)
                for kind in _FILMED:
                    path, size = folders.out / kind / f"{name}.mp4", predicted.ids.shape
                    make_folder(path.parent)
                    writers[kind] = opened.enter_context(VideoWriter(path, size, video.time_base, video.rate))
            contents = folders.contents(predicted)
            for kind, writer in writers.items():
                writer.write(time, contents.pop(kind))
            folders.store(f"{name}/{frame_name(count)}", contents)
            count += 1

        yield write
