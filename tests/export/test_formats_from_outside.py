"""An export format that another package adds: the whole file is that of docs/extending.md."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import tiny
from support.formats import WRITABLE
from support.outside import install, shown

from hrs_keras.cli.main import main
from hrs_keras.errors import HRSError
from hrs_keras.export.format import ExportFormat, load_format
from hrs_keras.export.options import ExportOptions
from hrs_keras.export.portable import export_portable
from hrs_keras.export.record import Origin
from hrs_keras.export.run import export_run
from hrs_keras.export.runtimes import open_model
from hrs_keras.models import build_segmenter
from hrs_keras.recipe.plugins import EXPORT_FORMATS


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """A distribution on ``sys.path`` whose entry point names the documented format ``onnx_gz``."""
    site = tmp_path / "site"
    install(site, {"onnx_gz": shown('"""ONNX files compressed')}, "[hrs_keras.export_formats]\nonnx_gz = onnx_gz\n")
    monkeypatch.syspath_prepend(site)
    yield site
    sys.modules.pop("onnx_gz", None)


needs_onnx = pytest.mark.skipif("onnx" not in WRITABLE, reason="this Keras writes no ONNX files")


@pytest.mark.slow
@needs_onnx
def test_export_and_run_the_documented_format(installed, finished, tmp_path):
    assert "onnx_gz" in EXPORT_FORMATS.names()
    file = export_run(finished, ExportOptions("onnx_gz", out=tmp_path / "out"))
    assert file == tmp_path / "out/1/tiny.onnxgz"
    record = json.loads(file.with_suffix(".json").read_text())
    assert record["format"] == "onnx_gz" and "onnxruntime" in record["versions"]
    assert record["agreement"]["equal"] >= 0.999
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3)).astype(np.float32)
    assert open_model(file)(images).shape == (2, 32, 64, 19)


@pytest.mark.slow
@needs_onnx
def test_the_command_line_finds_it(installed, copied, capsys):
    assert main(["export", str(copied), "--format", "onnx_gz"]) == 0
    folder = copied.parents[1] / "saved_models/tiny-onnx_gz/1"
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "tiny.onnxgz")
    assert main(["export", str(copied), "--format", "onnx_zg"]) == 2
    assert "unknown export format 'onnx_zg'. Did you mean 'onnx_gz'?" in capsys.readouterr().err


class Broken(ExportFormat):
    """Answers with zeros."""

    name, suffix, runtime = "broken", ".broken", "nothing"

    def convert(self, model, path):
        path.touch()

    def load(self, path, threads, exact):
        return lambda images: np.zeros((*images.shape[:3], 11), np.float32)


def test_a_format_that_answers_otherwise_than_keras_is_refused(tmp_path):
    recipe = tiny.recipe("name=small", size=(32, 64))
    EXPORT_FORMATS.register("broken", Broken())
    try:
        with pytest.raises(HRSError, match=r"small\.broken does not answer as Keras does"):
            export_portable(build_segmenter(recipe), Origin(recipe, 1), tmp_path / "v", "broken")
    finally:
        EXPORT_FORMATS.unregister("broken")
    assert list((tmp_path / "v").iterdir()) == []


def test_a_format_of_the_wrong_kind(tmp_path):
    EXPORT_FORMATS.register("number", 3)
    try:
        with pytest.raises(HRSError, match=r"export format 'number' .* must be an instance of .*ExportFormat"):
            load_format("number")
    finally:
        EXPORT_FORMATS.unregister("number")


def test_looking_for_formats_needs_no_tensorflow():
    code = """
import sys
from hrs_keras.export.format import load_format
from hrs_keras.export.runtimes import EXPORT_FORMATS, open_model
for name in EXPORT_FORMATS.names():
    assert load_format(name).name == name
try:
    open_model("model.pb")
except Exception as error:
    assert "must be a file that ends in" in str(error)
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
