"""Processes that train side by side: each with its share of the CPUs, one at most for a run, none left behind."""

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
from hrs_keras.system.files import lock, write_text, writing

POLL = 0.1
"""Seconds between two looks at running processes."""

_GRACE = (3.0, 30.0)  # seconds, for a Ctrl-C that reached the processes, too; then for being told to end


def cpu_shares(jobs: int) -> list[set[int]]:
    """Disjoint sets of CPUs, equally many for each job; all of them for each where processes cannot be pinned.

    Raises:
        HRSError: there are fewer CPUs than jobs, or no job.
    """
    pinned = hasattr(os, "sched_getaffinity")
    cpus = sorted(os.sched_getaffinity(0)) if pinned else list(range(os.cpu_count() or 1))
    if not 1 <= jobs <= len(cpus):
        raise HRSError(f"--jobs {jobs}: wants a number from 1 to that of the CPUs, here {len(cpus)}")
    each = len(cpus) // jobs
    return [set(cpus[i * each : (i + 1) * each] if pinned else cpus) for i in range(jobs)]


@dataclass
class Training:
    """A running ``hrs train`` of a resolved recipe, which lies beside its run folder as ``NAME.yaml``.

    Attributes:
        process: the child.
        cpus: what it was given.
        log: ``NAME.log``, what it and earlier tries printed.
        offset: where this try begins in the log, in bytes.
        begun: by ``time.monotonic``, seconds.
    """

    process: subprocess.Popen
    cpus: set[int]
    log: Path
    offset: int
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, recipe: Recipe, cpus: set[int]) -> "Training":
        """Start one.

        Raises:
            HRSError: another process is at this run, or its folder cannot be written.
        """
        runs = Path(recipe.runs)
        file, log = runs / f"{recipe.name}.yaml", runs / f"{recipe.name}.log"
        command = [sys.executable, "-m", "hrs_keras.cli", "train", str(file), "--no-export"]
        # Where several processes share a GPU the first must not take all of its memory.
        environment = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", **os.environ}
        with writing(runs):
            runs.mkdir(parents=True, exist_ok=True)
            with open(log, "ab") as out:
                # The process inherits the open file, and with it the lock: one that outlived its caller is told apart.
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
        """Since the start."""
        return (time.monotonic() - self.begun) / 60

    def why(self) -> str:
        """Why it failed: its one message, or else what it printed last."""
        with writing(self.log), open(self.log, "rb") as file:
            file.seek(self.offset)
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        messages = [line.removeprefix("hrs: ") for line in lines if line.startswith("hrs: ")]
        said = (messages or lines or ["it printed nothing"])[-1]
        code = self.process.returncode
        return f"{f'ended by {signal.Signals(-code).name}; ' if code < 0 else ''}{said} ({self.log})"


@contextlib.contextmanager
def _pinned(cpus: set[int]) -> Iterator[None]:
    """A process started inside has these CPUs: it inherits them from the thread that starts it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def end_all(processes: Sequence[subprocess.Popen]) -> None:
    """Tell what runs to save itself and end; kill what does not, which then loses the steps since its checkpoint."""
    try:
        _wait(processes, _GRACE[0])  # Ctrl-C in a terminal has told them already
        for process in processes:
            process.terminate()  # does nothing to one that has ended
        _wait(processes, _GRACE[1])
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait(processes: Sequence[subprocess.Popen], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(process.poll() is None for process in processes):
        time.sleep(POLL)
