"""What the processor can do, and what TensorFlow's kernels for it may take for granted."""

import functools
import os
import sys
from pathlib import Path

from hrs_keras.errors import HRSError

_CPUINFO = Path("/proc/cpuinfo")
_FROZEN = "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"


@functools.cache
def has_avx512() -> bool | None:
    """Whether the processor has AVX-512 (its foundation, ``avx512f``); None where the system does not tell."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return None if flags is None else "avx512f" in flags


def assume_frozen_weights() -> None:
    """Tell TensorFlow that this process changes no weights, unless the user has told it otherwise.

    oneDNN may then keep them in the order that its kernels want. Otherwise TensorFlow takes a slow kernel for a single
    image on processors without AVX-512 (docs/benchmarks.md). A process that has TensorFlow already may do other things
    with it, and is left alone.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(_FROZEN, "1")


def refuse_frozen_weights() -> None:
    """Raise an HRSError where TensorFlow would go on computing with the weights that training began with."""
    if os.environ.get(_FROZEN, "0").lower() in ("1", "true"):
        raise HRSError(f"{_FROZEN} is set, so TensorFlow would never see weights change: unset it, but to predict")
