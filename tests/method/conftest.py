"""Fixtures of the method's tests."""

from collections.abc import Iterator

import keras
import pytest


@pytest.fixture
def bfloat16() -> Iterator[None]:
    """Layers that are built meanwhile compute in bfloat16."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")
