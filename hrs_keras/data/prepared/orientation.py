"""Folders that an earlier version prepared, which stored images as they lie in their files instead of upright."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf

from hrs_keras.data.image_files import read_header
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.manifest import Plan
from hrs_keras.errors import DataError, printable
from hrs_keras.recipe.data import TRAINED_ON
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath
from hrs_keras.system.threads import map_in_threads

log = logging.getLogger(__name__)

UPRIGHT = {"orientation": "upright"}
"""Is part of a plan's ``made_with`` since images are turned upright as their EXIF orientation says."""


def refuse_unturned(folder: str, earlier: Plan, images: Iterable[StoragePath]) -> None:
    """Raise a DataError if a folder holds images as they lie in their files that are now turned upright.

    Its shards do not tell, hence the image files are looked at. Where some are gone, a warning is logged.

    Args:
        folder: its path, for messages.
        earlier: the folder's plan or manifest. If it says that images were turned upright, nothing is looked at.
        images: of :func:`stored_as_pixels`.
    """
    if earlier.made_with.items() >= UPRIGHT.items():
        return
    files = list(images)
    with map_in_threads(_has_to_be_turned, files, threads=os.cpu_count() or 1) as answers:
        found = dict(zip(files, answers, strict=True))
    by_whom = f"{folder} was prepared by an earlier version, which stored images as they lie in their files"
    if turned := [file for file, answer in found.items() if answer]:
        raise DataError(
            f"{by_whom}, but {len(turned)} of them, such as {printable(turned[0])}, are turned upright now, as their"
            " EXIF orientation says; prepare the data again in another folder, or set data.prepared=null to read the"
            " files"
        )
    if gone := [file for file, answer in found.items() if answer is None]:
        log.warning(
            "%s. Whether some have an EXIF orientation and would be turned upright now cannot be seen: %d of %d files,"
            " such as %s, cannot be read. If they may have one, as photographs do, prepare the data again",
            by_whom,
            len(gone),
            len(files),
            printable(gone[0]),
        )


def stored_as_pixels(sets: Mapping[str, Sequence[Pairs]]) -> list[StoragePath]:
    """The images whose pixels a folder stores: those to train on. (Of those to evaluate on it stores the files.)

    Args:
        sets: role -> the samples of each of its data sets.
    """
    return [image for role in TRAINED_ON for pairs in sets.get(role, []) for image in pairs.images]


def _has_to_be_turned(image: StoragePath) -> bool | None:
    """None if the file cannot be read."""
    try:
        with storage.reading(str(image)) as file:
            return read_header(file).orientation != 1
    except DataError:  # another format than PNG and JPEG, which is never turned
        return False
    except (OSError, tf.errors.OpError):
        return None
