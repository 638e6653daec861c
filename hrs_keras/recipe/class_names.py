"""What a class may be called: its name stands in logs, tables and pictures, and id tables name it."""

import unicodedata
from collections.abc import Sequence

from hrs_keras.labels import IGNORE


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
