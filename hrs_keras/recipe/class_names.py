"""What a class may be called: its name stands in logs, tables and pictures, and id tables name it."""

import unicodedata
from collections.abc import Mapping, Sequence

from hrs_keras.labels import IGNORE

TODO = "TODO_"
"""How a name begins that ``hrs init`` could not know, and that its reader is to replace."""

_MOST = 20


def refuse_unfinished(names: Mapping[str, str]) -> None:
    """Raise an error for names that are still to be filled in.

    Args:
        names: where in the recipe a name stands -> the name.

    Raises:
        ValueError: some begin with :data:`TODO`; lists them.
    """
    left = [f"{name} ({where})" for where, name in names.items() if name.startswith(TODO)]
    if left:
        more = f" and {len(left) - _MOST} more" if len(left) > _MOST else ""
        raise ValueError(
            f"{len(left)} name{'s are' if len(left) > 1 else ' is'} still to be filled in:"
            f" {', '.join(left[:_MOST])}{more}. Write one of the classes in place of each, or {IGNORE}"
        )


def refuse_unfit_names(classes: Sequence[str]) -> None:
    """Raise an error for a name that readers cannot see, or cannot tell from another.

    Raises:
        ValueError: names the first such name.
    """
    seen = {_likeness(IGNORE): IGNORE}
    for name in map(showable, classes):
        if (other := seen.setdefault(_likeness(name), name)) != name:
            raise ValueError(f"names {other!r} and {name!r}, which differ in spaces, case or spelling of letters only")


def showable(text: str) -> str:
    """The same text, if readers can see all of it.

    Raises:
        ValueError: it is empty, begins or ends with a space, or has characters without a shape, such as line breaks.
    """
    if not text.strip():
        raise ValueError(f"has an empty name ({text!r})")
    if unseen := next((character for character in text if not character.isprintable()), None):
        raise ValueError(f"has {text!r}, in which the character {unseen!r} cannot be shown; leave it out")
    if text != text.strip():
        raise ValueError(f"has {text!r}, which begins or ends with a space; leave it out")
    return text


def _likeness(name: str) -> str:
    """Equal for names that look alike: letters can be spelt in two ways (``é``, or ``e`` and an accent)."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
