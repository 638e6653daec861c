"""The images that are ranked: those of a run's data sets, or those of a folder."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from hrs_keras.data.decode import decode_image, resize_image
from hrs_keras.data.file_names import IMAGE_SUFFIXES, is_image_name, is_litter
from hrs_keras.data.pairs import Pairs, sample_names
from hrs_keras.data.pipeline import training_images
from hrs_keras.data.reading import in_order, read
from hrs_keras.errors import DataError, printable, reason
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage

Pixels = tuple[tf.Tensor, tf.Tensor]
"""Image [H, W, 3] float32 in [-1, 1] at ``data.size``, and label [H, W] int32, 255 = ignore."""


class ImageName(NamedTuple):
    """Which image a row is of.

    Attributes:
        name: its path below the folder of its data set; bytes that are not UTF-8 as :func:`os.fsdecode` gives them.
        data_set: position of the data set in the recipe's list; 0 of a folder.
    """

    name: str
    data_set: int


@dataclass(frozen=True)
class LabelledImages:
    """The samples of one role of a recipe, without random changes.

    Args:
        recipe: whose they are.
        sets: from the audit.
    """

    recipe: Recipe
    sets: Sequence[Pairs]

    def __len__(self) -> int:
        return sum(map(len, self.sets))

    @property
    def names(self) -> list[ImageName]:
        """In order."""
        root = storage.path_of(self.recipe.data.root)
        return [ImageName(*name) for name in sample_names(self.sets, root)]

    def pixels(self, numbers: Sequence[int] | None = None) -> Iterator[Pixels]:
        """The images of these numbers, of all by default; raises a DataError that names a file that cannot be read."""
        numbers = range(len(self)) if numbers is None else numbers
        samples = training_images(self.recipe, self.sets, numbers)
        return read(samples, self.recipe, in_order(self.sets, numbers))


@dataclass(frozen=True)
class FolderImages:
    """The PNG and JPEG files of a folder, which have no labels.

    Args:
        folder: it; files in folders below do not count.
        size: [height, width] to resize them to.
        on_skipped: is called with a line for each file that cannot be read.
    """

    folder: Path
    size: tuple[int, int]
    on_skipped: Callable[[str], None]

    @property
    def files(self) -> list[Path]:
        """In order; raises a DataError if there is none, or no such folder."""
        if not self.folder.is_dir():
            raise DataError(f"--data {printable(self.folder)} is neither source nor target, nor a folder of images")
        try:
            listed = sorted(path for path in self.folder.iterdir() if is_image_name(path) and not is_litter(path.name))
        except OSError as error:
            raise DataError(f"--data {printable(self.folder)} cannot be listed: {reason(error)}") from None
        if not (files := [path for path in listed if not path.is_dir()]):
            raise DataError(f"--data {printable(self.folder)} holds no image ({', '.join(IMAGE_SUFFIXES)})")
        return files

    @property
    def names(self) -> list[ImageName]:
        """In the order of the files."""
        return [ImageName(file.name, 0) for file in self.files]

    def pixels(self) -> Iterator[Pixels | None]:
        """Each image, and a label of zeros; None for a file that cannot be read."""
        label = tf.zeros(self.size, tf.int32)
        for file in self.files:
            try:
                yield resize_image(decode_image(os.fspath(file)), self.size), label
            except (OSError, ValueError, tf.errors.OpError) as error:
                self.on_skipped(f"{printable(file)}: cannot be read as a PNG or JPEG image ({reason(error)})")
                yield None
