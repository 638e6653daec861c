"""What `hrs prepare` could store images and labels as: size, and how fast TensorFlow gives the pixels back.

python benchmarks/record_encodings.py recipes/carla_camvid.yaml data.root=/path/to/data

Evenly spaced samples of each role at the stored size are encoded in every way, checked to come back bit for bit, and
decoded in memory by a ``tf.data`` pipeline. The encodings take turns, round by round; the table has the median rounds.
Times are those of the CPU, all threads together: others at work on the machine do not show. Prints Markdown.
"""

import argparse
import os
import statistics
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from measuring import table
from PIL import Image

from hrs_keras.data.audit import usable_samples
from hrs_keras.data.samples import training_loader
from hrs_keras.recipe.reading import load_recipe

Pixels = np.ndarray
"""[H, W, C] uint8."""


class Encoding(NamedTuple):
    """A lossless way to store pixels.

    Attributes:
        encode: pixels -> bytes.
        decode: scalar string and the shape [H, W, C] -> pixels.
    """

    encode: Callable[[Pixels], bytes]
    decode: Callable[[tf.Tensor, tuple[int, ...]], tf.Tensor]


def _raw(contents: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return tf.reshape(tf.io.decode_raw(contents, tf.uint8), shape)


def _inflated(contents: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return _raw(tf.io.decode_compressed(contents, "ZLIB"), shape)


def _png(contents: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return tf.ensure_shape(tf.io.decode_png(contents, channels=shape[-1]), shape)


def _webp(contents: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return tf.ensure_shape(tf.io.decode_webp(contents, channels=3)[0], shape)


def _to_webp(pixels: Pixels) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=50)
    return file.getvalue()


def encodings(channels: int) -> dict[str, Encoding]:
    """Name -> encoding, of images (3 channels) or labels (1)."""
    found = {"raw bytes": Encoding(lambda pixels: pixels.tobytes(), _raw)}
    for level in (1, 6):
        found[f"zlib, level {level}"] = Encoding(lambda p, level=level: zlib.compress(p.tobytes(), level), _inflated)
    for level in (1, 6):
        found[f"PNG, level {level}"] = Encoding(
            lambda p, level=level: tf.io.encode_png(p, compression=level).numpy(), _png
        )
    # Older releases of TensorFlow have no WebP, and WebP no single channel.
    return found | (
        {"WebP, lossless": Encoding(_to_webp, _webp)} if channels == 3 and hasattr(tf.io, "decode_webp") else {}
    )


def seconds(encoded: list[bytes], decode: Callable[[tf.Tensor], tf.Tensor], repeats: int, threads: int) -> float:
    """CPU seconds of decoding all of ``encoded`` so often, less the pipeline's start."""
    samples = tf.data.Dataset.from_tensor_slices(encoded).cache().repeat().map(decode, threads, deterministic=True)
    iterator = iter(samples)
    for _ in encoded:
        next(iterator)
    start = time.process_time()
    for _ in range(repeats * len(encoded)):
        next(iterator)
    return time.process_time() - start


def measure(samples: list[Pixels], rounds: int, repeats: int, threads: int) -> list[list[object]]:
    """Rows of the table: encoding, KiB a sample, share of the raw bytes, CPU ms to encode and to decode a sample."""
    shape = samples[0].shape
    encoded, costs, times = {}, {}, {}
    for name, way in encodings(shape[-1]).items():
        start = time.process_time()
        encoded[name] = [way.encode(pixels) for pixels in samples]
        costs[name] = (time.process_time() - start) / len(samples)
        for contents, pixels in zip(encoded[name], samples, strict=True):
            np.testing.assert_array_equal(way.decode(tf.constant(contents), shape), pixels, name)
    for _ in range(rounds):
        for name, way in encodings(shape[-1]).items():
            one = seconds(encoded[name], lambda contents, way=way: way.decode(contents, shape), repeats, threads)
            times.setdefault(name, []).append(one / repeats / len(samples))
    raw = np.prod(shape)
    rows = []
    for name, contents in encoded.items():
        size = statistics.mean(map(len, contents))
        decoding = 1e3 * statistics.median(times[name])
        rows.append([name, f"{size / 1024:.1f}", f"{size / raw:.2f}", f"{1e3 * costs[name]:.2f}", f"{decoding:.2f}"])
    return rows


def main() -> None:
    """Parse the command line, encode and measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--samples", type=int, default=24, help="of each role, evenly spaced")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=8, help="times that a round decodes each sample")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.overrides)
    for role in (role for role in ("source", "target") if recipe.datasets(role)):
        sets = usable_samples(recipe, role)
        load = tf.function(training_loader(recipe, sets))
        total = sum(map(len, sets))
        numbers = np.unique(np.linspace(0, total - 1, min(options.samples, total)).round().astype(int))
        images, labels = zip(*(load(tf.constant(n, tf.int64)) for n in numbers), strict=True)
        parts = {"images": [i.numpy() for i in images], "labels": [label.numpy()[..., np.newaxis] for label in labels]}
        for kind, samples in parts.items():
            shape = "x".join(map(str, samples[0].shape))
            print(f"### {role}: {kind} {shape}, {len(samples)} samples, {options.threads} threads\n")
            rows = measure(samples, options.rounds, options.repeats, options.threads)
            columns = ["encoding", "KiB", "share of raw", "CPU ms to encode", "CPU ms to decode"]
            print("\n".join(table(columns, rows)) + "\n", flush=True)


if __name__ == "__main__":
    main()
