"""The page docs/robustness.md, made from the markers ``fault(given, outcome)`` of the tests.

The tests' source is read, not imported: that takes a moment, a collection by pytest half a minute. ``make robustness``
writes the page.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.paths import REPOSITORY, TESTS

PAGE = REPOSITORY / "docs/robustness.md"

# Folder of the tests -> heading, in the order of the page: from what a user writes to what is served.
PARTS = {
    "recipe": "Recipes",
    "data": "Images and labels",
    "data/prepared": "Prepared data",
    "starting": "Folders of one's own",
    "toy_city": "The toy city",
    "models": "Networks and pretrained weights",
    "method": "Losses, selection and optimizers",
    "training": "Training",
    "runs": "Run folders and checkpoints",
    "evaluation": "Evaluation",
    "ranking": "Ranking images",
    "report": "Pages of runs",
    "media": "Pictures and videos that are read",
    "predict": "Prediction",
    "export": "Export",
    "serving": "A served model",
    "experiments": "Experiments",
    "cli": "The command line",
    "system": "Files, storage, signals and threads",
    "properties": "Anything at all",
    ".": "Earlier versions, installation and documentation",
}
_SAME = {"models/encoders": "models", "experiments/report": "experiments", "package": "."}

_HEAD = """\
# Robustness

What is done when an input is wrong, a file is damaged or something else fails. Each line is a test, and `make test-all`
runs them all (their files are below `tests/`). The page is made from them, by `make robustness`.

The rule behind it: a mistake that you can mend ends with **one message that names the file, key or class, what was
found and what to do**, and exit code 2, before work is lost. Nothing is guessed, and no file is left half written.
The tests under [anything at all](#anything-at-all) hold this for cases that
[Hypothesis](https://hypothesis.readthedocs.io) makes up; `make fuzz` goes on with them for an hour.
"""


class Fault(NamedTuple):
    """A row of the page.

    Attributes:
        given: the bad input, or what goes wrong.
        outcome: what happens then.
        file: the test's file, relative to the folder of the tests.
        test: the function's name.
    """

    given: str
    outcome: str
    file: str
    test: str

    @property
    def part(self) -> str:
        """The folder of :data:`PARTS` that the test belongs to."""
        folder = Path(self.file).parent.as_posix()
        return _SAME.get(folder, folder)


def faults(tests: Path = TESTS) -> list[Fault]:
    """All markers of the tests, in the order of files and lines.

    Raises:
        ValueError: a marker has other arguments than two texts, or stands elsewhere than at a test.
    """
    return [fault for path in sorted(tests.rglob("test_*.py")) for fault in _faults_of(path, tests)]


def _faults_of(path: Path, tests: Path) -> Iterator[Fault]:
    tree, file = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(tests).as_posix()
    at_tests = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        for marker in (call for decorator in function.decorator_list for call in _markers(decorator)):
            at_tests.add(marker)
            yield Fault(*_texts(marker, file), file, function.name)
    for marker in _markers(tree):
        if marker not in at_tests:
            raise ValueError(f"{file}:{marker.lineno}: a fault's marker belongs to a test's decorators")


def _markers(node: ast.AST) -> Iterator[ast.Call]:
    calls = (call for call in ast.walk(node) if isinstance(call, ast.Call))
    return (call for call in calls if ast.unparse(call.func).endswith("mark.fault"))


def _texts(marker: ast.Call, file: str) -> tuple[str, str]:
    try:
        given, outcome = map(ast.literal_eval, marker.args)
        if marker.keywords or not (isinstance(given, str) and isinstance(outcome, str) and given and outcome):
            raise ValueError
    except (ValueError, TypeError):
        raise ValueError(f"{file}:{marker.lineno}: a fault's marker wants two texts: given, outcome") from None
    return given, outcome


def page(found: list[Fault]) -> str:
    """The page as Markdown."""
    text = _HEAD
    for part, heading in PARTS.items():
        if rows := [fault for fault in found if fault.part == part]:
            text += f"\n## {heading}\n\n| what is given or goes wrong | what happens | test |\n|---|---|---|\n"
            text += "".join(map(_row, rows))
    return text


def _row(fault: Fault) -> str:
    cells = (fault.given, fault.outcome, f"`{fault.file}::{fault.test}`")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(faults()), encoding="utf-8")
