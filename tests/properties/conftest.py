"""How many cases hypothesis makes up: few and always the same in ``make test``, ever new ones in ``make fuzz``."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Not the time a case takes: the machine may be busy. Not how long making it up takes either: some are whole files.
_ALWAYS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("tests", derandomize=True, database=None, **_ALWAYS)
settings.register_profile("fuzz", print_blob=True, **_ALWAYS)
settings.load_profile("tests")  # --hypothesis-profile comes after this


@pytest.fixture(autouse=True, scope="package")
def no_waiting_for_the_disk() -> Iterator[None]:
    """Files that must survive a power cut wait until they are on the disk; thousands of cases cannot."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield
