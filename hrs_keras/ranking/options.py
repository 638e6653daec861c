"""What a ranking is asked for, and what it leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hrs_keras.errors import HRSError
from hrs_keras.media.inputs import log_skipped
from hrs_keras.ranking.columns import Columns, Row


@dataclass(frozen=True)
class RankOptions:
    """What :func:`rank_images` ranks, and what it writes.

    Attributes:
        data: ``"source"`` or ``"target"``, a role of the run's recipe; or a folder of images, which have no labels.
        overrides: ``key=value`` changes to the recipe's data, such as ``data.root=...``.
        which: ``"best"`` or ``"last"``, the run's checkpoint.
        out: the table, a CSV file; lists and means are written beside it, under names that begin with its own.
        keep: the share of the images, in (0, 1], that a list is to name; None for no list.
        by: the columns to keep the best by; a list for each.
        join: a file with a renderer's parameters; see :func:`hrs_keras.ranking.parameters.read_parameters`.
        id: its column, or key, that names the image.
        on_skipped: is called with a line for each file of a folder that cannot be read.

    Raises:
        HRSError: ``keep`` is no share, or one of ``keep`` and ``by`` is given without the other.
    """

    data: str = "source"
    overrides: tuple[str, ...] = ()
    which: Literal["best", "last"] = "best"
    out: str | Path = "rank.csv"
    keep: float | None = None
    by: tuple[str, ...] = ()
    join: str | Path | None = None
    id: str = "id"
    on_skipped: Callable[[str], None] = log_skipped

    def __post_init__(self) -> None:
        if self.keep is not None and not 0 < self.keep <= 1:
            raise HRSError(f"--keep {self.keep:g}: wants the share of the images to keep, above 0 and up to 1")
        if bool(self.by) != (self.keep is not None):
            raise HRSError("--keep SHARE and --by COLUMN go together: the share, and by what the best are found")


@dataclass(frozen=True)
class Ranking:
    """What :func:`rank_images` wrote.

    Attributes:
        table: the CSV file.
        images: how many rows it has.
        columns: those that it has, and why it lacks others.
        role: ``"source"`` or ``"target"``; None of a folder.
        data_sets: how many there are.
        kept: how many images each list, or set of lists, names.
        lists: column -> position of a data set -> the list of its best images. A data set without one keeps none.
        means: the CSV file with the means by the renderer's parameters; None without such.
        mean_rows: its rows.
        ungrouped: parameters that are texts of too many different values to group images by.
        skipped: how many files could not be read.
    """

    table: Path
    images: int
    columns: Columns
    role: str | None
    data_sets: int
    kept: int = 0
    lists: dict[str, dict[int, Path]] = field(default_factory=dict)
    means: Path | None = None
    mean_rows: list[Row] = field(default_factory=list)
    ungrouped: list[str] = field(default_factory=list)
    skipped: int = 0
