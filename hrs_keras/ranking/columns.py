"""The columns of the table: which there are for a run and its images, and which end of each is the better one."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hrs_keras.errors import HRSError, did_you_mean
from hrs_keras.ranking.images import ImageName
from hrs_keras.recipe.method import Method

Value = str | int | float | None
"""What a row has in a column: None where it is not defined, such as the label quality where all is ignored."""

Row = dict[str, Value]

NAME, DATA_SET, RAREST, GROUP = "name", "data_set", "rarest_class", "near_duplicate_group"
MATCH, DISTANCE, AGREEMENT, QUALITY, CONFIDENCE = (
    "layout_match",
    "appearance_distance",
    "gradient_agreement",
    "label_quality",
    "confidence",
)

RANDOM = ("random_1", "random_2", "random_3")
"""Three draws: what a list by another column is to be compared with. One draw alone could be a lucky one."""


def level_column(level: str) -> str:
    """The column with the mean score of a weighting network."""
    return f"{MATCH}_{level}"


def share_column(name: str) -> str:
    """The column with the share of a class."""
    return f"share/{name}"


@dataclass(frozen=True)
class Images:
    """Which images are ranked, as far as it decides the columns.

    Attributes:
        labelled: whether they have labels.
        real: how many real images there are to compare each with.
    """

    labelled: bool
    real: int


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        names: all of them, in order.
        scores: those with a number to rank by -> which end is the better one.
        left_out: column -> why the table has none.
    """

    names: Sequence[str]
    scores: dict[str, Literal["highest", "lowest"]]
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, method: Method, classes: Sequence[str], images: Images) -> "Columns":
        """Those that a run of ``method`` over ``classes`` has for images."""
        matches = [MATCH, *map(level_column, method.levels if method.selects else ())]
        left_out = dict.fromkeys(matches, why) if (why := _no_match(method, images)) else {}
        if not images.labelled:
            left_out |= dict.fromkeys((AGREEMENT, QUALITY, RAREST, "share/..."), "the images have no labels")
        if images.real < 1:
            alone = "it is the only real image that the run was trained on, which leaves nothing to compare it with"
            left_out |= {DISTANCE: alone} | {AGREEMENT: left_out.get(AGREEMENT, alone)}
        scores = [name for name in (*matches, DISTANCE, AGREEMENT, QUALITY, CONFIDENCE) if name not in left_out]
        shares = list(map(share_column, classes)) if images.labelled else []
        rarest = [RAREST] if images.labelled else []
        return cls(
            [NAME, DATA_SET, *scores, *rarest, GROUP, *RANDOM, *shares],
            {name: "lowest" if name == DISTANCE else "highest" for name in (*scores, *RANDOM, *shares)},
            left_out,
        )

    def check(self, name: str) -> None:
        """Raise an HRSError if images cannot be ranked by a column."""
        if name in self.scores:
            return
        if name in self.left_out:
            raise HRSError(f"--by {name}: this table has no such column: {self.left_out[name]}")
        if name in self.names:
            raise HRSError(f"--by {name}: is no number to rank by.{did_you_mean(name, self.scores)}")
        raise HRSError(f"--by {name}: there is no such column.{did_you_mean(name, self.scores)}")


def _no_match(method: Method, images: Images) -> str | None:
    if not method.selects:
        return f"the run has no weighting networks (method.source_weighting: {method.source_weighting})"
    if method.channels == "per_class" and not images.labelled:
        return "the run has a map for each class, and without a label none says which weighs a pixel"
    return None


def random_number(draw: str, image: ImageName) -> float:
    """A number in [0, 1) that the draw and the image's name and data set decide, whatever other images there are."""
    text = f"{draw} {image.data_set} {image.name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48
