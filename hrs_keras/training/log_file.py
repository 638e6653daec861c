"""``log.csv``: a row every ``train.log_every`` steps."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

from hrs_keras.system.files import write_text


class LogFile:
    """Appends rows to a CSV file whose header grows with them.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path):
        self._path = path
        self._columns: list[str] | None = None

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row; what it does not name is ``nan``. Raises OSError."""
        if self._columns and row.keys() <= set(self._columns):
            with open(self._path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns, restval=math.nan).writerow(row)
            return
        # A log that this process has not written to yet, or a phase that has other losses than the one before.
        rows = self._rows()
        self._columns = list({**rows[0], **row} if rows else row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, restval=math.nan)
        writer.writeheader()
        writer.writerows([*rows, row])
        write_text(self._path, text.getvalue())

    def _rows(self) -> list[dict[str, str]]:
        if not self._path.is_file():
            return []
        with open(self._path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def keep_until(self, step: int) -> None:
        """Drop the rows after ``step``: the steps that a killed run took after its last checkpoint are taken again.

        Raises:
            OSError: the file cannot be written.
        """
        if not self._path.is_file():
            return
        # A crash of the machine may leave anything in the rows that were written last. Lines end where csv ends them.
        text = self._path.read_bytes().decode("utf-8", "replace")
        head, *rows = io.StringIO(text, newline="").readlines() or [""]
        columns = _fields(head)
        kept = [row for row in rows if _is_row(_fields(row), len(columns), step)]
        if kept and columns[:1] == ["step"]:
            write_text(self._path, "".join([head, *kept]))
        else:
            self._path.unlink()  # the header may be cut off, too


def _fields(line: str) -> list[str]:
    """The fields of a line, whose names of classes may hold commas; none if it is not whole."""
    try:
        return next(csv.reader([line], strict=True)) if line.endswith("\n") else []
    except csv.Error:  # a quotation mark that nothing ends
        return []


def _is_row(fields: list[str], count: int, last: int) -> bool:
    """Whether there are ``count`` numbers, of which the first is a step up to ``last``."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return False
    return bool(numbers) and len(numbers) == count and fields[0].isdecimal() and numbers[0] <= last
