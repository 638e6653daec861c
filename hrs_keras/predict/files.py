"""Predictions for files: images and videos in, class ids and pictures out."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from hrs_keras.errors import DataError, HRSError, printable
from hrs_keras.export.signatures import MAX_PIXELS
from hrs_keras.media.images import read_images
from hrs_keras.media.inputs import find_inputs, is_video
from hrs_keras.media.video import open_video, pyav
from hrs_keras.predict import views
from hrs_keras.predict.model import load_model
from hrs_keras.predict.outputs import Outputs, Prediction
from hrs_keras.predict.views import Predictor, View
from hrs_keras.system.threads import WRITES_BEHIND, write_behind

READ_AHEAD = 4  # images beyond a batch
MAX_BATCH = 1024

Key = TypeVar("Key")

_ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "confidence": views.confidence,
    "probabilities": lambda logits: tf.cast(tf.nn.softmax(logits), tf.float16).numpy(),
}


def predict_files(
    model: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    view: View = View(),  # noqa: B008
    which: str = "best",
    batch_size: int = 1,
    confidence: bool = False,
    probabilities: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> list[Path]:
    """Segment images and videos.

    Args:
        model: a run folder, a SavedModel, or a folder of numbered versions of one.
        inputs: see :func:`hrs_keras.media.inputs.find_inputs`.
        out: a folder. For each image NAME ``ids/NAME.png`` (the label space's file ids, or train ids if it has none),
            ``colour/NAME.png`` and ``overlay/NAME.png``; for each video ``ids/NAME/frame_0000000.png`` and so on,
            ``colour/NAME.mp4`` and ``overlay/NAME.mp4``; all at the input's own size.
        view: how images are shown to the network.
        which: ``"best"`` or ``"last"`` checkpoint of a run folder.
        batch_size: how many images or frames of one size that follow each other are predicted at once.
        confidence: also write ``confidence/NAME.npy``, [h, w] float32 in [0, 1].
        probabilities: also write ``probabilities/NAME.npy``, [h, w, C] float16.
        max_pixels: what has more is not read.

    Returns:
        The inputs that could not be read, or not to their end; they are named on the terminal and skipped.

    Raises:
        DataError: nothing to predict on, two inputs of the same name, or inputs that predictions would overwrite.
        HRSError: no model to load, a video without PyAV, no memory, or the predictions cannot be written.
    """
    for name, value, most in (("batch_size", batch_size, MAX_BATCH), ("max_pixels", max_pixels, 2**31 - 1)):
        if not 1 <= value <= most:
            raise HRSError(f"{name} {value}: wants 1 to {most}")
    files = find_inputs(inputs)
    if any(map(is_video, files)):
        pyav()  # if it is missing, say so before the wait
    trained = load_model(model, which)
    arrays = tuple(kind for kind, asked in zip(_ARRAYS, (confidence, probabilities), strict=True) if asked)
    outputs = Outputs(trained.space, Path(out), arrays)
    _refuse_overwriting(files, outputs.folders.values())
    outputs.make_folders()
    job = _Job(Predictor(trained, view), arrays, outputs, batch_size, max_pixels)
    skipped = job.images([file for file in files if not is_video(file)])
    skipped += [file for file in files if is_video(file) and not job.video(file)]
    missed = set(skipped)
    return [file for file in files if file in missed]


def _refuse_overwriting(files: Iterable[Path], folders: Iterable[Path]) -> None:
    # Not Path.resolve, which gives up on a link to itself.
    targets = {Path(os.path.realpath(folder)) for folder in folders}
    for file in files:
        if not targets.isdisjoint(Path(os.path.realpath(file)).parents):
            raise DataError(f"{printable(file)} lies where predictions would be written; choose another --out")


@dataclass(frozen=True)
class _Job:
    predictor: Predictor
    arrays: tuple[str, ...]
    outputs: Outputs
    batch_size: int
    max_pixels: int

    def images(self, files: Sequence[Path]) -> list[Path]:
        """Predict image files; returns those that could not be read."""
        skipped: list[Path] = []

        def write(file: Path, prediction: Prediction) -> None:
            self.outputs.write_image(file.stem, prediction)

        with (
            tqdm(total=len(files), unit="image", disable=None if files else True) as bar,
            read_images(files, self.max_pixels, READ_AHEAD + self.batch_size) as stream,
            write_behind(write, threads=WRITES_BEHIND) as write_later,
        ):
            for file, prediction in self._predictions(_readable(stream, skipped)):
                write_later(file, prediction)
                bar.update()
        return skipped

    def video(self, file: Path) -> bool:
        """Predict a video file; returns whether it could be read to its end."""
        skipped: list[int] = []
        with ExitStack() as opened:
            try:
                video = opened.enter_context(open_video(file, self.max_pixels))
            except DataError as error:
                _tell_skipped(error)
                return False
            bar = opened.enter_context(
                tqdm(total=video.frames, unit="frame", desc=printable(Path(file.name)), disable=None)
            )
            stream = opened.enter_context(video.read(READ_AHEAD + self.batch_size))
            write = opened.enter_context(self.outputs.film(file.stem, video))
            # One thread, for frames are written in order.
            write_later = opened.enter_context(write_behind(write, threads=1))
            for time, prediction in self._predictions(_readable(stream, skipped)):
                write_later(time, prediction)
                bar.update()
        return not skipped

    def _predictions(self, stream: Iterable[tuple[Key, np.ndarray]]) -> Iterator[tuple[Key, Prediction]]:
        for batch in _batches(stream, self.batch_size):
            keys, images = zip(*batch, strict=True)
            try:
                predicted = self._predict(images)
            except (tf.errors.ResourceExhaustedError, MemoryError):
                count, (height, width) = len(images), images[0].shape[:2]
                raise HRSError(
                    f"no memory to predict {count} image{'s'[: count > 1]} of {height}x{width} (height x width) at"
                    " once; lower --batch-size or --scales, or scale the images down (--max-pixels skips such images)"
                ) from None
            yield from zip(keys, predicted, strict=True)

    def _predict(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """B times [h, w, 3] uint8 -> B predictions."""
        logits = self.predictor(np.stack(images))
        ids = logits.argmax(axis=-1).astype(np.uint8)
        arrays = {kind: _ARRAYS[kind](logits) for kind in self.arrays}
        return [
            Prediction(image, ids[i], {kind: array[i] for kind, array in arrays.items()})
            for i, image in enumerate(images)
        ]


def _readable(
    stream: Iterable[tuple[Key, np.ndarray | DataError]], skipped: list[Key]
) -> Iterator[tuple[Key, np.ndarray]]:
    """Those that are images; the others are named, and their keys noted."""
    for key, found in stream:
        if isinstance(found, DataError):
            _tell_skipped(found)
            skipped.append(key)
        else:
            yield key, found


def _tell_skipped(error: DataError) -> None:
    tqdm.write(f"hrs: skipped {error}", file=sys.stderr)


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
