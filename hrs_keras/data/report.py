"""What an audit found in one data set."""

from dataclasses import asdict, dataclass, field
from typing import Any

from hrs_keras.data.check import Problem


@dataclass
class DatasetAudit:
    """What one data set holds.

    Attributes:
        role: source, target or validation.
        name: how messages call it.
        samples: image-label pairs found.
        pixels: class name -> number of pixels, in the files' own resolution, after the crop.
        ignored: pixels that no loss and no metric will read.
        problems: per file.
        bad: positions of the samples that have an error.
    """

    role: str
    name: str
    samples: int
    pixels: dict[str, int]
    ignored: int
    problems: list[Problem] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)

    @property
    def absent(self) -> list[str]:
        """Classes without a single pixel."""
        return [name for name, count in self.pixels.items() if not count]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "DatasetAudit":
        """What :meth:`to_dict` gave; TypeError or KeyError if it is something else."""
        return cls(**stored | {"problems": [Problem(**problem) for problem in stored["problems"]]})

    def summary(self, title: str, used: int, most: int = 10) -> str:
        """Counts and problems in a few lines; ``used`` samples are taken."""
        total = self.ignored + sum(self.pixels.values())
        lines = [
            f"{title}: {self.name}: {self.samples} samples, {used} used, {len(self.bad)} unusable; {total} pixels,"
            f" {100 * self.ignored / max(1, total):.2f} % ignored"
        ]
        if self.absent:
            lines.append(f"  classes without a pixel: {', '.join(self.absent)}")
        problems = sorted(self.problems, key=lambda problem: not problem.error)
        for problem in problems[:most]:
            lines.append(f"  {'error' if problem.error else 'warning'}: {problem.file}: {problem.what}")
        if len(problems) > most:
            lines.append(f"  ... and {len(problems) - most} more; `hrs audit RECIPE --json FILE` lists all")
        return "\n".join(lines)
