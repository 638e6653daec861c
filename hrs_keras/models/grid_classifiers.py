"""ROAD's domain classifiers (Chen et al., CVPR 2018): one for each cell of a grid over the image."""

import itertools

import keras

from hrs_keras.models.layers import relu_conv


def bounds(side: int, cells: int) -> list[tuple[int, int]]:
    """Where each cell of a grid begins and ends (exclusive): position i belongs to cell floor(cells * i / side).

    A side with fewer positions than cells has a cell for each position.
    """
    starts = [-(-cell * side // cells) for cell in range(cells)] + [side]
    return [(start, stop) for start, stop in itertools.pairwise(starts) if start < stop]


def grid_classifiers(size: tuple[int, int], in_channels: int, cells: int = 3, width: int = 1024) -> keras.Model:
    """A classifier for each cell, which judges every position of it by itself: three dense layers, as 1x1 convolutions.

    Args:
        size: (h, w) of the features.
        in_channels: channels of the features.
        cells: of the grid in either direction.
        width: channels of the two hidden layers.

    Returns:
        A model from ``features`` [B, h, w, in_channels] to ``logits`` [B, h, w, 1] float32, positive = target.
    """
    features = keras.Input((*size, in_channels), name="features")
    rows = []
    for row, (top, bottom) in enumerate(bounds(size[0], cells), start=1):
        judged = []
        for column, (left, right) in enumerate(bounds(size[1], cells), start=1):
            x = features[:, top:bottom, left:right]
            for layer in (1, 2):
                x = relu_conv(width, 1, f"cell{row}{column}_hidden{layer}")(x)
            judged.append(keras.layers.Conv2D(1, 1, name=f"cell{row}{column}")(x))
        rows.append(keras.layers.Concatenate(axis=2, name=f"row{row}")(judged))
    x = keras.layers.Concatenate(axis=1, name="rows")(rows)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(x)
    return keras.Model(features, logits, name="grid_classifiers")
