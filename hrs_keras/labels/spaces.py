"""Label spaces: the ordered lists of classes that models predict. The position in one is the train id."""

import colorsys
import dataclasses
from dataclasses import dataclass
from typing import Any

IGNORE_LABEL = 255
"""Train id of pixels that count nowhere: not in a loss, not in a metric."""

IGNORE = "ignore"
"""What an id table gives for raw values whose pixels are to be ignored."""


@dataclass(frozen=True)
class LabelSpace:
    """The classes a model predicts.

    Attributes:
        name: how recipes call it.
        classes: class names; the index is the train id.
        palette: one (R, G, B) in 0..255 per class.
        subsets: named selections of classes over which a mean IoU is reported; the first is all of them.
        raw_ids: train id -> id in the label files of the benchmark (for submission), or None.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    subsets: dict[str, tuple[str, ...]]
    raw_ids: tuple[int, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LabelSpace":
        """What :meth:`to_dict` gave, also after a way through JSON, which makes lists of tuples."""
        return cls(
            name=values["name"],
            classes=tuple(values["classes"]),
            palette=tuple(tuple(colour) for colour in values["palette"]),
            subsets={name: tuple(classes) for name, classes in values["subsets"].items()},
            raw_ids=values["raw_ids"] and tuple(values["raw_ids"]),
        )


# Cityscapes: https://github.com/mcordts/cityscapesScripts, helpers/labels.py
CITYSCAPES_IDS: dict[str, int] = {
    name: label_id
    for label_id, name in enumerate(
        (
            "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground",
            "road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge",
            "tunnel", "pole", "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky",
            "person", "rider", "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle",
        )
    )
}  # fmt: skip
"""Class name -> label id in Cityscapes and GTAV files."""

CITYSCAPES_PALETTE: dict[int, tuple[int, int, int]] = dict(
    enumerate(
        (
            (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (111, 74, 0), (81, 0, 81), (128, 64, 128),
            (244, 35, 232), (250, 170, 160), (230, 150, 140), (70, 70, 70), (102, 102, 156), (190, 153, 153),
            (180, 165, 180), (150, 100, 100), (150, 120, 90), (153, 153, 153), (153, 153, 153), (250, 170, 30),
            (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0),
            (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 0, 90), (0, 0, 110), (0, 80, 100), (0, 0, 230),
            (119, 11, 32),
        )
    )
)  # fmt: skip
"""Label id -> (R, G, B)."""

_CITYSCAPES_CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
# SYNTHIA has no terrain, truck or train; papers report 16 classes, or 13 without the three hardest.
NOT_IN_SYNTHIA = ("terrain", "truck", "train")
_HARDEST_OF_SYNTHIA = ("wall", "fence", "pole")
_CITYSCAPES_16 = tuple(c for c in _CITYSCAPES_CLASSES if c not in NOT_IN_SYNTHIA)

CITYSCAPES = LabelSpace(
    name="cityscapes",
    classes=_CITYSCAPES_CLASSES,
    palette=tuple(CITYSCAPES_PALETTE[CITYSCAPES_IDS[c]] for c in _CITYSCAPES_CLASSES),
    subsets={
        "19": _CITYSCAPES_CLASSES,
        "16": _CITYSCAPES_16,
        "13": tuple(c for c in _CITYSCAPES_16 if c not in _HARDEST_OF_SYNTHIA),
    },
    raw_ids=tuple(CITYSCAPES_IDS[c] for c in _CITYSCAPES_CLASSES),
)

_CAMVID_CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
CAMVID = LabelSpace(
    name="camvid",
    classes=_CAMVID_CLASSES,
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    subsets={"11": _CAMVID_CLASSES},
    raw_ids=tuple(range(11)),
)  # fmt: skip

# The seven classes of level 1 of IDD's hierarchy: https://github.com/AutoNUE/public-code, helpers/anue_labels.py
_IDD_LITE_CLASSES = (
    "drivable", "non_drivable", "living_thing", "vehicle", "roadside_object", "far_object", "sky",
)  # fmt: skip
IDD_LITE = LabelSpace(
    name="idd_lite",
    classes=_IDD_LITE_CLASSES,
    palette=(
        (128, 64, 128), (244, 35, 232), (220, 20, 60), (0, 0, 142), (220, 190, 40), (70, 70, 70), (70, 130, 180),
    ),
    subsets={"7": _IDD_LITE_CLASSES},
    raw_ids=tuple(range(7)),
)  # fmt: skip

LABEL_SPACES: dict[str, LabelSpace] = {space.name: space for space in (CITYSCAPES, CAMVID, IDD_LITE)}


def own_label_space(classes: tuple[str, ...]) -> LabelSpace:
    """A label space of classes named in a recipe: colours spread around the colour circle, train ids as file ids."""
    # Steps of the golden ratio keep neighbours apart however many there are; two brightnesses tell far ones apart.
    colours = [colorsys.hsv_to_rgb(i * 0.618034 % 1, 0.75, 0.95 if i % 2 else 0.65) for i in range(len(classes))]
    return LabelSpace(
        name="own",
        classes=classes,
        palette=tuple((round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in colours),
        subsets={str(len(classes)): classes},
        raw_ids=tuple(range(len(classes))),
    )
