"""``make fuzz``: the property tests with ever new cases, in rounds, until the time is up.

What fails is shown with the smallest case that hypothesis found, and kept in ``.hypothesis/``, from where each later
run tries it first. To keep it for good, write it to the test as an ``@example``.
"""

import argparse
import collections
import contextlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from support.paths import REPOSITORY

STATISTICS = "=== Hypothesis Statistics ==="


def main() -> int:
    """Rounds of all properties; returns 1 if a case failed."""
    parser = argparse.ArgumentParser(description="Run the property tests with new cases for some minutes.")
    parser.add_argument("--minutes", type=float, default=60)
    end = time.monotonic() + 60 * parser.parse_args().minutes
    cases: collections.Counter[str] = collections.Counter()
    finds: dict[str, int] = {}
    with contextlib.suppress(KeyboardInterrupt):
        while (left := end - time.monotonic()) > 0:
            seed = random.randrange(2**32)
            print(f"seed {seed}", flush=True)
            code, output = _round(seed, left)
            failed = re.findall(r"^FAILED tests/properties/(\S+)", output, re.MULTILINE)
            cases.update(_counts(output))
            if code not in (pytest.ExitCode.OK, pytest.ExitCode.INTERRUPTED):
                print(output.partition(STATISTICS)[0], flush=True)
                if not failed:  # the process itself has crashed
                    return 1
                finds |= {name: seed for name in failed if name not in finds}
    for name in sorted({*cases, *finds}):
        print(f"{cases[name]:9} cases  {name}" + (f"  FAILED, first with seed {finds[name]}" if name in finds else ""))
    return 1 if finds else 0


def _round(seed: int, seconds: float) -> tuple[int, str]:
    """Pytest's exit code and what it prints; interrupted after so many seconds, it tells what it has come to."""
    options = ("--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", "--hypothesis-show-statistics")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "tests/properties", *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    return process.returncode, output


def _counts(output: str) -> collections.Counter[str]:
    """Property (its file and name) -> cases, from hypothesis' statistics."""
    found: collections.Counter[str] = collections.Counter()
    for part in re.split(r"^(?=tests/properties/)", output.partition(STATISTICS)[2], flags=re.MULTILINE):
        if name := re.match(r"tests/properties/(\S+):", part):
            found[name[1]] += sum(map(int, re.findall(r"(\d+) passing", part)))
    return found


if __name__ == "__main__":
    sys.exit(main())
