"""What ``hrs request`` does: image files to a served model, label maps back."""

import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from hrs_keras.errors import DataError, ServingError, did_you_mean, printable, reason
from hrs_keras.labels import IGNORE_LABEL, LABEL_SPACES, LabelSpace
from hrs_keras.media.inputs import find_inputs, is_video
from hrs_keras.media.painting import colourise, overlay
from hrs_keras.serving.client import Segmentation, ServingClient, upright_file
from hrs_keras.system.files import write_whole, writing

MAX_BATCH = 1024


def request_files(
    address: str,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    model: str,
    version: int | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
    classes: str | None = None,
    batch_size: int = 1,
) -> list[Path]:
    """Segment image files with a served model.

    Args:
        address, model, version, timeout, attempts: see :class:`hrs_keras.serving.ServingClient`.
        inputs: image files, folders, or patterns; see :func:`hrs_keras.media.inputs.find_inputs`.
        out: for each image NAME: ``class_ids/NAME.png`` (train ids) and ``confidence/NAME.png`` (255 = certain), at the
            size of the image as it stands upright.
        classes: a built-in label space; then ``colour/NAME.png`` and ``overlay/NAME.png`` are written too.
        batch_size: images a request.

    Returns:
        The images that could not be read, or that the server refused; they are named on the terminal and skipped.

    Raises:
        DataError: nothing to send, two inputs of the same name, a video, or ``classes`` does not fit the model.
        ServingError: the server cannot be reached, or does not have the model.
        HRSError: the answers cannot be written.
    """
    if classes is not None and classes not in LABEL_SPACES:
        raise DataError(f"no label space is called {classes!r}.{did_you_mean(classes, LABEL_SPACES)}")
    if not 1 <= batch_size <= MAX_BATCH:
        raise DataError(f"batch size {batch_size}: wants 1 to {MAX_BATCH}")
    files, skipped = find_inputs(inputs), []
    if videos := [file for file in files if is_video(file)]:
        raise DataError(f"{printable(videos[0])} is a video; hrs predict takes those, or send its frames as images")
    folders = _Folders(Path(out), LABEL_SPACES.get(classes))
    with (
        ServingClient(address, model, version=version, timeout=timeout, attempts=attempts) as client,
        tqdm(total=len(files), unit="image", disable=None) as progress,
    ):
        for start in range(0, len(files), batch_size):
            for file, (image, answer) in _segment(client, files[start : start + batch_size]).items():
                if isinstance(answer, Segmentation):
                    folders.write(file.stem, image, answer)
                else:
                    progress.write(f"hrs: skipped {printable(file)}: {reason(answer)}", file=sys.stderr)
                    skipped.append(file)
                progress.update()
    return skipped


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
    # One bad image spoils a request: each by itself.
    return {file: answer for one in files for file, answer in _segment(client, [one]).items()}


class _Folders:
    """Where the answers go, each file whole or not at all; made at once: a wrong place is told before the wait."""

    def __init__(self, out: Path, space: LabelSpace | None):
        self._out, self._space = out, space
        for kind in ("class_ids", "confidence", *(("colour", "overlay") if space else ())):
            with writing(out / kind):
                (out / kind).mkdir(parents=True, exist_ok=True)

    def write(self, stem: str, image: bytes, answer: Segmentation) -> None:
        pictures = {"class_ids": answer.class_ids, "confidence": np.round(255 * answer.confidence).astype(np.uint8)}
        if self._space:
            _check_classes(answer.class_ids, self._space)
            pictures["colour"] = colourise(answer.class_ids, self._space)
            pictures["overlay"] = overlay(_rgb(image), pictures["colour"])
        for kind, pixels in pictures.items():
            path = self._out / kind / f"{stem}.png"
            with writing(path):
                write_whole(path, partial(Image.fromarray(pixels).save, format="PNG"))


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
