"""The counter of floating-point operations, held against hand counts; the reports; what the exports hold."""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from support.formats import BUILT_IN, WRITABLE
from support.paths import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture(autouse=True)
def seeded():
    """A run of the same process may have asked for deterministic operations: random ones then want a seed."""
    tf.random.set_seed(0)


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script of benchmarks/ by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.mark.parametrize("wanted", ["forward", "input", "filter", "both"])
def test_flops_of_a_convolution_and_its_gradients(benchmark, wanted):
    flops = benchmark("flops")
    x, kernel = tf.random.normal((2, 8, 12, 5)), tf.Variable(tf.random.normal((3, 3, 5, 7)))

    @tf.function
    def step(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.nn.conv2d(x, kernel, 2, "SAME") ** 2)
        gradients = {"input": [x], "filter": [kernel], "both": [x, kernel]}.get(wanted, [])
        return loss, [tape.gradient(loss, g) for g in gradients]

    # Of each direction: 2 images x 4 x 6 outputs x 3 x 3 kernel x 5 channels in x 7 out, multiplied and added.
    one = 2 * (2 * 4 * 6) * (3 * 3) * 5 * 7
    found = {c.kind: c.flops for c in flops.convolutions(step, x)}
    kinds = {"forward": [], "input": [flops.INPUT_GRADIENT], "filter": [flops.FILTER_GRADIENT]}
    kinds["both"] = kinds["input"] + kinds["filter"]
    assert found == dict.fromkeys([flops.FORWARD, *kinds[wanted]], one)


def test_flops_leave_out_what_nothing_reads_and_what_is_computed_twice(benchmark):
    flops = benchmark("flops")
    kernel = tf.random.normal((1, 1, 3, 3))

    @tf.function
    def step(x):
        tf.nn.conv2d(x, kernel + 1.0, 1, "SAME")  # read by nothing
        return tf.nn.conv2d(x, kernel, 1, "SAME") + tf.nn.conv2d(x, kernel, 1, "SAME") ** 2

    assert flops.total(step, tf.random.normal((1, 4, 4, 3))) == 2 * 16 * 9


def test_flops_refuse_a_function_called_before(benchmark):
    flops = benchmark("flops")
    step = tf.function(lambda x: x + 1.0)
    step(tf.constant(1.0))
    with pytest.raises(ValueError, match="called before"):
        flops.total(step, tf.constant(1.0))


def test_report_takes_ratios_within_a_round(benchmark):
    compare = benchmark("compare")

    def measured(speed, naive):
        ours = {"full": (100, 20), "joint": (50, 12), compare.OWN: (160, 20), compare.HALF: (40, 20)}
        rows = {
            name: {"ms": ms * speed, "gflop": gflop, "gflops_per_s": gflop / speed, "rss_mib": 9}
            for name, (ms, gflop) in ours.items()
        }
        peers = {"peer shared": {"ms": 125 * speed, "rss_mib": 7}, "peer naive": {"ms": naive * speed, "rss_mib": 8}}
        return rows | peers | {"ceiling": {"gflops_per_s": 40 / speed}}

    # The second round ran on a machine three times slower, which no ratio may show.
    rounds = [measured(1, 200), measured(3, 200), measured(1, 400)]
    text = compare.report("128x256", "batch 1", rounds)
    assert "| full / peer shared | 0.80 | 0.80 to 0.80 | 0.65 |" in text
    assert f"| full / {compare.OWN} | 0.62 | 0.62 to 0.62 |  |" in text
    assert f"| {compare.HALF} / full | 0.40 | 0.40 to 0.40 |  |" in text
    assert "| full / peer naive | 0.50 | 0.25 to 0.50 | 0.8 |" in text
    assert "| full / joint, time over FLOPs | 1.20 | 1.20 to 1.20 | 1.1 |" in text
    assert "| GFLOP/s over ceiling | 0.50 | 0.50 to 0.50 | at least 0.70 |" in text


def test_inference_report_takes_ratios_within_a_round(benchmark):
    inference = benchmark("inference")

    def measured(speed, onnx):
        frozen = {f"SavedModel, {name}, weights frozen": 120 * speed for name in ("logits", "arrays")}
        times = {"Keras predict": 200 * speed, "ONNX Runtime": onnx * speed} | frozen
        return {name: {"ms": ms, "min_ms": ms - 10, "rss_mib": 9} for name, ms in times.items()}

    held = {"SavedModel, logits": {"gflop": 1.5, "elements": 70, "mib": 0.3}, "LiteRT": {"difference": "1e-6 of 8.0"}}
    text = inference.report("256x512", "small", held, [measured(1, 100), measured(3, 100), measured(1, 50)])
    assert "| Keras predict | 200.0 | 190.0 | 5.00 | 9 | 1.00 | 1.00 to 1.00 |" in text
    assert "| ONNX Runtime | 100.0 | 40.0 | 10.00 | 9 | 0.50 | 0.25 to 0.50 |" in text
    assert "| SavedModel, logits, weights frozen / ONNX Runtime | 1.20 | 1.20 to 2.40 | 1.25 |" in text
    assert "| SavedModel, logits | 1.5 | 70 | 0.3 |  |" in text and "| LiteRT |  |  |  | 1e-6 of 8.0 |" in text


@pytest.mark.slow
@pytest.mark.skipif(len(WRITABLE) < len(BUILT_IN), reason="a format cannot be written by this Keras or Python")
def test_an_export_costs_what_a_plain_fcn8s_does(benchmark, tmp_path, monkeypatch):
    network = argparse.Namespace(encoder="vgg16", height=64, width=96, fc=8, channels=4)
    held = benchmark("exports").measure(tmp_path, network)
    layers, before = [], 3  # kernel, channels in and out, stride of the output
    for block, multiple in enumerate((1, 2, 4, 8, 8)):
        for _ in range(2 if block < 2 else 3):
            layers.append((3, before, 4 * multiple, 2**block))
            before = 4 * multiple
    layers += [(7, 32, 8, 32), (1, 8, 8, 32), (1, 8, 19, 32), (1, 32, 19, 16), (1, 16, 19, 8)]
    operations = sum(2 * (64 // stride) * (96 // stride) * k * k * m * n for k, m, n, stride in layers)
    numbers = sum(k * k * m * n + n for k, m, n, _ in layers)
    for name in ("plain FCN8s in Keras", "SavedModel, logits"):
        assert held[name]["elements"] == numbers
        assert held[name]["gflop"] == pytest.approx(operations / 1e9, abs=0.0006)
    shape = ["--height", "64", "--width", "96", "--encoder", "vgg16", "--fc", "8", "--channels", "4"]
    options = argparse.Namespace(**vars(network), repeats=1, threads=2, peer=None)
    inference = benchmark("inference")
    monkeypatch.setattr(inference, "computes_in", lambda dtype: None)
    assert inference.HALF not in inference.commands("64x96", str(tmp_path), options)
    monkeypatch.setattr(inference, "computes_in", lambda dtype: True)
    commands = inference.commands("64x96", str(tmp_path), options)
    assert list(commands) == list(inference.SYSTEMS)
    for name in (
        "SavedModel, arrays, weights frozen",
        inference.HALF,
        "ONNX Runtime",
        "OpenVINO, as it chooses",
        "LiteRT",
    ):
        assert commands[name][-len(shape) - 4 : -4] == shape
        result = subprocess.run(commands[name], capture_output=True, text=True, check=True)
        assert 0 < json.loads(result.stdout)["ms"] < 60_000


@pytest.mark.slow
@pytest.mark.skipif(len(WRITABLE) < len(BUILT_IN), reason="a format cannot be written by this Keras or Python")
@pytest.mark.parametrize("encoder", ["vgg16", "efficientnet_lite"])
def test_layers_are_told_by_each_library(encoder):
    shape = ["--encoder", encoder, "--height", "64", "--width", "96", "--fc", "8", "--channels", "4"]
    command = [sys.executable, str(BENCHMARKS / "layers.py"), *shape]
    found = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"HRS_PEER": ""}
    ).stdout
    rows = [line.strip("| ").split(" | ") for line in found.splitlines() if line.startswith("| ")][2:-1]
    told = {
        "vgg16": [f"block{b}_conv{n}" for b in range(1, 6) for n in range(1, 3 + (b > 2))] + ["fc6", "fc7"],
        # The first block has no expansion before its depthwise convolution.
        "efficientnet_lite": ["stem", "block1, depthwise", "block1, 1x1"]
        + [f"block{b}, {kind}" for b in range(2, 8) for kind in ("1x1", "depthwise")],
    }
    assert [row[0] for row in rows if row[0] != "top"] == told[encoder]
    for rate in (3, 5):  # of TensorFlow and of ONNX Runtime; of so small a network some round to 0
        assert any(float(row[rate]) > 0 for row in rows)


@pytest.mark.slow
def test_a_decision_is_told_by_both_libraries():
    pytest.importorskip("onnxruntime")
    command = [sys.executable, str(BENCHMARKS / "decision.py"), "--height", "512", "--width", "1024"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.strip("| ").split(" | ") for line in found.splitlines() if line.startswith("| ")][2:]
    kinds = {"TensorFlow": {"ArgMax", "Max", "Sub", "Exp", "Sum", "EncodePng"}}
    kinds["ONNX Runtime"] = {"ArgMax", "Softmax", "ReduceMax"}
    for name, expected in kinds.items():
        times = {kind: float(ms) for runtime, kind, ms in rows if runtime == name}
        whole = times.pop("all of these")
        assert expected <= times.keys() and sum(times.values()) == pytest.approx(whole, abs=1) and whole > 1


@pytest.mark.slow
def test_kernels_are_timed_one_by_one(benchmark):
    kernels = benchmark("kernels")
    # By hand: 1 image, 3x3, from 3 to 64 channels at full size; 7x7 at a 32nd of it, where one pixel of 32x64 is two.
    shapes = kernels.layers(32, 64, 8)
    assert kernels.flop(1, shapes["block1_conv1"]) == 2 * 32 * 64 * 9 * 3 * 64
    assert kernels.flop(1, shapes["fc6"]) == 2 * (1 * 2) * 49 * 512 * 8
    small = ["--height", "32", "--width", "64", "--fc", "8", "--repeats", "1", "--rounds", "1"]
    command = [sys.executable, str(BENCHMARKS / "kernels.py"), *small]
    found = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"HRS_PEER": ""}
    ).stdout
    rows = [line.strip("| ").split(" | ") for line in found.splitlines()[2:]]
    assert [row[0] for row in rows] == list(shapes) and all(float(cell) >= 0 for row in rows for cell in row[1:])


@pytest.mark.slow
def test_prediction_is_measured_beside_the_bare_network():
    shape = ["--height", "64", "--width", "96", "--fc", "8", "--channels", "4"]
    few = ["--images", "2", "--rounds", "1", "--sizes", "64x128"]
    command = [sys.executable, str(BENCHMARKS / "predict.py"), *shape, *few]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    size, network, predict, *_ = found[-1].strip("| ").split(" | ")
    assert size == "64x128" and 0 < int(network) < 10_000 and 0 < int(predict) < 10_000


def test_input_report_takes_ratios_to_the_faster_decoder_within_a_round(benchmark):
    pipeline = benchmark("input_pipeline")

    def measured(speed, ours):
        pairs = {"raw files": ours, "prepared": 4 * ours, "PyTorch, opencv": 30, "PyTorch, pillow": 20}
        return {name: {"pairs_per_s": rate * speed, "ms": 4000 / rate / speed} for name, rate in pairs.items()}

    text = pipeline.report([measured(1, 36), measured(0.3, 36), measured(1, 45)])
    assert "| raw files / PyTorch, opencv | 1.20 | 1.20 to 1.50 | 1.2 |" in text
    assert "| prepared / PyTorch, opencv | 4.80 | 4.80 to 6.00 | 5.0 |" in text
    assert "| PyTorch, pillow | 20.0 | 200.0 |" in text and "/ PyTorch, pillow" not in text


@pytest.fixture
def cityscapes(tmp_path, save):
    """Four pairs of 64 x 128 in Cityscapes' layout; all of image number i has the value 20 i and the class i."""
    for i, (split, label_id) in enumerate((("train", 7), ("train", 8), ("train", 11), ("val", 12))):
        name = f"{split}/town/town_{i}"
        save(tmp_path / f"leftImg8bit/{name}_leftImg8bit.png", np.full((64, 128, 3), 20 * i))
        save(tmp_path / f"gtFine/{name}_gtFine_labelIds.png", np.full((64, 128), label_id))
    return tmp_path


@pytest.mark.slow
def test_input_pipeline_runs_without_a_peer(cityscapes):
    script, size = BENCHMARKS / "input_pipeline.py", ["--height", "32", "--width", "64"]
    command = [sys.executable, str(script), "--root", str(cityscapes), *size, "--rounds", "1", "--steps", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "HRS_PEER_PYTHON"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "The PyTorch peer was left out: no --peer" in result.stdout
    assert "| prepared | 100.000 % | 0.00 | 0.0 |" in result.stdout and "ratio" not in result.stdout
    for side in ("raw files", "prepared"):
        assert float(re.search(rf"^\| {side} \| ([0-9.]+) \|", result.stdout, re.MULTILINE)[1]) > 0


def test_samples_are_saved_in_order_and_compared(benchmark, cityscapes, tmp_path):
    ours, other = tmp_path / "ours.npz", tmp_path / "other.npz"
    options = argparse.Namespace(root=cityscapes, height=32, width=64, batch=4, changes=[])
    batches = benchmark("batches")
    assert batches.save_in_order(batches.recipe_of(options, "data.augment.flip=false"), ours) == {"pairs": 4}
    with np.load(ours) as saved:
        assert saved["labels"][:, 0, 0].tolist() == [0, 1, 2, 3]
        np.testing.assert_allclose(saved["images"][:, 0, 0, 0], np.array([0, 20, 40, 60]) / 127.5 - 1, atol=1e-6)
        np.savez(other, images=saved["images"] + 1 / 127.5, labels=np.zeros_like(saved["labels"]))
    assert benchmark("input_pipeline").difference(ours, other) == ["25.000 %", "1.00", "1.0"]


def test_the_peers_samples_are_the_pairs_in_order(benchmark, cityscapes, tmp_path):
    pytest.importorskip("torch", reason="the peer's side wants PyTorch")
    options = argparse.Namespace(root=cityscapes, height=32, width=64, decoder="pillow", save=tmp_path / "peer.npz")
    benchmark("torch_input").save_in_order(options)
    with np.load(options.save) as saved:
        assert saved["labels"][:, 0, 0].tolist() == [0, 1, 2, 3] and saved["images"].shape == (4, 32, 64, 3)


def test_scaling_report(benchmark):
    def measured(one, both, two):
        times = zip(benchmark("scaling").SIDES, (one, both, two), strict=True)
        return {name: {"ms": ms, "rss_mib": 1000} for name, ms in times}

    text = benchmark("scaling").report([measured(100, 110, 125), measured(200, 220, 220), measured(100, 80, 100)])
    assert re.search(r"^\| images a second, two devices .*\| 1\.82 \| 1\.60 to 2\.00 \|$", text, re.MULTILINE)
    assert re.search(r"^\| images a second, one device .*\| 1\.82 \| 1\.82 to 2\.50 \|$", text, re.MULTILINE)
    assert re.search(r"^\| step time, .*\| 1\.14 \| 1\.00 to 1\.25 \|$", text, re.MULTILINE)


@pytest.mark.slow
def test_a_step_of_two_virtual_devices_is_timed():
    shape = ["--height=32", "--width=64", "--fc=8", "--steps=1", "--batch=2", "--system=joint"]
    command = [sys.executable, BENCHMARKS / "step.py", *shape, "--devices=cpu:2", "--cores=1"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["ms"] > 0 and "gflop" not in found


def test_a_peers_definitions_are_taken_without_running_it(benchmark, tmp_path):
    script = tmp_path / "peer.py"
    script.write_text("import math\nA = 2\nclass FCN8s:\n    area = math.pi * A\ndef main():\n    1 / 0\nmain()\n")
    assert benchmark("torch_forward").definitions(script)["FCN8s"].area == pytest.approx(6.2831853)
    options = argparse.Namespace(
        encoder="vgg16", fc=8, channels=4, repeats=1, threads=2, peer=f"/peer/python '{script}'"
    )
    last = list(benchmark("inference").commands("64x96", "exports", options).values())[-1]
    assert last[0] == "/peer/python" and last[2] == str(script) and last[-1] == "--channels-last"


def test_encodings_of_records_come_back_bit_for_bit(benchmark):
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        pixels = rng.integers(0, 256, (16, 32, channels)).astype(np.uint8)
        rows = benchmark("record_encodings").measure([pixels, pixels // 2], rounds=1, repeats=1, threads=1)
        assert rows[0][:3] == ["raw bytes", f"{channels / 2:.1f}", "1.00"] and len(rows) >= 5
