"""What is found in the samples of a data set, added up: counts, and what only many samples together show."""

from collections import Counter, defaultdict

import numpy as np

from hrs_keras.data.check import SampleCheck
from hrs_keras.data.file_names import IMAGE_SUFFIXES
from hrs_keras.data.leaks import hold_the_same
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.palettes import CommonPalette
from hrs_keras.data.report import DatasetAudit, Problem, Unmapped
from hrs_keras.errors import printable
from hrs_keras.labels import IGNORE, IGNORE_LABEL, LabelSpace

FEW = 0.01
"""Share of the samples that may have ids which the table does not map, or be stored otherwise than described. One
sample may in any set: it can be damaged, or a stranger there. If more are, the description is wrong, and what would be
left out is no chance: the frames with cars, or the later half of a recording."""

REPEATED = 0.1
"""Share of the samples that may have one and the same label. No two photographs of a scene agree in every pixel of
their labels; some frames of a recording do, while nothing moves."""

_SHOWN = 8  # ids that are named
_KEPT = 64  # ids of a label that are counted: one with blended colours has any number
_COMPARED = 20  # images of equal labels, to see whether they are equal too


class Tally:
    """Adds up the samples of a data set.

    Args:
        pairs: the data set.
        space: the classes to count.
    """

    def __init__(self, pairs: Pairs, space: LabelSpace):
        self._pairs, self._space = pairs, space
        self._histogram = np.zeros(IGNORE_LABEL + 1, np.int64)
        alone = "has no partner (an image without a label or the reverse)"
        other = f"is passed over: its name does not end in {', '.join(IMAGE_SUFFIXES)}"
        self._problems = [
            *(Problem(printable(path), alone) for path in pairs.orphans),
            *(Problem(printable(path), other, error=False) for path in pairs.passed_over if pairs.labels),
        ]
        if pairs.passed_over and not pairs.labels:  # a folder of photographs may hold as many files of another kind
            what = (
                f"leaves out {len(pairs.passed_over)} files, whose names do not end in {', '.join(IMAGE_SUFFIXES)}"
                f" ({printable(pairs.passed_over[0])}, for one)"
            )
            self._problems.append(Problem(pairs.name, what, error=False))
        self._class_pixels: list[list[int]] = []
        self._bad: list[int] = []
        self._palette = CommonPalette()
        self._unmapped: Counter[str] = Counter()  # id -> samples
        self._unmapped_in: list[tuple[int, dict[str, int]]] = []  # position of a sample, id -> pixels
        self._others: Counter[str] = Counter()  # id that only others maps -> pixels
        self._other_pixels = 0
        self._with_unmapped = self._misfits = 0
        self._constant: set[int | None] = set()
        self._varying: set[int] = set()
        self._alike: defaultdict[tuple[bytes, int | None], list[int]] = defaultdict(list)  # label -> samples

    def add(self, position: int, found: SampleCheck) -> None:
        """Count a sample.

        Args:
            position: of the sample.
            found: in it.
        """
        self._histogram += found.histogram
        self._class_pixels.append(found.histogram[[*range(len(self._space.classes)), IGNORE_LABEL]].tolist())
        self._problems += found.problems
        if any(problem.error for problem in found.problems):
            self._bad.append(position)
        else:
            self._constant.add(found.constant)
            if found.histogram[:IGNORE_LABEL].any():  # else it has a warning of its own
                self._alike[found.digest, found.constant].append(position)
        if found.palette:
            self._palette.add(self._pairs.labels[position], found.palette)
        self._unmapped.update(found.unmapped.keys())
        if found.unmapped:
            self._unmapped_in.append((position, dict(Counter(found.unmapped).most_common(_SHOWN))))
        self._other_pixels += sum(found.others.values())
        self._others.update(dict(Counter(found.others).most_common(_KEPT)))
        self._with_unmapped += bool(found.unmapped)
        self._misfits += found.misfit
        self._varying |= found.varying

    def report(self, role: str) -> DatasetAudit:
        """What was found in all samples."""
        together = [
            self._palette.problem(),
            self._unmapped_ids(),
            self._other_storage(),
            self._wrong_channel(),
            self._repeated_label(),
        ]
        return DatasetAudit(
            role=role,
            name=self._pairs.name,
            samples=len(self._pairs),
            pixels={name: int(self._histogram[train_id]) for train_id, name in enumerate(self._space.classes)},
            ignored=int(self._histogram[IGNORE_LABEL]),
            problems=[*self._problems, *filter(None, together)],
            bad=self._bad,
            palette=self._palette.colours,
            others=self._other_pixels,
            common_others=[value for value, _ in self._others.most_common(_SHOWN)],
            class_pixels=self._class_pixels,
            unmapped=self._largest_unmapped(),
        )

    def _is_few(self, count: int) -> bool:
        return count <= max(1, FEW * len(self._pairs))

    def _largest_unmapped(self) -> Unmapped | None:
        total: Counter[str] = Counter()
        for _, found in self._unmapped_in:
            total.update(found)
        if not total:
            return None
        ((value, pixels),) = total.most_common(1)
        having = sorted((-found[value], position) for position, found in self._unmapped_in if value in found)
        return Unmapped(value, pixels, [position for _, position in having[:_SHOWN]])

    def _unmapped_ids(self) -> Problem | None:
        if self._is_few(self._with_unmapped):
            return None
        ids = ", ".join(f"{value} in {count}" for value, count in self._unmapped.most_common(_SHOWN))
        more = ", ..." if len(self._unmapped) > _SHOWN else ""
        what = (
            f"has ids that its table does not map in {self._with_unmapped} of {len(self._pairs)} samples ({ids}{more}):"
            " the table is not that of these files. Map the ids, if only to ignore"
        )
        return Problem(self._pairs.name, what, whole_set=True)

    def _other_storage(self) -> Problem | None:
        if self._is_few(self._misfits):
            return None
        what = (
            f"has labels that are stored otherwise than encoding, bits, channel and crop say in {self._misfits} of"
            f" {len(self._pairs)} samples: describe files of two kinds as two data sets"
        )
        return Problem(self._pairs.name, what, whole_set=True)

    def _wrong_channel(self) -> Problem | None:
        if len(self._constant) != 1 or None in self._constant or not self._varying:
            return None
        (value,), read = self._constant, self._pairs.dataset.channel
        others = " and ".join(map(str, sorted(self._varying)))
        what = (
            f"has nothing but {value} in channel {read} of its labels, while channel {others} varies: is the id there?"
            " Then set channel"
        )
        return Problem(self._pairs.name, what, error=False, whole_set=True)

    def _repeated_label(self) -> Problem | None:
        """The largest group of equal labels for which there is no good reason."""
        total = len(self._pairs)
        for (_, value), positions in sorted(self._alike.items(), key=lambda item: -len(item[1])):
            if len(positions) <= max(2, REPEATED * total):
                return None
            if value is not None and (len(self._constant) == 1 or self._classes <= 2):
                continue  # one value everywhere is told of elsewhere; with two classes, one of them is often absent
            if hold_the_same([self._pairs.images[position] for position in positions[:_COMPARED]]):
                continue  # samples that were copied, to be seen more often
            first = " and ".join(printable(self._pairs.labels[position].name) for position in positions[:2])
            what = (
                f"has {len(positions)} labels of {total} that are equal in every pixel"
                + ("" if value is None else f", nothing but {value}")
                + f", beside images that differ (the first are {first}): did what wrote them fail?"
            )
            return Problem(self._pairs.name, what, error=False, whole_set=True)
        return None

    @property
    def _classes(self) -> int:
        """How many classes the ids can give."""
        return len(set(self._pairs.dataset.table().values()) - {IGNORE})
