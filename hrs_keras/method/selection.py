"""Which source pixels teach: from the weighting networks' scores to the hierarchical map (Eq. 3 and 4).

Nothing here carries a gradient.
"""

from collections.abc import Mapping

import tensorflow as tf

from hrs_keras.labels import IGNORE_LABEL
from hrs_keras.method.losses import cross_entropy
from hrs_keras.method.mixing import source_share

IMAGE_THRESHOLD = 0.5
"""Section 3.1: the image level has one score an image, whose mean would be itself."""


def binary_map(
    scores: tf.Tensor, level: str, threshold: str = "mean", from_source: tf.Tensor | None = None
) -> tf.Tensor:
    """``H_k = 1[M_k > threshold]`` (Eq. 3).

    Of an image that is a source image in part (``method.mix``) the threshold is that of its source pixels: the mean is
    over them alone; and where a share s of the image is the source's, its score is compared with 1 - s / 2: what it is
    if the target pixels have 1 and the source pixels 0.5.

    Args:
        scores: [B, h, w, K] float32, the output M_k of a weighting network; K = 1 or the number of classes.
        level: ``"pixel"``, ``"region"`` or ``"image"``; the last is compared with 0.5.
        threshold: ``"mean"`` or ``"median"`` over the positions of one image and one channel.
        from_source: [B, H, W] bool: which pixels are the source's; None: all.

    Returns:
        [B, h, w, K] float32 in {0, 1}.

    Raises:
        ValueError: another threshold, or the median with ``from_source``.
    """
    if threshold not in ("mean", "median") or (threshold == "median" and from_source is not None):
        raise ValueError(f"threshold must be 'mean', or without from_source 'median', found {threshold!r}")
    own = None if from_source is None else tf.cast(source_share(from_source, scores.shape[1:3]), tf.float64)
    if level == "image":
        limit = IMAGE_THRESHOLD if own is None else tf.cast(1 - (1 - IMAGE_THRESHOLD) * own, tf.float32)
    elif own is not None:
        scores = tf.cast(scores, tf.float64)
        total = tf.reduce_sum(own * scores, axis=[1, 2], keepdims=True)
        limit = tf.math.divide_no_nan(total, tf.reduce_sum(own, axis=[1, 2], keepdims=True))
    elif threshold == "median":
        limit = _median(scores)
    else:
        # In float32 the mean of a constant map can round below the constant, which would select all of it.
        scores = tf.cast(scores, tf.float64)
        limit = tf.reduce_mean(scores, axis=[1, 2], keepdims=True)
    return tf.stop_gradient(tf.cast(scores > limit, tf.float32))


def _median(scores: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(scores)
    positions = tf.transpose(tf.reshape(scores, [shape[0], -1, shape[3]]), [0, 2, 1])
    ordered = tf.sort(positions, axis=-1)
    count = tf.shape(ordered)[-1]
    middle = (ordered[..., (count - 1) // 2] + ordered[..., count // 2]) / 2
    return middle[:, tf.newaxis, tf.newaxis, :]


def hierarchical_map(
    scores: Mapping[str, tf.Tensor],
    size: tuple[int, int],
    threshold: str = "mean",
    from_source: tf.Tensor | None = None,
) -> tf.Tensor:
    """``H``: the mean of the levels' binary maps (Eq. 4).

    Args:
        scores: level -> [B, h, w, K] float32; every level of one or more.
        size: (H, W) in pixels; the maps are enlarged to it by nearest neighbour.
        threshold, from_source: see :func:`binary_map`.

    Returns:
        [B, H, W, K] float32; with three levels its values are 0, 1/3, 2/3 and 1.
    """
    maps = list(_maps(scores, size, threshold, from_source).values())
    return tf.add_n(maps) / len(maps)


def _maps(
    scores: Mapping[str, tf.Tensor], size: tuple[int, int], threshold: str, from_source: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
    maps = {level: binary_map(score, level, threshold, from_source) for level, score in scores.items()}
    return {level: enlarge(map_, size) for level, map_ in maps.items()}


def enlarge(binary: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """[B, h, w, K] -> [B, H, W, K] by nearest neighbour; a tensor of that size already is returned as it is."""
    if tuple(binary.shape[1:3]) == tuple(size):
        return binary
    return tf.image.resize(binary, size, method="nearest")


def class_channel(selection: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The weight of each pixel: that of the only channel, or of its own class (Eq. 5, W^1 and W^19).

    Args:
        selection: [B, H, W, K] float32, K = 1 or the number of classes.
        labels: [B, H, W] int32, 255 = ignore.

    Returns:
        [B, H, W] float32; 0 for an ignored pixel when K > 1.
    """
    channels = selection.shape[-1]
    if channels == 1:
        return selection[..., 0]
    known = labels < channels
    own = tf.gather(selection, tf.where(known, labels, 0), batch_dims=3)
    return tf.where(known, own, 0.0)


def level_maps(
    scores: Mapping[str, tf.Tensor], labels: tf.Tensor, size: tuple[int, int], threshold: str = "mean"
) -> dict[str, tf.Tensor]:
    """``H`` and the map of each level, in each pixel the channel that weighs it.

    Args:
        scores, size, threshold: see :func:`hierarchical_map`.
        labels: [B, H, W] int32, 255 = ignore.

    Returns:
        ``H``, and ``H_p``, ``H_r``, ``H_i`` as far as there are such levels: [B, H, W] float32 in [0, 1].
    """
    maps = {f"H_{level[0]}": class_channel(map_, labels) for level, map_ in _maps(scores, size, threshold).items()}
    return {"H": tf.add_n(list(maps.values())) / len(maps)} | maps


def confidence_mask(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The 0-1 confidence mask of the compared systems: 1 where F gives the true class more than its image's mean.

    Args:
        labels: [B, H, W] int32 train ids, 255 = ignore.
        logits: [B, H, W, C] float32.

    Returns:
        [B, H, W] float32 in {0, 1}; 0 where the label is ignored. The mean is over the image's valid pixels.
    """
    valid = labels != IGNORE_LABEL
    # As in binary_map: a float32 mean can round below a constant.
    confidence = tf.cast(tf.exp(-cross_entropy(labels, logits)), tf.float64)
    total = tf.reduce_sum(tf.where(valid, confidence, 0.0), axis=[1, 2], keepdims=True)
    count = tf.reduce_sum(tf.cast(valid, tf.float64), axis=[1, 2], keepdims=True)
    return tf.stop_gradient(tf.cast(valid & (confidence > tf.math.divide_no_nan(total, count)), tf.float32))
