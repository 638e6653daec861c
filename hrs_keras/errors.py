"""The errors that a user can fix, as one family of exceptions.

The command line prints such an error as one message and exits with code 2; everything else is a bug and
keeps its traceback.
"""

import difflib
import os
import re
from collections.abc import Iterable


class HRSError(Exception):
    """An error that the user can fix: the message says what was found, where, and what to do."""


class RecipeError(HRSError, ValueError):
    """A recipe that cannot be used: unknown key, wrong type, contradicting settings."""


class DataError(HRSError, ValueError):
    """Data on disk that cannot be trained or evaluated on."""


class CheckpointError(HRSError, ValueError):
    """A run folder, checkpoint or weights file that does not fit."""


class NonFiniteError(HRSError, ArithmeticError):
    """A loss or a weight became NaN or infinite."""


class RerunError(HRSError):
    """The run ended early by no fault of its own: the same command goes on with it. Exit code 75."""


class PreemptedError(RerunError):
    """The run was told by SIGTERM to end early.

    Attributes:
        when: the part of the message that says at which point it was told, and what was saved.
    """

    def __init__(self, when: str):
        self.when = when
        super().__init__(f"told to end (SIGTERM) {when}; the same command, without --fresh, goes on")


class WorkerLostError(RerunError):
    """Another worker of the cluster has gone."""


class ServingError(HRSError):
    """A served model that cannot be reached, or does not answer as asked.

    Attributes:
        refused: the server refused these images; others it may answer.
    """

    def __init__(self, message: str, *, refused: bool = False):
        super().__init__(message)
        self.refused = refused


def reason(error: BaseException) -> str:
    """Why something failed, in a line; without the operations that TensorFlow wraps its messages in."""
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    text = re.sub(r"{{.*?}}\s*|\s*\[Op:.*", "", text, flags=re.DOTALL).strip()
    text = re.sub(r"Error in user-defined function passed to \S+ transformation with iterator: \S+: ", "", text)
    return text.splitlines()[0][:300] if text else type(error).__name__


def printable(path: str | os.PathLike[str]) -> str:
    """A path as one line that terminals and JSON files take, also where the name is not UTF-8 or has line breaks."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(found: str, valid: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest valid name, else the list of what is valid."""
    valid = sorted(map(str, valid))
    near = difflib.get_close_matches(found, valid, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" Valid: {', '.join(valid)}."
