"""The networks of Section 3.3, one file each, and what builds those of a recipe.

Names are imported when first used: this package also holds the encoders' settings, which every recipe is read with and
which need no Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrs_keras.models.building import Networks, build_networks, build_segmenter
    from hrs_keras.models.global_state import precision_policy, seeded

__all__ = ["Networks", "build_networks", "build_segmenter", "precision_policy", "seeded"]

_HOME = dict.fromkeys(("Networks", "build_networks", "build_segmenter"), "building")
_HOME |= dict.fromkeys(("precision_policy", "seeded"), "global_state")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
