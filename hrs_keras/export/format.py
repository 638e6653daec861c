"""What an export format is: how a model is written to a file of another runtime, and how such a file is run.

This needs neither TensorFlow nor Keras, because whoever only runs a file may have neither.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hrs_keras.errors import HRSError
from hrs_keras.recipe.plugins import EXPORT_FORMATS

Run = Callable[[np.ndarray], np.ndarray]
"""``images`` [B, H, W, 3] float32, RGB in [0, 255] -> ``logits`` [B, H, W, C] float32, valid until the next call."""


class ExportFormat(ABC):
    """A format that models are exported to.

    A subclass in a file of its own, whose attribute ``PLUGIN`` is an instance, is all that a new format takes; see
    docs/extending.md. That file imports what it needs inside its methods, so that a file can be run without what
    wrote it.

    Attributes:
        name: how ``hrs export --format`` calls it; also part of the folder's name.
        suffix: of the model's file, such as ``".onnx"``.
        runtime: what runs the file, in words.
        packages: import name -> name of the distribution, of what writing and running a file need.
        install: the command that installs these.
        fixed_size: whether H and W are fixed to the training size; otherwise they may be any multiples of 32. The
            batch size is free in all formats.
    """

    name: str
    suffix: str
    runtime: str
    packages: ClassVar[Mapping[str, str]] = {}
    install: str = ""
    fixed_size: bool = False

    @abstractmethod
    def convert(self, model: Any, path: Path) -> None:
        """Write a model.

        Args:
            model: a functional ``keras.Model`` in float32: ``images`` [B, H, W, 3], RGB in [0, 255] -> a dictionary
                with ``logits`` [B, H, W, C].
            path: the file; other files may be written beside it.
        """

    @abstractmethod
    def load(self, path: Path, threads: int | None, exact: bool) -> Run:
        """Load a file on the CPU; see :func:`hrs_keras.export.runtimes.open_model`. May raise anything."""

    def require_writable(self) -> None:
        """Check that files of this format can be written here; called before anything else is done.

        Raises:
            HRSError: a package is missing, or there is another obstacle.
        """
        self.require_packages()

    def require_packages(self) -> None:
        """Check that the format's packages are installed.

        Raises:
            HRSError: naming those that are not, and how to install them.
        """
        if missing := [name for module, name in self.packages.items() if importlib.util.find_spec(module) is None]:
            raise HRSError(f"the format {self.name} needs {' and '.join(missing)}, not installed here: {self.install}")


def load_format(name: str) -> ExportFormat:
    """The export format of a name.

    Raises:
        RecipeError: there is none of this name, or its file cannot be imported.
    """
    return EXPORT_FORMATS.load_instance(name, ExportFormat)  # type: ignore[type-abstract]  # of a subclass
