"""Commands in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from support.paths import REPOSITORY


def start(*command: object, cache: Path, **environment: str) -> subprocess.Popen:
    """Start ``python COMMAND`` in the repository.

    Args:
        cache: the audit's cache, which is not to be the user's.
        environment: variables to set besides those of this process.
    """
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **environment},
        # A shell's background jobs ignore the interrupt, and so would all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def outcome(workers: list[subprocess.Popen], limit: float = 600) -> tuple[list[int], list[str], list[str]]:
    """Exit codes, standard outputs and standard errors of processes, which end within ``limit`` seconds."""
    try:
        texts = [worker.communicate(timeout=limit) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], [out for out, _ in texts], [err for _, err in texts]


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
