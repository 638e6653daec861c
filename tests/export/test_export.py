"""The SavedModel: what it needs, what it answers, and how it appears on disk."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import tiny
from support.processes import start

from hrs_keras.data.decode import resize_image
from hrs_keras.errors import HRSError
from hrs_keras.evaluation.evaluator import class_ids
from hrs_keras.export.finding import find_exported
from hrs_keras.export.options import ExportOptions
from hrs_keras.export.record import RECORD, Origin, check_same_model
from hrs_keras.export.run import export_run
from hrs_keras.export.saved_model import export_saved_model, find_export
from hrs_keras.export.versions import write_version
from hrs_keras.labels import CAMVID, CITYSCAPES, LabelSpace
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_segmenter
from hrs_keras.system.files import write_json

LOADER = """
import sys
import numpy as np
import tensorflow as tf

folder, *inputs = sys.argv[1:]
model = tf.saved_model.load(folder)
assert 'hrs_keras' not in sys.modules
serve = model.signatures['arrays']
for path in inputs:
    answer = serve(images=tf.constant(np.load(path)))
    np.savez(path + '.answer.npz', **{name: value.numpy() for name, value in answer.items()})
"""


@pytest.mark.slow
def test_plain_tensorflow_gives_what_the_evaluation_does(finished, tmp_path):
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, shape, np.uint8) for shape in ((2, 64, 128, 3), (1, 50, 70, 3))]
    paths = []
    for i, batch in enumerate(batches):
        paths.append(tmp_path / f"{i}.npy")
        np.save(paths[-1], batch)
    (tmp_path / "loader.py").write_text(LOADER)
    saved = json.loads((finished / "result.json").read_text())["saved_model"]
    process = start("-I", tmp_path / "loader.py", saved, *paths, cache=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    segmenter, _ = load_segmenter(RunFolder(finished))
    for batch, path in zip(batches, paths, strict=True):
        answer = np.load(f"{path}.answer.npz")
        logits = segmenter(resize_image(tf.constant(batch), (32, 64)), training=False)["logits"]
        expected = class_ids(logits, tf.shape(batch)[1:3]).numpy()
        assert answer["class_ids"].dtype == np.uint8 and answer["class_ids"].shape == batch.shape[:3]
        np.testing.assert_array_equal(answer["class_ids"], expected)
        assert answer["confidence"].shape == batch.shape[:3]
        assert np.all(answer["confidence"] >= 1 / 19) and np.all(answer["confidence"] <= 1 + 1e-6)


def test_it_holds_the_segmenter_alone(finished):
    segmenter, _ = load_segmenter(RunFolder(finished))
    saved = Path(json.loads((finished / "result.json").read_text())["saved_model"])
    stored = tf.train.load_checkpoint(str(saved / "variables/variables")).get_variable_to_shape_map()
    sizes = [int(np.prod(shape)) for name, shape in stored.items() if name.endswith("VARIABLE_VALUE")]
    assert sum(sizes) == segmenter.count_params()
    assert (saved.stat().st_mode & 0o777) == 0o755


def test_what_travels_with_it(finished):
    result = json.loads((finished / "result.json").read_text())
    extra = Path(result["saved_model"]) / "assets.extra"
    record = json.loads((extra / "hrs.json").read_text())
    assert record["step"] == result["step"] and record["size"] == [32, 64] and record["name"] == "tiny"
    assert record["metrics"]["mean_iou"] == result["mean_iou"] and record["max_pixels"] == 2**24
    assert LabelSpace.from_dict(record["label_space"]) == CITYSCAPES
    assert (extra / "recipe.yaml").read_text() == (finished / "recipe.yaml").read_text()
    card = (extra / "README.md").read_text()
    assert f"| mean of 19 classes | {100 * result['miou']:.2f}" in card
    assert "synthia: synthia" in card and "cityscapes: cityscapes, val split" in card
    assert all(f"`{name}`" in card for name in tf.saved_model.load(result["saved_model"]).signatures)


@pytest.mark.slow
def test_warmup_requests_are_answered(finished):
    """As TensorFlow Serving reads them: at most 1000 ``PredictionLog`` records, run against the model just loaded."""
    from tensorflow_serving.apis import prediction_log_pb2

    saved = json.loads((finished / "result.json").read_text())["saved_model"]
    signatures = tf.saved_model.load(saved).signatures
    asked = {}
    for record in tf.data.TFRecordDataset(f"{saved}/assets.extra/tf_serving_warmup_requests"):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        asked[request.model_spec.signature_name] = signatures[request.model_spec.signature_name](**inputs)
        assert request.model_spec.name == "tiny"
    assert set(asked) == {"serving_default", "png", "arrays"}
    for name in ("serving_default", "arrays"):
        assert asked[name]["class_ids"].shape == (1, 32, 64)


@pytest.mark.slow
def test_an_export_in_half_precision_answers_nearly_as_the_run(finished, tmp_path):
    """bfloat16 has 8 bits of mantissa: rounding errors are up to 0.4 % of what is added up."""
    wanted = {dtype: ExportOptions(out=tmp_path / dtype, precision=dtype) for dtype in ("float32", "bfloat16")}
    exported = {dtype: export_run(finished, options) for dtype, options in wanted.items()}
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3)).astype(np.float32))
    logits = {}
    for dtype, folder in exported.items():
        assert json.loads((folder / "assets.extra/hrs.json").read_text())["precision"] == dtype
        assert f"It computes in {dtype}." in (folder / "assets.extra/README.md").read_text()
        loaded = tf.saved_model.load(str(folder))
        signature = loaded.signatures["logits"]
        called = signature.graph.as_graph_def().library.function
        computed = {node.attr["T"].type for f in called for node in f.node_def if node.op == "Conv2D"}
        computed |= {
            op.get_attr("T").as_datatype_enum for op in signature.graph.get_operations() if op.type == "Conv2D"
        }
        # The last layers, whose answers are added up to logits, are float32 in any case.
        assert (tf.bfloat16.as_datatype_enum in computed) == (dtype == "bfloat16")
        logits[dtype] = signature(images=images)["logits"].numpy()
    off = np.max(np.abs(logits["bfloat16"] - logits["float32"])) / np.max(np.abs(logits["float32"]))
    assert 1e-5 < off < 0.05
    assert np.mean(logits["bfloat16"].argmax(-1) == logits["float32"].argmax(-1)) > 0.95
    exact, half = (load_segmenter(RunFolder(finished), dtype=dtype)[0] for dtype in exported)
    assert find_export(half, exported["float32"].parent) is None and find_export(half, tmp_path / "bfloat16")
    assert find_export(exact, tmp_path / "bfloat16") is None and find_export(exact, tmp_path / "float32")


def test_a_precision_that_no_export_has_is_refused():
    with pytest.raises(
        HRSError, match="--precision mixed_bfloat16: a SavedModel can be told to compute in float32 or bfloat16"
    ):
        ExportOptions(precision="mixed_bfloat16")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    images = keras.Input((None, None, 3))
    return keras.Model(images, {"logits": keras.layers.Conv2D(3, 1)(images)})


@pytest.fixture(scope="module")
def origin() -> Origin:
    return Origin(tiny.recipe(size=(32, 64)), step=1)


@pytest.mark.slow
def test_versions(network, origin, tmp_path):
    folder = tmp_path / "name"
    assert find_export(network, folder) is None and find_exported(folder) is None
    assert [export_saved_model(network, origin, folder).name for _ in range(2)] == ["1", "2"]
    assert export_saved_model(network, origin, folder, 7).name == "7"
    (folder / "notes").mkdir()
    assert export_saved_model(network, origin, folder).name == "8"
    (folder / "9").mkdir()
    assert find_exported(folder).name == "8"
    assert find_export(network, folder).name == "8"
    assert find_export(keras.models.clone_model(network), folder) is None  # other weights
    with pytest.raises(HRSError, match="7 exists"):
        export_saved_model(network, origin, folder, 7)
    for wrong in (0, -1, 2**63):
        with pytest.raises(HRSError, match="must be a whole number from 1"):
            export_saved_model(network, origin, folder, wrong)
    with pytest.raises(HRSError, match="max_pixels 0"):
        export_saved_model(network, origin, folder, max_pixels=0)
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2", "7", "8", "9", "notes"]
    assert "Not evaluated at this step" in (folder / "1/assets.extra/README.md").read_text()


@pytest.mark.fault("a version number that no server holds", "refused; a folder with such a name is no version")
def test_version_numbers_are_those_that_servers_hold(tmp_path):
    (tmp_path / "99999999999999999999999").mkdir()
    assert write_version(tmp_path, None, lambda partial: (partial / "file").touch()).name == "1"
    assert write_version(tmp_path, 2**63 - 1, lambda partial: (partial / "file").touch()).name == str(2**63 - 1)
    with pytest.raises(HRSError, match="holds version 9223372036854775807, after which there is none"):
        write_version(tmp_path, None, lambda partial: (partial / "file").touch())
    assert write_version(tmp_path, 2, lambda partial: (partial / "file").touch()).name == "2"


@pytest.mark.slow
@pytest.mark.fault(
    "an export among versions of a model with other classes, in a folder that servers may watch",
    "refused, by `hrs train` before the first step; if the classes are the same, it is told that the recipe is another",
)
def test_a_folder_of_versions_belongs_to_one_model(network, origin, tmp_path, capsys):
    exports = tmp_path / "name"
    export_saved_model(network, origin, exports)
    (exports / "2/assets.extra").mkdir(parents=True)
    (exports / "2/assets.extra/hrs.json").write_text("{")  # damaged: it tells nothing
    export_saved_model(network, origin, exports)
    assert not capsys.readouterr().out
    retrained = Origin(tiny.recipe("seed=5", size=(32, 64)), step=1)
    export_saved_model(network, retrained, exports)
    digests = f"({origin.recipe.digest()}; this one {retrained.recipe.digest()})"
    assert capsys.readouterr().out == f"version 3 in {exports} is of another recipe {digests}\n"
    unlike = {
        "class 2 is pole in version 4, and lamp in this run": lambda names: [*names[:2], "lamp", *names[3:]],
        "class 10 is bicyclist in version 4, and (none) in this run": lambda names: names[:10],
        "class 11 is (none) in version 4, and boat in this run": lambda names: [*names, "boat"],
    }
    names = list(origin.recipe.data.label_space.classes)
    for says, change in unlike.items():
        other = tiny.recipe(f"data.classes={json.dumps(change(names))}", size=(32, 64))
        with pytest.raises(HRSError, match=re.escape(says)):
            export_saved_model(network, Origin(other, step=1), exports)
    assert sorted(path.name for path in exports.iterdir()) == ["1", "2", "3", "4"]


@pytest.mark.fault("an export among versions in another format", "refused; the format that is there is shown")
def test_a_folder_of_versions_has_one_format(origin, tmp_path):
    for name, file, record in (("onnx", "1/mine.onnx", "mine.json"), ("saved", "1/saved_model.pb", RECORD)):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).touch()
        write_json(tmp_path / name / "1" / record, origin.record())
    for name, fits, other, shown in (("onnx", ".onnx", "", "mine.onnx"), ("saved", "", ".onnx", "a SavedModel")):
        check_same_model(tmp_path / name, origin.recipe, fits)
        with pytest.raises(HRSError, match=rf"{name} holds versions in another format \(version 1 is {shown}\)"):
            check_same_model(tmp_path / name, origin.recipe, other)
        classes = tiny.recipe(f"data.classes={json.dumps(['lamp', *CAMVID.classes[1:]])}", "name=other", size=(32, 64))
        with pytest.raises(HRSError, match="class 0 is sky in version 1, and lamp in this run"):
            check_same_model(tmp_path / name, classes, fits)


@pytest.mark.fault("an export that fails midway", "nothing of it is left for a server to find")
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(network, origin, tmp_path, monkeypatch, failure):
    def half(module, path, signatures):
        (Path(path) / "saved_model.pb").write_text("half")
        raise failure

    monkeypatch.setattr(tf.saved_model, "save", half)
    with pytest.raises(HRSError if isinstance(failure, OSError) else KeyboardInterrupt, match=r"No space|^$"):
        export_saved_model(network, origin, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("a folder for exports that cannot be written", "an error that names it")
def test_a_folder_that_cannot_be_written(network, origin, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HRSError, match=r"cannot write .*file/name: Not a directory"):
        export_saved_model(network, origin, tmp_path / "file/name")


@pytest.mark.slow
def test_export_of_a_run_makes_a_new_version(copied):
    folder = export_run(copied, ExportOptions(which="last", max_pixels=1000))
    assert folder == copied.parents[1] / "saved_models/tiny/2"
    record = json.loads((folder / "assets.extra/hrs.json").read_text())
    assert record["step"] == 8 and record["max_pixels"] == 1000
    expected = json.loads((copied / "evaluations/step_0000008.json").read_text())
    assert record["metrics"]["iou"] == expected["iou"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="1 to 1000 pixels"):
        tf.saved_model.load(folder).signatures["arrays"](images=np.zeros((1, 40, 40, 3), np.uint8))


@pytest.mark.fault("two exports at once", "each gets a version of its own")
def test_two_exports_at_once_get_two_numbers(tmp_path):
    """Another export ends, under the number that was free, while this one is being written."""

    def overtaken_by(number):
        def write(partial):
            (partial / "file").touch()
            (tmp_path / number).mkdir()
            (tmp_path / number / "file").touch()

        return write

    assert write_version(tmp_path, None, overtaken_by("1")) == tmp_path / "2"
    with pytest.raises(HRSError, match="3 exists"):
        write_version(tmp_path, 3, overtaken_by("3"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]


@pytest.mark.slow
@pytest.mark.fault("a damaged export of the same weights", "not taken for an export of them")
def test_a_damaged_export_is_no_export_of_these_weights(network, origin, tmp_path):
    damaged, whole = (export_saved_model(network, origin, tmp_path, version) for version in (2, 1))
    (damaged / "assets.extra/hrs.json").write_text("{")
    assert find_export(network, tmp_path) == whole
