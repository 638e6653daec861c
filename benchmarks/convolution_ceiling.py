"""The fastest that single 3x3 convolutions of VGG16 run here, as GFLOP/s; prints one line of JSON.

python benchmarks/convolution_ceiling.py --threads 2
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

SHAPES = ((128, 256, 64), (64, 128, 128), (32, 64, 256), (16, 32, 512))
"""Height, width and channels (in = out) of the layers' inputs, two images each."""


def convolution_rate(height: int, width: int, channels: int, repeats: int) -> float:
    """GFLOP/s of the fastest of ``repeats`` runs of one forward convolution."""
    image = tf.random.uniform((2, height, width, channels))
    kernel = tf.random.uniform((3, 3, channels, channels))
    layer = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME"))
    layer()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        layer()
        seconds.append(time.perf_counter() - start)
    return 2 * 2 * height * width * 9 * channels**2 / min(seconds) / 1e9


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rates = {"x".join(map(str, shape)): round(convolution_rate(*shape, options.repeats), 1) for shape in SHAPES}
    print(json.dumps({"gflops_per_s": max(rates.values()), "shapes": rates}))


if __name__ == "__main__":
    main()
