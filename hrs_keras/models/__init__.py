"""The networks of Section 3.3, one file each, and what builds those of a recipe.

Names are imported when first used: this package also holds the encoders' settings, which every recipe is read with and
which need no Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrs_keras.models.building import Networks, build_networks, build_segmenter, build_weighting

__all__ = ["Networks", "build_networks", "build_segmenter", "build_weighting"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.building"), name)
