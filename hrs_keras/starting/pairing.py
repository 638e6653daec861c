"""Which image belongs to which label, and the file patterns that say so."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

from hrs_keras.data.file_names import IMAGE_SUFFIXES
from hrs_keras.starting.templates import OPEN, Fixed, Mode, Template, matching, parse, role

SPLITS = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""Role of a data set -> how folders of its files are called."""

_MOST_GROUPS = 8
_MOST_FOLDERS = 12
_MODES = [
    Mode(folders, *ends)
    for ends in ((False, True), (False, False), (True, False), (True, True))
    for folders in (False, True)
]

Gaps = tuple[str, ...]
_Kind = dict[Template, dict[Gaps, str]]


@dataclass(frozen=True)
class Group:
    """Images and labels that one pair of patterns finds.

    Attributes:
        images, labels: their templates, which have equally many gaps.
        samples: what the gaps hold -> image and label, in the order of the names.
    """

    images: Template
    labels: Template
    samples: Mapping[Gaps, tuple[str, str]]

    @property
    def split_gap(self) -> int | None:
        """The gap that holds the name of a split, such as ``train``, in every sample; None if none does."""
        known = {name for names in SPLITS.values() for name in names}
        count = len(next(iter(self.samples)))
        return next((g for g in range(count) if {gaps[g].lower() for gaps in self.samples} <= known), None)

    def splits(self) -> dict[str, str]:
        """Role of a data set -> the name of its split in the paths."""
        if (gap := self.split_gap) is None:
            return {}
        names = {gaps[gap] for gaps in self.samples}
        return {role: name for role, known in SPLITS.items() for name in names if name.lower() in known}

    def of_split(self, name: str) -> "Group":
        """The samples of one split."""
        gap = self.split_gap
        samples = {gaps: both for gaps, both in self.samples.items() if gap is not None and gaps[gap] == name}
        return Group(self.images, self.labels, samples)

    def patterns(self, *, split: bool = False) -> tuple[str, str]:
        """The patterns of images and labels. What a gap but the last holds in all samples is written in its place.

        Args:
            split: write ``{split}`` for the gap of the split.
        """
        filled = {}
        count = len(next(iter(self.samples)))
        for gap in range(count):
            values = {gaps[gap] for gaps in self.samples}
            if split and gap == self.split_gap:
                filled[gap] = "{split}"
            elif len(values) == 1 and gap < count - 1:
                filled[gap] = values.pop()
        return self.images.pattern(filled), self.labels.pattern(filled)


@dataclass(frozen=True)
class Paired:
    """The images and labels of a folder.

    Attributes:
        groups: the largest first.
        images, labels: how many files are taken for either, with partner or without.
        alone: files without a partner, sorted.
    """

    groups: tuple[Group, ...]
    images: int
    labels: int
    alone: tuple[str, ...]

    @property
    def pairs(self) -> int:
        """How many images have a label."""
        return sum(len(group.samples) for group in self.groups)


def pair(files: Sequence[str], is_label: Callable[[str], bool]) -> Paired:
    """Find out which files are images, which are labels, and which belong together.

    The names of files and folders say so (:mod:`hrs_keras.starting.words`). Where they do not, images and labels lie in
    folders of any name with equal names below, or JPEG files beside labels of the same names.

    Args:
        files: the images and labels of a folder, as paths relative to it.
        is_label: whether the content of a file looks like a label; asked only where names do not tell.
    """
    shared = _shared_folders(files)
    told = {file: role(file[shared:]) for file in files}
    images = [file for file in files if told[file] == "image" and _may_be_image(file)]
    labels = [file for file in files if told[file] == "label"]
    best = _best_mode(images, labels)
    if not best.groups and (fixed := _own_folders(images, labels)):
        best = _best_mode(images, labels, fixed)
    if best.groups:
        return best
    return max((best, *_by_suffix(files), *_by_folders(files, is_label)), key=lambda paired: paired.pairs)


def orphans(group: Group, files: Sequence[str]) -> list[str]:
    """Files that a group's patterns match and that have no partner by them, as training will find them."""
    images, labels = (matching(pattern, files) for pattern in group.patterns())
    return sorted(
        file for one, other in ((images, labels), (labels, images)) for key, file in one.items() if key not in other
    )


def _may_be_image(file: str) -> bool:
    return file.lower().endswith(IMAGE_SUFFIXES)


def _shared_folders(files: Sequence[str]) -> int:
    """The length of the folders that all files lie in: what they are called tells no file from another."""
    first, last = min(files), max(files)
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first.rfind("/", 0, common) + 1


def _own_folders(images: Sequence[str], labels: Sequence[str]) -> Fixed:
    """The folder of all images, or of all labels, at levels where these have no folder in common."""
    fixed: set[tuple[int, str]] = set()
    depth = min((file.count("/") for file in (*images, *labels)), default=0) if images and labels else 0
    for level in range(depth):
        names = [{file.split("/", level + 1)[level] for file in files} for files in (images, labels)]
        if names[0].isdisjoint(names[1]):
            fixed |= {(level, name) for own in names if len(own) == 1 for name in own}
    return frozenset(fixed)


def _best_mode(images: Sequence[str], labels: Sequence[str], fixed: Fixed = frozenset()) -> Paired:
    """The pairs that the way of cutting names gives which finds most, in the fewest groups."""
    best = Paired((), len(images), len(labels), tuple(sorted((*images, *labels))))
    for mode in _MODES:
        found = _match(images, labels, partial(parse, mode=mode, fixed=fixed))
        if (found.pairs, -len(found.groups)) > (best.pairs, -len(best.groups)):
            best = found
        if best.pairs == len(labels) and len(best.groups) == 1:
            break
    return best


def _match(images: Sequence[str], labels: Sequence[str], parsed: Callable[[str], tuple[Template, Gaps]]) -> Paired:
    kinds: tuple[_Kind, _Kind] = ({}, {})
    for kind, files in zip(kinds, (images, labels), strict=True):
        for file in files:
            template, gaps = parsed(file)
            if gaps:
                kind.setdefault(template, {})[gaps] = file
    groups = _merged(_groups(*kinds))
    taken = {file for group in groups for both in group.samples.values() for file in both}
    alone = sorted(file for file in (*images, *labels) if file not in taken)
    return Paired(tuple(groups), len(images), len(labels), tuple(alone))


def _groups(images: _Kind, labels: _Kind) -> Iterator[Group]:
    """Take the pair of templates with most samples, again and again."""
    for _ in range(_MOST_GROUPS):
        where: dict[Gaps, list[Template]] = {}
        for template, files in labels.items():
            for gaps in files:
                where.setdefault(gaps, []).append(template)
        common = Counter(
            (template, other) for template, files in images.items() for gaps in files for other in where.get(gaps, ())
        )
        if not common:
            return
        # Ties: the order of names, so that the outcome does not depend on the file system's.
        (image, label), _ = max(common.items(), key=lambda item: (item[1], [-ord(c) for c in str(item[0])]))
        both = sorted(images[image].keys() & labels[label].keys())
        yield Group(image, label, {gaps: (images[image].pop(gaps), labels[label].pop(gaps)) for gaps in both})


def _merged(groups: Iterable[Group]) -> list[Group]:
    """Groups that differ in the suffix of their images alone are one, if its pattern can leave the suffix open."""
    merged: dict[tuple[Template, Template], Group] = {}
    for group in groups:
        ends_in_gap = group.images.parts[-1].gap and not group.images.parts[-1].after
        key = (group.images._replace(suffix=OPEN) if ends_in_gap else group.images, group.labels)
        other = merged.get(key)
        if other and other.samples.keys().isdisjoint(group.samples):
            merged[key] = Group(*key, dict(sorted((*other.samples.items(), *group.samples.items()))))
        else:
            merged[key if other is None else (group.images, group.labels)] = group
    return list(merged.values())


# ---- where names say nothing -------------------------------------------------------------------------------------

_NO_WORDS = Mode(folders=False, front=False, back=False)


def _by_suffix(files: Sequence[str]) -> Iterator[Paired]:
    """Images are JPEG files, labels the files of another type beside them."""
    images = [file for file in files if file.lower().endswith((".jpg", ".jpeg"))]
    labels = [file for file in files if not file.lower().endswith((".jpg", ".jpeg"))]
    if images and labels:
        yield _match(images, labels, partial(parse, mode=_NO_WORDS))


def _by_folders(files: Sequence[str], is_label: Callable[[str], bool]) -> Iterator[Paired]:
    """Images lie in one folder and labels in another, which differ in one name; of two folders the contents decide."""
    for level in range(max(file.count("/") for file in files)):
        inside: dict[str, list[str]] = {}
        for file in files:
            names = file.split("/")
            if level < len(names) - 1:
                inside.setdefault(names[level], []).append(file)
        if not 2 <= len(inside) <= _MOST_FOLDERS:
            continue

        for images, labels in permutations(sorted(inside), 2):
            if not all(map(_may_be_image, inside[images])):
                continue
            if is_label(inside[labels][0]) and not is_label(inside[images][0]):
                fixed = frozenset(((level, images), (level, labels)))
                yield _match(inside[images], inside[labels], partial(parse, mode=_NO_WORDS, fixed=fixed))
