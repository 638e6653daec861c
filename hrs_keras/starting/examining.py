"""What a folder of images and labels holds: its pairs, how its labels are stored, and what names their values have."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hrs_keras.errors import DataError, printable
from hrs_keras.starting.encoding import Survey, survey
from hrs_keras.starting.label_files import read_label
from hrs_keras.starting.layouts import Layout, known_layout
from hrs_keras.starting.listing import Listing, list_files
from hrs_keras.starting.names import Names, find_names
from hrs_keras.starting.pairing import Group, Paired, orphans, pair

SHOWN = 5
"""How many files without a partner are named."""

_FEW = 64


class Part(NamedTuple):
    """A part of a folder that one description fits.

    Attributes:
        group: its images and labels.
        survey: of its labels.
        layout: the known data set that it is, or None.
        orphans: files that the group's patterns match and that have no partner.
    """

    group: Group
    survey: Survey
    layout: Layout | None
    orphans: list[str]


class Examined(NamedTuple):
    """A folder of images and labels.

    Attributes:
        option: of the command line that names it.
        listing: its files.
        paired: which belong together.
        parts: the largest first.
        names: what files beside the labels say of their values.
    """

    option: str
    listing: Listing
    paired: Paired
    parts: list[Part]
    names: Names

    def images(self) -> list[Path]:
        """All images that have a label."""
        return [self.listing.path(image) for part in self.parts for image, _ in part.group.samples.values()]

    def summary(self) -> list[str]:
        """How many images have a label, by which patterns, and some files that have no partner; a line each."""
        pairs, images = self.paired.pairs, self.paired.images
        lines = [
            f"{self.option} {printable(self.listing.folder)}: {pairs} of {images} images have a label"
            f" ({100 * pairs / images:.0f} %)"
        ]
        for part in self.parts:
            patterns = " with ".join(map(printable, part.group.patterns(split=True)))
            known = f", laid out as {part.layout.format}" if part.layout else ""
            values = (
                f"{len(part.survey.pixels)} different {_WORDS[part.survey.encoding]} in {part.survey.sampled} labels"
            )
            lines.append(f"  {patterns}{known}: {values}")
        if self.names.files:
            lines.append(f"  names from {self.names.origin}")
        if alone := self.paired.alone:
            more = f" and {len(alone) - SHOWN} more" if len(alone) > SHOWN else ""
            lines.append(f"  without a partner: {', '.join(map(printable, alone[:SHOWN]))}{more}")
        return lines


_WORDS = {"values": "values", "palette": "palette indices", "colours": "colours"}


def examine(folder: Path, option: str, given: Names | None = None) -> Examined:
    """Look at a folder: at all names in it, at a sample of its labels, at no image.

    Args:
        folder: of images and labels.
        option: of the command line that names it.
        given: names of raw values that are known already, where the folder's files name none.

    Raises:
        DataError: it cannot be listed, no image has a label, or the labels cannot be used.
    """
    listing = list_files(folder, option)
    paired = pair(listing.images, lambda name: _looks_like_label(listing.path(name)))
    if not paired.groups:
        raise DataError(_no_pairs(option, listing, paired))
    found = find_names(listing)
    names = found if found.files or given is None else given
    parts = []
    for group in paired.groups:
        surveyed = survey([listing.path(label) for _, label in group.samples.values()], names.colours)
        layout = known_layout(group, surveyed)
        parts.append(Part(group, surveyed, layout, orphans(group, listing.images)))
    return Examined(option, listing, paired, parts, names)


def known_names(part: Part, names: Names) -> Mapping[int | str, str]:
    """What is known of the values of a part's labels: raw value -> name."""
    return part.layout.names if part.layout else names.known


def _looks_like_label(path: Path) -> bool:
    try:
        label = read_label(path)
    except DataError:
        return False
    return len(label.counts) <= _FEW and not label.blended


def _no_pairs(option: str, listing: Listing, paired: Paired) -> str:
    folder = printable(listing.folder)
    if not paired.labels or not paired.images:
        what = "labels" if not paired.labels else "images"
        return (
            f"{option} {folder}: holds {len(listing.images)} image files ({printable(listing.images[0])}, for one) and"
            f" no {what} that names tell. Put images and labels into two folders with equal names below, such as"
            " images/a/001.jpg and labels/a/001.png"
        )
    examples = ", ".join(map(printable, paired.alone[:SHOWN]))
    return (
        f"{option} {folder}: no image has a label: the names of {paired.images} images and {paired.labels} labels"
        f" differ in more than words such as image and label ({examples}). Name them equally: images/a/001.jpg and"
        " labels/a/001.png"
    )
