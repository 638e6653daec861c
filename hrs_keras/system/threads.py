"""Work done in other threads, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def read_ahead(calls: Iterable[Callable[[], T]], ahead: int, threads: int) -> Iterator[Iterator[T]]:
    """The results of ``calls``, in order, made in other threads; at most ``ahead`` are made or waiting at any time.

    What a call raises is raised in its place. When the context is left, no call is running any more.
    """
    pool = ThreadPoolExecutor(threads)

    def results() -> Iterator[T]:
        rest = iter(calls)
        window = deque(pool.submit(call) for call in islice(rest, ahead))
        while window:
            yield window.popleft().result()
            window.extend(pool.submit(call) for call in islice(rest, 1))

    try:
        yield results()
    finally:
        pool.shutdown(cancel_futures=True)


WRITES_BEHIND = 4  # predictions that wait to be written or are being written


@contextmanager
def write_behind(write: Callable[..., None], threads: int) -> Iterator[Callable[..., None]]:
    """A function that has ``write`` called in another thread, and waits while WRITES_BEHIND calls are not done.

    What one raises is raised by a later call or when the context is left; calls that still wait then are dropped.
    """
    pool, pending = ThreadPoolExecutor(threads), deque()

    def later(*arguments: object) -> None:
        if len(pending) == WRITES_BEHIND:
            pending.popleft().result()
        pending.append(pool.submit(write, *arguments))

    try:
        yield later
        while pending:
            pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
