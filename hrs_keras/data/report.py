"""What an audit reports of one data set."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

_MOST = 10  # problems that a summary lists


UNREAD = "cannot be read"
"""How the problem of a file begins that the system would not read: it may do so the next time."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file, or with a whole data set.

    Attributes:
        file: its path, in printable characters; or what messages call the data set.
        what: the rest of the sentence that begins with the file.
        error: True if the sample or set cannot be used, False for a warning.
        whole_set: what the recipe says of the data set does not fit its files. Leaving some out is no remedy.
    """

    file: str
    what: str
    error: bool = True
    whole_set: bool = False


@dataclass(frozen=True)
class Unmapped:
    """The id that most pixels have of those which the table of a data set does not map.

    Attributes:
        value: the id, as messages show it.
        pixels: how many pixels have it.
        samples: positions of samples that have it, those with most pixels first.
    """

    value: str
    pixels: int
    samples: list[int]


@dataclass(frozen=True)
class DatasetAudit:
    """What an audit found in one data set.

    Attributes:
        role: source, target, unlabelled, validation or test.
        name: what messages call the data set.
        samples: number of image-label pairs found, or of images where there are no labels.
        pixels: class name -> number of pixels, in the files' own resolution, after the crop.
        ignored: number of pixels that no loss and no metric reads.
        problems: what is wrong.
        bad: positions of the samples that cannot be used.
        palette: index, as text -> its colour as ``"R,G,B"`` and the first label that has pixels of it; empty but for
            ``encoding: palette``.
        others: number of pixels whose raw values only ``others`` of the id table maps.
        common_others: the commonest of those values, as messages show them.
        class_pixels: for each sample the number of its pixels of each class, in the order of ``pixels``, and last of
            those that are ignored; all 0 if it cannot be used. Empty if an earlier version made the audit.
        unmapped: the commonest id that the table does not map; None if it maps all.
    """

    role: str
    name: str
    samples: int
    pixels: dict[str, int]
    ignored: int
    problems: list[Problem] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    palette: dict[str, tuple[str, str]] = field(default_factory=dict)
    others: int = 0
    common_others: list[str] = field(default_factory=list)
    class_pixels: list[list[int]] = field(default_factory=list)
    unmapped: Unmapped | None = None

    @property
    def absent(self) -> list[str]:
        """Names of the classes without a single pixel."""
        return [name for name, count in self.pixels.items() if not count]

    @property
    def class_pixels_of_usable(self) -> tuple[tuple[int, ...], ...] | None:
        """``class_pixels`` of the samples that can be used; None if they are not known."""
        bad = set(self.bad)
        rows = [tuple(row) for position, row in enumerate(self.class_pixels) if position not in bad]
        return tuple(rows) if self.class_pixels else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what came later is left out where there is none of it, as before there was any."""
        later = ("palette", "others", "common_others", "class_pixels", "unmapped")
        return {key: value for key, value in asdict(self).items() if value or key not in later}

    @classmethod
    def from_json(cls, contents: bytes) -> "DatasetAudit":
        """Read the JSON of :meth:`to_dict`; raises ValueError if it is anything else."""
        return TypeAdapter(cls).validate_json(contents)

    def summary(self, title: str, used: int, hidden: int = 0) -> str:
        """Counts and problems in a few lines.

        Args:
            title: how the recipe knows the data set, such as ``source.0``.
            used: number of samples that will be read.
            hidden: of how many of them the label is hidden.
        """
        total = self.ignored + sum(self.pixels.values())
        with_labels = self.role != "unlabelled"
        lines = [
            f"{title}: {self.name}: {self.samples} {'samples' if with_labels else 'without labels'}, {used} used,"
            f" {len(self.bad)} unusable; {total} pixels"
            + (f", {100 * self.ignored / max(1, total):.2f} % ignored" if with_labels else "")
        ]
        if hidden:
            lines.append(f"  labels are hidden of {hidden} of the {used} samples used (data.labelled)")
        if self.absent and total and with_labels:
            lines.append(f"  classes without a pixel: {', '.join(self.absent)}")
        if self.others:
            share = 100 * self.others / max(1, total)
            common = ", ".join(self.common_others)
            lines.append(f"  ids that only `others` of its table maps: {share:.2f} % of the pixels ({common})")
        problems = sorted(self.problems, key=lambda problem: (not problem.error, not problem.whole_set))
        for problem in problems[:_MOST]:
            lines.append(f"  {'error' if problem.error else 'warning'}: {problem.file}: {problem.what}")
        if len(problems) > _MOST:
            lines.append(f"  ... and {len(problems) - _MOST} more; `hrs audit RECIPE --json FILE` lists all")
        return "\n".join(lines)
