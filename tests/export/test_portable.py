"""ONNX, OpenVINO and LiteRT: what the files hold, what their runtimes answer, and what is refused."""

import json
import re
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support import tiny
from support.formats import WRITABLE
from support.paths import REPOSITORY
from support.processes import start

from hrs_keras.data.decode import decode_image, resize_image
from hrs_keras.errors import HRSError
from hrs_keras.export.format import load_format
from hrs_keras.export.formats import openvino
from hrs_keras.export.options import ExportOptions
from hrs_keras.export.portable import Agreement, check_portable, export_portable, pixel_model
from hrs_keras.export.record import Origin
from hrs_keras.export.run import export_run
from hrs_keras.export.runtimes import open_model
from hrs_keras.labels import CITYSCAPES
from hrs_keras.models import build_segmenter
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter

# Runs a file in its runtime, as its makers document it, where nothing of TensorFlow, Keras or this package is loaded.
RUNNER = """
import sys
import numpy as np

file, *inputs = sys.argv[1:]
if file.endswith('.onnx'):
    import onnxruntime
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    run = lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]
elif file.endswith('.xml'):
    import openvino
    core = openvino.Core()
    model = core.compile_model(core.read_model(file), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    run = lambda images: model(images)[0]
else:
    from ai_edge_litert.interpreter import Interpreter
    def run(images):
        interpreter = Interpreter(file)
        [given], [made] = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.resize_tensor_input(given['index'], images.shape, strict=True)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given['index'], images)
        interpreter.invoke()
        return interpreter.get_tensor(made['index'])
for path in inputs:
    np.save(path + '.answer.npy', run(np.load(path)))
assert not {'tensorflow', 'keras', 'hrs_keras'} & set(sys.modules)
"""

if not WRITABLE:
    pytest.skip("no format can be written by this Keras", allow_module_level=True)


def formats(test):
    """For each format that can be written; slow, for all of them are written and run."""
    return pytest.mark.slow(pytest.mark.parametrize("format", WRITABLE)(test))


def answers(file: Path, batches: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    """What the file's runtime answers in a process of its own."""
    paths = [folder / f"{i}.npy" for i in range(len(batches))]
    for path, batch in zip(paths, batches, strict=True):
        np.save(path, batch)
    (folder / "runner.py").write_text(RUNNER)
    process = start("-I", folder / "runner.py", file, *paths, cache=folder)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [np.load(f"{path}.answer.npy") for path in paths]


def assert_close(found: np.ndarray, segmenter: keras.Model, images: np.ndarray) -> None:
    """The logits are those of the network, which reads images in [-1, 1], but for the rounding of float32."""
    expected = segmenter(images.astype(np.float64) / 127.5 - 1.0, training=False)["logits"].numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.ptp(expected) > 0.1  # it would mean little of an answer that is the same everywhere


@formats
def test_the_runtime_answers_as_the_run_does(exported, finished, tmp_path, format):
    rng = np.random.default_rng(0)
    sizes = [(1, 32, 64), (3, 32, 64)] + ([] if format == "litert" else [(2, 64, 32), (1, 96, 160)])
    batches = [rng.integers(0, 256, (*size, 3)).astype(np.float32) for size in sizes]
    segmenter, _ = load_segmenter(RunFolder(finished))
    for found, images in zip(answers(exported[format], batches, tmp_path), batches, strict=True):
        assert_close(found, segmenter, images)


@formats
def test_batch_normalisation_that_convolutions_compute(tmp_path, format):
    settings = ("encoder.family=efficientnet_lite", "encoder.batch_norm=frozen", "encoder.heads=random")
    recipe = tiny.recipe(*settings)
    segmenter = build_segmenter(recipe)
    rng = np.random.default_rng(0)
    for variable in segmenter.variables:
        if variable.path.endswith(("gamma", "beta", "moving_mean", "moving_variance")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    file = export_portable(segmenter, Origin(recipe, step=0), tmp_path / "exports", format)
    images = rng.integers(0, 256, (1, *recipe.data.size, 3)).astype(np.float32)
    assert_close(*answers(file, [images], tmp_path), segmenter, images)


@formats
def test_genuine_images(exported, finished, real_data, tmp_path, format):
    files = sorted(real_data.glob("camvid/val/images/*"))[:40:10]
    assert len(files) == 4
    images = np.concatenate([resize_image(decode_image(str(f))[tf.newaxis], (32, 64)) * 127.5 + 127.5 for f in files])
    segmenter, _ = load_segmenter(RunFolder(finished))
    assert_close(*answers(exported[format], [images], tmp_path), segmenter, images)


@formats
def test_the_record_beside_the_file(exported, finished, format):
    file = exported[format]
    assert file.parent.name == "1" and file.name == "tiny" + {"openvino": ".xml"}.get(format, file.suffix)
    others = {"tiny.json"} | ({"tiny.bin"} if format == "openvino" else set())
    assert {path.name for path in file.parent.iterdir()} == {file.name} | others
    record = json.loads(file.with_suffix(".json").read_text())
    saved_model = Path(json.loads((finished / "result.json").read_text())["saved_model"])
    same = ("name", "recipe", "step", "size", "label_space", "weights")
    twin = json.loads((saved_model / "assets.extra/hrs.json").read_text())
    assert {key: record[key] for key in same} == {key: twin[key] for key in same}
    assert record["label_space"]["classes"][:2] == ["road", "sidewalk"]
    assert record["label_space"]["palette"] == [list(colour) for colour in CITYSCAPES.palette]
    size = [32, 64] if format == "litert" else [None, None]
    assert record["input"]["shape"] == [None, *size, 3] and record["input"]["range"] == [0, 255]
    assert record["output"]["shape"] == [None, *size, 19] and record["output"]["name"] == "logits"
    runtime = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "ai-edge-litert"}[format]
    assert re.match(r"\d+\.\d+", record["versions"][runtime])
    agreement = record["agreement"]
    assert agreement["images"] == 2 and agreement["equal"] >= 0.999
    assert agreement["largest_difference"] <= 1e-5 * agreement["largest_logit"]


@formats
def test_it_holds_the_segmenter_alone(exported, finished, format):
    segmenter, _ = load_segmenter(RunFolder(finished))
    weights = exported[format].with_suffix({"openvino": ".bin"}.get(format, exported[format].suffix))
    assert 0 <= weights.stat().st_size - 4 * segmenter.count_params() < 30_000  # the graph


@pytest.mark.slow
def test_onnx_sizes_have_names(exported):
    import onnx

    model = onnx.load(exported["onnx"])
    for tensor, channels in ((model.graph.input[0], 3), (model.graph.output[0], 19)):
        dimensions = tensor.type.tensor_type.shape.dim
        assert [d.dim_param or d.dim_value for d in dimensions] == ["batch", "height", "width", channels]
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.slow
@formats
def test_residual_encoder_trained_in_bfloat16(tmp_path, format):
    recipe = tiny.recipe("name=res", "precision=mixed_bfloat16", "encoder.family=resnet")
    before = keras.config.dtype_policy()
    try:
        exact = _unlike_fresh(build_segmenter(recipe.model_copy(update={"precision": "float32"})))
        keras.config.set_dtype_policy("mixed_bfloat16")
        segmenter = build_segmenter(recipe)
        segmenter.set_weights(exact.get_weights())
        file = export_portable(segmenter, Origin(recipe, 8), tmp_path / "versions", format)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    images = np.random.default_rng(1).integers(0, 256, (2, tiny.HEIGHT, tiny.WIDTH, 3)).astype(np.float32)
    assert_close(*answers(file, [images], tmp_path), exact, images)


def _unlike_fresh(network: keras.Model) -> keras.Model:
    """Give batch normalisation statistics and factors that change what passes through."""
    rng = np.random.default_rng(2)
    for variable in network.variables:
        if variable.name in ("moving_mean", "beta"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
        elif variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return network


@pytest.fixture
def recipe():
    return tiny.recipe("name=small", size=(32, 64))


@pytest.fixture
def segmenter(recipe):
    return build_segmenter(recipe)


@pytest.mark.fault("a converted model that answers otherwise than Keras", "refused; no file appears")
@pytest.mark.slow
def test_another_networks_answers_are_refused(recipe, segmenter, tmp_path, monkeypatch):
    other, onnx = pixel_model(build_segmenter(recipe), None), load_format("onnx")
    convert = onnx.convert
    monkeypatch.setattr(onnx, "convert", lambda model, path: convert(other, path))
    with pytest.raises(HRSError, match=r"small\.onnx does not answer as Keras does: .* another class"):
        export_portable(segmenter, Origin(recipe, 1), tmp_path / "v", "onnx")
    assert list((tmp_path / "v").iterdir()) == []


@pytest.mark.fault("a converted model that its runtime cannot load", "refused; no file appears")
@formats
def test_a_file_that_cannot_be_loaded_is_refused(recipe, segmenter, tmp_path, monkeypatch, format):
    kind = load_format(format)
    monkeypatch.setattr(kind, "convert", lambda model, path: path.write_bytes(b"half"))
    with pytest.raises(HRSError, match=rf"small\{kind.suffix} cannot be loaded by {kind.runtime}: .*export"):
        export_portable(segmenter, Origin(recipe, 1), tmp_path / "v", format)
    assert list((tmp_path / "v").iterdir()) == []


@pytest.mark.fault("a disk that fills during a conversion", "one message; nothing is left")
def test_a_disk_that_is_full_leaves_nothing(recipe, segmenter, tmp_path, monkeypatch):
    def full(model, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(load_format("onnx"), "convert", full)
    with pytest.raises(HRSError, match=r"cannot write .*No space left"):
        export_portable(segmenter, Origin(recipe, 1), tmp_path / "v", "onnx")
    assert list((tmp_path / "v").iterdir()) == []


@pytest.mark.parametrize(
    ("difference", "equal", "close"),
    [(1e-4, 1.0, True), (0.08, 0.9999, False), (1e-4, 0.99, False), (float("nan"), 1.0, False)],
)
def test_rounding_is_told_from_other_differences(difference, equal, close):
    assert Agreement(2, difference, 8.6, equal).close is close  # 0.08: bfloat16


@pytest.mark.slow
def test_another_shape_is_refused(exported, segmenter):
    with pytest.raises(HRSError, match=r"shape \(1, 32, 64, 19\), Keras with \(1, 32, 64, 11\)"):
        check_portable(exported["onnx"], pixel_model(segmenter, None), np.zeros((1, 32, 64, 3), np.float32))


@pytest.mark.parametrize(
    ("format", "module", "package"),
    [("onnx", "tf2onnx", "tf2onnx"), ("openvino", "scipy", "scipy"), ("litert", "ai_edge_litert", "ai-edge-litert")],
)
def test_a_package_that_is_missing(tmp_path, monkeypatch, format, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"the format {format} needs {package}, not installed here: pip install 'hrs-keras\[{format}\]'"
    with pytest.raises(HRSError, match=message):
        export_run(tmp_path / "not even a run", ExportOptions(format))


def test_unknown_formats(tmp_path):
    with pytest.raises(HRSError, match=r"unknown export format 'onxx'\. Did you mean 'onnx'\?"):
        export_run(tmp_path, ExportOptions("onxx"))
    with pytest.raises(HRSError, match=r"model\.pb: must be a file that ends in \.tflite, \.onnx, \.xml"):
        open_model(Path("model.pb"))


@pytest.mark.slow
def test_versions_of_a_run(copied):
    versions = copied.parents[1] / "saved_models/tiny-onnx"
    assert export_run(copied, ExportOptions("onnx", which="last")) == versions / "1/tiny.onnx"
    assert export_run(copied, ExportOptions("onnx")) == versions / "2/tiny.onnx"
    assert json.loads((versions / "1/tiny.json").read_text())["step"] == 8
    with pytest.raises(HRSError, match="tiny-onnx/2 exists"):
        export_run(copied, ExportOptions("onnx", version=2))
    assert sorted(path.name for path in versions.iterdir()) == ["1", "2"]


@formats
def test_the_documented_lines_run(exported, finished, tmp_path, format):
    text = (REPOSITORY / "docs/formats.md").read_text()
    first, *runtimes, last = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [one] = [block for block in runtimes if f"toy_city{load_format(format).suffix}" in block]
    folder = tmp_path / f"saved_models/toy_city-{format}/1"
    folder.mkdir(parents=True)
    for file in exported[format].parent.iterdir():
        shutil.copy(file, folder / f"toy_city{file.suffix}")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 150, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", "png")
    lines = ["import os, sys", f"os.chdir({str(tmp_path)!r})", first.replace("toy_city-onnx", f"toy_city-{format}")]
    lines += [one, last, "np.savez('seen.npz', images=images, logits=logits)"]
    lines += ["assert not {'tensorflow', 'keras', 'hrs_keras'} & set(sys.modules)"]
    (tmp_path / "documented.py").write_text("\n".join(lines))
    process = start("-I", tmp_path / "documented.py", cache=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    seen = np.load(tmp_path / "seen.npz")
    # Resized as for the training, but cut down to whole numbers.
    assert np.abs(seen["images"] + 0.5 - tf.image.resize(pixels[np.newaxis], (32, 64)).numpy()).max() < 0.51
    segmenter, _ = load_segmenter(RunFolder(finished))
    assert_close(seen["logits"], segmenter, seen["images"])
    with Image.open(tmp_path / "classes.png") as classes:
        assert classes.size == (150, 50)


def test_a_keras_without_the_exports(tmp_path, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.12.4")
    with pytest.raises(HRSError, match=r"written by Keras 3\.15 or newer.*found Keras 3\.12\.4"):
        export_run(tmp_path, ExportOptions("onnx"))


def test_a_python_that_openvinos_converter_fails_on(tmp_path, monkeypatch):
    monkeypatch.setattr(openvino, "FIRST_PYTHON_WITHOUT", sys.version_info[:2])
    with pytest.raises(HRSError, match="OpenVINO's converter does not work on Python 3"):
        export_run(tmp_path, ExportOptions("openvino"))
