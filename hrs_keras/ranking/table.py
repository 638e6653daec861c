"""CSV files that appear when their last row is written, or not at all.

Texts stand in quotes, doubled within, and numbers do not (Python's ``csv.QUOTE_NONNUMERIC``). Files are UTF-8, but for
names of files that are not: a name is written as its bytes, and ``open(..., newline="", errors="surrogateescape")``
gives it back. A value that is not defined is empty.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hrs_keras.ranking.columns import Value
from hrs_keras.system.files import folder_to_publish, publish, writing

DIGITS = 6
"""Significant digits of a number."""


@contextmanager
def writing_table(path: Path, header: Sequence[str]) -> Iterator[Callable[[Mapping[str, Value]], None]]:
    """A context with a function that writes one row after the other; a row has a value for each of ``header``.

    Raises:
        HRSError: the file cannot be written; the function raises it too.
    """
    with ExitStack() as opened:
        with writing(path):
            folder = opened.enter_context(folder_to_publish(path.parent))
            partial = folder / path.name
            file = opened.enter_context(open(partial, "w", encoding="utf-8", errors="surrogateescape", newline=""))
            rows = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
            rows.writerow(header)

        def write(row: Mapping[str, Value]) -> None:
            with writing(path):
                rows.writerow([_shown(row[name]) for name in header])

        yield write
        with writing(path):
            file.close()
            publish(partial, path)


def _shown(value: Value) -> Value:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
