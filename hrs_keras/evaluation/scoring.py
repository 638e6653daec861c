"""One pass over labelled images: each is shown to a model, and what is counted in it is handed on."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hrs_keras.data.pairs import Pairs, sample_names
from hrs_keras.data.pipeline import whole_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.errors import DataError
from hrs_keras.evaluation.counts import ImageCounts, count
from hrs_keras.media.inputs import refuse_overwriting
from hrs_keras.media.label_maps import FileIdWriter
from hrs_keras.predict.views import NO_MEMORY, Predictor, confidence, likeliest, no_memory
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.threads import read_ahead

AHEAD = 3
"""Images that are predicted and not counted yet, at most."""


class _Predicted(NamedTuple):
    """An image that waits to be counted: its name, data set and label, and what is predicted, all [h, w]."""

    name: str
    data_set: int
    label: np.ndarray
    ids: np.ndarray
    confidence: np.ndarray


def count_images(
    recipe: Recipe, predictor: Predictor, sets: list[Pairs], write_ids: Path | None = None
) -> Iterator[ImageCounts]:
    """Show labelled images to a model, and count what it says; memory does not grow with their number.

    Args:
        recipe: for label space and data.
        predictor: a model with the recipe's classes, and how images are shown to it.
        sets: from the audit.
        write_ids: a folder to write predictions to as 8-bit PNGs of the label space's file ids, one an image under the
            image's name, as the Cityscapes script wants them.

    Yields:
        The counts of each image, in order.

    Raises:
        HRSError: an image cannot be read, memory does not suffice, predictions cannot be written, two would have one
            name, an image or a label lies in their folder, or the label space has no file ids.
        NonFiniteError: the network answers NaN or infinity to an image, which the message names.
    """
    classes = len(recipe.data.label_space.classes)

    def counts_of(one: _Predicted) -> ImageCounts:
        height, width = one.label.shape
        counts = count(one.label, one.ids, one.confidence, classes)
        return ImageCounts(one.name, one.data_set, (height, width), counts)

    def calls() -> Iterator[Callable[[], ImageCounts]]:
        for one in _predicted(recipe, predictor, sets, write_ids):
            yield partial(counts_of, one)

    # While an image is counted the next is predicted.
    with (
        tqdm(total=sum(map(len, sets)), unit="image", disable=None) as bar,
        read_ahead(calls(), AHEAD, threads=1) as counted,
    ):
        for image in counted:
            yield image
            bar.update()


def _predicted(recipe: Recipe, predictor: Predictor, sets: list[Pairs], write_ids: Path | None) -> Iterator[_Predicted]:
    paths = [path for pairs in sets for path in pairs.images]
    if write_ids:
        refuse_same_stems(paths)
        files = (path for pairs in sets for path in (*pairs.images, *pairs.labels))
        local = (Path(path) for path in files if not storage.is_remote(path))
        refuse_overwriting(local, [write_ids], "--write-ids")
    writer = FileIdWriter(write_ids, recipe.data.label_space) if write_ids else None
    samples = read(whole_images(recipe, sets), recipe, in_order(sets))
    names = sample_names(sets, storage.path_of(recipe.data.root))
    for path, (name, data_set), (image, label) in zip(paths, names, samples, strict=True):
        ids, certain = _decide(predictor, image.numpy(), name)
        if writer:
            writer.write(path.stem, ids)
        yield _Predicted(name, data_set, label.numpy(), ids, certain)


def _decide(predictor: Predictor, image: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """[h, w, 3] uint8 -> classes [h, w] uint8, and their probabilities [h, w] float32."""
    try:
        (logits,) = predictor(image[np.newaxis], [name])
        return likeliest(logits), confidence(logits)
    except NO_MEMORY:
        raise no_memory(1, image.shape[:2], "lower --scales, or evaluate smaller images") from None


def refuse_same_stems(images: Iterable[PurePath]) -> None:
    """Refuse images whose predictions would have one name.

    Raises:
        DataError: naming the first two.
    """
    by_stem: dict[str, PurePath] = {}
    for path in images:
        if by_stem.setdefault(path.stem, path) != path:
            raise DataError(
                f"{by_stem[path.stem]} and {path} would both be written as {path.stem}.png; take them apart"
            )
