"""The classes of a run, and which class each raw value of a data set's labels is. No class is ever guessed."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hrs_keras.errors import printable
from hrs_keras.labels import IGNORE, IGNORE_LABEL, LABEL_SPACES
from hrs_keras.recipe.class_names import TODO
from hrs_keras.starting.encoding import Key, Survey
from hrs_keras.starting.examining import Examined, Part, known_names
from hrs_keras.starting.names import Names


class Row(NamedTuple):
    """A line of an id table.

    Attributes:
        raw: value in the label files.
        name: a class, ``ignore``, or a name that is still to be filled in.
        comment: what is known of it.
    """

    raw: Key
    name: str
    comment: str


class Classes(NamedTuple):
    """The classes of a run.

    Attributes:
        names: a label space's name, or the list of the classes.
        comment: where they are from.
    """

    names: str | list[str]
    comment: str

    @property
    def listed(self) -> Sequence[str]:
        """All classes."""
        return LABEL_SPACES[self.names].classes if isinstance(self.names, str) else self.names


def choose_classes(given: list[str] | None, origin: str, target: Examined) -> Classes:
    """The classes that the model is to predict.

    Args:
        given: those that the user gave, or None.
        origin: where those are from.
        target: the real images; without given classes, theirs are taken.
    """
    if given is not None:
        same = next((name for name, space in LABEL_SPACES.items() if list(space.classes) == given), None)
        return Classes(same or given, f"from {origin}")
    for part in target.parts:
        if part.layout and part.layout.space:
            return Classes(part.layout.space, f"the classes of the format {part.layout.format}")
    known = [name for part in target.parts for name in known_names(part, target.names).values()]
    names = list(dict.fromkeys(name for name in known if name != IGNORE and _can_be_shown(name)))
    if 2 <= len(names) < IGNORE_LABEL:
        return Classes(names, f"from {target.names.origin}" if target.names.files else "of the target's labels")
    values = dict.fromkeys(key for part in target.parts for key in part.survey.pixels)
    return Classes(
        [_todo(key) for key in values], "no file names them: give --classes FILE, or fill them in here and below"
    )


def id_table(part: Part, names: Names, classes: Classes) -> list[Row]:
    """Which class each raw value of a data set is, in the order of the values.

    Values that occur in the sample have a row each; of those that do not, the ones whose class is known. What a known
    data set leaves out of its own evaluation is ignored, unless it is one of the classes.
    """
    known = known_names(part, names)
    by_likeness = _by_likeness(classes.listed)
    left_out = part.layout.left_out if part.layout else frozenset()
    doubts = {} if part.layout else names.doubts
    colours = part.survey.encoding == "colours"
    rows = []
    for raw in sorted({*part.survey.pixels, *(raw for raw in known if isinstance(raw, str) == colours)}, key=_order):
        said = doubts.get(raw) or ([known[raw]] if raw in known else [])
        name = by_likeness.get(_likeness(said[0])) if len(said) == 1 else None
        if raw in left_out:
            name = name or IGNORE
        elif name is None and raw not in part.survey.pixels:
            continue
        comment = "" if said == [name] else " or ".join(map(_quoted, said))
        comment += ", none of the classes" if len(said) == 1 and name is None else ""
        rows.append(Row(raw, name or _todo(raw), "; ".join(filter(None, (comment, _share(part.survey, raw))))))
    return rows


def _by_likeness(classes: Sequence[str]) -> Mapping[str, str]:
    """How a name is recognised -> the class; of names that are recognised alike, none."""
    found: dict[str, str] = {}
    twice = set()
    for name in (*classes, IGNORE):
        if found.setdefault(_likeness(name), name) != name:
            twice.add(_likeness(name))
    return {likeness: name for likeness, name in found.items() if likeness not in twice}


def _likeness(name: str) -> str:
    """Equal for names that differ in case, spaces, underscores and hyphens only."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().replace("_", " ").replace("-", " ").split())


def _can_be_shown(name: str) -> bool:
    return bool(name.strip()) and name.isprintable() and name == name.strip()


def _todo(raw: Key) -> str:
    return f"{TODO}{str(raw).replace(',', '_')}"


def _order(raw: Key) -> tuple[int, ...]:
    return (raw,) if isinstance(raw, int) else tuple(map(int, raw.split(",")))


def _share(survey: Survey, raw: Key) -> str:
    if raw not in survey.pixels:
        return "in none of the labels that were looked at"
    percent = 100 * survey.pixels[raw]
    share = f"{percent:.1f}" if percent >= 0.05 else "less than 0.1"
    return f"{share} % of pixels, in {survey.files[raw]} of {survey.sampled} labels"


def _quoted(name: str) -> str:
    return f"'{printable(name)}'"
