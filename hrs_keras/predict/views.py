"""Predictions for images of any size, from a network that was trained at one."""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
import tensorflow as tf

from hrs_keras.errors import HRSError, NonFiniteError
from hrs_keras.predict.model import TrainedModel

STRIDE = 32  # heights and widths of what the networks are given must be multiples of it

NO_MEMORY = (tf.errors.ResourceExhaustedError, MemoryError)
"""What is raised where memory does not suffice."""

MAX_OVERLAP, MAX_SCALE = 0.9, 8  # larger numbers are typing errors, which would run for days


@dataclass(frozen=True)
class View:
    """How an image of any size is shown to a network that was trained at one.

    Attributes:
        mode: ``"resize"``: resized to the training size, as in training and evaluation; ``"pad"``: at its own size,
            padded to multiples of 32; ``"sliding"``: at its own size, in overlapping windows of the training size.
        overlap: share of a window that its neighbour covers too, in [0, 0.9].
        scales: the image is shown once for each of these factors, scaled by it, in (0, 8]; logits are averaged.
        flip: the mirrored image is shown as well; logits are averaged.

    Raises:
        HRSError: an attribute is out of its range.
    """

    mode: Literal["resize", "pad", "sliding"] = "resize"
    overlap: float = 0.5
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.mode not in ("resize", "pad", "sliding"):
            raise HRSError(f"mode {self.mode!r}: must be resize, pad or sliding")
        if not 0 <= self.overlap <= MAX_OVERLAP:
            raise HRSError(f"overlap {self.overlap:g}: must be a share from 0 to {MAX_OVERLAP}")
        if not self.scales or not all(0 < scale <= MAX_SCALE for scale in self.scales):
            raise HRSError(f"scales {self.scales}: must be factors above 0, up to {MAX_SCALE}, such as 0.75 1 1.25")


class Predictor:
    """Predicts images of any size. Threads may share it.

    Args:
        model: from :func:`hrs_keras.predict.model.load_model`.
        view: how images are shown to it.

    Raises:
        HRSError: the model is shown images of the training size only, and the view has others.
    """

    def __init__(self, model: TrainedModel, view: View = View()):
        if model.fixed_size and not (view.mode == "sliding" or (view.mode == "resize" and set(view.scales) == {1})):
            height, width = model.size
            raise HRSError(
                f"the model {model.name} takes images of {height}x{width} pixels (height x width) alone: --sliding, or"
                " images resized to that at --scales 1, are possible; export the run to another format for others"
            )
        self._model, self._view = model, view
        self._turn = Lock()

    def __call__(self, images: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
        """Show images to the network.

        Args:
            images: [B, h, w, 3] uint8, h and w at least 1.
            names: of the B images, for messages.

        Returns:
            [B, h, w, C] float32 logits, averaged over the views.

        Raises:
            NonFiniteError: the network answers NaN or infinity to an image, which the message names.
        """
        mirrors = (slice(None), slice(None, None, -1))[: 1 + self._view.flip]
        views = [(scale, mirror) for scale in self._view.scales for mirror in mirrors]
        looks = (self._look(images[:, :, mirror], scale)[:, :, mirror] for scale, mirror in views)
        # Logits at an image's own size are large: with one view they are not copied again.
        try:
            total = functools.reduce(np.add, looks)
        except _NotFiniteError as found:
            name = names[found.image] if names else f"image {found.image + 1}"
            raise NonFiniteError(
                f"{name}: the network answers NaN or infinity. Its weights are damaged, or half precision does not"
                " suffice; use another checkpoint, or export the run with --precision float32"
            ) from None
        return total if len(views) == 1 else total / np.float32(len(views))

    def _logits(self, images: tf.Tensor) -> tf.Tensor:
        # One batch at a time: a network wants most of the memory, and is quickest with the machine to itself.
        with self._turn:
            logits = self._model.logits(images)
        # Sums tell, in a tenth of the time of looking at each.
        finite = np.isfinite(tf.reduce_sum(logits, axis=(1, 2, 3)))
        if not finite.all():
            raise _NotFiniteError(int(finite.argmin()))
        return logits

    def _look(self, images: np.ndarray, scale: float) -> np.ndarray:
        """One view: [B, h, w, 3] uint8 -> logits [B, h, w, C] float32."""
        size = images.shape[1:3]
        if self._view.mode == "resize":
            shown = [max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in self._model.size]
            logits = self._logits(tf.image.resize(images, shown))
        else:
            scaled = tf.image.resize(images, [max(1, round(side * scale)) for side in size]).numpy()
            logits = self._padded(scaled) if self._view.mode == "pad" else self._slid(scaled)
            if logits.shape[1:3] == size:
                return logits
        return np.asarray(tf.image.resize(logits, size))  # not numpy(), which copies

    def _padded(self, images: np.ndarray) -> np.ndarray:
        """[B, h, w, 3] float32 -> logits [B, h, w, C] from the image filled up to multiples of 32 with its edge."""
        height, width = images.shape[1:3]
        filled = _fill(images, (math.ceil(height / STRIDE) * STRIDE, math.ceil(width / STRIDE) * STRIDE))
        return self._logits(tf.constant(filled))[:, :height, :width].numpy()

    def _slid(self, images: np.ndarray) -> np.ndarray:
        """[B, h, w, 3] float32 -> logits [B, h, w, C] blended from windows, each strongest in its middle."""
        height, width = images.shape[1:3]
        filled = _fill(images, [max(*pair) for pair in zip((height, width), self._model.size, strict=True)])
        rows, columns = self._model.size
        strength = np.minimum.outer(_ramp(rows), _ramp(columns))[..., np.newaxis]
        total = np.zeros((*filled.shape[:3], len(self._model.space.classes)), np.float32)
        weight = np.zeros((*filled.shape[1:3], 1), np.float32)
        for top, left in itertools.product(self._starts(filled, 1), self._starts(filled, 2)):
            down, across = slice(top, top + rows), slice(left, left + columns)
            total[:, down, across] += self._logits(tf.constant(filled[:, down, across])).numpy() * strength
            weight[down, across] += strength
        return (total / weight)[:, :height, :width]

    def _starts(self, images: np.ndarray, axis: int) -> Iterator[int]:
        """Where windows begin along an axis: evenly spaced, from edge to edge, with at least the asked overlap."""
        window = self._model.size[axis - 1]
        rest = images.shape[axis] - window
        steps = math.ceil(rest / max(1, window * (1 - self._view.overlap)))
        return (round(rest * step / max(1, steps)) for step in range(steps + 1))


class _NotFiniteError(Exception):
    """The network answered NaN or infinity to one image of a batch."""

    def __init__(self, image: int):
        super().__init__(image)
        self.image = image


def no_memory(images: int, size: tuple[int, ...], advice: str) -> HRSError:
    """What is told where memory does not suffice for so many images of ``size`` (h, w)."""
    height, width = size
    return HRSError(
        f"no memory to predict {images} image{'s'[: images > 1]} of {height}x{width} (height x width) at once; {advice}"
    )


def _fill(images: np.ndarray, size: tuple[int, int] | list[int]) -> np.ndarray:
    """Repeat the last row and column of [B, h, w, 3] until it has ``size``."""
    rest = [(0, wanted - found) for wanted, found in zip(size, images.shape[1:3], strict=True)]
    return np.pad(images, [(0, 0), *rest, (0, 0)], mode="edge")


def _ramp(length: int) -> np.ndarray:
    """[length] float32: up from the first pixel to the middle and down again, never 0."""
    return np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)).astype(np.float32) / length


def likeliest(logits: np.ndarray) -> np.ndarray:
    """[..., C] float32 logits -> [...] uint8, the class of the highest; of equal ones the first."""
    with tf.device("CPU"):  # where the logits are
        # Half the time of argmax() in NumPy and in TensorFlow, which both compare number by number.
        return tf.cast(tf.math.top_k(logits, k=1).indices[..., 0], tf.uint8).numpy()


def confidence(logits: np.ndarray) -> np.ndarray:
    """[..., C] float32 logits -> [...] float32 in (0, 1], the softmax probability of the likeliest class."""
    with tf.device("CPU"):
        return tf.reduce_max(tf.nn.softmax(logits), axis=-1).numpy()


def probabilities(logits: np.ndarray) -> np.ndarray:
    """[..., C] float32 logits -> [..., C] float16 in [0, 1], the softmax probabilities of all classes."""
    with tf.device("CPU"):
        return tf.cast(tf.nn.softmax(logits), tf.float16).numpy()
