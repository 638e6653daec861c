"""Distributions that are only on the path: what another package adds, as docs/extending.md shows it."""

import re
from collections.abc import Mapping
from pathlib import Path

from support.paths import REPOSITORY


def shown(first_line: str) -> str:
    """The Python file of docs/extending.md that begins so."""
    files = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/extending.md").read_text(), re.DOTALL)
    (file,) = [file for file in files if file.startswith(first_line)]
    return file


def install(site: Path, files: Mapping[str, str], entry_points: str) -> None:
    """Make a distribution in a folder that is, or will be, on ``sys.path``.

    Args:
        site: the folder, made if need be.
        files: name of a module -> its text.
        entry_points: the contents of its ``entry_points.txt``.
    """
    info = site / "outside-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    for name, text in files.items():
        (site / f"{name}.py").write_text(text)
