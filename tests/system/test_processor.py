"""What the processor can do, and what TensorFlow is told of weights."""

import pytest

from hrs_keras.errors import HRSError
from hrs_keras.system import processor
from hrs_keras.system.processor import assume_frozen_weights, computes_in, has_avx512, refuse_frozen_weights

NAME = "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS"


@pytest.mark.parametrize(
    ("told", "avx512", "bfloat16", "float16"),
    [
        (
            "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512dq\n\nprocessor\t: 1\nflags\t\t: bf16\n",
            True,
            False,
            False,
        ),
        ("flags\t\t: avx512f avx512_bf16 avx512_fp16 amx_bf16 amx_tile\n", True, True, True),  # Sapphire Rapids
        ("processor\t: 0\nflags\t\t: fpu avx avx2 fma\n", False, False, False),
        ("processor\t: 0\nFeatures\t: fp asimd fphp asimdhp sve bf16\n", None, True, True),  # ARM Neoverse V1
        ("processor\t: 0\nFeatures\t: fp asimd\n", None, False, False),
        ("processor\t: 0\n", None, None, None),
        (None, None, None, None),
    ],
)
def test_instructions_are_read_from_what_linux_tells(tmp_path, monkeypatch, told, avx512, bfloat16, float16):
    file = tmp_path / "cpuinfo"
    if told is not None:
        file.write_text(told)
    monkeypatch.setattr(processor, "_CPUINFO", file)
    processor._instructions.cache_clear()
    try:
        assert has_avx512() is avx512 and computes_in("float32") is True
        assert computes_in("bfloat16") is bfloat16 and computes_in("float16") is float16
    finally:
        processor._instructions.cache_clear()


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
