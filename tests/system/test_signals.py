"""Signals: noted or interrupting, and as they were before once the context is left."""

import signal
import threading

import pytest

from hrs_keras.system.signals import breaking_off, told_to_stop

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(params=BOTH, ids=lambda number: number.name)
def number(request):
    """A signal with its usual handler: the tests, too, may run in a shell's background, which ignores some."""
    before = signal.getsignal(request.param)
    signal.signal(request.param, signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_is_noted(number):
    own = signal.getsignal(number)
    with told_to_stop(*BOTH) as stop:
        assert not stop()
        signal.raise_signal(number)
        assert stop() and not stop.raised
    assert signal.getsignal(number) is own


def test_a_signal_interrupts(number):
    own = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), breaking_off(number) as stop:
        signal.raise_signal(number)
        pytest.fail("nothing was interrupted")
    assert stop() and stop.raised
    assert signal.getsignal(number) is own


def test_a_signal_interrupts_but_where_it_is_only_to_be_noted(number):
    with breaking_off(number) as stop:
        with stop.noting():
            signal.raise_signal(number)
            assert stop() and not stop.raised
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
            pytest.fail("nothing was interrupted")
        assert stop.raised


def test_a_second_interrupt_is_heeded(number, capfd):
    with breaking_off(*BOTH) as stop, stop.noting():
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
        assert stop.by_user == (number == signal.SIGINT) and not stop.raised
        assert ("Ctrl-C once more" in capfd.readouterr().err) == stop.by_user
        if stop.by_user:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
                pytest.fail("nothing was interrupted")
            assert stop.raised
    with told_to_stop(*BOTH) as stop:
        for _ in range(2):
            signal.raise_signal(number)
        assert stop() and not stop.raised


def test_an_error_inside_noting_ends_it(number):
    with breaking_off(number) as stop:
        with pytest.raises(ZeroDivisionError), stop.noting():
            raise ZeroDivisionError
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
            pytest.fail("nothing was interrupted")


def test_an_ignored_signal_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)  # as for a shell's background jobs
    for context in (told_to_stop, breaking_off):
        with context(*BOTH) as stop:
            signal.raise_signal(number)
            assert not stop()
        assert signal.getsignal(number) == signal.SIG_IGN


def test_contexts_within_one_another():
    """One signal each."""
    before = [signal.getsignal(number) for number in BOTH]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with breaking_off(signal.SIGINT) as outer, breaking_off(signal.SIGTERM) as inner:
            with inner.noting():
                signal.raise_signal(signal.SIGTERM)
                assert inner() and not outer()
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
                    pytest.fail("nothing was interrupted")
            assert outer.raised and not inner.raised
    finally:
        for number, handler in zip(BOTH, before, strict=True):
            signal.signal(number, handler)


def test_other_threads_leave_handlers_alone():
    """Only the main thread may set them; a notebook's worker thread gets a context that no signal reaches."""
    before, found = [signal.getsignal(number) for number in BOTH], []

    def work():
        with told_to_stop(*BOTH) as stop:
            found.append((stop(), [signal.getsignal(number) for number in BOTH]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
