"""What the package tells while it works, shown on the terminal.

The package itself reports through the logger ``hrs_keras`` and prints nothing; a program that uses it as a library
decides with ``logging`` what becomes of that. The command line decides here.
"""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = "hrs_keras"


def escape_what_cannot_be_shown() -> None:
    """Have standard output and error show characters that they have no code for as ``\\xdf`` or the like.

    Class names and paths may hold any, and not every terminal or pipe is UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


class Terminal(logging.Handler):
    """Prints records to standard output: the plain message; before a warning or an error, which of them it is.

    ``print`` looks standard output up for each record, so that redirecting it takes effect; and an error of writing,
    such as a closed pipe, is raised as it would be by ``print``.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record at once."""
        level = f"{record.levelname.lower()}: " if record.levelno > logging.INFO else ""
        print(f"{level}{self.format(record)}", flush=True)


@contextmanager
def shown() -> Iterator[None]:
    """Show what the package logs, from ``INFO`` up, while the context lasts; nested contexts show it once."""
    logger = logging.getLogger(LOGGER)
    if any(isinstance(handler, Terminal) for handler in logger.handlers):
        yield
        return
    terminal, level, propagate = Terminal(), logger.level, logger.propagate
    logger.addHandler(terminal)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # absl, which Keras imports, gives the root logger a handler: all would be shown twice
    try:
        yield
    finally:
        logger.removeHandler(terminal)
        logger.setLevel(level)
        logger.propagate = propagate
