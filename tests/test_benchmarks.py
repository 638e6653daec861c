"""The counter of floating-point operations, held against hand counts; the report of the comparison."""

import importlib

import pytest
import tensorflow as tf
import tiny


@pytest.fixture
def benchmark(monkeypatch):
    """Imports a script of benchmarks/ by name."""
    monkeypatch.syspath_prepend(tiny.TESTS.parent / "benchmarks")
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
        ours = {"full": (100, 20), "joint": (50, 12)}
        rows = {
            name: {"ms": ms * speed, "gflop": gflop, "gflops_per_s": gflop / speed, "rss_mib": 9}
            for name, (ms, gflop) in ours.items()
        }
        peers = {"peer shared": {"ms": 125 * speed, "rss_mib": 7}, "peer naive": {"ms": naive * speed, "rss_mib": 8}}
        return rows | peers | {"ceiling": {"gflops_per_s": 40 / speed}}

    # The second round ran on a machine three times slower, which no ratio may show.
    rounds = [measured(1, 200), measured(3, 200), measured(1, 400)]
    text = compare.report("128x256", 1024, rounds)
    assert "| full / peer shared | 0.80 | 0.80 to 0.80 | 1.0 |" in text
    assert "| full / peer naive | 0.50 | 0.25 to 0.50 | 0.8 |" in text
    assert "| full / joint, time over FLOPs | 1.20 | 1.20 to 1.20 | 1.1 |" in text
    assert "| GFLOP/s over ceiling | 0.50 | 0.50 to 0.50 |  |" in text
