"""Contact sheets: what the labels of a recipe's data sets say, painted over the images."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hrs_keras.data.audit import Audit
from hrs_keras.data.decode import resize_label
from hrs_keras.data.finding import find_pairs
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.pipeline import suspects_of_steps, training_batches, training_images, validation_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.data.report import DatasetAudit, Unmapped
from hrs_keras.data.shown import evenly_spaced, samples
from hrs_keras.labels import IGNORE, IGNORE_LABEL, LabelSpace
from hrs_keras.media.painting import IGNORED_COLOUR, SELECTED_COLOUR, blend, colourise, overlay, to_uint8
from hrs_keras.media.panels import Panel, Row
from hrs_keras.recipe.data import TRAINED_ON
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.ids import OTHERS
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import writing

log = logging.getLogger(__name__)

_LOOKED_THROUGH = 200
"""How many samples of a data set are searched for its rarest class."""

_RAREST = 3
_OPACITY = 0.6


class _Shown(NamedTuple):
    """A data set, and how its samples are read: a prepared folder stores those to train on in a way of their own."""

    pairs: Pairs
    pipeline: Callable[..., tf.data.Dataset]

    @classmethod
    def of(cls, title: str, pairs: Pairs) -> "_Shown":
        return cls(pairs, training_images if title.split(".")[0] in TRAINED_ON else validation_images)


def draw_contact_sheets(recipe: Recipe, audited: Audit, out: Path, rows: int) -> list[Path]:
    """Write two pictures for each data set: evenly spaced samples, and those with most of its rarest class.

    A row shows the image at the recipe's size, the classes painted over it, and in red what is ignored, or the rarest
    class. Where a label is hidden, all is ignored. A third shows samples with the commonest id that the set's table
    does not map, if there is such an id. A data set without usable samples, or without a class, is logged.

    Args:
        recipe: whose data they are.
        audited: the audit of it.
        out: the folder; ``source.0.png``, ``source.0_rarest.png``, ``source.0_unmapped.png`` and so on are written
            there.
        rows: samples of a picture.

    Returns:
        The files.

    Raises:
        DataError: a sample cannot be read any more; names the file.
        HRSError: a picture cannot be written.
    """
    written = []
    sets = [pairs for sets in audited.sets.values() for pairs in sets]
    for title, pairs, report in zip(audited.titles, sets, audited.datasets, strict=True):
        if report.unmapped and pairs.records is None:  # of prepared samples all ids are mapped
            written.append(_draw_unmapped(recipe, title, report.unmapped, out / f"{title}_unmapped.png"))
        if not len(pairs):
            log.warning("%s: %s has no sample that can be used", title, pairs.name)
            continue
        if pairs.hidden_labels:
            log.info("%s: labels are hidden of %d of the %d samples", title, pairs.hidden_labels, len(pairs))
        shown = _Shown.of(title, pairs)
        if pairs.labels:
            panel = _panel(_evenly_spaced(recipe, shown, rows), recipe, "ignored")
        else:
            panel = _images(recipe, shown, rows)
        written.append(_save(panel, out / f"{title}.png", f"{recipe.name}: {title}"))
        if (rarest := _rarest_class(report)) and pairs.hidden_labels < len(pairs):
            written += _draw_rarest(recipe, shown, rarest, out / f"{title}_rarest.png", f"{recipe.name}: {title}")
    return written


def draw_augmented(recipe: Recipe, sets: Mapping[str, Sequence[Pairs]], out: Path, rows: int) -> list[Path]:
    """Write a picture for each domain of the first steps' samples, exactly as the network gets them.

    Args:
        recipe: whose data they are.
        sets: role -> usable samples, from :func:`hrs_keras.audit`.
        out: the folder; ``source_augmented.png``, ``target_augmented.png`` and, where a step reads images without
            labels besides, ``unlabelled_augmented.png`` are written there.
        rows: samples of a picture.

    Returns:
        The files.

    Raises:
        DataError, HRSError: as :func:`draw_contact_sheets` does.
    """
    steps = -(-rows // min(map(recipe.train.images, recipe.phases[0].domains)))
    batches = training_batches(recipe, sets).take(steps)
    taken: dict[str, list[Row]] = {}
    for step, batch in enumerate(read(batches, recipe, suspects_of_steps(recipe, sets, 0))):
        for domain, (images, labels) in batch.items():
            for image, label in zip(to_uint8(images), labels.numpy(), strict=True):
                row = _row(image, label, label == IGNORE_LABEL, f"step {step}", recipe.data.label_space)
                taken.setdefault(domain, []).append(row)
    return [
        _save(
            _panel(own[:rows], recipe, "ignored"),
            out / f"{domain}_augmented.png",
            f"{recipe.name}: {domain}, as trained on",
        )
        for domain, own in taken.items()
    ]


def _images(recipe: Recipe, shown: _Shown, rows: int) -> Panel:
    """Images that have no labels."""
    found = zip(*samples(recipe, [shown.pairs], rows, shown.pipeline), strict=True)
    return Panel(["image"], [Row([to_uint8(image)], [title]) for image, _, title in found])


def _evenly_spaced(recipe: Recipe, shown: _Shown, rows: int) -> list[Row]:
    found = zip(*samples(recipe, [shown.pairs], rows, shown.pipeline), strict=True)
    space = recipe.data.label_space
    return [_row(to_uint8(image), label, label == IGNORE_LABEL, title, space) for image, label, title in found]


def _rarest_class(report: DatasetAudit) -> tuple[str, float] | None:
    """The class with fewest pixels, of those that have some, and its share of the labelled pixels; None without any."""
    found = {name: count for name, count in report.pixels.items() if count}
    name = min(found, key=lambda name: found[name], default=None)
    return None if name is None else (name, found[name] / sum(found.values()))


def _draw_rarest(recipe: Recipe, shown: _Shown, rarest: tuple[str, float], path: Path, heading: str) -> list[Path]:
    """Draw the samples with most pixels of the rarest class, of those that are looked through; none if none has any."""
    name, share = rarest
    train_id = recipe.data.label_space.classes.index(name)
    best = sorted(_with_most(recipe, shown, train_id), key=lambda one: -one[0])[:_RAREST]
    if not best:
        log.warning(
            "%s: none of the %d samples looked through has a pixel of %s", shown.pairs.name, _LOOKED_THROUGH, name
        )
        return []
    rows = [_row(image, label, label == train_id, title, recipe.data.label_space) for _, image, label, title in best]
    return [_save(_panel(rows, recipe, name), path, f"{heading}: the rarest class, {100 * share:.2g} % of all pixels")]


def _draw_unmapped(recipe: Recipe, title: str, unmapped: Unmapped, path: Path) -> Path:
    """Draw samples with most pixels of an id that their table does not map."""
    role, position = title.split(".")
    dataset = recipe.datasets(role)[int(position)]
    found = find_pairs(dataset, storage.path_of(recipe.data.root))  # with the samples that cannot be used
    numbers, space = unmapped.samples[:_RAREST], recipe.data.label_space
    value = unmapped.value if "," in unmapped.value else int(unmapped.value)
    tables = dataset.table() | {OTHERS: IGNORE}, {value: space.classes[0], OTHERS: IGNORE}
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    alone: list[np.ndarray] = []
    for ids, own in zip(tables, (labels, alone), strict=True):
        pairs = replace(found, dataset=Dataset.model_validate(dataset.model_dump(mode="json") | {"ids": ids}))
        for image, label in read(validation_images(recipe, [pairs], numbers), recipe, in_order([pairs], numbers)):
            own.append(np.asarray(resize_label(label, recipe.data.size)))
            images.append(to_uint8(image))
    rows = [
        _row(image, label, marked == 0, found.images[number].stem, space)
        for image, label, marked, number in zip(images, labels, alone, numbers, strict=False)
    ]
    heading = f"{recipe.name}: {title}: the id {unmapped.value}, which its table does not map"
    return _save(_panel(rows, recipe, f"id {unmapped.value}"), path, heading)


def _with_most(recipe: Recipe, shown: _Shown, train_id: int) -> Iterator[tuple[int, np.ndarray, np.ndarray, str]]:
    """Samples that have more pixels of a class than those before them: pixels, image, label at its size, title."""
    pairs = shown.pairs
    numbers = evenly_spaced(len(pairs), _LOOKED_THROUGH)
    most: list[int] = []
    looked_at = read(shown.pipeline(recipe, [pairs], numbers), recipe, in_order([pairs], numbers))
    for number, (image, label) in zip(numbers, looked_at, strict=True):
        count = int(tf.math.count_nonzero(label == train_id))
        if count and (len(most) < _RAREST or count > most[-_RAREST]):
            most = sorted((*most, count))
            small = resize_label(label, recipe.data.size)
            yield count, to_uint8(image), np.asarray(small), pairs.images[number].stem


def _row(image: np.ndarray, label: np.ndarray, marked: np.ndarray, title: str, space: LabelSpace) -> Row:
    """An image [H, W, 3] uint8, its label [H, W] painted over it, and the ``marked`` [H, W] bool pixels in red."""
    classes = overlay(image, colourise(label, space))
    red = blend((image * (1 - _OPACITY * marked[..., None])).astype(np.uint8), SELECTED_COLOUR, _OPACITY * marked)
    return Row([image, classes, red], [title, "", f"{100 * marked.mean():.2g} % of pixels"])


def _panel(rows: Sequence[Row], recipe: Recipe, marked: str) -> Panel:
    space = recipe.data.label_space
    legend = [*zip(space.classes, space.palette, strict=True), ("ignored", IGNORED_COLOUR)]
    return Panel(["image", "classes", f"red: {marked}"], rows, legend)


def _save(panel: Panel, path: Path, heading: str) -> Path:
    with writing(path):
        panel.save(path, heading)
    return path
