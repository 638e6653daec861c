"""Which images were taken one after the other, as far as their names show it: they are kept, or drawn, together."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

# PREFIX_NUMBER, maybe letters before the number and a word after it: frankfurt_000000_000294_leftImg8bit (Cityscapes),
# 0016E5_07959, Seq05VD_f02370 (CamVid), driveA0017. No number is what else has digits at its end: 7d06fefd-f7be05a6.
_NUMBERED = re.compile(r"(?:(.*)[_-])?([A-Za-z]*)[0-9]+(?:_[A-Za-z]\w*)?", re.DOTALL)


def folders_of(names: Sequence[str]) -> list[str]:
    """The folder of each image.

    Args:
        names: paths of the images, with ``/`` between folders.
    """
    return [str(PurePosixPath(name).parent) for name in names]


def sequences_of(names: Sequence[str]) -> list[str]:
    """A key for each image, equal for those of one sequence.

    It is the image's folder, and if the names of all images end in a number, what stands before that. A number alone
    has nothing before it.

    Args:
        names: paths of the images, with ``/`` between folders.
    """
    paths = [PurePosixPath(name) for name in names]
    matches = [_NUMBERED.fullmatch(path.stem) for path in paths]
    if not all(matches):
        matches = [None] * len(paths)
    prefixes = [f"{match[1] or ''}_{match[2]}" if match else "_" for match in matches]
    return [str(path.parent / prefix) for path, prefix in zip(paths, prefixes, strict=True)]
