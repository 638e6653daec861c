"""How the path of a file is made: what it shares with other files of its kind, and what is its own.

A template is a path with gaps: ``labels/*/*_mask.png`` of ``labels/tokyo/0001_mask.png``, whose gaps hold ``tokyo`` and
``0001``. Files with equal gaps, one of a template of images and one of a template of labels, belong together.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from hrs_keras.data.patterns import leaves_suffix_open, normalised, part_regex, spelt_key
from hrs_keras.errors import DataError, printable
from hrs_keras.starting.words import Role, cut, roles

OPEN = ""
"""The suffix of a template for files of any suffix."""


class Part(NamedTuple):
    """A name of a path.

    Attributes:
        before, after: what surrounds the gap.
        gap: whether there is one.
    """

    before: str
    gap: bool
    after: str


class Template(NamedTuple):
    """The path of a kind of file.

    Attributes:
        parts: the folders' names, then the file's without its suffix.
        suffix: of the file, in small letters, or :data:`OPEN`.
    """

    parts: tuple[Part, ...]
    suffix: str

    def pattern(self, filled: Mapping[int, str]) -> str:
        """The file pattern of a recipe.

        Args:
            filled: number of a gap -> what to write in place of its ``*``.

        Raises:
            DataError: a name holds characters that have a meaning in patterns.
        """
        written, gap = [], 0
        for part in self.parts:
            fixed = part.before + part.after + ("" if not part.gap else filled.get(gap, "").replace("{split}", ""))
            if unfit := next((c for c in fixed if c in "*{}"), None):
                raise DataError(
                    f"the name {printable(fixed)} has {unfit!r}, which file patterns cannot hold; rename it"
                )
            written.append(part.before + (filled.get(gap, "*") if part.gap else "") + part.after)
            gap += part.gap
        return "/".join(written) + self.suffix


Fixed = frozenset[tuple[int, str]]


class Mode(NamedTuple):
    """Where the words that say what a file is are cut off its path.

    Attributes:
        folders: off the names of folders too, so that what is left of them is a gap; otherwise such names are fixed.
        front, back: at which ends of the file's name.
    """

    folders: bool
    front: bool
    back: bool


@lru_cache(maxsize=1 << 16)
def _of_folder(folder: str, cut_folders: bool, fixed: Fixed) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    parts, gaps = [], []
    for level, name in enumerate(PurePosixPath(folder).parts):
        if (level, name) in fixed:
            part, gap = Part(name, False, ""), ""
        elif not roles(name):
            part, gap = Part("", True, ""), name
        else:
            before, gap, after = cut(name, cut_folders, cut_folders)
            part = Part(before, True, after) if gap and cut_folders else Part(name, False, "")
        parts.append(part)
        if part.gap:
            gaps.append(gap)
    return tuple(parts), tuple(gaps)


def parse(file: str, mode: Mode, fixed: Fixed = frozenset()) -> tuple[Template, tuple[str, ...]]:
    """The template of a file, and what its gaps hold there.

    Args:
        file: a path with ``/`` between names.
        mode: how it is cut.
        fixed: folders that are no gaps, as level and name; 0 is the level of the first folder.
    """
    folder, slash, name = file.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    parts, gaps = _of_folder(folder, mode.folders, fixed) if slash else ((), ())
    before, core, after = cut(stem, mode.front, mode.back)
    template = Template((*parts, Part(before, bool(core), after)), dot + suffix.lower())
    return template, tuple(map(normalised, (*gaps, core) if core else gaps))


def role(file: str) -> Role:
    """What a file is by its name and its folders' names; an image where they say nothing."""
    folder, _, name = file.rpartition("/")
    before, _, after = cut(name.rpartition(".")[0], True, True)
    said = roles(before) | roles(after) | _roles_of_folder(folder)
    return "other" if "other" in said else "label" if "label" in said else "image"


@lru_cache(maxsize=1 << 16)
def _roles_of_folder(folder: str) -> frozenset[Role]:
    return frozenset(word for name in folder.split("/") for word in roles(name))


def matching(pattern: str, files: Sequence[str]) -> dict[str, str]:
    """The files that a pattern of a recipe matches, as training will find them: key of the sample -> file.

    Args:
        pattern: without ``{split}``.
        files: paths with ``/`` between names.
    """
    regexes = [part_regex(part) for part in pattern.split("/")]
    is_open = leaves_suffix_open(pattern)
    found: dict[str, str] = {}
    for file in files:
        names = file.split("/")
        if len(names) != len(regexes):
            continue
        both = zip(regexes, names, strict=True)
        matches = [regex.fullmatch(name) or regex.fullmatch(normalised(name)) for regex, name in both]
        if all(matches):
            gaps = [text for match in matches if match for text in match.groups()]
            key = spelt_key(pattern, PurePosixPath(file), gaps) if is_open else "/".join(gaps)
            found[normalised(key)] = file
    return found
