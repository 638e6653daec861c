"""docs/tutorial.md, followed as it stands: every command is executed, and says what the page says it does."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support import tutorial_files
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs/tutorial.md"


class Step(NamedTuple):
    """Commands of the page, and what it says that they print."""

    commands: str
    printed: str


def steps() -> list[Step]:
    """The blocks of commands (``sh``), each with the block of output (``text``) behind it, if there is one."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    found = []
    for (kind, block), (following, output) in itertools.pairwise([*blocks, ("", "")]):
        if kind == "sh":
            found.append(Step(block, output if following == "text" else ""))
    return found


def shown(line: str) -> re.Pattern:
    """What a line of the page stands for: words and whole numbers as they are, any number for one with a decimal point,
    any or no text for ``...``, and any space for a space."""
    written = ""
    for part in re.split(r"(\s*\.\.\.|\d+\.\d+|\s+)", line.strip()):
        if part.endswith("..."):
            written += ".*"
        elif re.fullmatch(r"\d+\.\d+", part):
            written += r"[\d.]+"
        else:
            written += r"\s+" if part.isspace() else re.escape(part)
    return re.compile(written)


def assert_printed(expected: str, output: str) -> None:
    """Every line of the page is a line of the output, in that order."""
    lines = iter(output.splitlines())
    for line in filter(str.strip, expected.splitlines()):
        wanted = shown(line)
        assert line.strip() == "..." or any(wanted.fullmatch(found.strip()) for found in lines), (
            f"{line!r} in\n{output}"
        )


def test_what_a_line_of_the_page_stands_for():
    assert_printed("a 12.5 % of 3\n...\nb: ... end", "x\na  7.25 % of 3\nmuch\nb: whatever (1) end")
    assert_printed("step 2: 1.5 %  ...", "step 2: 3.25 %")
    for output in ("a 7.25 % of 4\nb:  end", "b:  end\na 7.25 % of 3"):
        with pytest.raises(AssertionError):
            assert_printed("a 12.5 % of 3\nb: ... end", output)


@pytest.mark.slow
def test_the_page_can_be_followed(tmp_path, private_cache):
    tutorial_files.make(tmp_path / "made")
    work = tmp_path / "work"
    work.mkdir()
    for name in ("photos", "renders"):
        (tmp_path / "made" / name).rename(work / name)
    command = tmp_path / "bin/hrs"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hrs_keras.cli "$@"\n')
    command.chmod(0o755)
    for step in steps():
        output = follow(step.commands, work, command.parent, private_cache)
        assert_printed(step.printed, output)


def follow(commands: str, work: Path, bin_: Path, cache: Path) -> str:
    """Run commands in a shell that knows ``hrs``; returns all that they print."""
    environment = os.environ | {"PATH": f"{bin_}:/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "LANG": "C.UTF-8"}
    environment |= {"XDG_CACHE_HOME": str(cache), "TF_NUM_INTRAOP_THREADS": "1"}  # pictures this small want no more
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(shell, cwd=work, env=environment, text=True, stdout=-1, stderr=-2, timeout=900)
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    return done.stdout
