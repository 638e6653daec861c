"""``make fuzz``: the property tests with ever new cases, in rounds, until the time is up.

What fails is shown with the smallest case that hypothesis found, and kept in ``.hypothesis/``, from where each later
run tries it first. To keep it for good, write it to the test as an ``@example``.
"""

import argparse
import collections
import random
import re
import signal
import subprocess
import sys
import time

from support.paths import REPOSITORY


def main() -> int:
    """Rounds of all properties; returns 1 if a case failed."""
    parser = argparse.ArgumentParser(description="Run the property tests with new cases for some minutes.")
    parser.add_argument("--minutes", type=float, default=60)
    end = time.monotonic() + 60 * parser.parse_args().minutes
    cases: collections.Counter[str] = collections.Counter()
    finds: dict[str, int] = {}
    while (left := end - time.monotonic()) > 0:
        seed = random.randrange(2**32)
        print(f"seed {seed}", flush=True)
        output = _round(seed, left)
        failed = re.findall(r"^FAILED \S+::(\w+)", output, re.MULTILINE)
        for name, count in _counts(output).items():
            cases[name] += count
        if failed:
            print(output, flush=True)
            finds |= {name: seed for name in failed if name not in finds}
    for name in sorted({*cases, *finds}):
        print(f"{cases[name]:9} cases  {name}" + (f"  FAILED, first with seed {finds[name]}" if name in finds else ""))
    return 1 if finds else 0


def _round(seed: int, seconds: float) -> str:
    """What pytest prints; it is interrupted after so many seconds, and then tells what it has come to."""
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
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate()[0]


def _counts(output: str) -> dict[str, int]:
    """Property -> cases, from hypothesis' statistics."""
    found: collections.Counter[str] = collections.Counter()
    for part in re.split(r"^(?=tests/properties/)", output, flags=re.MULTILINE):
        if name := re.match(r"\S+::(\w+)", part):
            found[name[1]] += sum(map(int, re.findall(r"(\d+) passing", part)))
    return dict(found)


if __name__ == "__main__":
    sys.exit(main())
