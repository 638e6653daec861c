"""What the processor can do, and what TensorFlow's kernels for it may take for granted."""

import functools
import os
import sys
from pathlib import Path

from hrs_keras.errors import HRSError

_CPUINFO = Path("/proc/cpuinfo")
_FROZEN = "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"


_HALF = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
    "float16": {"avx512_fp16", "amx_fp16", "fphp"},
}
"""A type of half the bits -> the instructions that compute in it, as Linux calls them, of x86-64 and of ARM."""


@functools.cache
def _instructions(heading: str = "flags") -> frozenset[str] | None:
    """What the processor can do, in Linux's words; None where the system does not tell it under this heading."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith(heading)), None)


def usable_cpus() -> list[int]:
    """The numbers of the CPUs that this process may use, in their order."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def has_avx512() -> bool | None:
    """Whether the processor has AVX-512 (its foundation, ``avx512f``); None where the system does not tell."""
    return None if (found := _instructions()) is None else "avx512f" in found


def computes_in(dtype: str) -> bool | None:
    """Whether the processor has instructions for a type of numbers; None where the system does not tell.

    Args:
        dtype: ``"float32"``, which all have, ``"bfloat16"`` or ``"float16"``.
    """
    if dtype not in _HALF:
        return True
    found = _instructions() or _instructions("Features")  # x86-64, or ARM
    return None if found is None else not _HALF[dtype].isdisjoint(found)


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
