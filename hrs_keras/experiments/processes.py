"""Processes that train side by side: each has its share of the CPUs, a run has one at most, and none outlives its call.

What a process prints goes to a file beside its run folder rather than to the terminal, where the lines of several would
mix. A child's log is more than the package's own logging: TensorFlow and the interpreter write to it too, and the
traceback of a bug ends there.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hrs_keras.errors import HRSError
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system.files import write_text, writing
from hrs_keras.system.locks import lock
from hrs_keras.system.processor import usable_cpus

POLL = 0.1
"""Seconds between two looks at running processes."""


def cpu_shares(jobs: int) -> list[set[int]]:
    """A set of CPUs for each job: disjoint and of equal size; all CPUs for each where processes cannot be pinned.

    Raises:
        HRSError: there are fewer CPUs than jobs, or less than one job.
    """
    pinned, cpus = hasattr(os, "sched_getaffinity"), usable_cpus()
    if not 1 <= jobs <= len(cpus):
        raise HRSError(f"--jobs {jobs}: wants a number from 1 to that of the CPUs, here {len(cpus)}")
    each = len(cpus) // jobs
    return [set(cpus[i * each : (i + 1) * each] if pinned else cpus) for i in range(jobs)]


@dataclass
class Training:
    """A running ``hrs train`` of a resolved recipe, which is written beside its run folder as ``NAME.yaml``.

    Attributes:
        process: the child.
        cpus: the CPUs it was given.
        log: ``NAME.log``, with all that it and earlier attempts printed.
        offset: where this attempt begins in the log, in bytes.
        begun: when it was started, in seconds of ``time.monotonic``.
    """

    process: subprocess.Popen[bytes]
    cpus: set[int]
    log: Path
    offset: int
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, recipe: Recipe, cpus: set[int]) -> "Training":
        """Start a process that trains with a recipe on the given CPUs.

        Raises:
            HRSError: another process is at this run, or the folder of the runs cannot be written.
        """
        runs = Path(recipe.runs)
        file, log = runs / f"{recipe.name}.yaml", runs / f"{recipe.name}.log"
        command = [sys.executable, "-m", "hrs_keras.cli", "train", str(file), "--no-export", "--no-report"]
        # Where several processes share a GPU the first must not take all of its memory.
        environment = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", **os.environ}
        with writing(runs):
            runs.mkdir(parents=True, exist_ok=True)
            with open(log, "ab") as out:
                # The process inherits the open file and with it the lock, so that one that outlived its caller is
                # noticed.
                if not lock(out):
                    raise HRSError(f"another process is at this run (it holds {log}); wait for it, or end it")
                write_text(file, recipe.to_yaml())
                offset = out.tell()
                with _pinned(cpus):
                    process = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment
                    )
        return cls(process, cpus, log, offset)

    @property
    def minutes(self) -> float:
        """How long ago it was started."""
        return (time.monotonic() - self.begun) / 60

    def why(self) -> str:
        """Why it failed: its error message, or else the last line it printed; and the log's path."""
        with writing(self.log), open(self.log, "rb") as file:
            file.seek(self.offset)
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        messages = [line.removeprefix("hrs: ") for line in lines if line.startswith("hrs: ")]
        said = (messages or lines or ["it printed nothing"])[-1]
        code = self.process.returncode
        return f"{f'ended by {signal.Signals(-code).name}; ' if code < 0 else ''}{said} ({self.log})"


@contextlib.contextmanager
def _pinned(cpus: set[int]) -> Iterator[None]:
    """Processes started inside run on these CPUs, which they inherit from the thread that starts them."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def end_all(processes: Sequence[subprocess.Popen[bytes]], interrupted: float = 3.0, terminated: float = 30.0) -> None:
    """End processes: they are told to save themselves; those that do not are killed.

    A killed run loses the steps since its last checkpoint.

    Args:
        processes: those that have ended already are left alone.
        interrupted: seconds to wait first, as Ctrl-C in a terminal reaches the processes too.
        terminated: seconds to wait after SIGTERM and before SIGKILL.
    """
    try:
        _wait(processes, interrupted)
        for process in processes:
            process.terminate()  # does nothing to one that has ended
        _wait(processes, terminated)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(process.poll() is None for process in processes):
        time.sleep(POLL)
