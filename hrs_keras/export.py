"""From a trained segmenter to a SavedModel that needs nothing of this package."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.data.decode import resize_image
from hrs_keras.errors import HRSError
from hrs_keras.run_folder import read_json, write_json, writing

# TensorFlow Serving leaves this folder of a version to its users.
_RECORD = Path("assets.extra") / "hrs.json"


def export_saved_model(
    segmenter: keras.Model,
    size: tuple[int, int],
    folder: Path,
    version: int | None = None,
    *,
    record: dict | None = None,
) -> Path:
    """Write E+S to ``folder/VERSION/``, the layout TensorFlow Serving watches.

    The default signature takes ``images`` [B, h, w, 3] uint8 of any size and gives ``class_ids`` [B, h, w] uint8
    (train ids) and ``confidence`` [B, h, w] float32 (the probability of that class); resizing to the training size
    and back is inside.

    Args:
        size: (H, W) the network was trained at.
        version: None for one more than the highest there is.
        record: what the export was made from, for its ``assets.extra/hrs.json``.

    Raises:
        HRSError: the version exists or is no positive number, or the folder cannot be written.
    """
    if version is not None and version < 1:
        raise HRSError(f"version {version}: versions are whole numbers from 1")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        taken = _versions(folder)
        version = version if version is not None else max(taken, default=0) + 1
        if version in taken:
            raise HRSError(f"{folder / str(version)} exists; choose another version, or remove it")
        # A server may be watching: the version appears whole, by a rename, or not at all.
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        try:
            _write(segmenter, size, partial)
            write_json(partial / _RECORD, {**(record or {}), "weights": weights_digest(segmenter)})
            partial.chmod(0o755)
            return partial.rename(folder / str(version))
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def find_export(segmenter: keras.Model, folder: Path) -> Path | None:
    """The newest version in ``folder`` that holds these very weights; None if there is none."""
    if not folder.is_dir():
        return None
    digest = weights_digest(segmenter)
    for _, path in sorted(_versions(folder).items(), reverse=True):
        if (read_json(path / _RECORD) or {}).get("weights") == digest:
            return path
    return None


def weights_digest(network: keras.Model) -> str:
    """SHA-256 of all variables, in hexadecimal digits."""
    digest = hashlib.sha256()
    for variable in network.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).data)
    return digest.hexdigest()


def _versions(folder: Path) -> dict[int, Path]:
    return {int(entry.name): entry for entry in folder.iterdir() if entry.name.isdecimal()}


def _write(segmenter: keras.Model, size: tuple[int, int], path: Path) -> None:
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = segmenter(resize_image(images, size), training=False)["logits"]
        logits = tf.image.resize(logits, tf.shape(images)[1:3], method="bilinear")
        return {
            # Of the logits, as in the evaluation: nearly certain probabilities may round to a tie.
            "class_ids": tf.cast(tf.argmax(logits, axis=-1), tf.uint8),
            "confidence": tf.reduce_max(tf.nn.softmax(logits), axis=-1),
        }

    # Not keras.export.ExportArchive, which (3.15) stores every variable twice.
    module = tf.Module()
    module.weights = [weight.value for weight in segmenter.weights]
    signature = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
    module.serve = tf.function(serve, input_signature=[signature])
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
