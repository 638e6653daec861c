"""What the processor can do, and what TensorFlow is told of weights."""

import pytest

from hrs_keras.errors import HRSError
from hrs_keras.system import processor
from hrs_keras.system.processor import assume_frozen_weights, has_avx512, refuse_frozen_weights

NAME = "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512dq\n\nprocessor\t: 1\nflags\t\t: fpu\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx avx2 fma\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", None),  # ARM
        (None, None),
    ],
)
def test_avx512_is_read_from_what_linux_tells(tmp_path, monkeypatch, told, expected):
    file = tmp_path / "cpuinfo"
    if told is not None:
        file.write_text(told)
    monkeypatch.setattr(processor, "_CPUINFO", file)
    has_avx512.cache_clear()
    try:
        assert has_avx512() is expected
    finally:
        has_avx512.cache_clear()


def test_tensorflow_is_told_only_before_its_import(monkeypatch):
    monkeypatch.delenv(NAME)
    monkeypatch.setitem(processor.sys.modules, "tensorflow", processor)
    assume_frozen_weights()
    refuse_frozen_weights()
    monkeypatch.delitem(processor.sys.modules, "tensorflow", raising=False)
    assume_frozen_weights()
    with pytest.raises(HRSError, match=f"{NAME} is set"):
        refuse_frozen_weights()


def test_what_the_user_says_stays(monkeypatch):
    monkeypatch.setenv(NAME, "0")
    monkeypatch.delitem(processor.sys.modules, "tensorflow", raising=False)
    assume_frozen_weights()
    refuse_frozen_weights()
