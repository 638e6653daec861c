"""Known data sets, recognised by where their files are and by what is in them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from hrs_keras.labels import (
    CAMVID,
    CITYSCAPES,
    CITYSCAPES_IDS,
    CITYSCAPES_PALETTE,
    ID_TABLES,
    IGNORE,
    LABEL_SPACES,
    SYNTHIA_IDS,
)
from hrs_keras.recipe.plugins import DATA_SETS
from hrs_keras.starting.encoding import Key, Survey
from hrs_keras.starting.pairing import Group
from hrs_keras.starting.templates import matching

_MOST = 0.5  # of a folder's pairs that a layout finds
_CAMVID_FRAME = re.compile(r"(0001TP_\d{6}|0006R0_f\d{5}|0016E5_\d{5}|Seq05VD_f\d{5})(_L)?")
_FEW_COLOURS = 3
_CARLA_VERSIONS = ("carla", "carla_0.9.10", "carla_0.9.14")


class Layout(NamedTuple):
    """A known data set.

    Attributes:
        format: as recipes call it.
        names: raw value -> name of the class; empty where versions of the data set differ.
        space: the label space that its classes are, if they are one.
    """

    format: str
    names: Mapping[Key, str]
    space: str | None

    @property
    def left_out(self) -> frozenset[Key]:
        """Raw values that the data set's own evaluation ignores."""
        table = preset(self).get("ids") if self.names else None
        return frozenset(raw for raw, name in ID_TABLES[table].items() if name == IGNORE) if table else frozenset()


def known_layout(group: Group, survey: Survey) -> Layout | None:
    """The known data set that a folder's files are, or None.

    Args:
        group: images and labels of the folder.
        survey: of these labels.
    """
    values = {key for key in survey.pixels if isinstance(key, int)}
    if _lies_as("cityscapes", group) and survey.encoding == "values" and values <= {*CITYSCAPES_IDS.values()}:
        return Layout("cityscapes", _named(CITYSCAPES_IDS), CITYSCAPES.name)
    if _lies_as("gtav", group) and survey.encoding == "palette" and _has_colours_of_cityscapes(survey):
        return Layout("gtav", _named(CITYSCAPES_IDS), None)
    if _lies_as("synthia", group) and survey.bits == 16 and values <= {*SYNTHIA_IDS.values()}:
        return Layout("synthia", _named(SYNTHIA_IDS), None)
    if _lies_as("camvid", group) and _frames_of_camvid(group) and values <= {*range(len(CAMVID.classes) + 1)}:
        return Layout("camvid", {**dict(enumerate(CAMVID.classes)), len(CAMVID.classes): IGNORE}, CAMVID.name)
    if _lies_as("carla", group) and survey.encoding == "values":
        return Layout("carla", {}, None)
    return None


def preset(layout: Layout) -> Mapping[str, Any]:
    """The keys of a data set that its format fills in."""
    return DATA_SETS.load_instance(layout.format, dict)


def _named(ids: Mapping[str, int]) -> dict[Key, str]:
    return {raw: name for name, raw in ids.items()}


def _lies_as(name: str, group: Group) -> bool:
    """Whether the patterns of a format find the pairs of a group."""
    preset = DATA_SETS.load_instance(name, dict)
    patterns = [preset[key].replace("{split}", "*") for key in ("images", "labels")]
    images, labels = (matching(patterns[i], [both[i] for both in group.samples.values()]) for i in (0, 1))
    return len(images.keys() & labels.keys()) > _MOST * len(group.samples)


def _has_colours_of_cityscapes(survey: Survey) -> bool:
    trained = [raw for raw in survey.palette if raw in (CITYSCAPES.raw_ids or ())]
    alike = [survey.palette[raw] == ",".join(map(str, CITYSCAPES_PALETTE[raw])) for raw in trained]
    return len(alike) >= _FEW_COLOURS and all(alike)


def _frames_of_camvid(group: Group) -> bool:
    stems: Sequence[str] = [PurePosixPath(image).stem for image, _ in group.samples.values()]
    return all(map(_CAMVID_FRAME.fullmatch, stems))


def fitting_table(layout: Layout, classes: str | list[str]) -> str | None:
    """The name of the format's id table if its classes are those of a run; None if a table has to be written."""
    name = preset(layout).get("ids")
    if not isinstance(classes, str) or not isinstance(name, str):
        return None
    known = {*LABEL_SPACES[classes].classes, IGNORE}
    return name if known.issuperset(ID_TABLES[name].values()) else None


def versions(layout: Layout, survey: Survey, classes: str | list[str]) -> list[str]:
    """The id tables for a run's classes of those versions of a data set whose files may hold the values found.

    Empty for data sets without versions, and where the classes are the user's own.
    """
    if layout.format != "carla" or not isinstance(classes, str):
        return []
    tables = [f"{version}_{classes}" for version in _CARLA_VERSIONS]
    return [table for table in tables if ID_TABLES.get(table, {}).keys() >= survey.pixels.keys()]
