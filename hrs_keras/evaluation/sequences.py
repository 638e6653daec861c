"""Which images were taken one after the other, as far as their names show it."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

# PREFIX_NUMBER, maybe a letter before the number and a word after it: frankfurt_000000_000294_leftImg8bit (Cityscapes),
# 0016E5_07959, Seq05VD_f02370 (CamVid).
_NUMBERED = re.compile(r"(?:(.*)[_-])?[A-Za-z]?[0-9]+(?:_[A-Za-z]\w*)?", re.DOTALL)


def sequences_of(names: Sequence[str]) -> list[str]:
    """A key for each image, equal for those of one sequence.

    It is the image's folder, and if all names are ``PREFIX_NUMBER``, the prefix too. A number alone is no prefix.

    Args:
        names: paths of the images, with ``/`` between folders.
    """
    paths = [PurePosixPath(name) for name in names]
    matches = [_NUMBERED.fullmatch(path.stem) for path in paths]
    prefixes = [match[1] or "" if match else "" for match in matches] if all(matches) else [""] * len(paths)
    return [str(path.parent / f"{prefix}_") for path, prefix in zip(paths, prefixes, strict=True)]
