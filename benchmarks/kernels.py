"""VGG16's convolutions and their gradients one by one, as a step has them, here and in PyTorch; prints Markdown.

python benchmarks/kernels.py --height 256 --width 512 --images 2 --peer '/path/to/python torch_hrs.py'

Of the peer only its Python is used. Two images, as a step has where each domain gives one.
"""

import argparse
import json
import os
import shlex
import statistics
import sys
from collections.abc import Callable

from measuring import run, table, timed

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
WAYS = ("convolution", "input gradient", "filter gradient")


def layers(height: int, width: int, fc: int) -> dict[str, tuple[int, int, int, int, int]]:
    """Name -> height and width of the features, side of the filter, channels in and out; equal layers once."""
    found, before = {}, 3
    for block, (convolutions, channels) in enumerate(BLOCKS, start=1):
        for number in range(1, min(convolutions, 2) + 1):
            found[f"block{block}_conv{number}"] = (height, width, 3, before, channels)
            before = channels
        height, width = height // 2, width // 2
    del found["block5_conv2"]
    return found | {"fc6": (height, width, 7, before, fc), "fc7": (height, width, 1, fc, fc)}


def flop(images: int, shape: tuple[int, int, int, int, int]) -> int:
    """Floating-point operations of one of the three ways."""
    height, width, side, before, after = shape
    return 2 * images * height * width * side**2 * before * after


def in_tensorflow(images: int, shape: tuple[int, int, int, int, int]) -> list[Callable[[], object]]:
    """The three ways, as this package has TensorFlow take them."""
    import tensorflow as tf

    from hrs_keras.method.filter_gradients import quick_filter_gradients
    from hrs_keras.models.wide_convolution import WideConv2D

    height, width, side, before, after = shape
    layer = WideConv2D(after, side, padding="same", use_bias=False)
    layer.build((None, height, width, before))
    x, g = tf.random.normal((images, height, width, before)), tf.random.normal((images, height, width, after))

    def gradient(by: str) -> Callable[[], object]:
        @tf.function
        def one() -> object:
            with tf.GradientTape() as tape, quick_filter_gradients():
                tape.watch(x)
                y = layer(x)
                return tape.gradient(y, x if by == "input" else layer.kernel, output_gradients=g)

        return lambda: one().numpy()

    forward = tf.function(lambda: layer(x))
    return [lambda: forward().numpy(), gradient("input"), gradient("filter")]


def in_torch(images: int, shape: tuple[int, int, int, int, int]) -> list[Callable[[], object]]:
    """The three ways, as PyTorch's autograd takes them."""
    import torch

    height, width, side, before, after = shape
    x, k = torch.randn(images, before, height, width), torch.randn(after, before, side, side)
    g = torch.randn(images, after, height, width)
    around = [side // 2] * 2

    def gradient(mask: list[bool]) -> Callable[[], object]:
        backward = torch.ops.aten.convolution_backward
        return lambda: backward(g, x, k, None, [1, 1], around, [1, 1], False, [0, 0], 1, mask)

    forward = torch.nn.functional.conv2d
    return [
        lambda: forward(x, k, padding=around),
        gradient([True, False, False]),
        gradient([False, True, False]),
    ]


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Layer -> milliseconds of the three ways, in this process."""
    if options.torch:
        import torch

        torch.set_num_threads(options.threads)
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    ways = in_torch if options.torch else in_tensorflow
    found = {}
    for name, shape in layers(options.height, options.width, options.fc).items():
        found[name] = [timed(call, options.repeats)["ms"] for call in ways(options.images, shape)]
    return found


def report(options: argparse.Namespace, rounds: list[dict[str, dict[str, list[float]]]]) -> list[str]:
    """A table of the layers: GFLOP of each way, and GFLOP/s of the three here and there; medians over the rounds."""
    sides = list(rounds[0])
    rows = []
    for name, shape in layers(options.height, options.width, options.fc).items():
        operations, cells = flop(options.images, shape), []
        for side in sides:
            for way in range(len(WAYS)):
                ms = statistics.median(measured[side][name][way] for measured in rounds)
                cells.append(f"{operations / ms / 1e6:.0f}")
        rows.append([name, f"{operations / 1e9:.2f}", *cells])
    return table(["layer", "GFLOP", *(f"{side}: {way}" for side in sides for way in WAYS)], rows)


def main() -> None:
    """Parse the command line, measure in processes of their own, print; or measure in this one, with ``--here``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("HRS_PEER"), help="'PYTHON torch_hrs.py'; default: $HRS_PEER")
    for name, default in (("height", 256), ("width", 512), ("images", 2), ("fc", 1024), ("threads", 2), ("repeats", 6)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--here", action="store_true", help="measure in this process; prints one line of JSON")
    parser.add_argument("--torch", action="store_true", help="with --here: PyTorch's")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options)))
        return
    ours = [__file__, *sys.argv[1:], "--here"]
    commands = {"here": [sys.executable, *ours]}
    if options.peer:
        commands["PyTorch"] = [shlex.split(options.peer)[0], *ours, "--torch"]
    rounds = [{side: run(command) for side, command in commands.items()} for _ in range(options.rounds)]
    print("\n".join(report(options, rounds)))


if __name__ == "__main__":
    main()
