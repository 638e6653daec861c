"""How source pixels teach: what every value of ``method.source_weighting`` stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

    from hrs_keras.recipe.method import Method


class SourcePixels(NamedTuple):
    """What is known of the source images of a batch when their pixels are weighted.

    Attributes:
        labels: [B, H, W] int32 train ids, 255 = ignore; also where a pixel is not the source's.
        logits: [B, H, W, C] float32, with a gradient.
        scores: level -> [B, h, w, K] float32, the output M_k of each weighting network; empty if there is none.
        from_source: [B, H, W] bool: the pixels that are the source's, where the others are a target image's
            (``method.mix``); None: all are.
    """

    labels: tf.Tensor
    logits: tf.Tensor
    scores: dict[str, tf.Tensor]
    from_source: tf.Tensor | None = None


class SourceWeighting:
    """How much each source pixel teaches.

    Attributes:
        reads_source: whether source images are read at all.
        selects: whether weighting networks are trained, by whose maps H the source pixels are selected.
    """

    reads_source: bool = True
    selects: bool = False

    def weights(self, source: SourcePixels, method: Method) -> tf.Tensor:
        """[B, H, W] float32; a gradient that it carries is kept. Values where the label is ignored play no part."""
        raise NotImplementedError
