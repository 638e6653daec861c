"""Label maps from a served model: image files are sent, and what comes back is written. It needs no TensorFlow."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from hrs_keras.errors import DataError, ServingError, did_you_mean, printable, reason
from hrs_keras.labels import IGNORE_LABEL, LABEL_SPACES, LabelSpace
from hrs_keras.media.inputs import find_inputs, is_video, log_skipped, refuse_overwriting
from hrs_keras.media.label_maps import LabelMap, LabelMapFolders, Outcome
from hrs_keras.serving.client import Segmentation, ServingClient, upright_file
from hrs_keras.serving.transport import ServedModel

MAX_BATCH = 1024


@dataclass(frozen=True)
class RequestOptions:
    """How :func:`request_files` asks, and what it writes.

    Attributes:
        classes: the name of the built-in label space whose classes the model predicts. A server does not tell it.
            None if it is not known: then train ids are written, and no colours.
        batch_size: images in a request, 1 to 1024.
        on_skipped: is called with a line for each image that is skipped; by default it is logged as a warning.

    Raises:
        DataError: there is no such label space, or the batch size is out of its range.
    """

    classes: str | None = None
    batch_size: int = 1
    on_skipped: Callable[[str], None] = log_skipped

    def __post_init__(self) -> None:
        if self.classes is not None and self.classes not in LABEL_SPACES:
            raise DataError(f"no label space is called {self.classes!r}.{did_you_mean(self.classes, LABEL_SPACES)}")
        if not 1 <= self.batch_size <= MAX_BATCH:
            raise DataError(f"batch size {self.batch_size}: must be 1 to {MAX_BATCH}")

    @property
    def space(self) -> LabelSpace | None:
        """The label space that ``classes`` names."""
        return None if self.classes is None else LABEL_SPACES[self.classes]


def request_files(
    served: ServedModel, inputs: Sequence[str | Path], out: str | Path, options: RequestOptions | None = None
) -> Outcome:
    """Segment image files with a served model.

    Args:
        served: the model, where it is served, and how patiently it is asked.
        inputs: image files, folders, or patterns; see :func:`hrs_keras.media.inputs.find_inputs`.
        out: a folder; an image NAME gives ``ids/NAME.png`` (``train_ids/NAME.png`` if the classes are not known) and so
            on, at the size of the upright image; see :class:`hrs_keras.media.label_maps.LabelMapFolders`.
        options: see :class:`RequestOptions`.

    Returns:
        Which folders were written to, and which images were skipped because they could not be read, or because the
        server refused them.

    Raises:
        DataError: there is nothing to send, two inputs have the same name, one is a video or would be overwritten, or
            the model's classes are not those of the options.
        ServingError: the server cannot be reached, or does not have the model.
        HRSError: the answers cannot be written.
    """
    options = options or RequestOptions()
    files = find_inputs(inputs)
    if videos := [file for file in files if is_video(file)]:
        raise DataError(f"{printable(videos[0])} is a video; hrs predict takes those, or send its frames as images")
    folders, skipped = LabelMapFolders(Path(out), options.space, confidence="png"), []
    refuse_overwriting(files, folders.paths)
    folders.make()
    with ServingClient(served) as client, tqdm(total=len(files), unit="image", disable=None) as progress:
        paths = list(files)
        for start in range(0, len(paths), options.batch_size):
            for file, (image, answer) in _segment(client, paths[start : start + options.batch_size]).items():
                if isinstance(answer, Segmentation):
                    folders.write(files[file], _label_map(image, answer, options.space))
                else:
                    options.on_skipped(f"{printable(file)}: {reason(answer)}")
                    skipped.append(file)
                progress.update()
    return Outcome(folders.paths if len(skipped) < len(files) else [], skipped)


def _segment(client: ServingClient, files: Sequence[Path]) -> dict[Path, tuple[bytes, Segmentation | Exception]]:
    """File -> its contents, and the answer or why there is none."""
    try:
        images = [file.read_bytes() for file in files]
        return dict(zip(files, zip(images, client.segment(images), strict=True), strict=True))
    except (OSError, DataError, ServingError) as error:
        if isinstance(error, ServingError) and not error.refused:
            raise
        if len(files) == 1:
            return {files[0]: (b"", error)}
    # One bad image spoils the whole request: send each by itself.
    return {file: answer for one in files for file, answer in _segment(client, [one]).items()}


def _label_map(image: bytes, answer: Segmentation, space: LabelSpace | None) -> LabelMap:
    if space is None:
        return LabelMap(answer.class_ids, confidence=answer.confidence)
    _check_classes(answer.class_ids, space)
    return LabelMap(answer.class_ids, _rgb(image), answer.confidence)


def _check_classes(ids: np.ndarray, space: LabelSpace) -> None:
    unknown = ids[(ids >= len(space.classes)) & (ids != IGNORE_LABEL)]
    if unknown.size:
        raise DataError(
            f"the model answers class {unknown[0]}, {space.name} has classes 0 to {len(space.classes) - 1}: it predicts"
            " other classes than --classes names"
        )


def _rgb(image: bytes) -> np.ndarray:
    """[h, w, 3] uint8 of a file, upright."""
    with Image.open(io.BytesIO(upright_file(image)[0])) as opened:
        if opened.mode.startswith("I"):  # 16 bits, which Pillow would clip
            return np.repeat((np.asarray(opened) >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
        return np.asarray(opened.convert("RGB"))
