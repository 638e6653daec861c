"""From a trained segmenter to a SavedModel that needs nothing of this package."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrs_keras.errors import CheckpointError, HRSError
from hrs_keras.export.model_card import model_card
from hrs_keras.export.record import EXTRA, RECORD, Origin, check_same_model, read_record
from hrs_keras.export.signatures import MAX_PIXELS, Signatures
from hrs_keras.export.versions import model_versions, write_version
from hrs_keras.export.warmup import write_warmup
from hrs_keras.system.files import write_json


def export_saved_model(
    segmenter: keras.Model,
    origin: Origin,
    folder: Path,
    version: int | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Path:
    """Write E+S to ``folder/VERSION/``, the layout TensorFlow Serving watches.

    The signatures are those of :class:`hrs_keras.export.signatures.Signatures`. ``assets.extra/`` holds ``hrs.json``
    (classes, palette, size, metrics, package versions), ``recipe.yaml``, a model card and the requests that TensorFlow
    Serving warms up with.

    Args:
        segmenter: E+S; the SavedModel computes in the precision that it has.
        origin: what it was made from.
        folder: the folder of the versions; it is made if need be.
        version: None for one more than the highest there is.
        max_pixels: larger images are refused when the model is served.

    Returns:
        The version's folder.

    Raises:
        HRSError: the version exists, its number is none that a server holds, the folder holds versions of another model
            (:func:`hrs_keras.export.record.check_same_model`) or cannot be written, or ``max_pixels`` is out of its
            range.
    """
    if not 1 <= max_pixels < 2**31:
        raise HRSError(f"max_pixels {max_pixels}: must be the number of pixels of the largest image, 1 to 2**31 - 1")
    check_same_model(folder, origin.recipe)
    return write_version(folder, version, lambda partial: _write(segmenter, origin, max_pixels, partial))


def _write(segmenter: keras.Model, origin: Origin, max_pixels: int, path: Path) -> None:
    recipe = origin.recipe
    # Not keras.export.ExportArchive, which (3.15) stores every variable twice.
    module = Signatures(segmenter, recipe.data.size, max_pixels)
    tf.saved_model.save(module, str(path), signatures=module.functions)
    told = {"precision": segmenter.compute_dtype, "max_pixels": max_pixels, "weights": weights_digest(segmenter)}
    record = origin.record() | told
    write_json(path / RECORD, record)
    (path / EXTRA / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    (path / EXTRA / "README.md").write_text(model_card(record, recipe), encoding="utf-8")
    write_warmup(path / EXTRA, recipe.name, recipe.data.size)


def find_export(segmenter: keras.Model, folder: Path) -> Path | None:
    """The newest version in ``folder`` with exactly these weights, computing as they do here; None if none is there."""
    digest = weights_digest(segmenter)
    for _, path in sorted(model_versions(folder).items(), reverse=True):
        try:
            found = read_record(path)
        except CheckpointError:  # it is no SavedModel, or it is damaged: these are not its weights
            continue
        # Early releases did not note the precision, which was the run's.
        if (
            found.get("weights") == digest
            and found.get("precision", segmenter.compute_dtype) == segmenter.compute_dtype
        ):
            return path
    return None


def weights_digest(network: keras.Model) -> str:
    """SHA-256 of all variables, in hexadecimal digits."""
    digest = hashlib.sha256()
    for variable in network.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).data)
    return digest.hexdigest()
