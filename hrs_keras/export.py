"""From a trained segmenter to a SavedModel that needs nothing of this package."""

import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from hrs_keras.data.decode import resize_image
from hrs_keras.errors import HRSError


def export_saved_model(segmenter: keras.Model, size: tuple[int, int], folder: Path, version: int | None = None) -> Path:
    """Write E+S to ``folder/VERSION/``, the layout TensorFlow Serving watches.

    The default signature takes ``images`` [B, h, w, 3] uint8 of any size and gives ``class_ids`` [B, h, w] uint8
    (train ids) and ``confidence`` [B, h, w] float32 (the probability of that class); resizing to the training size
    and back is inside.

    Args:
        size: (H, W) the network was trained at.
        version: None for one more than the highest there is.

    Raises:
        HRSError: the version exists, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]
        version = version if version is not None else max(taken, default=0) + 1
        if version in taken:
            raise HRSError(f"{folder / str(version)} exists; choose another version, or remove it")
        # A server may be watching: the version appears whole, by a rename, or not at all.
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise HRSError(f"cannot write the export to {folder}: {error.strerror}") from None
    try:
        _write(segmenter, size, partial)
        partial.chmod(0o755)
        return partial.rename(folder / str(version))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(segmenter: keras.Model, size: tuple[int, int], path: Path) -> None:
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = segmenter(resize_image(images, size), training=False)["logits"]
        probabilities = tf.nn.softmax(tf.image.resize(logits, tf.shape(images)[1:3], method="bilinear"))
        return {
            "class_ids": tf.cast(tf.argmax(probabilities, axis=-1), tf.uint8),
            "confidence": tf.reduce_max(probabilities, axis=-1),
        }

    archive = keras.export.ExportArchive()
    archive.track(segmenter)
    archive.add_endpoint(
        "serving_default",
        serve,
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")],
    )
    archive.write_out(str(path), verbose=False)
