"""What the names of files and folders say: which hold images, which labels, which something else.

A name is cut at its words: ``aachen_000000_leftImg8bit`` is the core ``aachen_000000`` and the suffix ``_leftImg8bit``,
whose words say that this is an image.
"""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Role = Literal["image", "label", "other"]

_WORD = re.compile(r"8bit|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^A-Za-z\d]+")
_CAMVID_SUFFIX = "_L"  # of labels; elsewhere it is the left of two cameras
_CAMVID_LABEL = re.compile(rf"(0001TP_|0006R0_f|0016E5_|Seq05VD_f)\d+(?={_CAMVID_SUFFIX}$)")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+$", re.IGNORECASE)  # Unity ends the names of its folders so

_VOCABULARY = {
    "label": "label labels labelid labelids labeled labelled mask masks seg segs segmentation segmentations semantic"
    " semantics semseg gt gts groundtruth truth annot annots annotation annotations trainannot valannot testannot",
    "image": "image images img imgs rgb jpeg photo photos picture pictures camera frame frames",
    # Other things that renderers and data sets keep beside the labels.
    "other": "depth normal normals instance instances instanceid instanceids polygons flow disparity disp overlay"
    " overlays vis visualization visualisation preview trainids panoptic bbox thumbnail thumbnails albedo",
    # Beside a word that says more these belong to it: labelIds, leftImg8bit, SegmentationClass, gtFine.
    "beside": "ids id class classes png raw 8bit left right fine coarse ground color colour map camvid",
}
_LABEL, _IMAGE, _OTHER, _BESIDE = (frozenset(listed.split()) for listed in _VOCABULARY.values())
_OBJECTS = frozenset(("object", "objects"))
_COLOURED = frozenset(("color", "colour", "colors", "colours"))
_SAYING = _LABEL | _IMAGE | _OTHER | _OBJECTS


class Cut(NamedTuple):
    """A name in three parts, of which the outer ones say what kind of file it is."""

    prefix: str
    core: str
    suffix: str


@lru_cache(maxsize=1 << 18)
def words(name: str) -> tuple[str, ...]:
    """The words, numbers and separators that a name consists of, in its own spelling."""
    return tuple(_WORD.findall(_GUID.sub("", name)))


@lru_cache(maxsize=1 << 18)
def roles(name: str) -> frozenset[Role]:
    """What the words of a name say, each for itself."""
    found = {word.lower() for word in words(name)}
    said: set[Role] = set()
    if found & _OTHER or (found & _LABEL and found & _OBJECTS):
        said.add("other")
    if found & _LABEL or name == _CAMVID_SUFFIX:
        said.add("label")
    if found & _IMAGE:
        said.add("image")
    if found & _COLOURED:  # images of a camera, or coloured copies of labels
        said.add("other" if "label" in said else "image")
    return frozenset(said)


@lru_cache(maxsize=1 << 18)
def cut(name: str, front: bool, back: bool) -> Cut:
    """Cut the words that say what a file is off the ends of its name.

    Args:
        name: of a folder, or of a file without its suffix.
        front, back: at which ends.
    """
    if camvid := _CAMVID_LABEL.match(name):
        return Cut("", camvid[0], _CAMVID_SUFFIX)
    found = list(words(name))
    if "".join(found) != name:  # a folder of Unity's: what it ends in is made up
        return Cut(name, "", "")
    last = len(found) - (_belonging(found[::-1]) if back else 0)
    first = _belonging(found[:last]) if front else 0
    return Cut("".join(found[:first]), "".join(found[first:last]), "".join(found[last:]))


def _belonging(found: list[str]) -> int:
    """How many words at the beginning say what a file is, with the separators between them and behind them."""
    count, says = 0, False
    for position, word in enumerate(found):
        small = word.lower()
        if small in _SAYING:
            count, says = position + 1, True
        elif small in _BESIDE:
            count = position + 1
        elif word[0].isalnum():
            break
        else:
            count = position + 1
    return count if says else 0
