"""A folder of photographs without labels, for ``data.unlabelled``."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from hrs_keras.data.file_names import is_image_name
from hrs_keras.starting.listing import Listing, list_files


class Photographs(NamedTuple):
    """The images of a folder, at any depth.

    Attributes:
        listing: of the folder.
        depths: how many folders down -> how many images lie there.
    """

    listing: Listing
    depths: dict[int, int]

    def patterns(self, root: Path) -> list[str]:
        """The file patterns that find them, relative to ``root``."""
        folder = Path(os.path.relpath(self.listing.folder, root)).as_posix()
        inside = "" if folder == "." else f"{folder}/"
        return [inside + "/".join(["*"] * (depth + 1)) for depth in self.depths]

    def summary(self) -> str:
        """What was found, in a line."""
        return f"unlabelled: {sum(self.depths.values())} images without labels in {self.listing.folder}"


def find_photographs(folder: Path) -> Photographs:
    """List a folder of images without labels.

    Raises:
        DataError: as :func:`hrs_keras.starting.listing.list_files`.
    """
    listing = list_files(folder, "--unlabelled")
    depths = Counter(name.count("/") for name in listing.images if is_image_name(PurePosixPath(name)))
    return Photographs(listing, dict(sorted(depths.items())))
