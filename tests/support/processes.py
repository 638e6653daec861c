"""Commands in processes of their own."""

import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from support.paths import REPOSITORY

_FORKING = multiprocessing.get_context("forkserver")
# The rest of the package is imported by the process itself, or what it imports could not be seen.
_FORKING.set_forkserver_preload(["tensorflow", "keras"])


def _environment(cache: Path, changes: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(cache), **changes}


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
        env=_environment(cache, environment),
        # A shell's background jobs ignore the interrupt, and so would all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


class Forked:
    """``run(*arguments)`` in a process that has TensorFlow: to import it takes 5 s of a CPU.

    It is forked from one that has imported TensorFlow and done nothing with it, and works in the repository. What
    :class:`subprocess.Popen` has of the same names means the same here.

    Args:
        run: a function of a module in ``tests/support``.
        arguments: of the function.
        environment: all variables.
    """

    def __init__(self, run: Callable[..., object], arguments: Sequence[object], environment: dict[str, str]):
        (out, its_out), (err, its_err) = (_FORKING.Pipe(duplex=False) for _ in range(2))
        self._process = _FORKING.Process(target=_begin, args=(run, [*arguments], environment, its_out, its_err))
        self._process.start()
        its_out.close()
        its_err.close()
        self.stdout, self.stderr = (os.fdopen(os.dup(end.fileno()), encoding="utf-8") for end in (out, err))
        out.close()
        err.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        texts: dict[str, str] = {}

        def read(name: str) -> None:
            with getattr(self, name) as stream:
                texts[name] = stream.read()

        readers = [threading.Thread(target=read, args=(name,), daemon=True) for name in ("stdout", "stderr")]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return texts["stdout"], texts["stderr"]


def _begin(
    run: Callable[..., object], arguments: list[object], environment: dict[str, str], out: Connection, err: Connection
) -> None:
    for number, end in ((1, out), (2, err)):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(REPOSITORY)
    run(*arguments)


def hrs(*words: object, cache: Path, **environment: str) -> Forked:
    """Start ``hrs WORDS`` in the repository; arguments as of :func:`start`."""
    return Forked(_hrs, [*map(str, words)], _environment(cache, environment))


def _hrs(*words: str) -> None:
    sys.argv[1:] = words
    runpy.run_module("hrs_keras.cli", run_name="__main__", alter_sys=True)


def with_two_devices(run: Callable[..., object], *arguments: object) -> None:
    """Call ``run(*arguments)`` where TensorFlow has the devices CPU:0 and CPU:1; AssertionError if it raises.

    They can only be set before TensorFlow starts: hence a process of its own. ``run`` as of :class:`Forked`.
    """
    process = Forked(_with_two_devices, [run, *arguments], dict(os.environ))
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err


def _with_two_devices(run: Callable[..., object], *arguments: object) -> None:
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    run(*arguments)


def outcome(workers: Sequence[subprocess.Popen | Forked], limit: float = 600) -> tuple[list[int], list[str], list[str]]:
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
