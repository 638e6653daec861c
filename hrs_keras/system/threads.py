"""Work done in other threads: results come back in order, and memory stays bounded.

An error, an interrupt included, ends the work soon: calls that have not begun are dropped, and no thread is left
running.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

WRITES_BEHIND = 4
"""Calls of :func:`write_behind` that wait or run at the same time, at most."""


@contextmanager
def _thread_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # without cancelling, an interrupt would wait for all that is queued


@contextmanager
def read_ahead(calls: Iterable[Callable[[], T]], ahead: int, threads: int) -> Iterator[Iterator[T]]:
    """Make calls in other threads, and iterate over their results in order.

    Args:
        calls: functions without arguments. They are taken from the iterable as needed, so that it may be endless.
        ahead: how many calls are running or have a result that was not taken yet, at most.
        threads: how many calls run at the same time, at most.

    Returns:
        A context manager, which gives the iterator over the results. What a call raises is raised when its result is
        due. When the context is left, calls that have not begun are dropped, and none is running any more.
    """
    with _thread_pool(threads) as pool:

        def results() -> Iterator[T]:
            rest = iter(calls)
            window = deque(pool.submit(call) for call in islice(rest, ahead))
            while window:
                yield window.popleft().result()
                window.extend(pool.submit(call) for call in islice(rest, 1))

        yield results()


@contextmanager
def map_in_threads(function: Callable[..., T], *arguments: Iterable[object], threads: int) -> Iterator[Iterator[T]]:
    """Like ``map(function, *arguments)``, but in other threads.

    Args:
        arguments: equally long iterables, as for ``map``.
        threads: how many calls run at the same time, at most.

    Returns:
        A context manager as of :func:`read_ahead`. Results wait for a slow call before them, but no more than a few
        for each thread.
    """
    calls = (partial(function, *of_one_call) for of_one_call in zip(*arguments, strict=True))
    with read_ahead(calls, ahead=8 * threads, threads=threads) as results:
        yield results


@contextmanager
def write_behind(write: Callable[..., None], threads: int) -> Iterator[Callable[..., None]]:
    """Call ``write`` in other threads, while the caller goes on.

    Args:
        write: the function to call.
        threads: how many calls run at the same time, at most.

    Returns:
        A context manager, which gives a function that takes the arguments of ``write``. That function returns at once,
        unless ``WRITES_BEHIND`` calls wait or run: then it waits for the oldest. What a call raises is raised by a
        later call, or when the context is left; calls that have not begun are dropped then.
    """
    pending: deque[Future[None]] = deque()
    with _thread_pool(threads) as pool:

        def write_later(*arguments: object) -> None:
            if len(pending) == WRITES_BEHIND:
                pending.popleft().result()
            pending.append(pool.submit(write, *arguments))

        yield write_later
        while pending:
            pending.popleft().result()
