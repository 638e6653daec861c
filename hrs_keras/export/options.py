"""What an export is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hrs_keras.errors import HRSError

SAVED_MODEL = "saved_model"
PRECISIONS = ("float32", "bfloat16")
"""What a SavedModel can be told to compute in."""


@dataclass(frozen=True)
class ExportOptions:
    """What :func:`hrs_keras.export_run` writes, and where.

    Attributes:
        format: ``"saved_model"``, or the name of another export format, such as ``"onnx"``.
        which: ``"best"`` or ``"last"``, the run's checkpoint.
        version: None for one more than the highest there is.
        out: the folder of the versions. By default ``SAVED_MODELS/NAME``, and ``SAVED_MODELS/NAME-FORMAT`` for other
            formats: a model server that watches a folder must find one kind of model in it.
        max_pixels: of SavedModels alone: larger images are refused when the model is served; None for 2**24.
        precision: of SavedModels alone: what they compute in, ``"float32"``, ``"bfloat16"`` (other answers at some
            pixels, and on some processors quicker; see docs/serving.md), or None for what the run was trained in.
            Weights are stored as float32 in any case.

    Raises:
        HRSError: other formats are told what is for SavedModels alone, or SavedModels another precision.
    """

    format: str = SAVED_MODEL
    which: Literal["best", "last"] = "best"
    version: int | None = None
    out: str | Path | None = None
    max_pixels: int | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        alone = "is for SavedModels; files of other formats hold the network alone, in float32"
        if self.format != SAVED_MODEL and self.max_pixels is not None:
            raise HRSError(f"--max-pixels {self.max_pixels} {alone}")
        if self.format != SAVED_MODEL and self.precision is not None:
            raise HRSError(f"--precision {self.precision} {alone}")
        if self.precision not in (None, *PRECISIONS):
            raise HRSError(
                f"--precision {self.precision}: a SavedModel can be told to compute in {' or '.join(PRECISIONS)}"
            )
