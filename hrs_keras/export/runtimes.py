"""Exported model files in the runtimes that they are for; this needs neither TensorFlow nor Keras."""

from pathlib import Path

from hrs_keras.errors import HRSError
from hrs_keras.export.format import ExportFormat, Run, load_format
from hrs_keras.recipe.plugins import EXPORT_FORMATS


def known_suffixes() -> list[str]:
    """The suffixes of exported files, of all formats there are."""
    return [load_format(name).suffix for name in EXPORT_FORMATS.names()]


def format_of(path: Path) -> ExportFormat:
    """The export format that a file's suffix tells.

    Raises:
        HRSError: it is no format's.
    """
    formats = [load_format(name) for name in EXPORT_FORMATS.names()]
    found = next((known for known in formats if known.suffix == path.suffix), None)
    if found is None:
        raise HRSError(f"{path}: must be a file that ends in {', '.join(known.suffix for known in formats)}")
    return found


def open_model(path: str | Path, *, threads: int | None = None, exact: bool = True) -> Run:
    """Load an exported file (such as .onnx, .xml or .tflite) on the CPU.

    Args:
        path: the file; its suffix tells its format.
        threads: None for as many as the runtime chooses.
        exact: compute in float32. Of the built-in formats only OpenVINO does otherwise unless it is told: it takes
            bfloat16 or float16 on processors that are quicker with it.

    Returns:
        A function from ``images`` [B, H, W, 3] float32, RGB in [0, 255], to ``logits`` [B, H, W, C] float32.

    Raises:
        HRSError: no format has this suffix, the runtime is not installed, or the file cannot be loaded.
    """
    path = Path(path)
    found = format_of(path)
    found.require_packages()
    try:
        return found.load(path, threads, exact)
    except Exception as error:  # the runtimes raise what they like: RuntimeError, ValueError, classes of their own
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise HRSError(f"{path} cannot be loaded by {found.runtime}: {first_line}; export the run again") from error
