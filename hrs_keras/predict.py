"""Predictions for image files."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from hrs_keras.data.check import printable, reason
from hrs_keras.data.decode import decode_image, resize_image
from hrs_keras.errors import DataError
from hrs_keras.evaluation import IdWriter, prediction_function, refuse_same_stems
from hrs_keras.run_folder import RunFolder, writing
from hrs_keras.training import load_segmenter
from hrs_keras.visualise import blend, colourise

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
OVERLAY_OPACITY = 0.5


def predict_run(
    run_dir: str | Path, inputs: Sequence[str | Path], out: str | Path, *, which: str = "best"
) -> list[Path]:
    """Segment images with a run's weights.

    Args:
        inputs: image files, or folders whose PNG and JPEG files are taken.
        out: for each image NAME: ``ids/NAME.png`` (the label space's file ids), ``colour/NAME.png`` and
            ``overlay/NAME.png``, all at the image's own size.
        which: ``"best"`` or ``"last"``.

    Returns:
        The images that could not be read; they are named on the terminal and skipped.

    Raises:
        DataError: nothing to predict on, or two inputs of the same name.
        HRSError: no run or no checkpoint to load, or the predictions cannot be written.
    """
    files = find_images(inputs)
    run = RunFolder(Path(run_dir))
    recipe = run.recipe()
    segmenter, _ = load_segmenter(run, which)
    predict = prediction_function(segmenter)
    space, out = recipe.data.label_space, Path(out)
    writer = IdWriter(space, out / "ids")
    unreadable = []
    for file in tqdm(files, unit="image"):
        try:
            image = decode_image(str(file))
        except (tf.errors.OpError, ValueError) as error:  # ValueError: a name that is not UTF-8
            tqdm.write(f"hrs: skipped {printable(file)}: cannot be decoded ({reason(error)})", file=sys.stderr)
            unreadable.append(file)
            continue
        ids = predict(resize_image(image, recipe.data.size)[tf.newaxis], tf.shape(image)[:2])[0].numpy()
        writer.write(file.stem, ids)
        colours = colourise(ids, space)
        for name, picture in (("colour", colours), ("overlay", blend(image.numpy(), colours, OVERLAY_OPACITY))):
            _save(out / name / f"{file.stem}.png", picture)
    return unreadable


def _save(path: Path, picture: np.ndarray) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)


def find_images(inputs: Sequence[str | Path]) -> list[Path]:
    """The image files among files and folders, in order.

    Raises:
        DataError: an input does not exist, a folder has no image, or two files would write the same output.
    """
    files: list[Path] = []
    for given in map(Path, inputs):
        if given.is_dir():
            found = sorted(path for path in given.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise DataError(f"{given} holds no image ({', '.join(IMAGE_SUFFIXES)})")
            files += found
        elif given.is_file():
            files.append(given)
        else:
            raise DataError(f"{given} does not exist")
    files = list(dict.fromkeys(files))  # a file given twice is done once
    refuse_same_stems(files)
    return files
