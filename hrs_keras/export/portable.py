"""From a trained segmenter to files for other runtimes, in any of the export formats.

These files hold the network alone, from an image's pixels to logits. Only the SavedModel decodes image files, resizes
them and answers at their own size (:mod:`hrs_keras.export.saved_model`). docs/formats.md says what each format can do.
"""

from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hrs_keras.errors import HRSError
from hrs_keras.export.format import ExportFormat, load_format
from hrs_keras.export.record import Origin, check_same_model
from hrs_keras.export.runtimes import open_model
from hrs_keras.export.saved_model import weights_digest
from hrs_keras.export.signatures import network_logits
from hrs_keras.export.versions import write_version
from hrs_keras.models import build_segmenter
from hrs_keras.system.files import write_json

LARGEST_DIFFERENCE = 1e-3
"""Of logits, as a share of the largest: float32 sums in another order differ by 1e-6 to 1e-5, bfloat16 by 1e-2."""

LEAST_EQUAL = 0.999
"""Share of pixels that must get the same class."""


@dataclass(frozen=True)
class Agreement:
    """How far a runtime's answers are from those of Keras on the same images.

    Attributes:
        images: how many images were compared.
        largest_difference: the largest difference of two logits.
        largest_logit: the largest absolute value of a logit of Keras.
        equal: share of pixels that get the same class, in [0, 1].
    """

    images: int
    largest_difference: float
    largest_logit: float
    equal: float

    @property
    def close(self) -> bool:
        """Whether only the order of float32 sums can be the reason."""
        # Written so that NaN is not close.
        return self.largest_difference <= LARGEST_DIFFERENCE * self.largest_logit and self.equal >= LEAST_EQUAL


def export_portable(
    segmenter: keras.Model, origin: Origin, folder: Path, format: str, version: int | None = None
) -> Path:
    """Write E+S to ``folder/VERSION/NAME`` with the format's suffix, and what it is to ``NAME.json`` beside it.

    Its input is ``images`` [B, H, W, 3] float32, RGB in [0, 255], H and W multiples of 32; its output is ``logits``
    [B, H, W, C] float32. In LiteRT H and W are fixed to the training size. The file is loaded in its runtime and
    compared with Keras before it appears.

    Args:
        segmenter: E+S.
        origin: what it was made from; the recipe's name is NAME.
        folder: the folder of the versions; it is made if need be.
        format: the name of an export format, such as ``"onnx"``, ``"openvino"`` or ``"litert"``.
        version: None for one more than the highest there is.

    Returns:
        The file.

    Raises:
        HRSError: there is no such format, what it needs is not installed or does not work with this Keras or Python,
            the runtime does not answer as Keras does, the version exists, or the folder holds versions of another model
            (:func:`hrs_keras.export.record.check_same_model`) or cannot be written.
    """
    kind = load_format(format)
    kind.require_writable()
    recipe = origin.recipe
    check_same_model(folder, recipe, kind.suffix)
    segmenter = _in_float32(segmenter, origin)
    model = pixel_model(segmenter, recipe.data.size if kind.fixed_size else None)
    file = f"{recipe.name}{kind.suffix}"

    def write(partial: Path) -> None:
        kind.convert(model, partial / file)
        agreement = check_portable(partial / file, model, _check_images(recipe.data.size))
        record = _record(origin, kind) | {"weights": weights_digest(segmenter), "agreement": asdict(agreement)}
        write_json((partial / file).with_suffix(".json"), record | _signature(model))

    return write_version(folder, version, write) / file


def check_portable(path: Path, model: keras.Model, images: np.ndarray) -> Agreement:
    """Compare an exported file, in its runtime, with the Keras model it was made from.

    Args:
        path: the file.
        model: from :func:`pixel_model`.
        images: [B, H, W, 3] float32 in [0, 255].

    Raises:
        HRSError: they differ by more than rounding, or the runtime cannot load or run the file.
    """
    expected = model(images, training=False)["logits"].numpy()
    found = open_model(path)(images)
    if found.shape != expected.shape:
        raise HRSError(f"{path.name} answers with the shape {found.shape}, Keras with {expected.shape}")
    agreement = Agreement(
        images=len(images),
        largest_difference=float(np.max(np.abs(found - expected))),
        largest_logit=float(np.max(np.abs(expected))),
        equal=float(np.mean(found.argmax(-1) == expected.argmax(-1))),
    )
    if not agreement.close:
        raise HRSError(
            f"{path.name} does not answer as Keras does: logits up to {agreement.largest_logit:.3g} differ by up to"
            f" {agreement.largest_difference:.3g}, and {100 * (1 - agreement.equal):.2f} % of the pixels get another"
            " class; it was not exported. Try other versions of the format's packages, or another format"
        )
    return agreement


def pixel_model(segmenter: keras.Model, size: tuple[int, int] | None) -> keras.Model:
    """``images`` [B, H, W, 3] float32 in [0, 255] -> ``logits`` [B, H, W, C] float32, as a functional Keras model.

    Args:
        size: (H, W), or None for any multiples of 32.
    """
    images = keras.Input((*(size or (None, None)), 3), name="images")
    return keras.Model(images, {"logits": network_logits(segmenter, images)})


def _in_float32(segmenter: keras.Model, origin: Origin) -> keras.Model:
    """The same network, computing in float32. Its weights are float32 under every precision policy."""
    if segmenter.compute_dtype == "float32":
        return segmenter
    network = build_segmenter(origin.recipe.computing_in("float32"))
    network.set_weights(segmenter.get_weights())
    return network


def _check_images(size: tuple[int, int]) -> np.ndarray:
    """[2, H, W, 3] float32 in [0, 255]: noise, and colours that change slowly."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3))
    rows, columns = np.meshgrid(*(np.linspace(0, 255, side) for side in size), indexing="ij")
    return np.stack([noise, np.stack([rows, columns, 255 - (rows + columns) / 2], -1)]).astype(np.float32)


def _record(origin: Origin, kind: ExportFormat) -> dict[str, Any]:
    record = origin.record()
    package_versions = {name: metadata.version(name) for name in kind.packages.values()}
    return record | {"format": kind.name, "versions": record["versions"] | package_versions}


def _signature(model: keras.Model) -> dict[str, Any]:
    """Input and output in words and numbers; None in a shape: any."""
    pixels = {"axes": "batch, height, width, channel (red, green, blue)", "range": [0, 255]}
    classes = {"axes": "batch, height, width, class (as in label_space.classes)"}
    return {
        "input": {"name": "images", "dtype": "float32", "shape": model.input_shape} | pixels,
        "output": {"name": "logits", "dtype": "float32", "shape": model.output["logits"].shape} | classes,
    }
