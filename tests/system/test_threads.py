"""Work in other threads: its order, its bounds, and that it stops soon when something fails."""

import itertools
import threading
import time
from functools import partial

import pytest

from hrs_keras.system.threads import WRITES_BEHIND, map_in_threads, read_ahead, write_behind


class Counted:
    """Calls that count how many results are under way: begun, but not yet given back by :meth:`done`."""

    def __init__(self):
        self.begun = self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, number: int) -> int:
        with self.lock:
            self.begun += 1
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002 * (number % 3))  # later ones are done sooner
        return number

    def done(self) -> None:
        with self.lock:
            self.now -= 1


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_read_ahead_keeps_order_and_bound():
    counted = Counted()
    with read_ahead((partial(counted, i) for i in range(50)), ahead=5, threads=4) as results:
        for expected, result in enumerate(results):
            assert result == expected
            counted.done()
    assert expected == 49 and counted.now == 0 and 2 <= counted.most <= 5


def test_read_ahead_raises_in_place_and_stops():
    counted = Counted()
    calls = [partial(counted, 0), partial(int, "no number"), *(partial(counted, i) for i in range(1000))]
    with pytest.raises(ValueError, match="no number"), read_ahead(calls, ahead=3, threads=2) as results:
        assert next(results) == 0
        next(results)
    assert counted.most <= 4


def test_read_ahead_of_endless_calls():
    counted = Counted()
    with read_ahead((partial(counted, i) for i in itertools.count()), ahead=3, threads=2) as results:
        assert list(itertools.islice(results, 5)) == [0, 1, 2, 3, 4]
    assert counted.begun <= 5 + 3


def test_map_keeps_order():
    counted = Counted()
    with map_in_threads(lambda a, b: (counted(a), b), range(50), range(100, 150), threads=4) as results:
        assert list(results) == [(i, 100 + i) for i in range(50)]
    with map_in_threads(counted, [], threads=4) as results:
        assert list(results) == []


def test_map_uses_all_threads_and_no_more():
    running, most, lock = [0], [0], threading.Lock()

    def call(number: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return number

    with map_in_threads(call, range(40), threads=3) as results:
        assert list(results) == list(range(40))
    assert most[0] == 3


def test_map_wants_equally_long_arguments():
    with pytest.raises(ValueError, match="shorter"), map_in_threads(max, [1, 2], [1], threads=2) as results:
        list(results)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_map_drops_what_waits_if_a_call_or_the_caller_fails(error):
    counted = Counted()

    def call(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        return counted(number)

    with pytest.raises(error), map_in_threads(call, range(10_000), threads=2) as results:
        assert next(results) == 0
        if error is KeyboardInterrupt:
            raise KeyboardInterrupt
        list(results)
    assert counted.begun < 100


def test_write_behind_calls_in_order_and_bounds_what_waits():
    counted, written = Counted(), []

    def write(number: int, text: str) -> None:
        time.sleep(0.002)
        written.append((number, text))
        counted.done()

    with write_behind(write, threads=1) as write_later:
        for number in range(20):
            counted(number)
            write_later(number, f"text {number}")
    assert written == [(number, f"text {number}") for number in range(20)]
    assert 2 <= counted.most <= WRITES_BEHIND + 1


def test_write_behind_goes_on_before_the_call_is_done():
    may_write = threading.Event()
    with write_behind(lambda: may_write.wait(10), threads=1) as write_later:
        for _ in range(WRITES_BEHIND):
            write_later()  # returns, though nothing can be written yet
        may_write.set()


@pytest.mark.parametrize("calls", [1, WRITES_BEHIND + 1, 1000])
def test_write_behind_raises_what_a_call_raised(calls):
    """By a later call, or when the context is left."""
    begun = []

    def write(number: int) -> None:
        begun.append(number)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), write_behind(write, threads=1) as write_later:
        for number in range(calls):
            write_later(number)
    assert len(begun) <= 2 * WRITES_BEHIND


def test_write_behind_drops_what_waits_if_the_caller_fails():
    may_write, begun = threading.Event(), []
    later = threading.Timer(0.05, may_write.set)

    def write(number: int) -> None:
        begun.append(number)
        may_write.wait(10)

    with pytest.raises(KeyboardInterrupt), write_behind(write, threads=1) as write_later:
        for number in range(WRITES_BEHIND):
            write_later(number)
        later.start()
        raise KeyboardInterrupt
    later.join()
    assert len(begun) < WRITES_BEHIND
