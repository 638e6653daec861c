"""Being told to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def told_to_stop(*signals: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Whether one of ``signals`` came. They only leave a note, so that nothing under way is torn.

    A signal that the process was started to ignore stays ignored.
    """
    told = False

    def note(*_: object) -> None:
        nonlocal told
        told = True

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for number in signals:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield lambda: told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C came.

    It raises ``KeyboardInterrupt``, as always; but where that passes through TensorFlow's C++ another error comes out.
    """
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    own = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if own:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        if own:
            signal.signal(signal.SIGINT, signal.default_int_handler)
