"""File patterns as recipes have them: which names they match, and which sample a file belongs to.

A pattern is a path below the data set's folder, whose ``*`` each stand for any text within one name. What they stand
for, together, is the key of the sample: an image and a label with equal keys are a pair.

This needs no TensorFlow: ``hrs init`` tries patterns on the names that it has listed.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath


def part_regex(part: str) -> re.Pattern[str]:
    """A part of a pattern (one name of the path) with a group for each ``*``.

    Its suffix may be in small letters or in capitals. It matches names that are :func:`normalised`, too.
    """
    part = normalised(part)
    suffix = PurePosixPath(part).suffix
    stem, suffix = (part, "") if "*" in suffix else (part.removesuffix(suffix), suffix)
    return re.compile("(.*)".join(map(re.escape, stem.split("*"))) + f"(?i:{re.escape(suffix)})", re.DOTALL)


def normalised(name: str) -> str:
    """A name with each accent as part of its letter: as macOS stores names, an accent is a letter of its own."""
    return unicodedata.normalize("NFC", name)


def leaves_suffix_open(pattern: str) -> bool:
    """Whether a pattern matches files of any suffix, which then is no part of the key."""
    return pattern.endswith("*")


def spelt_key(pattern: str, file: PurePath, matched: Sequence[str]) -> str:
    """The key of a file's sample as the names spell it; :func:`normalised` keys are compared.

    Args:
        pattern: which the file matches.
        file: its path.
        matched: what each ``*`` of the pattern stands for.
    """
    spelt = "/".join(matched)
    return spelt.removesuffix(file.suffix) if leaves_suffix_open(pattern) else spelt
