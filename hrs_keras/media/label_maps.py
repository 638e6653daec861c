"""Label maps as files: the one writer behind ``hrs predict``, ``hrs request`` and ``hrs evaluate --write-ids``.

This needs neither TensorFlow nor matplotlib, because a client of a served model has to do without them.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from hrs_keras.errors import HRSError
from hrs_keras.labels import IGNORE_LABEL, LabelSpace
from hrs_keras.media.painting import colourise, overlay
from hrs_keras.system.files import write_whole, writing

_PICTURES: dict[str, dict[str, Any]] = {
    # Level 1: files a third larger than at the usual 6, in a third of the time.
    ".png": {"format": "PNG", "compress_level": 1},
    # Colours in full, without which the borders of classes blur.
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
}
_LONGEST_JPEG = 65_500  # pixels a side

ConfidenceFile = Literal["png", "npy"]
"""How confidence is stored: as an 8-bit grey PNG of 255 times the confidence, or as float32."""


@dataclass(frozen=True)
class LabelMap:
    """What was predicted for one image; all arrays have the image's own height and width.

    Attributes:
        ids: [h, w] uint8, train ids.
        image: [h, w, 3] uint8, RGB, upright; needed for an overlay only.
        confidence: [h, w] float32 in [0, 1], the probability of the class in ``ids``; None if nobody asked for it.
        probabilities: [h, w, C] float16 in [0, 1], of all classes; None if nobody asked for it.
    """

    ids: np.ndarray
    image: np.ndarray | None = None
    confidence: np.ndarray | None = None
    probabilities: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of many files that were to be segmented.

    Attributes:
        folders: those that label maps were written to; none if every input was skipped.
        skipped: the inputs that could not be read, or not to their end, or that a server refused; in their order.
    """

    folders: list[Path]
    skipped: list[Path]


@dataclass(frozen=True)
class LabelMapFolders:
    """The folders that label maps are written to, and how.

    ==================  ========================================================================================
    ``ids/``            8-bit grey PNG: the ids that the label space's own files use
    ``train_ids/``      8-bit grey PNG: train ids, 0 for the first class; in place of ``ids/`` if there are no file
                        ids or the classes are not known
    ``colour/``         RGB PNG in the label space's palette; if the classes are known
    ``overlay/``        JPEG, image and colours half and half; if the classes are known. A PNG where a side is longer
                        than the 65500 pixels that a JPEG can have
    ``confidence/``     see :data:`ConfidenceFile`
    ``probabilities/``  NPY, [h, w, C] float16
    ==================  ========================================================================================

    Attributes:
        out: the folder of these folders.
        space: the classes; None if they are not known.
        confidence: how confidence is written; None to write none.
        probabilities: whether the probabilities of all classes are written.
    """

    out: Path
    space: LabelSpace | None
    confidence: ConfidenceFile | None = None
    probabilities: bool = False

    @property
    def suffixes(self) -> dict[str, str]:
        """Folder name -> suffix of the files in it (:meth:`store` writes the longest pictures as PNG)."""
        suffixes = {self._ids_folder: ".png"}
        if self.space is not None:
            suffixes |= {"colour": ".png", "overlay": ".jpg"}
        if self.confidence:
            suffixes["confidence"] = f".{self.confidence}"
        return suffixes | ({"probabilities": ".npy"} if self.probabilities else {})

    @property
    def _ids_folder(self) -> str:
        return "ids" if self.space is not None and self.space.raw_ids is not None else "train_ids"

    @property
    def paths(self) -> list[Path]:
        """The folders."""
        return [self.out / name for name in self.suffixes]

    def make(self) -> None:
        """Make the folders. Do so before the first prediction: a wrong path is then reported at once.

        Raises:
            HRSError: a folder cannot be made.
        """
        for folder in self.paths:
            make_folder(folder)

    def contents(self, predicted: LabelMap) -> dict[str, np.ndarray]:
        """Folder name -> what is stored there for one image: pixels [h, w] or [h, w, 3] uint8, or an array."""
        ids, space = predicted.ids, self.space
        contents = {self._ids_folder: ids if space is None else file_ids(ids, space)}
        if space is not None:
            contents["colour"] = colourise(ids, space)
            contents["overlay"] = overlay(_given(predicted.image, "image"), contents["colour"])
        if self.confidence:
            confidence = _given(predicted.confidence, "confidence")
            contents["confidence"] = _grey(confidence) if self.confidence == "png" else confidence
        if self.probabilities:
            contents["probabilities"] = _given(predicted.probabilities, "probabilities")
        return contents

    def store(self, name: str, contents: dict[str, np.ndarray]) -> None:
        """Write what :meth:`contents` gave, or part of it, to ``FOLDER/NAME`` with the folder's suffix.

        Args:
            name: may have folders in it, which are made.
            contents: of the files.

        Raises:
            HRSError: a file cannot be written.
        """
        suffixes = self.suffixes
        for folder, array in contents.items():
            suffix = suffixes[folder]
            if suffix == ".jpg" and max(array.shape) > _LONGEST_JPEG:
                suffix = ".png"
            path = self.out / folder / f"{name}{suffix}"
            if "/" in name:
                make_folder(path.parent)
            _write(path, array)

    def write(self, name: str, predicted: LabelMap) -> None:
        """Write all files of one image.

        Raises:
            HRSError: a file cannot be written.
        """
        self.store(name, self.contents(predicted))


class FileIdWriter:
    """Writes label maps of file ids to one folder, as the benchmarks' own scripts want them.

    Args:
        folder: is made if need be.
        space: the classes.

    Raises:
        HRSError: the label space has no file ids, or the folder cannot be made.
    """

    def __init__(self, folder: Path, space: LabelSpace):
        if space.raw_ids is None:
            raise HRSError(f"the label space {space.name!r} has no file ids to write predictions with")
        self._folder, self._space = folder, space
        make_folder(folder)

    def write(self, name: str, ids: np.ndarray) -> Path:
        """Write [h, w] train ids to ``NAME.png``; returns its path.

        Raises:
            HRSError: the file cannot be written.
        """
        path = self._folder / f"{name}.png"
        _write(path, file_ids(ids, self._space))
        return path


def file_ids(ids: np.ndarray, space: LabelSpace) -> np.ndarray:
    """[h, w] uint8 train ids -> [h, w] uint8 ids of the label space's own files; train ids where it has none.

    255, which is no class, stays 255.
    """
    if space.raw_ids is None:
        return ids
    table = np.full(IGNORE_LABEL + 1, IGNORE_LABEL, np.uint8)
    table[: len(space.raw_ids)] = space.raw_ids
    return np.take(table, ids)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if need be.

    Raises:
        HRSError: it cannot be made.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def _grey(confidence: np.ndarray) -> np.ndarray:
    return np.round(255 * confidence).astype(np.uint8)


def _given(array: np.ndarray | None, name: str) -> np.ndarray:
    if array is None:
        raise ValueError(f"these folders store the {name} of a label map, but it has none")
    return array


def _write(path: Path, array: np.ndarray) -> None:
    if path.suffix in _PICTURES:
        write = partial(Image.fromarray(array).save, **_PICTURES[path.suffix])
    else:
        write = partial(np.save, arr=array)
    with writing(path):
        # Not durable: a prediction can be made again, and waiting for the disk made small images take a third longer.
        write_whole(path, write, durable=False)
